package sender

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/netchecker/netchecker/pkg/report"
	"github.com/netchecker/netchecker/test/eventually"
)

func TestReportIsPostedAsJSONAndIsThenTheStateOfAffairs(t *testing.T) {
	var request atomic.Value
	srv := serve(t, func(_ int, _ http.ResponseWriter, r *http.Request) {
		request.Store(fmt.Sprint(r.Method, " ", r.URL.Path, " ", r.Header.Get("Content-Type")))
	})
	cfg := byName(t, srv, names(t, is(local)))
	cfg.URL += "/api/v1/agents/p"
	s := running(t, cfg)
	if got := readiness(s); got != "no report has been sent yet" {
		t.Errorf("before: %q", got)
	}
	s.Offer(numbered(1), 0)
	eventually.True(t, "ready", func() bool { return readiness(s) == "" })
	if got := request.Load(); got != "POST /api/v1/agents/p application/json" {
		t.Errorf("request: %v", got)
	}
}

func TestEachReportHasAConnectionOfItsOwn(t *testing.T) {
	srv := serve(t, nil)
	s := running(t, to(t, srv))
	for n := range 3 {
		s.Offer(numbered(uint64(n)), 0)
		eventually.True(t, "the report is there", func() bool { return len(srv.bodies()) == n+1 && readiness(s) == "" })
	}
	if n := srv.connections.Load(); n != 3 {
		t.Errorf("3 reports took %d connections", n)
	}
}

func TestReportIsEncodedAnewAtEachAttempt(t *testing.T) {
	var clock atomic.Int64
	srv := serve(t, func(n int, w http.ResponseWriter, _ *http.Request) {
		if n == 1 {
			w.WriteHeader(http.StatusServiceUnavailable)
		}
	})
	cfg := to(t, srv)
	cfg.Clock = func() time.Duration { return time.Duration(clock.Add(1)) * time.Second }
	s := running(t, cfg)
	offered := numbered(7)
	offered.HostDate, offered.BootID, offered.UID = time.Unix(1e9, 0).UTC(), "0123456789abcdef", "u-1"
	s.Offer(offered, 1500)
	eventually.True(t, "ready", func() bool { return readiness(s) == "" })
	got := srv.reports(t)
	if len(got) != 2 || got[0].Clock != time.Second || got[1].Clock != 2*time.Second {
		t.Fatalf("got %+v", got)
	}
	for _, r := range got {
		if r.Uptime != 7 || !r.HostDate.Equal(offered.HostDate) || r.BootID != offered.BootID || r.UID != offered.UID {
			t.Errorf("what was collected has changed: %+v", r)
		}
	}
	if body := srv.bodies()[1]; strings.Count(string(body), ",0") < 1490 || strings.Contains(string(body), "understands") {
		t.Errorf("got %s", body)
	}
	if offered.Clock != 0 {
		t.Errorf("the report that was offered was changed: %+v", offered)
	}
}

func TestReportThatIsRefusedIsNotSentAgainAndTheReasonIsTold(t *testing.T) {
	srv := serve(t, func(n int, w http.ResponseWriter, _ *http.Request) {
		if n == 1 {
			http.Error(w, "podname: is wrong "+strings.Repeat("x", 1000), http.StatusBadRequest)
		}
	})
	s := running(t, to(t, srv))
	s.Offer(numbered(1), 0)
	want := fmt.Sprintf("the last report did not get to %s: the server answered 400 Bad Request: %q",
		srv.URL, "podname: is wrong "+strings.Repeat("x", 300-len("podname: is wrong ")))
	eventually.True(t, "the reason is told", func() bool { return readiness(s) == want })
	time.Sleep(150 * time.Millisecond) // several pauses
	s.Offer(numbered(2), 0)
	eventually.True(t, "ready", func() bool { return readiness(s) == "" })
	if got := srv.numbers(t); !slices.Equal(got, []uint64{1, 2}) {
		t.Errorf("the server got %d", got)
	}
}

func TestFailuresAreTriedAgainAfterGrowingPausesAlsoWhereTheServerAsksForShortOnes(t *testing.T) {
	t.Parallel()
	srv := serve(t, func(n int, w http.ResponseWriter, _ *http.Request) {
		if n <= 4 {
			w.Header().Set("Retry-After", "1")
			w.WriteHeader(http.StatusServiceUnavailable)
		}
	})
	outcomes := make(chan Outcome, 10)
	cfg := to(t, srv)
	cfg.Interval, cfg.FirstPause = 4*time.Second, 500*time.Millisecond
	cfg.Observe = func(_ *report.Report, a Attempt) { outcomes <- a.Outcome }
	s := running(t, cfg)
	s.Offer(numbered(1), 0)
	for _, want := range []Outcome{Failed, Failed, Failed, Failed, Accepted} {
		if got := <-outcomes; got != want {
			t.Fatalf("got %s, want %s", got, want)
		}
	}
	for i, c := range []struct{ least, most time.Duration }{{1000, 1500}, {1000, 1500}, {1000, 2000}, {2000, 4000}} {
		gap := srv.times[i+1].Sub(srv.times[i])
		if gap < c.least*time.Millisecond || gap > (c.most+500)*time.Millisecond {
			t.Errorf("pause %d was %v; want %d to %d ms", i+1, gap, c.least, c.most)
		}
	}
}

