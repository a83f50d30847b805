package main

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/netchecker/netchecker/pkg/report"
	"github.com/netchecker/netchecker/test/eventually"
)

func TestLogTellsWhatFailsOnceAndTheBootIDNever(t *testing.T) {
	t.Parallel()
	bodies := make(chan []byte, 10)
	srv := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		if body, _ := io.ReadAll(r.Body); r.Method == http.MethodPost {
			bodies <- body
		}
	}))
	t.Cleanup(srv.Close)
	own := freeAddress(t)
	p := start(t, podEnv, "-serverendpoint", strings.TrimPrefix(srv.URL, "http://"), "-reportinterval=1", "-listen", own, "-v=9", "-probeurls=http://127.0.0.1:1/")
	var last report.Report
	for range 3 {
		r, err := report.Decode(<-bodies)
		if err != nil {
			t.Fatal(err)
		}
		if last.BootID != "" && (r.BootID != last.BootID || r.Clock <= last.Clock) {
			t.Errorf("boot id or clock do not go on: %+v, %+v", last, r)
		}
		last = r
	}
	line := "Fails: probe of http://127.0.0.1:1/: dial tcp 127.0.0.1:1: connect: connection refused"
	eventually.True(t, line, func() bool { return strings.Contains(p.stderr.String(), line) })
	if n := strings.Count(p.stderr.String(), "Fails: "); n != 1 {
		t.Errorf("%d failures are told:\n%s", n, &p.stderr)
	}
	if said := p.stderr.String() + get(own, "/metrics") + get(own, "/readyz?verbose"); strings.Contains(said, last.BootID) {
		t.Errorf("the boot id is shown:\n%s", said)
	}
}
