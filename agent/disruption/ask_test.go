package disruption

import (
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/netchecker/netchecker/agent/probe"
	"github.com/netchecker/netchecker/pkg/backend"
	"github.com/netchecker/netchecker/pkg/report"
	"github.com/netchecker/netchecker/test/eventually"
)

// pages answers in the ways that the tests need.
func pages() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("/ok", func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "all is well") })
	mux.HandleFunc("/large", func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, strings.Repeat(" ", maxBody)+"end")
	})
	for _, code := range []int{204, 304, 404, 503} {
		mux.HandleFunc(fmt.Sprintf("/%d", code), func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(code) })
	}
	mux.Handle("/moved", http.RedirectHandler("/ok", http.StatusFound))
	mux.Handle("/loop", http.RedirectHandler("/loop", http.StatusFound))
	mux.Handle("/metadata", http.RedirectHandler("http://169.254.169.254/latest", http.StatusFound))
	mux.Handle("/ftp", http.RedirectHandler("ftp://127.0.0.1/", http.StatusFound))
	mux.HandleFunc("/hang", func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() })
	mux.HandleFunc("/half", func(w http.ResponseWriter, r *http.Request) {
		_ = http.NewResponseController(w).Flush()
		<-r.Context().Done()
	})
	mux.HandleFunc("/cut", func(w http.ResponseWriter, _ *http.Request) {
		_ = http.NewResponseController(w).Flush()
		panic(http.ErrAbortHandler)
	})
	mux.HandleFunc("/gone", func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) })
	return mux
}

// asked asks b once, over a new connection.
func asked(t *testing.T, b backend.Backend, p Place) outcome {
	t.Helper()
	b.Name = "b"
	a, err := newAsker(b, report.New, p)
	if err != nil {
		t.Fatal(err)
	}
	defer a.close()
	return a.ask(t.Context(), 1)
}

// talker accepts connections and does that with them.
func talker(t *testing.T, do func(net.Conn)) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var conns sync.WaitGroup
	conns.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			conns.Go(func() {
				defer func() { _ = conn.Close() }()
				do(conn)
			})
		}
	})
	t.Cleanup(func() { _ = l.Close(); conns.Wait() })
	return l.Addr().String()
}

// unused is an address where nobody listens.
func unused(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	return l.Addr().String()
}

func readHeader(conn net.Conn) { _, _ = conn.Read(make([]byte, 4<<10)) }

