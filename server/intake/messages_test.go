package intake

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/netchecker/netchecker/pkg/report"
	"github.com/netchecker/netchecker/server/fleet"
)

// left has two pods that end or were replaced, besides those of listed.
var left = &fleet.List{Agents: listed.Agents, Left: []fleet.Left{
	{Agent: fleet.Agent{Key: fleet.Key{Namespace: "default", Name: "alone"}, UID: "old", Node: "n1"}},
	{Agent: agent("default", "ending", "n1")},
}}

func message(pod, more string) []byte {
	return fmt.Appendf(nil, `{"podname":%q,"boot_id":"0123456789abcdef","clock_ms":90000,"number":7,"body":{"at_ms":30000}%s}`, pod, more)
}

// read reads that body.
func read(body []byte) func() ([]byte, error) {
	return func() ([]byte, error) { return body, nil }
}

// notes is a kind that keeps what it is given.
func notes(kept *[]Sent, err error) Kind {
	return Kind{Name: "notes", Keep: func(_ context.Context, s Sent) error {
		*kept = append(*kept, s)
		return err
	}}
}

func TestAMessageIsKeptUnderItsNumberWithItsTimesAnchored(t *testing.T) {
	for _, row := range []struct{ name, pod, more, want string }{
		{"of a pod of the list", "alone", "", "default/alone/0123456789abcdef/7"},
		{"of one whose name others have", "twin", `,"namespace":"green"`, "green/twin/0123456789abcdef/7"},
		{"of one that ends", "ending", `,"namespace":"default"`, "default/ending/0123456789abcdef/7"},
		{"of one in whose place there is another", "alone", `,"pod_uid":"old"`, "default/alone/0123456789abcdef/7"},
	} {
		var kept []Sent
		in := New(Config{Pods: pods{left}, Kinds: []Kind{notes(&kept, nil)}, Now: func() time.Time { return noon }})
		if err := in.AcceptMessage(t.Context(), row.pod, "notes", read(message(row.pod, row.more))); err != nil || len(kept) != 1 {
			t.Errorf("%s: %v, and %d are kept", row.name, err, len(kept))
			continue
		}
		if got := kept[0].Key(); got != row.want {
			t.Errorf("%s: it is kept as %s, want %s", row.name, got, row.want)
		}
		if got, want := kept[0].Booted, noon.Add(-90*time.Second); !got.Equal(want) {
			t.Errorf("%s: its times are added to %v, want %v", row.name, got, want)
		}
	}
}

func TestAMessageThatIsRefusedIsNotKeptAndTheErrorSaysWhy(t *testing.T) {
	broken := errors.New("etcd is away")
	for _, row := range []struct {
		pod, kind string
		body      []byte
		keep      error
		want      string
		kept      int
	}{
		{"alone", "others", message("alone", ""), nil, `there are no messages of the kind "others"`, 0},
		{"alone", "notes", message("twin", ""), nil, `podname: is "twin"; it should be "alone", as in the URL`, 0},
		{"alone", "notes", []byte(`{"podname":"alone","boot_id":"0123456789abcdef","body":{}}`), nil, "number: is missing; it should be the message's number, from 1", 0},
		{"alone", "notes", []byte(`[]`), nil, "body: found an array at byte 0, where an object should be", 0},
		{"nobody", "notes", message("nobody", ""), nil, `podname: "nobody" is not in the list of agent pods; the message is taken once the list knows the pod`, 0},
		{"twin", "notes", message("twin", ""), nil, `podname: "twin" is the name of pods in the namespaces blue and green and red, and neither nodename nor ips tell which of them reports; the report should have a namespace`, 0},
		{"alone", "notes", message("alone", ""), broken, "etcd is away", 1},
	} {
		var kept []Sent
		in := New(Config{Pods: pods{left}, Kinds: []Kind{notes(&kept, row.keep)}, Now: func() time.Time { return noon }})
		err := in.AcceptMessage(t.Context(), row.pod, row.kind, read(row.body))
		if err == nil || err.Error() != row.want || len(kept) != row.kept {
			t.Errorf("%s: %v, want %s; %d are kept", row.body, err, row.want, len(kept))
		}
	}
}

