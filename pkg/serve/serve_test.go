package serve

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/netchecker/netchecker/test/testmain"
)

func TestMain(m *testing.M) { testmain.Run(m) }

var ok = http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "ok") })

// life is a server that runs, and the ways to end it.
type life struct {
	*Server
	stop func()
	done <-chan error
}

// start runs a server on loopback until the test ends.
func start(t *testing.T, c Config) life {
	t.Helper()
	if c.Addr == "" {
		c.Addr = "127.0.0.1:0"
	}
	return run(t, New(c))
}

// run binds and runs s until the test ends.
func run(t *testing.T, s *Server) life {
	t.Helper()
	if err := s.Listen(); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() {
		done <- s.Run(ctx)
		close(done)
	}()
	t.Cleanup(func() {
		cancel()
		<-done
	})
	return life{s, cancel, done}
}

// ended waits for Run and returns what it returned.
func (l life) ended(t *testing.T) error {
	t.Helper()
	select {
	case err := <-l.done:
		return err
	case <-time.After(10 * time.Second):
		t.Fatal("Run did not return within 10s")
		return nil
	}
}

func (l life) url() string { return "http://" + l.Addr().String() }

// newClient returns a client whose connections end with the test.
func newClient(t *testing.T) *http.Client {
	transport := &http.Transport{}
	t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport, Timeout: 10 * time.Second}
}

func fetch(client *http.Client, url string) (code int, body string, err error) {
	resp, err := client.Get(url)
	if err != nil {
		return 0, "", err
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	return resp.StatusCode, string(b), err
}

func TestServesUntilItsContextEnds(t *testing.T) {
	s := start(t, Config{Name: "API", Handler: ok})
	client := newClient(t)
	if code, body, err := fetch(client, s.url()); err != nil || code != http.StatusOK || body != "ok" {
		t.Errorf("got %d %q, %v", code, body, err)
	}
	s.stop()
	if err := s.ended(t); err != nil {
		t.Errorf("Run: %v", err)
	}
	if _, _, err := fetch(client, s.url()); !errors.Is(err, syscall.ECONNREFUSED) {
		t.Errorf("after the end: got %v, want a refused connection", err)
	}
}

func TestRunBindsWhereListenWasNotCalled(t *testing.T) {
	s := New(Config{Name: "API", Addr: "127.0.0.1:0", Handler: ok})
	if s.Addr() != nil {
		t.Errorf("before it listens, the address is %v", s.Addr())
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := s.Run(ctx); err != nil {
		t.Errorf("Run: %v", err)
	}
	if s.Addr() == nil {
		t.Error("Run did not listen")
	}
}

// blocking is a handler that says when it was entered and answers when told.
type blocking struct{ entered, release chan struct{} }

func newBlocking() blocking { return blocking{make(chan struct{}), make(chan struct{})} }

func (b blocking) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	close(b.entered)
	select {
	case <-b.release:
		fmt.Fprint(w, "finished")
	case <-r.Context().Done():
	}
}

func TestRequestsUnderWayFinish(t *testing.T) {
	h := newBlocking()
	s := start(t, Config{Name: "API", Handler: h})
	client := newClient(t)
	answer := make(chan string, 1)
	go func() {
		_, body, err := fetch(client, s.url())
		answer <- fmt.Sprint(body, err)
	}()
	<-h.entered
	s.stop()
	waitUntilRefused(t, s.Addr())
	close(h.release)
	if got := <-answer; got != "finished<nil>" {
		t.Errorf("the request under way got %q", got)
	}
	if err := s.ended(t); err != nil {
		t.Errorf("Run: %v", err)
	}
}

func waitUntilRefused(t *testing.T, addr net.Addr) {
	t.Helper()
	for deadline := time.Now().Add(10 * time.Second); time.Now().Before(deadline); time.Sleep(time.Millisecond) {
		conn, err := net.Dial("tcp", addr.String())
		if errors.Is(err, syscall.ECONNREFUSED) {
			return
		}
		if err == nil {
			conn.Close()
		}
	}
	t.Fatal("the server goes on accepting")
}

func TestRequestsThatOutliveTheDrainAreCut(t *testing.T) {
	h := newBlocking()
	s := start(t, Config{Name: "API", Handler: h, DrainTimeout: 20 * time.Millisecond})
	client := newClient(t)
	failed := make(chan error, 1)
	go func() {
		_, _, err := fetch(client, s.url())
		failed <- err
	}()
	<-h.entered
	s.stop()
	if err := s.ended(t); err != nil {
		t.Errorf("Run: %v", err)
	}
	if err := <-failed; err == nil {
		t.Error("the request that was cut got an answer")
	}
	if n := s.guard.underWay(); n != 0 {
		t.Errorf("Run returned with %d requests under way", n)
	}
}

func TestAConnectionOnWhichNothingWasSaidHoldsUpNoEnd(t *testing.T) {
	s := start(t, Config{Name: "API", Handler: ok})
	quiet := dial(t, s.Addr().String())
	// A later connection that is answered shows that the quiet one was accepted.
	if got := ask(t, dial(t, s.Addr().String())); got != "200 OK" {
		t.Fatalf("got %s", got)
	}
	began := time.Now()
	s.stop()
	if err := s.ended(t); err != nil {
		t.Errorf("Run: %v", err)
	}
	// net/http would wait 5 s for its first request.
	if took := time.Since(began); took > 3*time.Second {
		t.Errorf("the end took %v", took)
	}
	if n, err := quiet.Read(make([]byte, 1)); err == nil {
		t.Errorf("the quiet connection got %d bytes", n)
	}
}

func TestAListenerThatFailsByItselfIsAnError(t *testing.T) {
	s := start(t, Config{Name: "API", Handler: ok})
	if err := s.listener.Close(); err != nil {
		t.Fatal(err)
	}
	err := s.ended(t)
	if want := fmt.Sprintf("API: the listener on %s failed: ", s.Addr()); err == nil || !strings.HasPrefix(err.Error(), want) {
		t.Errorf("got %v, want %s…", err, want)
	}
	if !errors.Is(err, net.ErrClosed) {
		t.Errorf("%v does not wrap the listener's error", err)
	}
}

func TestConnectionsAreLimited(t *testing.T) {
	s := start(t, Config{Name: "API", Handler: ok, MaxConns: 1})
	first, second := dial(t, s.Addr().String()), dial(t, s.Addr().String())
	if got := ask(t, first); got != "200 OK" {
		t.Errorf("the first connection got %q", got)
	}
	if err := second.SetReadDeadline(time.Now().Add(50 * time.Millisecond)); err != nil {
		t.Fatal(err)
	}
	fmt.Fprint(second, "GET / HTTP/1.1\r\nHost: x\r\n\r\n")
	if _, err := second.Read(make([]byte, 1)); err == nil {
		t.Error("a connection beyond the limit was answered")
	}
	first.Close()
	if err := second.SetReadDeadline(time.Now().Add(10 * time.Second)); err != nil {
		t.Fatal(err)
	}
	resp, err := http.ReadResponse(bufio.NewReader(second), nil)
	if err != nil {
		t.Fatalf("once there is room: %v", err)
	}
	resp.Body.Close()
}

func TestConnectionsBeyondTheKeepAliveLimitAreClosedAfterTheirAnswer(t *testing.T) {
	s := start(t, Config{Name: "API", Handler: ok, KeptConns: 1})
	first := dial(t, s.Addr().String())
	for range 2 {
		if got := ask(t, first); got != "200 OK" {
			t.Errorf("alone, the connection got %q", got)
		}
	}
	second := dial(t, s.Addr().String())
	if got := ask(t, second); got != "200 OK" {
		t.Errorf("the second connection got %q", got)
	}
	if err := second.SetReadDeadline(time.Now().Add(10 * time.Second)); err != nil {
		t.Fatal(err)
	}
	if _, err := second.Read(make([]byte, 1)); !errors.Is(err, io.EOF) {
		t.Errorf("after its answer the second connection read %v, want its end", err)
	}
	wantKept(t, first)
}

// wantKept asks over conn once the limit is not exceeded any more, twice.
func wantKept(t *testing.T, conn net.Conn) {
	t.Helper()
	time.Sleep(50 * time.Millisecond) // for the server to notice that the other one is gone
	for range 2 {
		if got := ask(t, conn); got != "200 OK" {
			t.Errorf("alone again, the connection got %q", got)
		}
	}
}

func TestConnectionsThatAreSparedAreKeptBeyondTheLimitUpToABound(t *testing.T) {
	s := start(t, Config{Name: "API", Handler: ok, KeptConns: 1, Spare: func(r *http.Request) bool { return r.Header.Get("Keep") != "" }})
	dial(t, s.Addr().String()) // says nothing, and counts
	var spared []net.Conn
	for range mostSpared {
		conn := dial(t, s.Addr().String())
		if !askedKept(t, conn, "Keep: me\r\n") {
			t.Fatalf("after %d others one was closed that asked to be kept", len(spared))
		}
		spared = append(spared, conn)
	}
	if askedKept(t, dial(t, s.Addr().String()), "Keep: me\r\n") {
		t.Errorf("%d were kept, and one more", mostSpared)
	}
	if !askedKept(t, spared[0], "Keep: me\r\n") {
		t.Error("one that was kept was closed later")
	}
	if askedKept(t, spared[1], "") {
		t.Error("one was kept that did not ask for it any more")
	}
	for end := time.Now().Add(10 * time.Second); !askedKept(t, dial(t, s.Addr().String()), "Keep: me\r\n"); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("there is room again, and nobody else is kept")
		}
	}
}