func TestWhatARequestLeadsTo(t *testing.T) {
	t.Parallel()
	site := httptest.NewServer(pages())
	t.Cleanup(site.Close) // after the rows, which run side by side
	reset := talker(t, func(conn net.Conn) {
		readHeader(conn)
		_ = conn.(*net.TCPConn).SetLinger(0)
	})
	babble := talker(t, func(conn net.Conn) {
		readHeader(conn)
		_, _ = fmt.Fprintf(conn, "%v is no HTTP\r\n\r\n", time.Now().UnixNano())
	})
	mute := talker(t, func(conn net.Conn) { _, _ = io.Copy(io.Discard, conn) })
	for _, row := range []struct {
		name string
		b    backend.Backend
		want string
	}{
		{"200", backend.Backend{URL: site.URL + "/ok"}, "Info"},
		{"204", backend.Backend{URL: site.URL + "/204"}, "Info"},
		{"304", backend.Backend{URL: site.URL + "/304"}, "Info"},
		{"404", backend.Backend{URL: site.URL + "/404"}, "Error answered 404"},
		{"404, which is expected", backend.Backend{URL: site.URL + "/404", Status: []int{404}}, "Info"},
		{"200, which is not", backend.Backend{URL: site.URL + "/ok", Status: []int{404, 204}}, "Error answered 200"},
		{"the right body", backend.Backend{URL: site.URL + "/ok", Body: "well", BodyRegexp: "^all .* well$"}, "Info"},
		{"a wrong body", backend.Backend{URL: site.URL + "/ok", Body: "ill"}, `Error the body does not have "ill"`},
		{"a body that does not match", backend.Backend{URL: site.URL + "/ok", BodyRegexp: "^well"}, `Error the body does not match "^well"`},
		{"a body beyond what is looked at", backend.Backend{URL: site.URL + "/large", Body: "end"}, `Error the body does not have "end"`},
		{"a large body that does not matter", backend.Backend{URL: site.URL + "/large"}, "Info"},
		{"a redirect", backend.Backend{URL: site.URL + "/moved", Body: "well"}, "Info"},
		{"a redirect that is the answer", backend.Backend{URL: site.URL + "/moved", Status: []int{302}}, "Info"},
		{"redirects without end", backend.Backend{URL: site.URL + "/loop"}, "Error more than 5 redirects"},
		{"a redirect to another protocol", backend.Backend{URL: site.URL + "/ftp"}, "Error no answer: unsupported protocol scheme"},
		{"a redirect to link-local", backend.Backend{URL: site.URL + "/metadata"}, "refused: leads to 169.254.169.254, a link-local address, which no agent may be aimed at"},
		{"nobody listens", backend.Backend{URL: "http://" + unused(t)}, "Error connecting: connection refused"},
		{"a reset", backend.Backend{URL: "http://" + reset}, "Error no answer: connection reset by peer"},
		{"an end", backend.Backend{URL: site.URL + "/gone"}, "Error no answer: the connection was closed"},
		{"an end in the body", backend.Backend{URL: site.URL + "/cut"}, "Error no whole answer: the connection was closed"},
		{"no answer", backend.Backend{URL: site.URL + "/hang", TimeoutMillis: 300}, "Error no answer in time"},
		{"half an answer", backend.Backend{URL: site.URL + "/half", TimeoutMillis: 300}, "Error no whole answer in time"},
		{"no HTTP, other each time", backend.Backend{URL: "http://" + babble}, "Error no answer: what came is not HTTP"},
		{"no TLS", backend.Backend{URL: "https://" + site.Listener.Addr().String()}, "Error TLS: http: server gave HTTP response to HTTPS client"},
		{"a mute one", backend.Backend{URL: "https://" + mute, TimeoutMillis: 300}, "Error no TLS handshake in time"},
		{"a CA that is not there", backend.Backend{URL: "https://" + mute, CA: "ca.crt"}, "Warning reading the CA: no file ca.crt"},
		{"a token that is not there", backend.Backend{URL: "https://" + mute, Token: "token"}, "Warning reading the token: no file token"},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			for range 2 { // in the same words
				o := asked(t, row.b, here())
				got := says(report.Interval{Level: o.level, Message: o.message})
				if o.refused != "" {
					got = "refused: " + o.refused
				}
				if got != row.want {
					t.Errorf("got %s, want %s", got, row.want)
				}
			}
		})
	}
}

// namedBy is here, with those names.
func namedBy(names probe.Names) Place {
	p := here()
	p.Names = names
	return p
}

func unusedUDP(t *testing.T) string {
	t.Helper()
	conn, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	return conn.LocalAddr().String()
}

func TestALookupThatFailsIsToldByWhatTheNameServersSaid(t *testing.T) {
	t.Parallel()
	site, known, silent := newSite(t), &zone{}, &zone{}
	_, port := split(t, site.addr)
	silent.silent.Store(true)
	for _, row := range []struct {
		name, host string
		names      func(*testing.T) Place
		want       string
	}{
		{"found", "a.test.", func(t *testing.T) Place { return namedBy(known.names(t)) }, "Info"},
		{"no such host", "no.test.", func(t *testing.T) Place { return namedBy(known.names(t)) }, "Error lookup: no such host"},
		{"nobody answers", "a.test.", func(t *testing.T) Place { return namedBy(silent.names(t)) }, "Warning no answer of the name servers in time"},
		{"nobody is there", "a.test.", func(t *testing.T) Place { return namedBy(namesAt(unusedUDP(t))) }, "Warning lookup: the name servers can't be reached"},
	} {
		t.Run(row.name, func(t *testing.T) {
			o := asked(t, backend.Backend{URL: "http://" + row.host + ":" + port, TimeoutMillis: 500}, row.names(t))
			if got := says(report.Interval{Level: o.level, Message: o.message}); got != row.want {
				t.Errorf("got %s, want %s", got, row.want)
			}
		})
	}
}

func TestAnAddressIsForbiddenAlsoWhereANameLeadsToIt(t *testing.T) {
	t.Parallel()
	zone, p := &zone{}, here()
	p.Names, p.AllowLoopback = zone.names(t), false
	o := asked(t, backend.Backend{URL: "http://inside.test.:8080/"}, p)
	if want := "leads to 127.0.0.1, a loopback address, which no agent may be aimed at"; o.refused != want {
		t.Errorf("got %+v, want %s", o, want)
	}
}

