package sender

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/net/dns/dnsmessage"

	"github.com/netchecker/netchecker/test/testmain"
)

// TestMain sets a proxy that answers nothing: whatever gets through here shows
// that HTTP_PROXY does not count, where it goes to a name.
func TestMain(m *testing.M) {
	_ = os.Setenv("HTTP_PROXY", "http://127.0.0.1:1")
	testmain.Run(m)
}

// server notes the reports it gets and answers what it is told.
type server struct {
	*httptest.Server
	mu          sync.Mutex
	got         []string
	times       []time.Time
	connections atomic.Int32
}

// serve answers the nth report, from 1, by answer; nil: 200.
func serve(t *testing.T, answer func(n int, w http.ResponseWriter, r *http.Request)) *server {
	t.Helper()
	s := &server{}
	s.Server = httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		s.mu.Lock()
		s.got, s.times = append(s.got, string(body)), append(s.times, time.Now())
		n := len(s.got)
		s.mu.Unlock()
		if answer != nil {
			answer(n, w, r)
		}
	}))
	s.Config.ConnState = func(_ net.Conn, state http.ConnState) {
		if state == http.StateNew {
			s.connections.Add(1)
		}
	}
	s.Start()
	t.Cleanup(s.Close)
	return s
}

func (s *server) reports() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.got)
}

// running is a Sender whose Run has begun and ends with the test.
func running(t *testing.T, cfg Config) *Sender {
	t.Helper()
	if cfg.Interval == 0 {
		cfg.Interval = 2 * time.Second
	}
	if cfg.FirstPause == 0 {
		cfg.FirstPause = 40 * time.Millisecond
	}
	s := New(cfg)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() { defer close(done); s.Run(ctx) }()
	t.Cleanup(func() { cancel(); <-done })
	return s
}

func eventually(t *testing.T, what string, is func() bool) {
	t.Helper()
	for end := time.Now().Add(5 * time.Second); time.Now().Before(end); time.Sleep(2 * time.Millisecond) {
		if is() {
			return
		}
	}
	t.Fatalf("never: %s", what)
}

// readiness returns the text of Ready, "" for nil.
func readiness(s *Sender) string {
	if err := s.Ready(context.Background()); err != nil {
		return err.Error()
	}
	return ""
}

func TestReportIsPostedAsJSONAndIsThenTheStateOfAffairs(t *testing.T) {
	var request atomic.Value
	srv := serve(t, func(_ int, _ http.ResponseWriter, r *http.Request) {
		request.Store(fmt.Sprint(r.Method, " ", r.URL.Path, " ", r.Header.Get("Content-Type")))
	})
	s := running(t, Config{URL: srv.URL + "/api/v1/agents/p"})
	if got := readiness(s); got != "no report has been sent yet" {
		t.Errorf("before: %q", got)
	}
	s.Offer([]byte("one"))
	eventually(t, "ready", func() bool { return readiness(s) == "" })
	if got := request.Load(); got != "POST /api/v1/agents/p application/json" {
		t.Errorf("request: %v", got)
	}
}

func TestAcceptedReportsShareAConnection(t *testing.T) {
	srv := serve(t, nil)
	s := running(t, Config{URL: srv.URL})
	for n := range 3 {
		s.Offer([]byte{'0' + byte(n)})
		eventually(t, "the report is there", func() bool { return len(srv.reports()) == n+1 && readiness(s) == "" })
		time.Sleep(5 * time.Millisecond)
	}
	if n := srv.connections.Load(); n != 1 {
		t.Errorf("3 reports took %d connections", n)
	}
}

func TestReportThatIsRefusedIsNotSentAgainAndTheReasonIsTold(t *testing.T) {
	srv := serve(t, func(n int, w http.ResponseWriter, _ *http.Request) {
		if n == 1 {
			http.Error(w, "podname: is wrong "+strings.Repeat("x", 1000), http.StatusBadRequest)
		}
	})
	s := running(t, Config{URL: srv.URL})
	s.Offer([]byte("bad"))
	want := fmt.Sprintf("the last report did not get to %s: the server answered 400 Bad Request: %q",
		srv.URL, "podname: is wrong "+strings.Repeat("x", 300-len("podname: is wrong ")))
	eventually(t, "the reason is told", func() bool { return readiness(s) == want })
	time.Sleep(150 * time.Millisecond) // several pauses
	s.Offer([]byte("good"))
	eventually(t, "ready", func() bool { return readiness(s) == "" })
	if got := srv.reports(); !slices.Equal(got, []string{"bad", "good"}) {
		t.Errorf("the server got %q", got)
	}
}

