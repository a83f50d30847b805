package main

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/netchecker/netchecker/pkg/report"
	"github.com/netchecker/netchecker/server/pods"
)

// listen answers by handle at a real socket, and returns its address.
func listen(t *testing.T, handle http.HandlerFunc) string {
	t.Helper()
	srv := httptest.NewServer(handle)
	t.Cleanup(srv.Close)
	return strings.TrimPrefix(srv.URL, "http://")
}

// inbox takes reports and counts them by pod.
type inbox struct {
	mu    sync.Mutex
	of    map[string]int
	conns map[string]bool
}

func (in *inbox) take(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	rep, err := report.Decode(body)
	if err == nil {
		err = rep.Validate()
	}
	if err != nil || r.Method != http.MethodPost || r.URL.Path != "/api/v1/agents/"+rep.PodName || r.Header.Get("Content-Type") != "application/json" || len(body) < 2*padding {
		http.Error(w, "not as an original agent reports", http.StatusBadRequest)
		return
	}
	in.mu.Lock()
	defer in.mu.Unlock()
	if in.of == nil {
		in.of, in.conns = map[string]int{}, map[string]bool{}
	}
	in.of[rep.PodName]++
	in.conns[r.RemoteAddr] = true
}

func newTestLoad(t *testing.T, addr string, agents, workers, conns int) *load {
	l := newLoad(addr, encode(crew(agents), addr, 15), workers, conns)
	t.Cleanup(l.close)
	return l
}

func TestOnceSendsOneReportForEachAgent(t *testing.T) {
	var in inbox
	l := newTestLoad(t, listen(t, in.take), 10, 4, 4)
	if err := l.once(t.Context()); err != nil {
		t.Fatal(err)
	}
	for _, a := range crew(10) {
		if in.of[a.name] != 1 {
			t.Errorf("%s sent %d reports, want 1", a.name, in.of[a.name])
		}
	}
	if l.acked.Load() != 10 || len(in.conns) != 4 {
		t.Errorf("%d acknowledged over %d connections; want 10 over 4", l.acked.Load(), len(in.conns))
	}
}

func TestAgentsMayHaveConnectionsOfTheirOwn(t *testing.T) {
	var in inbox
	l := newTestLoad(t, listen(t, in.take), 10, 2, 10)
	for range 2 {
		if err := l.once(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	if len(in.conns) != 10 {
		t.Errorf("%d connections, want 10", len(in.conns))
	}
}

func TestFloodReturnsTheAcknowledgedPerSecond(t *testing.T) {
	var in inbox
	l := newTestLoad(t, listen(t, in.take), 100, 8, 8)
	perSecond, err := l.flood(t.Context(), 200*time.Millisecond)
	if err != nil {
		t.Fatal(err)
	}
	// The last requests may take a while to be answered, never a negative one.
	if most := float64(l.acked.Load()) / 0.2; perSecond <= 0 || perSecond > most {
		t.Errorf("%v per second, of %d in 200 ms or a little more", perSecond, l.acked.Load())
	}
}

func TestPaceDoesNotDependOnTheAnswers(t *testing.T) {
	var in inbox
	addr := listen(t, func(w http.ResponseWriter, r *http.Request) {
		time.Sleep(20 * time.Millisecond) // a closed loop of 8 would reach 400/s at most
		in.take(w, r)
	})
	l := newTestLoad(t, addr, 100, 8, 8)
	ctx, cancel := context.WithTimeout(t.Context(), 500*time.Millisecond)
	defer cancel()
	began := time.Now()
	if err := l.pace(ctx, 100); err != nil {
		t.Fatal(err)
	}
	// On a busy machine it ends a little later, and may not keep up.
	took := time.Since(began)
	if sent, most := l.acked.Load(), int64(100*took.Seconds())+1; sent < 20 || sent > most {
		t.Errorf("%d reports in %v, want %d, or somewhat less on a busy machine", sent, took, most)
	}
}

func TestAReportThatIsNotAcknowledgedIsAnError(t *testing.T) {
	addr := listen(t, func(w http.ResponseWriter, r *http.Request) {
		http.Error(w, "etcd does not answer", http.StatusServiceUnavailable)
	})
	l := newTestLoad(t, addr, 10, 2, 2)
	_, err := l.flood(t.Context(), time.Minute)
	if err == nil || err.Error() != "a report was answered 503: etcd does not answer\n" {
		t.Errorf("got %v", err)
	}
}

func TestAConnectionThatTheServerClosedIsOpenedAgain(t *testing.T) {
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { _, _ = io.WriteString(w, r.URL.Path) }))
	t.Cleanup(srv.Close)
	addr := strings.TrimPrefix(srv.URL, "http://")
	c := newConn(addr)
	defer c.close()
	for _, path := range []string{"/one", "/two", "/three"} {
		status, body, err := c.do(get(addr, path))
		if status != 200 || string(body) != path || err != nil {
			t.Errorf("%s: got %d %q, %v", path, status, body, err)
		}
		srv.CloseClientConnections()
	}
}

