package sender

import (
	"context"
	"io"
	"net/http"
	"slices"
	"testing"
	"time"

	"github.com/netchecker/netchecker/test/eventually"
)

func TestMessagesKeepTheirPace(t *testing.T) {
	srv := serve(t, nil)
	cfg, _ := outbox(newServer(t, srv.address(), nil), srv.URL)
	cfg.Pace = 150 * time.Millisecond
	o := NewOutbox(cfg)
	run(t, o.Run)
	for range 4 {
		o.Keep([]byte(`{}`))
	}
	eventually.True(t, "all are there", o.empty)
	for i := range 3 {
		if gap := srv.times[i+1].Sub(srv.times[i]); gap < cfg.Pace {
			t.Errorf("message %d came %v after the one before; the pace is %v", i+2, gap, cfg.Pace)
		}
	}
}

func TestWhatHasComeWaitsUpToTheSpread(t *testing.T) {
	srv := serve(t, nil)
	cfg, _ := outbox(newServer(t, srv.address(), nil), srv.URL)
	const spread = 100 * time.Millisecond
	cfg.Spread = func() time.Duration { return spread }
	o := NewOutbox(cfg)
	run(t, o.Run)
	var waited time.Duration
	const n = 8
	for i := range n {
		begun := time.Now()
		o.Keep([]byte(`{}`))
		eventually.True(t, "it is there", o.empty)
		waited += srv.times[i].Sub(begun)
	}
	// By chance, the sum is less than one whole spread once in 8! = 40,320 times.
	if waited < spread || waited > (n+5)*spread {
		t.Errorf("%d messages waited for %v altogether; half of the spread each is usual", n, waited)
	}
}

func TestReportThatHangsDelaysNoMessageAndNoMessageAReport(t *testing.T) {
	hang := func(path string) *server {
		return serve(t, func(_ int, _ http.ResponseWriter, r *http.Request) {
			if r.URL.Path == path {
				<-r.Context().Done()
			}
		})
	}
	for name, path := range map[string]string{"reports hang": "/", "messages hang": "/api/v1/agents/p/things"} {
		t.Run(name, func(t *testing.T) {
			srv := hang(path)
			server := newServer(t, srv.address(), nil)
			cfg, seen := outbox(server, srv.URL)
			cfg.Deadline = time.Minute
			o := NewOutbox(cfg)
			run(t, o.Run)
			s := running(t, Config{Server: server, URL: srv.URL + "/", Interval: time.Minute})
			o.Keep([]byte(`{}`))
			s.Offer(numbered(1), 0)
			if path == "/" {
				wantEventually(t, seen.entries, "1 accepted")
			} else {
				eventually.True(t, "the report is accepted", func() bool { return readiness(s) == "" })
			}
		})
	}
}

func TestRepliesToMessagesAreHandedOver(t *testing.T) {
	srv := serve(t, func(_ int, w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, `{"news":{"peers":{"version":"v1","data":1}}}`)
	})
	peers := &topic{}
	cfg, _ := outbox(newServer(t, srv.address(), nil), srv.URL)
	cfg.Subscribers = Subscribers{"peers": peers}
	o := NewOutbox(cfg)
	run(t, o.Run)
	o.Keep([]byte(`{}`))
	wantEventually(t, peers.versions, "v11")
}

func TestAtTheEndWhatWaitsIsSentOnceMore(t *testing.T) {
	srv := serve(t, func(n int, w http.ResponseWriter, _ *http.Request) {
		if n == 1 {
			w.WriteHeader(http.StatusServiceUnavailable)
		}
	})
	cfg, seen := outbox(newServer(t, srv.address(), nil), srv.URL)
	cfg.FirstPause, cfg.LongestPause, cfg.Pace = time.Hour, time.Hour, time.Hour
	o := NewOutbox(cfg)
	for range 3 {
		o.Keep([]byte(`{}`))
	}
	stop := run(t, o.Run)
	wantEventually(t, seen.entries, "1 failed")
	begun := time.Now()
	stop()
	if took := time.Since(begun); took > time.Second {
		t.Errorf("the end took %v", took)
	}
	if got, want := seen.entries(), []string{"1 failed", "1 accepted", "2 accepted", "3 accepted"}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestTheEndDoesNotWaitLongerThanASecond(t *testing.T) {
	t.Parallel()
	arrived := make(chan struct{}, 10)
	srv := serve(t, func(_ int, _ http.ResponseWriter, r *http.Request) { arrived <- struct{}{}; <-r.Context().Done() })
	cfg, seen := outbox(newServer(t, srv.address(), nil), srv.URL)
	cfg.Deadline = time.Minute
	o := NewOutbox(cfg)
	o.Keep([]byte(`{}`))
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() { defer close(done); o.Run(ctx) }()
	<-arrived
	begun := time.Now()
	cancel()
	<-arrived // once more
	<-done
	if took := time.Since(begun); took < 900*time.Millisecond || took > 1500*time.Millisecond {
		t.Errorf("the end took %v, want the second that it has", took)
	}
	if got := seen.entries(); len(got) != 0 {
		t.Errorf("what the agent's own end cut off is told as %q", got)
	}
}
