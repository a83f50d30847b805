package metrics

import (
	"errors"
	"fmt"
	"io"
	"iter"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/netchecker/netchecker/pkg/report"
	"github.com/netchecker/netchecker/server/diagnose"
	"github.com/netchecker/netchecker/server/evaluate"
	"github.com/netchecker/netchecker/server/findings"
	"github.com/netchecker/netchecker/server/fleet"
	"github.com/netchecker/netchecker/server/intervals"
	"github.com/netchecker/netchecker/server/judge"
	"github.com/netchecker/netchecker/server/paths"
	"github.com/netchecker/netchecker/server/tally"
)

var now = time.Now()

// scene is one Snapshot, and counters that do not change.
type scene struct {
	*judge.Snapshot
	counts  map[string]tally.Counts
	current intervals.Current
	totals  intervals.Totals
	paths   measured
	found   found
}

// found is what is found broken.
type found struct {
	lasting []findings.Finding
	state   findings.State
}

func (f found) Lasting() []findings.Finding { return f.lasting }
func (f found) State() findings.State       { return f.state }

// measured is what is told of paths.
type measured struct {
	totals  []paths.Total
	shared  []paths.SharedTotal
	meshing paths.Meshing
}

func (m measured) Totals() []paths.Total             { return m.totals }
func (m measured) SharedTotals() []paths.SharedTotal { return m.shared }
func (m measured) Meshing(*fleet.List, []*fleet.Record) paths.Meshing {
	return m.meshing
}

func (v *scene) Counts(iter.Seq2[fleet.Key, string]) map[string]tally.Counts { return v.counts }

func (v *scene) Current() intervals.Current { return v.current }
func (v *scene) Totals() intervals.Totals   { return v.totals }

type snapshots struct{ s *judge.Snapshot }

func (s snapshots) Snapshot() *judge.Snapshot { return s.s }

func record(revision int64, probes ...report.ProbeResult) *fleet.Record {
	r := &fleet.Record{Revision: revision}
	r.NetworkProbes = probes
	return r
}

const ping = "http://netchecker-service:8081/api/v1/ping"

// three has an agent that reports, one that is outdated on the host network, and
// one that was never heard.
func three() *scene {
	agent := func(name, node string, n report.Network) fleet.Agent {
		return fleet.Agent{Key: fleet.Key{Namespace: "default", Name: name}, Node: node, Network: n}
	}
	s := &judge.Snapshot{
		At:      now.Add(-100 * time.Millisecond),
		Cost:    2 * time.Millisecond,
		ListAge: 3 * time.Second,
		List:    &fleet.List{Agents: []fleet.Agent{agent("a", "n1", report.Pod), agent("b", "n1", report.Host), agent("c", "n2", report.Pod)}},
		Records: []*fleet.Record{
			record(7, report.ProbeResult{URL: ping, ConnectionResult: 1, HTTPCode: 200, Total: 2, DNSLookup: 1, Connect: 1}),
			record(8, report.ProbeResult{URL: ping, ContentTransfer: 9223372036854, Total: 9223372036854}),
			nil,
		},
		States: []evaluate.State{evaluate.Reporting, evaluate.Outdated, evaluate.Absent},
	}
	for i := range s.List.Agents {
		s.Labels = append(s.Labels, s.List.Agents[i].Label())
	}
	s.Summary.Add(evaluate.Evidence{}, evaluate.Reporting, true)
	s.Summary.Add(evaluate.Evidence{}, evaluate.Outdated, false)
	s.Summary.Add(evaluate.Evidence{}, evaluate.Absent, false)
	return &scene{Snapshot: s, counts: map[string]tally.Counts{"n1-private_network": {Reports: 4}, "n1-host_network": {Reports: 1, Errors: 2}, "gone-host_network": {Reports: 9}}}
}

func metricsOf(v *scene) *Metrics {
	m := New()
	m.Watch(Config{
		Snapshots: snapshots{v.Snapshot}, Counter: v, History: v, Paths: v.paths, Findings: v.found,
		Store:   func() StoreStatus { return StoreStatus{ViewAge: 250 * time.Millisecond} },
		Leading: func() bool { return true },
		Now:     func() time.Time { return now },
	})
	return m
}

