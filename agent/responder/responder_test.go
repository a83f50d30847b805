package responder

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/netchecker/netchecker/pkg/health"
	"github.com/netchecker/netchecker/pkg/report"
	"github.com/netchecker/netchecker/pkg/version"
	"github.com/netchecker/netchecker/test/testmain"
)

func TestMain(m *testing.M) { testmain.Run(m) }

// get returns the answer of a handler served on a real socket.
func get(t *testing.T, h http.Handler, path string) (int, string) {
	t.Helper()
	s := httptest.NewServer(h)
	defer s.Close()
	client := s.Client()
	defer client.CloseIdleConnections()
	res, err := client.Get(s.URL + path)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return res.StatusCode, string(body)
}

func sets(t *testing.T, live, ready error) (*health.Set, *health.Set) {
	t.Helper()
	set := func(name string, err error) *health.Set {
		s := health.New(0, health.Check{Name: name, Run: func(context.Context) error { return err }})
		t.Cleanup(func() {
			if err := s.Close(); err != nil {
				t.Error(err)
			}
		})
		return s
	}
	return set("rounds", live), set("report", ready)
}

func TestHealthAndReadiness(t *testing.T) {
	live, ready := sets(t, nil, errors.New("the server answered 503"))
	h := Handler(live, ready, NewMetrics(version.Info{}, "server"))
	for _, c := range []struct {
		path string
		code int
		has  string
	}{
		{"/healthz", 200, "ok"},
		{"/healthz/rounds", 200, "ok"},
		{"/readyz", 503, "the server answered 503"},
		{"/readyz?verbose", 503, "[-]report failed"},
		{"/readyz/report", 503, "the server answered 503"},
		{"/readyz/nothing", 404, "/readyz/report"},
		{"/", 404, ""},
	} {
		if code, body := get(t, h, c.path); code != c.code || !strings.Contains(body, c.has) {
			t.Errorf("%s: %d %q; want %d and %q", c.path, code, body, c.code, c.has)
		}
	}
}

const exposition = `# HELP netchecker_agent_build_info Always 1; the labels say which build this is.
# TYPE netchecker_agent_build_info gauge
netchecker_agent_build_info{commit="c0ffee",goversion="go1",version="v1"} 1
# HELP netchecker_agent_delivery_lookup_failures_total Lookups of the server for the sending of a report that failed or were not answered within a second.
# TYPE netchecker_agent_delivery_lookup_failures_total counter
netchecker_agent_delivery_lookup_failures_total 1
# HELP netchecker_agent_lookup_success 1 if the server's name was found by the last round, else 0.
# TYPE netchecker_agent_lookup_success gauge
netchecker_agent_lookup_success{host="server"} 1
# HELP netchecker_agent_probe_duration_seconds How long the last probe took.
# TYPE netchecker_agent_probe_duration_seconds gauge
netchecker_agent_probe_duration_seconds{url="http://a/"} 0.25
netchecker_agent_probe_duration_seconds{url="http://b/"} 10
# HELP netchecker_agent_probe_http_status_code The HTTP code of the last probe's answer; 0 if none came.
# TYPE netchecker_agent_probe_http_status_code gauge
netchecker_agent_probe_http_status_code{url="http://a/"} 404
netchecker_agent_probe_http_status_code{url="http://b/"} 0
# HELP netchecker_agent_probe_success 1 if an HTTP answer came to the last probe, whatever its code, else 0.
# TYPE netchecker_agent_probe_success gauge
netchecker_agent_probe_success{url="http://a/"} 1
netchecker_agent_probe_success{url="http://b/"} 0
# HELP netchecker_agent_report_last_success_timestamp_seconds When the server last accepted a report, in seconds since 1970; 0 if it never did.
# TYPE netchecker_agent_report_last_success_timestamp_seconds gauge
netchecker_agent_report_last_success_timestamp_seconds 1.5
# HELP netchecker_agent_reports_total What became of reports: attempts that were accepted, refused (not sent again) or failed (sent again), and reports that were dropped for newer ones.
# TYPE netchecker_agent_reports_total counter
netchecker_agent_reports_total{result="accepted"} 1
netchecker_agent_reports_total{result="failed"} 2
netchecker_agent_reports_total{result="refused"} 0
# HELP netchecker_agent_round_duration_seconds How long a round of lookups and probes took.
# TYPE netchecker_agent_round_duration_seconds histogram
netchecker_agent_round_duration_seconds_bucket{le="0.005"} 0
netchecker_agent_round_duration_seconds_bucket{le="0.025"} 0
netchecker_agent_round_duration_seconds_bucket{le="0.1"} 0
netchecker_agent_round_duration_seconds_bucket{le="0.25"} 0
netchecker_agent_round_duration_seconds_bucket{le="1"} 0
netchecker_agent_round_duration_seconds_bucket{le="2.5"} 0
netchecker_agent_round_duration_seconds_bucket{le="5"} 0
netchecker_agent_round_duration_seconds_bucket{le="10"} 1
netchecker_agent_round_duration_seconds_bucket{le="+Inf"} 1
netchecker_agent_round_duration_seconds_sum 10
netchecker_agent_round_duration_seconds_count 1
`

func TestMetricsTellTheAgentsWork(t *testing.T) {
	m := NewMetrics(version.Info{Version: "v1", Commit: "c0ffee", GoVersion: "go1"}, "server", "accepted", "refused", "failed")
	m.Report("failed")
	m.Report("failed")
	m.Report("accepted")
	m.DeliveryLookupFailed()
	m.Accepted(time.UnixMilli(1500))
	m.Round(10*time.Second, true, []report.ProbeResult{
		{URL: "http://a/", ConnectionResult: 1, HTTPCode: 404, Total: 250},
		{URL: "http://b/", Total: 10000},
	})
	live, ready := sets(t, nil, nil)
	code, body := get(t, Handler(live, ready, m), "/metrics")
	var own strings.Builder
	others := map[string]bool{}
	for lines := bufio.NewScanner(strings.NewReader(body)); lines.Scan(); {
		if strings.Contains(lines.Text(), "netchecker_agent_") {
			own.WriteString(lines.Text() + "\n")
		} else if name, isHelp := strings.CutPrefix(lines.Text(), "# HELP "); isHelp {
			others[strings.Fields(name)[0]] = true
		}
	}
	if code != 200 || own.String() != exposition {
		t.Errorf("%d\n%s\nwant\n%s", code, own.String(), exposition)
	}
	for _, name := range []string{"process_resident_memory_bytes", "process_cpu_seconds_total", "go_goroutines"} {
		if !others[name] {
			t.Errorf("there is no %s", name)
		}
	}
	m.Round(time.Second, false, nil)
	if _, body = get(t, Handler(live, ready, m), "/metrics"); !strings.Contains(body, `netchecker_agent_lookup_success{host="server"} 0`) {
		t.Error("a lookup that failed is not told")
	}
}