func TestFailuresAreTriedAgainAfterGrowingPauses(t *testing.T) {
	srv := serve(t, func(n int, w http.ResponseWriter, _ *http.Request) {
		if n <= 4 {
			w.WriteHeader(http.StatusServiceUnavailable)
		}
	})
	outcomes := make(chan Outcome, 10)
	s := running(t, Config{URL: srv.URL, Observe: func(o Outcome, _ time.Time) { outcomes <- o }})
	s.Offer([]byte("one"))
	for _, want := range []Outcome{Failed, Failed, Failed, Failed, Accepted} {
		if got := <-outcomes; got != want {
			t.Fatalf("got %s, want %s", got, want)
		}
	}
	for i, least := range []time.Duration{20, 40, 80, 160} { // half of 40, 80, 160, 320 ms
		if gap := srv.times[i+1].Sub(srv.times[i]); gap < least*time.Millisecond {
			t.Errorf("pause %d was %v; want at least %d ms", i+1, gap, least)
		}
	}
	if n := srv.connections.Load(); n != 5 {
		t.Errorf("5 attempts took %d connections; each should have its own", n)
	}
}

func TestServerThatAsksForAPauseGetsIt(t *testing.T) {
	for _, c := range []struct {
		code        int
		header      string
		interval    time.Duration
		least, most time.Duration
	}{
		{503, "1", 5 * time.Second, time.Second, 2 * time.Second},
		{429, "3600", time.Second, 900 * time.Millisecond, 2 * time.Second}, // capped at the interval
	} {
		t.Run(fmt.Sprint(c.code), func(t *testing.T) {
			t.Parallel()
			srv := serve(t, func(n int, w http.ResponseWriter, _ *http.Request) {
				if n == 1 {
					w.Header().Set("Retry-After", c.header)
					w.WriteHeader(c.code)
				}
			})
			s := running(t, Config{URL: srv.URL, Interval: c.interval})
			s.Offer([]byte("one"))
			eventually(t, "ready", func() bool { return readiness(s) == "" })
			if gap := srv.times[1].Sub(srv.times[0]); gap < c.least || gap > c.most {
				t.Errorf("the pause was %v; want %v to %v", gap, c.least, c.most)
			}
		})
	}
}

func TestServerThatComesBackGetsTheNewestReportOnly(t *testing.T) {
	// An address of its own, so that no other test takes the port meanwhile.
	hold, err := net.Listen("tcp", "127.77.8.9:0")
	if err != nil {
		t.Fatal(err)
	}
	address := hold.Addr().String()
	_ = hold.Close()
	var failed atomic.Int32
	s := running(t, Config{URL: "http://" + address, Observe: func(o Outcome, _ time.Time) {
		if o == Failed {
			failed.Add(1)
		}
	}})
	for _, body := range []string{"first", "second", "third"} {
		s.Offer([]byte(body))
		before := failed.Load()
		eventually(t, "it was tried", func() bool { return failed.Load() > before })
	}
	if got, want := readiness(s), "the last report did not get to http://"+address+": dial tcp "+address+": connect: connection refused"; got != want {
		t.Errorf("got  %q\nwant %q", got, want)
	}

	listener, err := net.Listen("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	got := make(chan string, 10)
	srv := &httptest.Server{Listener: listener, Config: &http.Server{Handler: http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		got <- string(body)
	})}}
	srv.Start()
	defer srv.Close()
	if body := <-got; body != "third" {
		t.Errorf("the server got %q", body)
	}
	eventually(t, "ready", func() bool { return readiness(s) == "" })
	if len(got) != 0 {
		t.Errorf("the server also got %q", <-got)
	}
}