func wantText(t *testing.T, m *Metrics, want string, names ...string) {
	t.Helper()
	if err := testutil.GatherAndCompare(m, strings.NewReader(want), names...); err != nil {
		t.Error(err)
	}
}

func TestTheContractsCountersStandAtZeroErrorsFromTheFirstReportOn(t *testing.T) {
	wantText(t, metricsOf(three()), `
# HELP ncagent_error_count_total Report intervals in which the agent was outdated or absent.
# TYPE ncagent_error_count_total counter
ncagent_error_count_total{agent="n1-host_network"} 2
ncagent_error_count_total{agent="n1-private_network"} 0
# HELP ncagent_report_count_total Reports taken in from the agent.
# TYPE ncagent_report_count_total counter
ncagent_report_count_total{agent="n1-host_network"} 1
ncagent_report_count_total{agent="n1-private_network"} 4
`, "ncagent_report_count_total", "ncagent_error_count_total")
}

func TestTheContractsGaugesTellEachProbe(t *testing.T) {
	want := `
# HELP ncagent_http_probe_connection_result Whether the agent's probe of the URL got an HTTP answer: 1 or 0.
# TYPE ncagent_http_probe_connection_result gauge
ncagent_http_probe_connection_result{agent="n1-host_network",url="URL"} 0
ncagent_http_probe_connection_result{agent="n1-private_network",url="URL"} 1
# HELP ncagent_http_probe_code HTTP status code that the agent's probe of the URL got.
# TYPE ncagent_http_probe_code gauge
ncagent_http_probe_code{agent="n1-host_network",url="URL"} 0
ncagent_http_probe_code{agent="n1-private_network",url="URL"} 200
# HELP ncagent_http_probe_total_time_ms Whole time of the probe, in milliseconds.
# TYPE ncagent_http_probe_total_time_ms gauge
ncagent_http_probe_total_time_ms{agent="n1-host_network",url="URL"} 9.223372036854e+12
ncagent_http_probe_total_time_ms{agent="n1-private_network",url="URL"} 2
# HELP ncagent_http_probe_content_transfer_time_ms Time that the content took to arrive, in milliseconds.
# TYPE ncagent_http_probe_content_transfer_time_ms gauge
ncagent_http_probe_content_transfer_time_ms{agent="n1-host_network",url="URL"} 9.223372036854e+12
ncagent_http_probe_content_transfer_time_ms{agent="n1-private_network",url="URL"} 0
# HELP ncagent_http_probe_tcp_connection_time_ms Time that the TCP connection took, in milliseconds.
# TYPE ncagent_http_probe_tcp_connection_time_ms gauge
ncagent_http_probe_tcp_connection_time_ms{agent="n1-host_network",url="URL"} 0
ncagent_http_probe_tcp_connection_time_ms{agent="n1-private_network",url="URL"} 0
# HELP ncagent_http_probe_dns_lookup_time_ms Time that the DNS lookup took, in milliseconds.
# TYPE ncagent_http_probe_dns_lookup_time_ms gauge
ncagent_http_probe_dns_lookup_time_ms{agent="n1-host_network",url="URL"} 0
ncagent_http_probe_dns_lookup_time_ms{agent="n1-private_network",url="URL"} 1
# HELP ncagent_http_probe_connect_time_ms Time from the start until the connection stood, in milliseconds.
# TYPE ncagent_http_probe_connect_time_ms gauge
ncagent_http_probe_connect_time_ms{agent="n1-host_network",url="URL"} 0
ncagent_http_probe_connect_time_ms{agent="n1-private_network",url="URL"} 1
# HELP ncagent_http_probe_server_processing_time_ms Time that the server took to answer, in milliseconds.
# TYPE ncagent_http_probe_server_processing_time_ms gauge
ncagent_http_probe_server_processing_time_ms{agent="n1-host_network",url="URL"} 0
ncagent_http_probe_server_processing_time_ms{agent="n1-private_network",url="URL"} 0
`
	names := make([]string, 0, len(probeGauges))
	for _, g := range probeGauges {
		names = append(names, g.name)
	}
	wantText(t, metricsOf(three()), strings.ReplaceAll(want, "URL\"}", ping+"\"}"), names...)
}