func TestNothingIsReadOfAMessageThatIsNotTaken(t *testing.T) {
	full, cut := errors.New("too many wait"), errors.New("body: unexpected EOF")
	for _, row := range []struct {
		name, kind string
		full       error
		want       error
		read       bool
	}{
		{"of no kind that there is", "others", nil, &UnknownKindError{Kind: "others"}, false},
		{"of a kind that takes no more", "notes", full, full, false},
		{"of a kind that takes more, whose body is cut off", "notes", nil, cut, true},
	} {
		var kept []Sent
		kind := notes(&kept, nil)
		kind.Full = func() error { return row.full }
		in := New(Config{Pods: pods{left}, Kinds: []Kind{kind}, Now: func() time.Time { return noon }})
		was := false
		err := in.AcceptMessage(t.Context(), "alone", row.kind, func() ([]byte, error) { was = true; return nil, cut })
		if err == nil || err.Error() != row.want.Error() || was != row.read || len(kept) != 0 {
			t.Errorf("one %s: %v, want %v; read: %v; %d are kept", row.name, err, row.want, was, len(kept))
		}
	}
}

func TestAReplyTellsWhatIsNewToAgentsThatUnderstandIt(t *testing.T) {
	large := []byte(`"` + strings.Repeat("x", report.MaxReply/2) + `"`)
	var asked []string
	topic := func(name, version string, data []byte) Topic {
		return Topic{Name: name, News: func(a *fleet.Agent, has string) (string, []byte) {
			asked = append(asked, a.Name+" has "+has)
			return version, data
		}}
	}
	in := New(Config{
		Store: newShelf(), Pods: pods{listed}, TTL: time.Minute, Now: func() time.Time { return noon },
		Topics: []Topic{topic("a", "v2", []byte(`[1]`)), topic("b", "", nil), topic("large", "v1", large), topic("c", "v3", []byte(`{}`))},
	})
	for _, row := range []struct{ pod, understands, want string }{
		{"alone", ``, ``},
		{"alone", `,"understands":{}`, ``},
		{"alone", `,"understands":{"else":""}`, ``},
		{"alone", `,"understands":{"a":"v2","b":""}`, ``},
		{"alone", `,"understands":{"a":""}`, `{"news":{"a":{"version":"v2","data":[1]}}}`},
		{"alone", `,"understands":{"c":"v2","a":"v1"}`, `{"news":{"a":{"version":"v2","data":[1]},"c":{"version":"v3","data":{}}}}`},
		{"alone", `,"understands":{"large":"","c":""}`, `{"news":{"large":{"version":"v1","data":` + string(large) + `},"c":{"version":"v3","data":{}}}}`},
		{"stranger", `,"understands":{"a":""}`, ``},
	} {
		asked = nil
		got, err := in.Accept(t.Context(), row.pod, fmt.Appendf(nil, `{"report_interval":15,"podname":%q%s}`, row.pod, row.understands))
		if err != nil || string(got) != row.want {
			t.Errorf("%s: %.200s, %v; want %.200s", row.understands, got, err, row.want)
		}
		for _, name := range asked {
			if !strings.HasPrefix(name, "alone has ") {
				t.Errorf("news were asked for %s, which the list does not know", name)
			}
		}
	}
}

func TestATopicIsAskedWhatIsNewToWhoHasThatVersion(t *testing.T) {
	next := Topic{Name: "counting", News: func(_ *fleet.Agent, has string) (string, []byte) { return has + "+1", []byte(`"` + has + `"`) }}
	in := New(Config{Topics: []Topic{next}, Now: time.Now})
	who := agent("default", "alone", "n1")
	const want = `{"news":{"counting":{"version":"7+1","data":"7"}}}`
	if got := string(in.reply(&who, map[string]string{"counting": "7"})); got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

func TestWhatDoesNotFitIntoAReplyWaitsForTheNext(t *testing.T) {
	half := func(*fleet.Agent, string) (string, []byte) {
		return "v", []byte(`"` + strings.Repeat("x", report.MaxReply*2/3) + `"`)
	}
	in := New(Config{Topics: []Topic{{"first", half}, {"second", half}}, Now: time.Now})
	who := agent("default", "alone", "n1")
	for _, row := range []struct {
		has  map[string]string
		want string
	}{
		{map[string]string{"first": "", "second": ""}, "first"},
		{map[string]string{"first": "v", "second": ""}, "second"},
	} {
		r, err := report.DecodeReply(in.reply(&who, row.has))
		if err != nil || len(r.News) != 1 || r.News[0].Topic != row.want {
			t.Errorf("%v: %d news, %v; want %s alone", row.has, len(r.News), err, row.want)
		}
	}
}

func TestAStrangersIntervalDoesNotKeepItsPlace(t *testing.T) {
	s := newShelf()
	in := newIntake(s, listed)
	if _, err := in.Accept(t.Context(), "stranger", []byte(`{"report_interval":86400,"podname":"stranger"}`)); err != nil {
		t.Fatal(err)
	}
	if got := s.ttls[fleet.UnlistedKey("", "stranger")]; got != 300*time.Second {
		t.Errorf("it is kept for %v, want the 5m0s of -report-ttl", got)
	}
}
