package api

import (
	"fmt"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/netchecker/netchecker/pkg/report"
	"github.com/netchecker/netchecker/server/fleet"
	"github.com/netchecker/netchecker/server/intervals"
	"github.com/netchecker/netchecker/server/store"
)

const bootX = "0123456789abcdef"

// stores puts into the history what is stored of an hour before noon: of agent X,
// whose sampling of kube-api over new connections broke for 5 s half an hour ago.
func (c *cluster) stores(t *testing.T) {
	t.Helper()
	const body = `{"as_of_ms":3600000,"sealed":[` +
		`{"id":1,"backend":"kube-api","connection":"new","level":"Info","from_ms":0,"to_ms":1800000},` +
		`{"id":2,"backend":"kube-api","connection":"new","level":"Error","message":"connecting: connection refused","from_ms":1800000,"to_ms":1805000},` +
		`{"id":3,"backend":"kube-api","connection":"new","level":"Info","from_ms":1805000,"to_ms":3600000},` +
		`{"id":4,"backend":"kube-api","connection":"reused","level":"Info","from_ms":0,"to_ms":3600000}]}`
	c.stored("default/netchecker-agent-x/"+bootX+"/1", body)
	if len(c.history.Between(noon.Add(-time.Hour), noon)) != 4 {
		t.Fatal("what is stored is not read")
	}
}

func (c *cluster) stored(key, body string) {
	value := fmt.Sprintf(`{"booted":"2026-11-27T11:00:00Z","node":"n1","network":"pod","body":%s}`, body)
	c.history.Kept().Keeper.Apply(store.Entry{Key: key, Value: []byte(value)})
}

func get(t *testing.T, base, path string, query ...string) response {
	t.Helper()
	v := url.Values{}
	for i := 0; i+1 < len(query); i += 2 {
		v.Add(query[i], query[i+1])
	}
	return ask(t, "GET", base+path+"?"+v.Encode(), "")
}

const (
	where   = `"locator":"disruption/kube-api connection/new network/pod node/n1 pod/netchecker-agent-x"`
	outage  = `{"level":"Error",` + where + `,"message":"connecting: connection refused","from":"2026-11-27T11:30:00Z","to":"2026-11-27T11:30:05Z"}`
	before  = `{"level":"Info",` + where + `,"message":"","from":"2026-11-27T11:00:00Z","to":"2026-11-27T11:30:00Z"}`
	nothing = `{"items":[]}`
)

func TestIntervalsAreListedByTimeLevelAndLocator(t *testing.T) {
	c := newCluster(agentX)
	c.stores(t)
	url := c.serve(t)
	for _, row := range []struct {
		query []string
		want  string
	}{
		{[]string{"level", "Error"}, `{"items":[` + outage + `]}`},
		{[]string{"from", "2026-11-27T11:29:00Z", "to", "2026-11-27T13:30:05+02:00", "locator", "connection/new disruption/kube-api"}, `{"items":[` + before + `,` + outage + `]}`},
		{[]string{"from", "-10m", "level", "Error,Warning"}, nothing},
		{[]string{"locator", "node/n2"}, nothing},
	} {
		a := get(t, url, "/api/v1/intervals", row.query...)
		if a.status != 200 || a.body != row.want || a.header.Get("Content-Type") != "application/json" {
			t.Errorf("%q: %d %s\nwant %s", row.query, a.status, a.body, row.want)
		}
	}
}

func TestIntervalsComeInPages(t *testing.T) {
	c := newCluster(agentX)
	c.stores(t)
	url := c.serve(t)
	first := get(t, url, "/api/v1/intervals", "locator", "connection/new", "limit", "2")
	items, rest, more := strings.Cut(first.body, `],"continue":"`)
	if !more || items != `{"items":[`+before+`,`+outage {
		t.Fatalf("%d %s", first.status, first.body)
	}
	next := get(t, url, "/api/v1/intervals", "locator", "connection/new", "limit", "2", "continue", strings.TrimSuffix(rest, `"}`))
	want := `{"items":[{"level":"Info",` + where + `,"message":"","from":"2026-11-27T11:30:05Z","to":"2026-11-27T12:00:00Z"}]}`
	if next.body != want {
		t.Errorf("the second page is %s\nwant %s", next.body, want)
	}
}