func TestWhatCannotBeAskedIsToldByItsField(t *testing.T) {
	p := here()
	p.NodeIP, p.AllowLoopback = "", false
	for _, row := range []struct{ url, want string }{
		{"http://127.0.0.1/", "url: leads to 127.0.0.1, a loopback address, which no agent may be aimed at"},
		{"http://{nodeIP}:10256/", "url: has {nodeIP}, and this agent was not told its node's address; set MY_NODE_IP (in a manifest: fieldRef status.hostIP)"},
	} {
		if _, err := newAsker(backend.Backend{Name: "b", URL: row.url}, report.New, p); err == nil || err.Error() != row.want {
			t.Errorf("got  %v\nwant %s", err, row.want)
		}
	}
	p.NodeIP = "not an address"
	want := `url: is no URL with "not an address" as the node's address and "127.0.0.1:1" as the server's`
	if _, err := newAsker(backend.Backend{Name: "b", URL: "http://{nodeIP}/"}, report.New, p); err == nil || err.Error() != want {
		t.Errorf("got  %v\nwant %s", err, want)
	}
}

// notes are the headers of requests, by their path.
type notes struct {
	mu  sync.Mutex
	all map[string]http.Header
}

func (n *notes) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.all[r.URL.Path] = r.Header
}

func TestARequestSaysWhoAsksAndWhichItIs(t *testing.T) {
	n := &notes{all: map[string]http.Header{}}
	site := httptest.NewServer(n)
	defer site.Close()
	p := here()
	p.Server = site.Listener.Addr().String()
	for _, c := range connections {
		a, err := newAsker(backend.Backend{Name: "b", URL: "http://{server}/" + string(c), Headers: map[string]string{"X-Probe": "yes"}}, c, p)
		if err != nil {
			t.Fatal(err)
		}
		a.ask(t.Context(), 7)
		a.close()
		h := n.all["/"+string(c)]
		if h.Get("User-Agent") != "netchecker-agent" || h.Get("X-Probe") != "yes" || h.Get("Netchecker-Sample") != string(c) {
			t.Errorf("%s: %v", c, h)
		}
		if id := h.Get("X-Request-Id"); len(id) != 18 || !strings.HasSuffix(id, "-7") {
			t.Errorf("%s: the request is called %q", c, id)
		}
	}
	asked(t, backend.Backend{URL: site.URL + "/other"}, p)
	if h := n.all["/other"]; h == nil || h.Get("Netchecker-Sample") != "" {
		t.Errorf("to others than the server: %v", h)
	}
}

func TestAConnectionIsEndedByAResetOnceTheAnswerWasRead(t *testing.T) {
	ended := make(chan error, 1)
	addr := talker(t, func(conn net.Conn) {
		readHeader(conn)
		_, _ = io.WriteString(conn, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
		_, err := conn.Read(make([]byte, 1))
		ended <- err
	})
	if o := asked(t, backend.Backend{URL: "http://" + addr}, here()); o.level != report.Info || !o.connected {
		t.Errorf("%+v", o)
	}
	if err := <-ended; !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("the connection ended by %v, want a reset", err)
	}
}

func TestOneConnectionIsKeptOfThoseThatSeveralRequestsNeeded(t *testing.T) {
	var open atomic.Int32
	site := httptest.NewUnstartedServer(pages())
	site.Config.ConnState = func(_ net.Conn, state http.ConnState) {
		switch state {
		case http.StateNew:
			open.Add(1)
		case http.StateClosed:
			open.Add(-1)
		}
	}
	site.Start()
	defer site.Close()
	a, err := newAsker(backend.Backend{Name: "b", URL: site.URL + "/ok"}, report.Reused, here())
	if err != nil {
		t.Fatal(err)
	}
	defer a.close()
	var all sync.WaitGroup
	for n := range 5 {
		all.Go(func() { a.ask(t.Context(), uint64(n)) })
	}
	all.Wait()
	eventually.True(t, "one connection is left", func() bool { return open.Load() == 1 })
	if o := a.ask(t.Context(), 9); o.connected {
		t.Error("another was made although that is kept")
	}
}
