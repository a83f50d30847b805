package probe

import (
	"context"
	"crypto/x509"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/netchecker/netchecker/pkg/report"
)

// site answers in the ways that the tests need. What hangs does so until the
// client leaves.
func site() http.Handler {
	mux := http.NewServeMux()
	code := func(c int) http.HandlerFunc { return func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(c) } }
	mux.Handle("/ok", code(200))
	mux.Handle("/missing", code(404))
	mux.Handle("/broken", code(500))
	mux.Handle("/moved", http.RedirectHandler("/ok", http.StatusFound))
	mux.Handle("/loop", http.RedirectHandler("/loop", http.StatusFound))
	mux.HandleFunc("/hang", func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() })
	mux.HandleFunc("/hang-in-body", func(w http.ResponseWriter, r *http.Request) {
		_ = http.NewResponseController(w).Flush()
		<-r.Context().Done()
	})
	mux.HandleFunc("/slow", func(w http.ResponseWriter, _ *http.Request) {
		time.Sleep(60 * time.Millisecond)
		_ = http.NewResponseController(w).Flush()
		time.Sleep(120 * time.Millisecond)
	})
	mux.HandleFunc("/endless", func(w http.ResponseWriter, _ *http.Request) {
		for block := make([]byte, 64<<10); ; {
			if _, err := w.Write(block); err != nil {
				return
			}
		}
	})
	return mux
}

func start(t *testing.T) *httptest.Server {
	t.Helper()
	s := httptest.NewServer(site())
	t.Cleanup(s.Close)
	return s
}

func TestProbeTellsWhetherAnAnswerCameAndItsCode(t *testing.T) {
	s := start(t)
	unused, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	refusing := "http://" + unused.Addr().String() + "/"
	_ = unused.Close()
	for _, c := range []struct {
		url              string
		connection, code int64
		failure          string // what the error ends with
	}{
		{s.URL + "/ok", 1, 200, ""},
		{s.URL + "/missing", 1, 404, ""},
		{s.URL + "/broken", 1, 500, ""},
		{s.URL + "/moved", 1, 200, ""},
		{s.URL + "/loop", 1, 302, "stopped after 10 redirects"},
		{s.URL + "/endless", 1, 200, ""},
		{s.URL + "/hang", 0, 0, "context deadline exceeded"},
		{s.URL + "/hang-in-body", 1, 200, "context deadline exceeded"},
		{refusing, 0, 0, "connection refused"},
	} {
		t.Run(strings.TrimPrefix(c.url, s.URL), func(t *testing.T) {
			t.Parallel()
			ctx, cancel := context.WithTimeout(t.Context(), 1500*time.Millisecond)
			defer cancel()
			got, err := HTTP{}.Probe(ctx, c.url)
			if got.URL != c.url || got.ConnectionResult != c.connection || got.HTTPCode != c.code {
				t.Errorf("got %+v", got)
			}
			if c.failure == "" && err != nil || c.failure != "" && (err == nil || !strings.HasSuffix(err.Error(), c.failure)) {
				t.Errorf("error %v; want one that ends with %q", err, c.failure)
			}
		})
	}
}

func TestProbeThatFailsTellsTheTimeThatWentByAndThePhasesThatWereFinished(t *testing.T) {
	s := start(t)
	ctx, cancel := context.WithTimeout(t.Context(), 150*time.Millisecond)
	defer cancel()
	got, err := HTTP{}.Probe(ctx, s.URL+"/hang")
	if err == nil || got.Total < 140 || got.Total > 2000 {
		t.Errorf("error %v, Total %d ms; want an error and about 150 ms", err, got.Total)
	}
	if got.ServerProcessing != 0 || got.ContentTransfer != 0 {
		t.Errorf("got %+v; want 0 for what was not finished", got)
	}
}

func TestProbeTimesEachPhaseAsTheContractNamesThem(t *testing.T) {
	s := start(t)
	_, port, _ := net.SplitHostPort(s.Listener.Addr().String())
	z := &zone{addresses: []string{"127.0.0.1"}, delay: 40 * time.Millisecond}
	got, err := HTTP{Names: z.names(t)}.Probe(t.Context(), "http://server.test.:"+port+"/slow")
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name        string
		value, from int64
	}{
		{"DNSLookup", got.DNSLookup, 39},
		{"Connect", got.Connect, got.DNSLookup + got.TCPConnection},
		{"ServerProcessing", got.ServerProcessing, 40},
		{"ContentTransfer", got.ContentTransfer, 80},
		{"Total", got.Total, got.Connect + got.ServerProcessing + got.ContentTransfer},
	} {
		if c.value < c.from || c.value > c.from+1000 {
			t.Errorf("%s is %d ms, want %d or little more", c.name, c.value, c.from)
		}
	}
}

func TestProbeWithoutLookupBeginsWithTheConnection(t *testing.T) {
	s := start(t)
	got, err := HTTP{}.Probe(t.Context(), s.URL+"/ok")
	if err != nil || got.DNSLookup != 0 || got.Connect != got.TCPConnection {
		t.Errorf("got %+v, %v", got, err)
	}
}