// askedKept sends a request with that header over conn, and says whether the answer
// lets it be kept.
func askedKept(t *testing.T, conn net.Conn, header string) bool {
	t.Helper()
	fmt.Fprint(conn, "GET / HTTP/1.1\r\nHost: x\r\n"+header+"\r\n")
	resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if _, err := io.Copy(io.Discard, resp.Body); err != nil {
		t.Fatal(err)
	}
	return !resp.Close
}

func dial(t *testing.T, addr string) net.Conn {
	t.Helper()
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return conn
}

// ask sends a request over conn and returns the answer's status.
func ask(t *testing.T, conn net.Conn) string {
	t.Helper()
	fmt.Fprint(conn, "GET / HTTP/1.1\r\nHost: x\r\n\r\n")
	resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if _, err := io.Copy(io.Discard, resp.Body); err != nil {
		t.Fatal(err)
	}
	return resp.Status
}

func TestSlowAndOversizedHeadersAreRefused(t *testing.T) {
	s := start(t, Config{Name: "API", Handler: ok, ReadHeaderTimeout: 30 * time.Millisecond, MaxHeaderBytes: 1024})

	slow := dial(t, s.Addr().String())
	fmt.Fprint(slow, "GET / HTTP/1.1\r\nHo")
	if b, err := io.ReadAll(slow); err != nil || !strings.HasPrefix(string(b), "HTTP/1.1 400 ") {
		t.Errorf("half a header: got %q, %v, want 400 and the end", b, err)
	}

	request, err := http.NewRequest(http.MethodGet, s.url(), nil)
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("X-Large", strings.Repeat("x", 6<<10))
	resp, err := newClient(t).Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusRequestHeaderFieldsTooLarge {
		t.Errorf("a large header: got %d, want 431", resp.StatusCode)
	}
}
