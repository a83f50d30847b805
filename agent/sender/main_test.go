package sender

import (
	"context"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/netchecker/netchecker/pkg/report"
	"github.com/netchecker/netchecker/test/testmain"
)

// TestMain sets a proxy that answers nothing: whatever gets through here shows
// that HTTP_PROXY does not count, where it goes to a name.
func TestMain(m *testing.M) {
	_ = os.Setenv("HTTP_PROXY", "http://127.0.0.1:1")
	testmain.Run(m)
}

// server notes what it gets and answers what it is told.
type server struct {
	*httptest.Server
	mu          sync.Mutex
	got         [][]byte
	times       []time.Time
	connections atomic.Int32
}

// serve answers the nth request, from 1, by answer; nil: 200.
func serve(t *testing.T, answer func(n int, w http.ResponseWriter, r *http.Request)) *server {
	t.Helper()
	return serveAt(t, "127.0.0.1:0", answer)
}

func serveAt(t *testing.T, address string, answer func(n int, w http.ResponseWriter, r *http.Request)) *server {
	t.Helper()
	s := &server{}
	s.Server = httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		s.mu.Lock()
		s.got, s.times = append(s.got, body), append(s.times, time.Now())
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
	_ = s.Listener.Close()
	s.Listener = listen(t, address)
	s.Start()
	t.Cleanup(s.Close)
	return s
}

func listen(t *testing.T, address string) net.Listener {
	t.Helper()
	l, err := net.Listen("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func (s *server) address() string { return s.Listener.Addr().String() }

func (s *server) port() string {
	_, port, _ := net.SplitHostPort(s.address())
	return port
}

// bodies are those of all requests so far.
func (s *server) bodies() [][]byte {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([][]byte(nil), s.got...)
}

// reports are those of all requests so far.
func (s *server) reports(t *testing.T) []report.Report {
	t.Helper()
	var list []report.Report
	for _, body := range s.bodies() {
		r, err := report.Decode(body)
		if err == nil {
			err = r.Validate()
		}
		if err != nil {
			t.Fatal(err)
		}
		list = append(list, r)
	}
	return list
}

// numbers are the uptimes of the reports so far, by which tests tell them.
func (s *server) numbers(t *testing.T) []uint64 {
	t.Helper()
	var list []uint64
	for _, r := range s.reports(t) {
		list = append(list, r.Uptime)
	}
	return list
}

func numbered(n uint64) *report.Report {
	return &report.Report{ReportInterval: 1, PodName: "p", Uptime: n}
}

// newServer is a Server that ends with the test.
func newServer(t *testing.T, endpoint string, lookup Lookup) *Server {
	t.Helper()
	s, err := NewServer(endpoint, lookup)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	return s
}

// to is the Config of a Sender to srv by its address.
func to(t *testing.T, srv *server) Config {
	return Config{Server: newServer(t, srv.address(), nil), URL: srv.URL}
}

// byName is the Config of a Sender to srv by a name that ns knows.
func byName(t *testing.T, srv *server, ns *nameServer) Config {
	return Config{Server: newServer(t, "server.test.:"+srv.port(), ns.lookup), URL: "http://server.test.:" + srv.port()}
}

// running is a Sender whose Run has begun and ends with the test.
func running(t *testing.T, cfg Config) *Sender {
	t.Helper()
	if cfg.Interval == 0 {
		cfg.Interval = 4 * time.Second
	}
	if cfg.FirstPause == 0 {
		cfg.FirstPause = 40 * time.Millisecond
	}
	if cfg.Clock == nil {
		cfg.Clock = func() time.Duration { return time.Minute }
	}
	s := New(cfg)
	run(t, s.Run)
	return s
}

// run runs until the test ends, or the func that it returns was called.
func run(t *testing.T, f func(context.Context)) (stop func()) {
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() { defer close(done); f(ctx) }()
	stop = func() { cancel(); <-done }
	t.Cleanup(stop)
	return stop
}

// readiness returns the text of Ready, "" for nil.
func readiness(s *Sender) string {
	if err := s.Ready(context.Background()); err != nil {
		return err.Error()
	}
	return ""
}