func TestTheVerdictAndTheServersOwnStateAreGauges(t *testing.T) {
	wantText(t, metricsOf(three()), `
# HELP netchecker_agents Expected agents by state and network; not there while the verdict cannot be known.
# TYPE netchecker_agents gauge
netchecker_agents{network="host",state="absent"} 0
netchecker_agents{network="host",state="outdated"} 1
netchecker_agents{network="host",state="planned"} 0
netchecker_agents{network="host",state="reporting"} 0
netchecker_agents{network="host",state="starting"} 0
netchecker_agents{network="pod",state="absent"} 1
netchecker_agents{network="pod",state="outdated"} 0
netchecker_agents{network="pod",state="planned"} 0
netchecker_agents{network="pod",state="reporting"} 1
netchecker_agents{network="pod",state="starting"} 0
# HELP netchecker_leader Whether this server is the one that writes the counters and compacts: 1 or 0.
# TYPE netchecker_leader gauge
netchecker_leader 1
# HELP netchecker_pod_list_age_seconds Time since the list of agent pods was known to be current; not there before it was first read.
# TYPE netchecker_pod_list_age_seconds gauge
netchecker_pod_list_age_seconds 3
# HELP netchecker_pod_list_agents Agent pods that are expected to report.
# TYPE netchecker_pod_list_agents gauge
netchecker_pod_list_agents 3
# HELP netchecker_snapshot_age_seconds Age of the verdict that is answered from.
# TYPE netchecker_snapshot_age_seconds gauge
netchecker_snapshot_age_seconds 0.1
# HELP netchecker_snapshot_build_duration_seconds Time that making the newest verdict took.
# TYPE netchecker_snapshot_build_duration_seconds gauge
netchecker_snapshot_build_duration_seconds 0.002
# HELP netchecker_store_out_of_space Whether etcd refuses writes for want of space: 1 or 0.
# TYPE netchecker_store_out_of_space gauge
netchecker_store_out_of_space 0
# HELP netchecker_store_view_age_seconds Time since everything in etcd was known to the server; not there before it was first read.
# TYPE netchecker_store_view_age_seconds gauge
netchecker_store_view_age_seconds 0.25
# HELP netchecker_verdict The connectivity check's verdict: 1 for the outcome that holds, 0 for the others. Agents that are still starting fail nothing here; critical findings do, unless -findings-fail=false.
# TYPE netchecker_verdict gauge
netchecker_verdict{outcome="cannot_know"} 0
netchecker_verdict{outcome="failing"} 1
netchecker_verdict{outcome="ok"} 0
`, "netchecker_agents", "netchecker_leader", "netchecker_pod_list_age_seconds", "netchecker_pod_list_agents", "netchecker_snapshot_age_seconds",
		"netchecker_snapshot_build_duration_seconds", "netchecker_store_out_of_space", "netchecker_store_view_age_seconds", "netchecker_verdict")
}

func TestWhileBlindNoAgentHasAStateAndTheVerdictIsCannotKnow(t *testing.T) {
	v := three()
	v.States, v.Unknown = nil, judge.Unknown{Cause: judge.StoreSilent, For: 12 * time.Second}
	wantText(t, metricsOf(v), `
# HELP netchecker_verdict The connectivity check's verdict: 1 for the outcome that holds, 0 for the others. Agents that are still starting fail nothing here; critical findings do, unless -findings-fail=false.
# TYPE netchecker_verdict gauge
netchecker_verdict{outcome="cannot_know"} 1
netchecker_verdict{outcome="failing"} 0
netchecker_verdict{outcome="ok"} 0
`, "netchecker_verdict", "netchecker_agents")
}