func TestNewerReportIsNotSentSoonerThanThePauseAllows(t *testing.T) {
	srv := serve(t, func(n int, w http.ResponseWriter, _ *http.Request) {
		if n == 1 {
			w.Header().Set("Retry-After", "1")
			w.WriteHeader(http.StatusServiceUnavailable)
		}
	})
	s := running(t, to(t, srv))
	s.Offer(numbered(1), 0)
	eventually.True(t, "the first failed", func() bool { return strings.Contains(readiness(s), "503") })
	for n := range uint64(5) {
		s.Offer(numbered(2+n), 0)
		time.Sleep(20 * time.Millisecond)
	}
	eventually.True(t, "ready", func() bool { return readiness(s) == "" })
	if got := srv.numbers(t); !slices.Equal(got, []uint64{1, 6}) {
		t.Errorf("the server got %d", got)
	}
	if gap := srv.times[1].Sub(srv.times[0]); gap < time.Second {
		t.Errorf("the pause was %v", gap)
	}
}

func TestServerThatComesBackGetsTheNewestReportOnly(t *testing.T) {
	// An address of its own, so that no other test takes the port meanwhile.
	hold := listen(t, "127.77.8.9:0")
	address := hold.Addr().String()
	_ = hold.Close()
	var failed atomic.Int32
	s := running(t, Config{Server: newServer(t, address, nil), URL: "http://" + address, Observe: func(_ *report.Report, a Attempt) {
		if a.Outcome == Failed {
			failed.Add(1)
		}
	}})
	for n := range uint64(3) {
		s.Offer(numbered(n), 0)
		before := failed.Load()
		eventually.True(t, "it was tried", func() bool { return failed.Load() > before })
	}
	if got, want := readiness(s), "the last report did not get to http://"+address+": dial tcp "+address+": connect: connection refused"; got != want {
		t.Errorf("got  %q\nwant %q", got, want)
	}
	srv := serveAt(t, address, nil)
	eventually.True(t, "ready", func() bool { return readiness(s) == "" })
	if got := srv.numbers(t); !slices.Equal(got, []uint64{2}) {
		t.Errorf("the server got %d", got)
	}
}

// fates notes what became of each report, by its number.
type fates struct {
	mu   sync.Mutex
	list []string
}

func (f *fates) observe(r *report.Report, a Attempt) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.list = append(f.list, fmt.Sprint(r.Uptime, " ", a.Outcome))
}

func (f *fates) equal(want ...string) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Equal(f.list, want)
}

func TestWhoOffersLearnsWhichReportWasAccepted(t *testing.T) {
	arrived, answer := make(chan int, 10), make(chan int)
	srv := serve(t, func(n int, w http.ResponseWriter, r *http.Request) {
		arrived <- n
		select {
		case code := <-answer:
			w.WriteHeader(code)
		case <-r.Context().Done():
		}
	})
	var seen fates
	cfg := to(t, srv)
	cfg.Observe = seen.observe
	s := running(t, cfg)

	s.Offer(numbered(1), 0)
	<-arrived
	s.Offer(numbered(2), 0) // while the first is on its way
	s.Offer(numbered(3), 0) // and while the second waits
	answer <- http.StatusOK
	<-arrived
	s.Offer(numbered(4), 0)
	answer <- http.StatusServiceUnavailable
	<-arrived
	answer <- http.StatusBadRequest
	want := []string{"2 dropped", "1 accepted", "3 failed", "3 dropped", "4 refused"}
	eventually.True(t, fmt.Sprint(want), func() bool { return seen.equal(want...) })
}

func TestRedirectIsNoSuccess(t *testing.T) {
	srv := serve(t, func(_ int, w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/elsewhere" {
			http.Redirect(w, r, "/elsewhere", http.StatusMovedPermanently)
		}
	})
	s := running(t, to(t, srv))
	s.Offer(numbered(1), 0)
	eventually.True(t, "told", func() bool { return strings.Contains(readiness(s), "301 Moved Permanently") })
	if n := len(srv.bodies()); n != 1 {
		t.Errorf("the server got %d requests", n)
	}
}

func TestAnEndpointWithoutAPortIsRefused(t *testing.T) {
	_, err := NewServer("netchecker-service", nil)
	if want := "reading the server's address: address netchecker-service: missing port in address"; err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
}