func TestADisruptionIsSummedUpByBackendConnectionAndNetwork(t *testing.T) {
	c := newCluster(agentX)
	c.stores(t)
	c.refused = []Refusal{{"metadata", "url: leads to 169.254.169.254", 0}, {"odd", "link-local", 17}}
	// What is open now, from an agent whose clock is behind.
	c.list.Agents[0].Network = report.Pod
	rec := &fleet.Record{Key: agentX, Learned: time.Now(), Revision: 7}
	rec.PodName, rec.ReportInterval, rec.BootID = agentX.Name, 15, bootX
	rec.Booted, rec.LastUpdated, rec.HostDate = noon.Add(-time.Hour), noon, noon.Add(-10*time.Minute)
	rec.Disruption = &report.Disruption{
		AsOf: 3610 * time.Second, Dropped: 2,
		Open: []report.Interval{{ID: 5, Backend: "kube-api", Connection: report.New, Level: report.Info, From: 3600 * time.Second}},
	}
	c.records[agentX] = rec
	c.history.Look(c.list.Agents, []*fleet.Record{rec})
	url := c.serve(t)
	a := get(t, url, "/api/v1/disruption", "from", "-1h")
	want := `{"from":"2026-11-27T11:00:00Z","to":"2026-11-27T12:00:00Z","backends":[` +
		`{"backend":"kube-api","connection":"new","network":"pod","disrupted_seconds":5,"covered_seconds":3600,"samplers":1,"failing_samplers":1,"messages":["connecting: connection refused"],"up":1},` +
		`{"backend":"kube-api","connection":"reused","network":"pod","disrupted_seconds":0,"covered_seconds":3600,"samplers":1,"failing_samplers":0,"messages":[],"up":null}],` +
		`"refused":[{"backend":"metadata","reason":"url: leads to 169.254.169.254"},{"backend":"odd","reason":"link-local","agents":17}],` +
		`"clocks":[{"pod":"default/netchecker-agent-x","node":"n1","ahead_seconds":-610}],"dropped_intervals":0,"lost_intervals":2}`
	if a.status != 200 || a.body != want {
		t.Errorf("%d\n%s\nwant\n%s", a.status, a.body, want)
	}
}

func TestClocksThatDifferAreToldAndWhatAReportsWayTookIsNot(t *testing.T) {
	for _, row := range []struct {
		name              string
		made, taken, asOf time.Duration // since noon: by the agent's clock, and by the server's
		want              float64
	}{
		{"alike", 60 * time.Second, 60 * time.Second, 60 * time.Second, 0},
		{"a long way", 60 * time.Second, 90 * time.Second, 60 * time.Second, 0},
		{"a sample long ago", 60 * time.Second, 60 * time.Second, 50 * time.Second, 0},
		{"a second ahead", 61 * time.Second, 60 * time.Second, 60 * time.Second, 0},
		{"more", 61500 * time.Millisecond, 60 * time.Second, 60 * time.Second, 1.5},
		{"a second behind", 59 * time.Second, 60 * time.Second, 60 * time.Second, 0},
		{"more behind", 50 * time.Second, 60 * time.Second, 59 * time.Second, -9},
	} {
		c := newCluster(agentX)
		rec := &fleet.Record{Key: agentX, Learned: time.Now()}
		rec.PodName, rec.ReportInterval, rec.Booted = agentX.Name, 15, noon
		rec.HostDate, rec.LastUpdated, rec.Disruption = noon.Add(row.made), noon.Add(row.taken), &report.Disruption{AsOf: row.asOf}
		c.records[agentX] = rec
		var got float64
		if off := clocksOff(fresh{c}.Snapshot()); len(off) > 0 {
			got = off[0].Ahead
		}
		if got != row.want {
			t.Errorf("%s: %v s ahead, want %v", row.name, got, row.want)
		}
	}
}

func TestADisruptionIsToldInTheShapeOfOpenShift(t *testing.T) {
	c := newCluster(agentX)
	c.stores(t)
	a := get(t, c.serve(t), "/api/v1/disruption", "format", "openshift", "from", "-1h")
	want := `{"BackendDisruptions":{` +
		`"kube-api-new-connections":{"Name":"kube-api-new-connections","BackendName":"kube-api","ConnectionType":"New","DisruptedDuration":"5s",` +
		`"DisruptionMessages":["Nov 27 11:30:00.000 - 5s    E disruption/kube-api connection/new network/pod node/n1 pod/netchecker-agent-x connecting: connection refused"]},` +
		`"kube-api-reused-connections":{"Name":"kube-api-reused-connections","BackendName":"kube-api","ConnectionType":"Reused","DisruptedDuration":"0s","DisruptionMessages":[]}}}`
	if a.status != 200 || a.body != want {
		t.Errorf("%d\n%s\nwant\n%s", a.status, a.body, want)
	}
}

func TestSyntheticTestsAreAnsweredAsJSON(t *testing.T) {
	c := newCluster(agentX)
	c.stores(t)
	c.declared = []intervals.Declared{{Name: "kube-api", Allowance: 5 * time.Second}}
	url := c.serve(t)
	for _, row := range []struct{ from, result, first string }{
		{"-1h", "passed", `{"name":"[netchecker] disruption/kube-api connection/new should be available throughout","result":"passed","message":"disrupted for 5s, where 5s is allowed; seen by 1 of 1 samplers, first from 2026-11-27T11:30:00.000Z on: connecting: connection refused"}`},
		{"-61m", "error", `{"name":"[netchecker] disruption/kube-api connection/new should be available throughout","result":"error","message":"not sampled from the pod network from 2026-11-27T10:59:00.000Z to 2026-11-27T11:00:00.000Z"}`},
	} {
		a := get(t, url, "/api/v1/synthetic_tests", "from", row.from)
		if a.status != 200 || !strings.Contains(a.body, `"result":"`+row.result+`","tests":[`+row.first+`,`) {
			t.Errorf("%s: %d %s", row.from, a.status, a.body)
		}
	}
	c.declared = nil
	if a := get(t, c.serve(t), "/api/v1/synthetic_tests", "from", "-61m"); !strings.Contains(a.body, `"result":"failed","tests":[`) {
		t.Errorf("without an allowance: %s", a.body)
	}
}

