package sender

import (
	"context"
	"net"
	"net/http"
	"testing"
	"time"

	"github.com/netchecker/netchecker/pkg/report"
	"github.com/netchecker/netchecker/test/eventually"
)

func TestServerThatHangsCostsADeadline(t *testing.T) {
	srv := serve(t, func(n int, _ http.ResponseWriter, r *http.Request) {
		if n == 1 {
			<-r.Context().Done()
		}
	})
	failures := make(chan error, 10)
	cfg := to(t, srv)
	var s *Sender
	cfg.Interval, cfg.Observe = time.Second, func(*report.Report, Attempt) { failures <- s.Ready(t.Context()) }
	s = New(cfg)
	s.cfg.Clock = func() time.Duration { return 0 }
	run(t, s.Run)
	s.Offer(numbered(1), 0)
	if err, want := <-failures, "the last report did not get to "+srv.URL+": no answer within 500ms"; err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
	if err := <-failures; err != nil {
		t.Errorf("the next attempt: %v", err)
	}
}

func TestServerThatDoesNotEvenAcceptIsNamedByItsAddress(t *testing.T) {
	// A backlog of one that is full: nobody answers the next SYN.
	full := fullListener(t)
	s := running(t, Config{Server: newServer(t, full, nil), URL: "http://" + full, Interval: time.Second})
	s.Offer(numbered(1), 0)
	want := "the last report did not get to http://" + full + ": dial tcp " + full + ": i/o timeout"
	eventually.True(t, want, func() bool { return readiness(s) == want })
}

func TestRunEndsAtOnceInTheMiddleOfAnAttempt(t *testing.T) {
	arrived := make(chan struct{})
	srv := serve(t, func(_ int, _ http.ResponseWriter, r *http.Request) { close(arrived); <-r.Context().Done() })
	var seen fates
	cfg := to(t, srv)
	cfg.Interval, cfg.Clock, cfg.Observe = time.Minute, func() time.Duration { return 0 }, seen.observe
	s := New(cfg)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() { defer close(done); s.Run(ctx) }()
	s.Offer(numbered(1), 0)
	<-arrived
	cancel()
	select {
	case <-done:
	case <-time.After(time.Second):
		t.Error("still running after a second")
	}
	if !seen.equal() {
		t.Errorf("the agent's own end was told as %q", seen.list)
	}
}

// fullListener is the address of a listener that nobody accepts from, and that has
// no room for more.
func fullListener(t *testing.T) string {
	t.Helper()
	address := listenWithBacklog(t, 0)
	for {
		conn, err := net.DialTimeout("tcp", address, 200*time.Millisecond)
		if err != nil {
			return address
		}
		t.Cleanup(func() { _ = conn.Close() })
	}
}
