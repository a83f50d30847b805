package disruption

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/netchecker/netchecker/pkg/backend"
	"github.com/netchecker/netchecker/pkg/report"
)

// site is a backend that can be broken and mended.
type site struct {
	t       *testing.T
	addr    string
	handler atomic.Pointer[http.HandlerFunc]
	server  *http.Server
	socket  net.Listener
	serving sync.WaitGroup
}

func newSite(t *testing.T) *site {
	t.Helper()
	s := &site{t: t, addr: "127.0.0.1:0"}
	s.answer(http.StatusOK)
	s.open()
	t.Cleanup(s.close)
	return s
}

// open listens where it did before.
func (s *site) open() {
	s.t.Helper()
	l, err := net.Listen("tcp", s.addr)
	if err != nil {
		s.t.Fatal(err)
	}
	s.addr = l.Addr().String()
	s.server = &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { (*s.handler.Load())(w, r) })}
	s.socket = l
	server := s.server
	s.serving.Go(func() { _ = server.Serve(l) })
}

// close ends connections, too.
func (s *site) close() {
	_ = s.server.Close()
	s.serving.Wait()
}

// refuse has new connections refused while others go on.
func (s *site) refuse() {
	_ = s.socket.Close()
	s.serving.Wait()
}

// takeAgain ends that.
func (s *site) takeAgain() {
	s.t.Helper()
	l, err := net.Listen("tcp", s.addr)
	if err != nil {
		s.t.Fatal(err)
	}
	s.socket = l
	s.serving.Go(func() { _ = s.server.Serve(l) })
}

func (s *site) handle(h http.HandlerFunc) { s.handler.Store(&h) }

func (s *site) answer(code int) {
	s.handle(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(code) })
}

func (s *site) hang() {
	s.handle(func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() })
}

func (s *site) backend() backend.Backend {
	return backend.Backend{Name: "site", URL: "http://" + s.addr + "/"}
}

// here is the place of the tests.
func here() Place {
	return Place{NodeIP: "127.0.0.1", Server: "127.0.0.1:1", AllowLoopback: true, Read: func(name string) ([]byte, error) {
		return nil, fmt.Errorf("no file %s", name)
	}}
}

// newClock is one that runs.
func newClock() Clock {
	begun := time.Now()
	return Monotonic(func() time.Duration { return time.Since(begun) })
}

// sampling samples b over both kinds of connection until the test ends, or what it
// returns is called.
func sampling(t *testing.T, b backend.Backend, p Place, c Clock) (*record, func()) {
	t.Helper()
	r := &record{over: map[report.Connection][]report.Interval{}, opened: map[report.Connection]*report.Interval{}, samples: map[report.Connection][]Observation{}}
	ctx, cancel := context.WithCancel(t.Context())
	var over sync.WaitGroup
	for _, connection := range connections {
		a, err := newAsker(b, connection, p)
		if err != nil {
			t.Fatal(err)
		}
		s := newSampler(Target{b.Name, connection}, a, c, r, 0)
		over.Go(func() { s.run(ctx) })
	}
	stop := func() { cancel(); over.Wait() }
	t.Cleanup(stop)
	return r, stop
}

func split(t *testing.T, addr string) (host, port string) {
	t.Helper()
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		t.Fatal(err)
	}
	return host, port
}

// stepped is a clock that a test moves on.
type stepped struct {
	mu      sync.Mutex
	now     time.Duration
	waiting map[chan time.Time]time.Duration
}

func newStepped() *stepped { return &stepped{waiting: map[chan time.Time]time.Duration{}} }

func (c *stepped) Now() time.Duration {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *stepped) After(d time.Duration) <-chan time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	done := make(chan time.Time, 1)
	if d <= 0 {
		done <- time.Time{}
	} else {
		c.waiting[done] = c.now + d
	}
	return done
}

// step moves it on.
func (c *stepped) step(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now += d
	for done, due := range c.waiting {
		if due <= c.now {
			done <- time.Time{}
			delete(c.waiting, done)
		}
	}
}