func TestSyntheticTestsAreAnsweredAsJUnit(t *testing.T) {
	c := newCluster(agentX)
	c.stores(t)
	a := get(t, c.serve(t), "/api/v1/synthetic_tests", "from", "-1h", "format", "junit")
	const head = `<?xml version="1.0" encoding="UTF-8"?>
<testsuites tests="6" failures="1" errors="0">
  <testsuite name="netchecker" hostname="netchecker" timestamp="2026-11-27T11:00:00" time="3600.000" tests="6" failures="1" errors="0" skipped="0">
    <properties>
      <property name="from" value="2026-11-27T11:00:00Z"></property>
      <property name="to" value="2026-11-27T12:00:00Z"></property>
    </properties>
    <testcase name="[netchecker] disruption/kube-api connection/new should be available throughout" classname="netchecker.disruption" time="3600.000">
      <failure message="disrupted for 5s, where 0s is allowed; seen by 1 of 1 samplers, first from 2026-11-27T11:30:00.000Z on: connecting: connection refused" type="disruption">disrupted for`
	if a.status != 200 || !strings.HasPrefix(a.body, head) || a.header.Get("Content-Type") != "application/xml" {
		t.Errorf("%d %s\nwant %s…", a.status, a.body, head)
	}
}

func TestQuestionsAboutIntervalsThatMakeNoSenseAreRefusedByParameter(t *testing.T) {
	c := newCluster(agentX)
	url := c.serve(t)
	const aTime = `; it should be a time such as 2026-11-27T12:00:00Z, or how long ago that was, such as -1h30m`
	for _, row := range []struct {
		path  string
		query []string
		want  string
	}{
		{"intervals", []string{"from", "yesterday"}, `from: is "yesterday"` + aTime},
		{"intervals", []string{"from", "1h"}, `from: is "1h"` + aTime},
		{"intervals", []string{"to", "0001-01-01T00:00:00Z"}, `to: is "0001-01-01T00:00:00Z"` + aTime},
		{"intervals", []string{"to", "-48h"}, `to: is 2026-11-25T12:00:00Z; it should be after from, which is 2026-11-26T12:00:00Z`},
		{"intervals", []string{"level", "error"}, `level: is "error"; it should be Info, Warning, Error or Unknown, or several of them with ',' between`},
		{"intervals", []string{"limit", "0"}, `limit: is "0"; it should be a number from 1 to 1000`},
		{"intervals", []string{"limit", "1001"}, `limit: is "1001"; it should be a number from 1 to 1000`},
		{"intervals", []string{"locator", "kube-api"}, `locator: has "kube-api"; it should have parts of a locator, each once, such as disruption/kube-api connection/new network/pod node/node-2 pod/netchecker-agent-x4k2p`},
		{"intervals", []string{"continue", "x"}, `continue: is not what it should be: the continue of an earlier answer`},
		{"intervals", []string{"until", "-1h"}, `until: is no parameter of this request; there are from, to, level, locator, limit, continue`},
		{"intervals", []string{"a b", "-1h"}, `"a b": is no parameter of this request; there are from, to, level, locator, limit, continue`},
		{"intervals", []string{"from", "-1h", "from", "-2h"}, `from: is given 2 times; it should be given once`},
		{"disruption", []string{"format", "xml"}, `format: is "xml"; it should be openshift, or be left out`},
		{"synthetic_tests", []string{"from", "-1h", "format", "xml"}, `format: is "xml"; it should be junit, or be left out`},
		{"synthetic_tests", nil, `from: is missing` + strings.Replace(aTime, "; it should be", "; it should be", 1)},
	} {
		if a := get(t, url, "/api/v1/"+row.path, row.query...); a.status != 400 || a.body != row.want+"\n" {
			t.Errorf("%s %q: %d %s\nwant %s", row.path, row.query, a.status, a.body, row.want)
		}
	}
}

func TestAHistoryThatWasNeverReadIsNotToldAsOneWithoutDisruption(t *testing.T) {
	c := newCluster(agentX)
	c.asOf = time.Time{}
	url := c.serve(t)
	for _, path := range []string{"/api/v1/intervals", "/api/v1/disruption", "/api/v1/synthetic_tests?from=-1h"} {
		if a := ask(t, "GET", url+path, ""); a.status != 503 || !strings.HasPrefix(a.body, unknownHead) {
			t.Errorf("%s: %d %s", path, a.status, a.body)
		}
	}
}