func TestNewerReportReplacesOneThatWaits(t *testing.T) {
	s := New(Config{URL: "http://127.0.0.1:1"})
	s.Offer([]byte("old"))
	s.Offer([]byte("new"))
	body := s.kept.take()
	s.Offer([]byte("newest"))
	s.kept.giveBack(body)
	if got := s.kept.take(); string(body) != "new" || string(got) != "newest" {
		t.Errorf("got %q, then %q", body, got)
	}
	s.kept.giveBack(body)
	if got := s.kept.take(); string(got) != "new" {
		t.Errorf("given back: %q", got)
	}
}

func TestServerThatHangsCostsADeadline(t *testing.T) {
	srv := serve(t, func(n int, _ http.ResponseWriter, r *http.Request) {
		if n == 1 {
			<-r.Context().Done()
		}
	})
	failures := make(chan error, 10)
	var s *Sender
	s = running(t, Config{URL: srv.URL, Interval: 500 * time.Millisecond, Observe: func(Outcome, time.Time) { failures <- s.Ready(t.Context()) }})
	s.Offer([]byte("one"))
	if err, want := <-failures, "the last report did not get to "+srv.URL+": no answer within 500ms"; err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
	if err := <-failures; err != nil {
		t.Errorf("the next attempt: %v", err)
	}
}

func TestRunEndsAtOnceInTheMiddleOfAnAttempt(t *testing.T) {
	arrived := make(chan struct{})
	srv := serve(t, func(_ int, _ http.ResponseWriter, r *http.Request) { close(arrived); <-r.Context().Done() })
	s := New(Config{URL: srv.URL, Interval: time.Minute})
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() { defer close(done); s.Run(ctx) }()
	s.Offer([]byte("one"))
	<-arrived
	cancel()
	select {
	case <-done:
	case <-time.After(time.Second):
		t.Error("still running after a second")
	}
}

func TestRedirectIsNoSuccess(t *testing.T) {
	srv := serve(t, func(_ int, w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/elsewhere" {
			http.Redirect(w, r, "/elsewhere", http.StatusMovedPermanently)
		}
	})
	s := running(t, Config{URL: srv.URL + "/report"})
	s.Offer([]byte("one"))
	eventually(t, "told", func() bool { return strings.Contains(readiness(s), "301 Moved Permanently") })
	if n := len(srv.reports()); n != 1 {
		t.Errorf("the server got %d requests", n)
	}
}

func TestAfterAFailureTheNameIsLookedUpAgain(t *testing.T) {
	srv := serve(t, nil)
	_, port, _ := net.SplitHostPort(srv.Listener.Addr().String())
	var asked atomic.Int32
	// At first the name leads to where nobody listens, then to the server.
	resolver := nameServer(t, func() [4]byte {
		if asked.Add(1) <= 1 {
			return [4]byte{127, 77, 1, 1}
		}
		return [4]byte{127, 0, 0, 1}
	})
	s := running(t, Config{URL: "http://server.test.:" + port, Resolver: resolver})
	s.Offer([]byte("one"))
	eventually(t, "ready", func() bool { return readiness(s) == "" })
}

// nameServer answers each query for an IPv4 address with what address returns.
func nameServer(t *testing.T, address func() [4]byte) *net.Resolver {
	t.Helper()
	conn, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		buf := make([]byte, 1500)
		for {
			n, from, err := conn.ReadFrom(buf)
			if errors.Is(err, net.ErrClosed) {
				return
			}
			var m dnsmessage.Message
			if m.Unpack(buf[:n]) != nil {
				continue
			}
			q := m.Questions[0]
			m.Response, m.Additionals = true, nil
			if q.Type == dnsmessage.TypeA {
				m.Answers = []dnsmessage.Resource{{
					Header: dnsmessage.ResourceHeader{Name: q.Name, Class: q.Class},
					Body:   &dnsmessage.AResource{A: address()},
				}}
			}
			answer, _ := m.Pack()
			_, _ = conn.WriteTo(answer, from)
		}
	}()
	t.Cleanup(func() { _ = conn.Close(); <-done })
	return &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, "udp", conn.LocalAddr().String())
	}}
}
