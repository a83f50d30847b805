package main

import (
	"net"
	"strings"
	"testing"
	"time"

	"github.com/netchecker/netchecker/test/eventually"
)

func TestOwnPortTellsHealthReadinessAndMetrics(t *testing.T) {
	srv := newOriginalServer(t)
	own := freeAddress(t)
	running(t, pod(), "-serverendpoint", srv.endpoint(), "-listen", own)
	srv.reports(t, 1, 5*time.Second)
	for path, want := range map[string]string{
		"/healthz?verbose": "[+]rounds ok",
		"/readyz?verbose":  "[+]report ok",
		"/metrics":         `netchecker_agent_reports_total{result="accepted"} 1`,
	} {
		eventually.True(t, path, func() bool { return strings.Contains(get(own, path), want) })
	}
}

func TestOwnPortResetsWhatIsTooMuchAtOnceAndGoesOn(t *testing.T) {
	srv := newOriginalServer(t)
	own := freeAddress(t)
	running(t, pod(), "-serverendpoint", srv.endpoint(), "-listen", own)
	srv.reports(t, 1, 5*time.Second)
	var open []net.Conn
	defer func() {
		for _, c := range open {
			_ = c.Close()
		}
	}()
	for range ownConns {
		c, err := net.Dial("tcp", own)
		if err != nil {
			t.Fatal(err)
		}
		open = append(open, c)
	}
	begun := time.Now()
	if got := get(own, "/healthz"); got != "" {
		t.Errorf("one more got %s", got)
	}
	if took := time.Since(begun); took > 500*time.Millisecond {
		t.Errorf("it was told after %v", took)
	}
	_ = open[0].Close()
	eventually.True(t, "there is room again", func() bool { return get(own, "/healthz") == "200 ok" })
}

func TestReadinessNamesWhatIsInTheWay(t *testing.T) {
	own := freeAddress(t)
	running(t, pod(), "-serverendpoint=127.0.0.1:1", "-listen", own)
	eventually.True(t, "the reason is told", func() bool {
		return strings.Contains(get(own, "/readyz"), "the last report did not get to http://127.0.0.1:1/api/v1/agents/p: dial tcp 127.0.0.1:1: connect: connection refused")
	})
	if got := get(own, "/healthz"); got != "200 ok" {
		t.Errorf("an agent that can't report is not healthy: %s", got)
	}
}
