package main

import (
	"strings"
	"testing"
	"time"

	"github.com/netchecker/netchecker/pkg/report"
	"github.com/netchecker/netchecker/test/eventually"
)

func TestLogTellsWhatFailsOnceAndTheBootIDNever(t *testing.T) {
	t.Parallel()
	srv := newOriginalServer(t)
	own := freeAddress(t)
	p := start(t, podEnv, "-serverendpoint", srv.endpoint(), "-reportinterval=1", "-listen", own, "-v=9", "-probeurls=http://127.0.0.1:1/")
	var last report.Report
	for _, got := range srv.reports(t, 3, 10*time.Second) {
		r, err := report.Decode(got.body)
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