func TestPhasesKeepTheDialThatWonAndForgetTheRequestBeforeARedirect(t *testing.T) {
	var p phases
	trace := p.trace()
	trace.GetConn("")
	trace.ConnectStart("tcp", "[::1]:80")
	trace.ConnectStart("tcp", "127.0.0.1:80")
	trace.ConnectDone("tcp", "127.0.0.1:80", nil)
	won := p.tcpDone
	trace.ConnectDone("tcp", "[::1]:80", nil)
	if p.tcpDone != won || p.tcpStart != p.connects["127.0.0.1:80"] {
		t.Error("the slower dial was noted")
	}
	at := time.Now()
	for _, phase := range []*time.Time{&p.dnsStart, &p.dnsDone, &p.tcpStart, &p.tcpDone, &p.wroteRequest, &p.firstResponseBytes} {
		at = at.Add(time.Second) // each took one
		*phase = at
	}
	trace.GetConn("")
	var got report.ProbeResult
	p.fill(&got, at.Add(time.Second))
	if got != (report.ProbeResult{}) {
		t.Errorf("got %+v after a redirect; want nothing", got)
	}
}

func TestProbeMakesANewConnectionForEachRequest(t *testing.T) {
	var opened atomic.Int32
	s := httptest.NewUnstartedServer(site())
	s.Config.ConnState = func(_ net.Conn, state http.ConnState) {
		if state == http.StateNew {
			opened.Add(1)
		}
	}
	s.Start()
	defer s.Close()
	for range 3 {
		if _, err := (HTTP{}).Probe(t.Context(), s.URL+"/ok"); err != nil {
			t.Fatal(err)
		}
	}
	if n := opened.Load(); n != 3 {
		t.Errorf("3 probes took %d connections", n)
	}
	opened.Store(0)
	if got, err := (HTTP{}).Probe(t.Context(), s.URL+"/moved"); err != nil || got.HTTPCode != 200 {
		t.Fatalf("got %+v, %v", got, err)
	}
	if n := opened.Load(); n != 2 {
		t.Errorf("a probe with a redirect took %d connections", n)
	}
}

func TestProbeReadsAtMostMaxHeader(t *testing.T) {
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("X-Large", strings.Repeat("x", 2*maxHeader))
	}))
	defer s.Close()
	got, err := HTTP{}.Probe(t.Context(), s.URL)
	if err == nil || !strings.Contains(err.Error(), "server response headers exceeded 65536 bytes") || got.ConnectionResult != 0 {
		t.Errorf("got %+v, %v", got, err)
	}
}

func TestProbeVerifiesCertificates(t *testing.T) {
	s := httptest.NewUnstartedServer(site())
	s.Config.ErrorLog = log.New(io.Discard, "", 0)
	s.StartTLS()
	defer s.Close()
	got, err := HTTP{RootCAs: x509.NewCertPool()}.Probe(t.Context(), s.URL+"/ok")
	if got.ConnectionResult != 0 || err == nil || !strings.Contains(err.Error(), "certificate signed by unknown authority") {
		t.Errorf("unknown authority: %+v, %v", got, err)
	}
	roots := x509.NewCertPool()
	roots.AddCert(s.Certificate())
	if got, err = (HTTP{RootCAs: roots}).Probe(t.Context(), s.URL+"/ok"); got.HTTPCode != 200 || err != nil {
		t.Errorf("known authority: %+v, %v", got, err)
	}
}

func TestProbeReadsAtMostMaxBody(t *testing.T) {
	var sent atomic.Int64
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		for block := make([]byte, 64<<10); ; {
			n, err := w.Write(block)
			sent.Add(int64(n))
			if err != nil {
				return
			}
		}
	}))
	if _, err := (HTTP{}).Probe(t.Context(), s.URL); err != nil {
		t.Error(err)
	}
	s.Close()
	// Besides what was read, the sockets' buffers took some.
	if n := sent.Load(); n > 64*maxBody {
		t.Errorf("the server could send %d bytes", n)
	}
}

func TestProbeSendsAPasswordAndTellsItToNobody(t *testing.T) {
	var password string
	s := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { _, password, _ = r.BasicAuth() }))
	defer s.Close()
	address := s.Listener.Addr().String()
	got, err := HTTP{}.Probe(t.Context(), "http://u:secret@"+address+"/")
	if err != nil || password != "secret" {
		t.Errorf("the server got the password %q, %v", password, err)
	}
	if want := "http://u:xxxxx@" + address + "/"; got.URL != want {
		t.Errorf("URL is %q, want %q", got.URL, want)
	}
	if _, err = (HTTP{}).Probe(t.Context(), "http://u:secret@127.0.0.1:1/"); err == nil || strings.Contains(err.Error(), "secret") {
		t.Errorf("the error is %v", err)
	}
}
