package main

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"path"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/netchecker/netchecker/pkg/backend"
	"github.com/netchecker/netchecker/pkg/report"
	"github.com/netchecker/netchecker/test/eventually"
)

// judge is a server that tells agents their backends, and keeps what they say of them.
type judge struct {
	*httptest.Server
	mu       sync.Mutex
	backends []backend.Backend
	version  string
	reports  []report.Report
	messages []report.Message
	said     []report.Disruption // by messages
	bad      []error
}

func newJudge(t *testing.T) *judge {
	t.Helper()
	j := &judge{}
	j.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if err := j.take(w, r); err != nil {
			j.mu.Lock()
			j.bad = append(j.bad, fmt.Errorf("%s %s: %w", r.Method, r.URL.Path, err))
			j.mu.Unlock()
			w.WriteHeader(http.StatusBadRequest)
		}
	}))
	t.Cleanup(func() {
		j.Close()
		for _, err := range j.bad {
			t.Error(err)
		}
	})
	return j
}

func (j *judge) take(w http.ResponseWriter, r *http.Request) error {
	body, err := io.ReadAll(r.Body)
	switch {
	case err != nil || r.Method != http.MethodPost:
		return err // a ping
	case path.Base(r.URL.Path) == report.IntervalsKind:
		return j.takeMessage(body)
	}
	got, err := report.Decode(body)
	if err == nil {
		err = got.Validate()
	}
	if err != nil {
		return err
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	j.reports = append(j.reports, got)
	if version, understands := got.Understands[backend.Topic]; !understands || version == j.version {
		return nil
	}
	data, err := backend.Encode(j.backends)
	if err == nil {
		_, err = w.Write(report.AppendReply(nil, &report.Reply{News: []report.News{{Topic: backend.Topic, Version: j.version, Data: data}}}))
	}
	return err
}

func (j *judge) takeMessage(body []byte) error {
	m, err := report.DecodeMessage(body)
	if err == nil {
		err = m.Validate()
	}
	if err != nil {
		return err
	}
	d, err := report.DecodeDisruption(m.Body)
	if err != nil {
		return err
	}
	if d.AsOf > m.Clock {
		return fmt.Errorf("it is said to hold up to %v, and the clock shows %v", d.AsOf, m.Clock)
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	j.messages, j.said = append(j.messages, m), append(j.said, d)
	return nil
}

// tell has the agents sample those backends.
func (j *judge) tell(version string, list ...backend.Backend) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.version, j.backends = version, list
}

func (j *judge) endpoint() string { return j.Listener.Addr().String() }

// heard is what all messages said was over, and the newest that is open.
func (j *judge) heard() (over, open []report.Interval) {
	j.mu.Lock()
	defer j.mu.Unlock()
	for _, d := range j.said {
		over, open = append(over, d.Sealed...), d.Open
	}
	return over, open
}

// kinds are intervals by their backend, connection and level.
func kinds(list []report.Interval) (all []string) {
	for _, i := range list {
		all = append(all, fmt.Sprint(i.Backend, " ", i.Connection, " ", i.Level))
	}
	slices.Sort(all)
	return all
}

func (j *judge) wantHeard(t *testing.T, over, open []string) {
	t.Helper()
	eventually.Nil(t, func() error {
		if gotOver, gotOpen := j.heard(); !slices.Equal(kinds(gotOver), over) || !slices.Equal(kinds(gotOpen), open) {
			return fmt.Errorf("over %q, open %q; want %q and %q", kinds(gotOver), kinds(gotOpen), over, open)
		}
		return nil
	})
}

func TestBackendsThatTheServerTellsAreSampledAndToldOf(t *testing.T) {
	t.Parallel()
	j := newJudge(t)
	site := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	defer site.Close()
	j.tell("v1", backend.Backend{Name: "site", URL: site.URL}, backend.Backend{Name: "own", URL: "http://{server}/api/v1/ping"},
		backend.Backend{Name: "away", URL: "http://169.254.169.254/"})
	own := freeAddress(t)
	s, err := understood("-serverendpoint", j.endpoint(), "-reportinterval=1", "-listen", own, "-allow-loopback")
	if err != nil {
		t.Fatal(err)
	}
	ctx, end := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- run(ctx, s, pod()) }()

	good := []string{"own new Info", "own reused Info", "site new Info", "site reused Info"}
	j.wantHeard(t, nil, good)
	eventually.Nil(t, func() error {
		j.mu.Lock()
		defer j.mu.Unlock()
		last := j.reports[len(j.reports)-1]
		if d := last.Disruption; d == nil || len(d.Open) != 4 || len(d.Sealed) != 0 || len(d.Refused) != 1 || last.Understands["backends"] != "v1" {
			return fmt.Errorf("a report says %+v of version %v", d, last.Understands)
		}
		return nil
	})
	const up = `netchecker_agent_backend_up{backend="site",connection="new"} 1`
	eventually.True(t, up, func() bool { return strings.Contains(get(own, "/metrics"), up) })

	site.Close()
	failing := []string{"own new Info", "own reused Info", "site new Error", "site reused Error"}
	j.wantHeard(t, []string{"site new Info", "site reused Info"}, failing)

	begun := time.Now()
	end()
	if err := <-ended; err != nil || time.Since(begun) > time.Second {
		t.Errorf("the end: %v, after %v", err, time.Since(begun))
	}
	j.wantHeard(t, []string{"own new Info", "own reused Info", "site new Error", "site new Info", "site reused Error", "site reused Info"}, nil)
	for n, m := range j.messages {
		if m.Number != uint64(n+1) || m.PodName != "p" || m.NodeName != "n" || m.Namespace != "ns" || m.BootID != j.reports[0].BootID {
			t.Errorf("message %d: %+v", n+1, m)
		}
	}
}

func TestSeriesOfABackendGoWithIt(t *testing.T) {
	t.Parallel()
	j := newJudge(t)
	j.tell("v1", backend.Backend{Name: "own", URL: "http://{server}/api/v1/ping"})
	own := freeAddress(t)
	running(t, pod(), "-serverendpoint", j.endpoint(), "-reportinterval=1", "-listen", own, "-allow-loopback")
	eventually.True(t, "series", func() bool { return strings.Contains(get(own, "/metrics"), `backend="own"`) })
	j.tell("v2")
	eventually.True(t, "no series", func() bool { return !strings.Contains(get(own, "/metrics"), `backend="own"`) })
}