func TestTheVerdictIsThatOfTheCheckWithStartingOK(t *testing.T) {
	v := three()
	v.Summary = evaluate.Summary{}
	v.Summary.Add(evaluate.Evidence{}, evaluate.Reporting, true)
	v.Summary.Add(evaluate.Evidence{}, evaluate.Starting, false)
	wantText(t, metricsOf(v), `
# HELP netchecker_verdict The connectivity check's verdict: 1 for the outcome that holds, 0 for the others. Agents that are still starting fail nothing here; critical findings do, unless -findings-fail=false.
# TYPE netchecker_verdict gauge
netchecker_verdict{outcome="cannot_know"} 0
netchecker_verdict{outcome="failing"} 0
netchecker_verdict{outcome="ok"} 1
`, "netchecker_verdict")
	v.Findings = []findings.Finding{finding(diagnose.BlackHole, diagnose.Critical, diagnose.In, "n3")}
	for fail, failing := range map[bool]float64{false: 0, true: 1} {
		v.FindingsFail = fail
		wantText(t, metricsOf(v), fmt.Sprintf(`
# HELP netchecker_verdict The connectivity check's verdict: 1 for the outcome that holds, 0 for the others. Agents that are still starting fail nothing here; critical findings do, unless -findings-fail=false.
# TYPE netchecker_verdict gauge
netchecker_verdict{outcome="cannot_know"} 0
netchecker_verdict{outcome="failing"} %v
netchecker_verdict{outcome="ok"} %v
`, failing, 1-failing), "netchecker_verdict")
	}
}

func TestSeriesOfPodsThatAreGoneGo(t *testing.T) {
	v := three()
	v.List = &fleet.List{}
	v.Labels, v.Records, v.States = nil, nil, nil
	n, err := testutil.GatherAndCount(metricsOf(v), "ncagent_report_count_total", "ncagent_error_count_total", "ncagent_http_probe_code")
	if err != nil || n != 0 {
		t.Errorf("%d series are left, error %v", n, err)
	}
}

func TestNoSeriesHasAnEmptyNodeNorIsThereTwice(t *testing.T) {
	v := three()
	// Not scheduled yet; a second DaemonSet on n1; a URL that one report has twice.
	v.List.Agents = append(v.List.Agents, fleet.Agent{}, fleet.Agent{Node: "n1"})
	v.Labels = append(v.Labels, "-private_network", "n1-private_network")
	v.Records = append(v.Records, record(9, report.ProbeResult{URL: ping, HTTPCode: 500}),
		record(10, report.ProbeResult{URL: ping, HTTPCode: 404}, report.ProbeResult{URL: ping, HTTPCode: 200}))
	v.States = nil
	wantText(t, metricsOf(v), strings.ReplaceAll(`
# HELP ncagent_http_probe_code HTTP status code that the agent's probe of the URL got.
# TYPE ncagent_http_probe_code gauge
ncagent_http_probe_code{agent="n1-host_network",url="URL"} 0
ncagent_http_probe_code{agent="n1-private_network",url="URL"} 200
`, "URL\"}", ping+"\"}"), "ncagent_http_probe_code")
}

func TestTheLinterHasNothingToSayButTheContractsMilliseconds(t *testing.T) {
	v := three()
	v.paths = measured{totals: []paths.Total{{Sent: 1}}, shared: []paths.SharedTotal{{Asked: 1}}, meshing: paths.Meshing{Agents: 1}}
	m := metricsOf(v)
	m.Request("ping", 200, time.Millisecond)
	m.Group(3, time.Millisecond, nil)
	problems, err := testutil.GatherAndLint(m)
	if err != nil {
		t.Fatal(err)
	}
	contract := regexp.MustCompile(`^ncagent_http_probe_[a-z_]+_time_ms$`)
	for _, p := range problems {
		if !contract.MatchString(p.Metric) {
			t.Errorf("%s: %s", p.Metric, p.Text)
		}
	}
}

func TestTheHandlerServesThePrometheusText(t *testing.T) {
	m := metricsOf(three())
	m.Request("ping", 200, time.Millisecond)
	m.Group(3, time.Millisecond, errors.New("etcd is away"))
	s := httptest.NewServer(m.Handler())
	defer s.Close()
	res, err := http.Get(s.URL)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		`ncagent_report_count_total{agent="n1-private_network"} 4`,
		`netchecker_http_requests_total{code="200",route="ping"} 1`,
		`netchecker_store_write_failures_total 1`,
		`netchecker_store_group_reports_sum 3`,
		`netchecker_build_info{`,
		`go_goroutines `,
	} {
		if !strings.Contains(string(body), "\n"+want) {
			t.Errorf("there is no %s", want)
		}
	}
}
