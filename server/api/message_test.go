package api

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/netchecker/netchecker/pkg/report"
	"github.com/netchecker/netchecker/server/fleet"
	"github.com/netchecker/netchecker/server/intake"
	"github.com/netchecker/netchecker/server/intervals"
	"github.com/netchecker/netchecker/server/paths"
)

// talkative is a Taker that says in reply what it was given.
type talkative struct{ err error }

func (t talkative) Accept(_ context.Context, pod string, body []byte) ([]byte, error) {
	return fmt.Appendf(nil, `{"report of %s":%d}`, pod, len(body)), t.err
}

func (t talkative) AcceptMessage(_ context.Context, pod, kind string, read func() ([]byte, error)) error {
	if kind == "gossip" {
		return &intake.UnknownKindError{Kind: kind}
	}
	if _, err := read(); err != nil {
		return err
	}
	switch {
	case pod == "stranger":
		return &intake.NotListedError{Pod: pod}
	}
	return t.err
}

func TestWhatTheTakerSaysInReplyIsJSON(t *testing.T) {
	url := newCluster().serveWith(t, talkative{})
	if a := post(t, url, "a", "{}"); a.status != 200 || a.body != `{"report of a":2}` || a.header.Get("Content-Type") != "application/json" {
		t.Errorf("a report: %d %q, %q", a.status, a.body, a.header.Get("Content-Type"))
	}
	if a := post(t, url, "a/update", "[1]"); a.status != 200 || a.body != "" || a.header.Get("Content-Type") != "" {
		t.Errorf("a message, to which there is nothing to say: %d %q, %q", a.status, a.body, a.header.Get("Content-Type"))
	}
}

func TestMessagesAreRefusedAsReportsAre(t *testing.T) {
	full := strings.Repeat(" ", maxMessage)
	for _, row := range []struct {
		name, path, body string
		err              error
		headers          []string
		status           int
		want             string
	}{
		{"of the most that it may have", "a/update", full, nil, nil, 200, ""},
		{"larger", "a/update", full + " ", nil, nil, 413, "body: is larger than 32768 bytes, the most that a message may have\n"},
		{"of no kind that there is", "a/gossip", "{}", nil, nil, 404, "there are no messages of the kind \"gossip\"\n"},
		{"of no pod that is listed", "stranger/update", "{}", nil, nil, 503, "podname: \"stranger\" is not in the list of agent pods; the message is taken once the list knows the pod\n"},
		{"of no pod", "A_b/update", "{}", nil, nil, 400, "Error while unmarshaling data. Details: podname: in the URL should be the name of a pod, a DNS-1123 subdomain\n"},
		{"of another type", "a/update", "{}", nil, []string{"Content-Type", "text/plain"}, 415, "Content-Type: is \"text/plain\"; it should be application/json\n"},
		{"with a wrong field", "a/update", "{}", &report.FieldError{Field: "seq", Reason: "is -1"}, nil, 400, "Error while unmarshaling data. Details: seq: is -1\n"},
		{"more than agents send", "a/update", "{}", &intervals.TooManyError{Pod: fleet.Key{Namespace: "default", Name: "a"}}, nil, 429, "podname: \"a\" has sent 90 messages of intervals within a minute, which is all that is taken; the rest should be sent later\n"},
		{"more than may wait", "a/update", "{}", &paths.BusyError{Why: "too many wait"}, nil, 429, "too many wait\n"},
		{"while etcd is away", "a/update", "{}", errAway, nil, 503, "The report could not be stored, and should be sent again: etcd is away\n"},
		{"that went wrong", "a/update", "{}", errors.New("odd"), nil, 500, "The report could not be taken in: odd\n"},
	} {
		a := post(t, newCluster().serveWith(t, talkative{row.err}), row.path, row.body, row.headers...)
		if a.status != row.status || a.body != row.want {
			t.Errorf("%s: %d %q, want %d %q", row.name, a.status, a.body, row.status, row.want)
		}
	}
	for err, want := range map[error]string{errAway: "2", &paths.BusyError{}: "5"} {
		if a := post(t, newCluster().serveWith(t, talkative{err}), "a/update", "{}"); a.header.Get("Retry-After") != want {
			t.Errorf("%v: it is to be sent again after %q seconds, want %s", err, a.header.Get("Retry-After"), want)
		}
	}
	if a := ask(t, "GET", newCluster().serve(t)+"/api/v1/agents/a/update", ""); a.status != 405 || a.header.Get("Allow") != "POST" {
		t.Errorf("reading one: %d, Allow %q", a.status, a.header.Get("Allow"))
	}
}