func TestAnswersThatCannotBeReadAreErrors(t *testing.T) {
	addr := listen(t, func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.WriteString(w, "a")
		w.(http.Flusher).Flush() // makes it chunked
	})
	c := newConn(addr)
	defer c.close()
	_, _, err := c.do(get(addr, "/"))
	if want := "an answer without Content-Length, which this client does not read"; err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
}

func TestProbeAsksForBothEquallyOften(t *testing.T) {
	var mu sync.Mutex
	var paths []string
	addr := listen(t, func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		paths = append(paths, r.URL.Path)
		mu.Unlock()
		if r.URL.Path == checkPath {
			w.WriteHeader(http.StatusBadRequest)
		}
	})
	of, err := probe(t.Context(), addr, 400, 100*time.Millisecond)
	if err != nil {
		t.Fatal(err)
	}
	if n := len(of.check); n < probers || n != len(of.ping) || len(paths) != 2*n {
		t.Errorf("%d checks and %d pings were timed, of %d requests", n, len(of.ping), len(paths))
	}
	_, err = probe(t.Context(), addr, 200, 100*time.Millisecond)
	if want := "asking for the verdict: the answer is 400, not 200: "; err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
}

func TestTheServerReadsTheListOfTheCrew(t *testing.T) {
	path := filepath.Join(t.TempDir(), "agents.json")
	if err := os.WriteFile(path, agentsFile(crew(101)), 0o600); err != nil {
		t.Fatal(err)
	}
	file, err := pods.NewFile(path, time.Now)
	if err != nil {
		t.Fatal(err)
	}
	if n := len(file.List().Agents); n != 101 {
		t.Errorf("%d agents, want 101", n)
	}
}

func TestTheChildTakesReportsAsTheServerDoes(t *testing.T) {
	s, err := newStage(options{dir: t.TempDir()}, io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := s.clear(); err != nil {
			t.Error(err)
		}
	}()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	child, err := s.startListener(t.Context(), self, nil, pingPath, "-child", noStore, "-agents", "10")
	if err != nil {
		t.Fatal(err)
	}
	if err := newTestLoad(t, child.addr, 10, 2, 2).once(t.Context()); err != nil {
		t.Error(err)
	}
	bad := "POST /api/v1/agents/x HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n{}"
	c := newConn(child.addr)
	defer c.close()
	if status, body, err := c.do([]byte(bad)); status != 400 || err != nil {
		t.Errorf("a bad report got %d %s, %v; want 400", status, body, err)
	}
}

func TestReportsComeInWhileSomethingElseIsDone(t *testing.T) {
	var in inbox
	l := newTestLoad(t, listen(t, in.take), 100, 8, 8)
	err := l.paced(t.Context(), func() error {
		for l.acked.Load() < 50 {
			time.Sleep(time.Millisecond)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	sent := l.acked.Load()
	time.Sleep(50 * time.Millisecond)
	if after := l.acked.Load(); after != sent {
		t.Errorf("%d more reports came in after the end", after-sent)
	}
}
