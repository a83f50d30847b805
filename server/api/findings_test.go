package api

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/netchecker/netchecker/pkg/report"
	"github.com/netchecker/netchecker/server/diagnose"
	"github.com/netchecker/netchecker/server/findings"
	"github.com/netchecker/netchecker/server/store"
)

// found has the store have a finding.
func (c *cluster) found(t *testing.T, h diagnose.Held) {
	t.Helper()
	value, err := json.Marshal(findings.Finding{Held: h, Sentence: h.Sentence()})
	if err != nil {
		t.Fatal(err)
	}
	c.findings.Kind().Keeper.Apply(store.Entry{Key: h.ID, Value: value, Revision: 1})
}

// looks has it have what the leader says of its looking.
func (c *cluster) looks(state string) {
	c.findings.Kind().Keeper.Apply(store.Entry{Key: "state", Value: []byte(state), Revision: 1})
}

func ago(d time.Duration) time.Time { return noon.Add(-d) }

// Three findings: two that last, and one that is over.
var (
	overlay = diagnose.Held{ID: "b", Began: ago(9 * time.Minute), Finding: diagnose.Finding{
		Kind: diagnose.PodNetwork, Subject: diagnose.Subject{Scope: diagnose.Node, Names: [2]string{"node-2"}}, Class: "pod-to-pod", Direction: diagnose.Both,
		Severity: diagnose.Critical, Since: ago(10 * time.Minute), Sure: true, For: []diagnose.Count{{Of: "pod paths", Bad: 16, All: 16}}, Against: []diagnose.Count{{Of: "host paths", All: 8}},
	}}
	lossy = diagnose.Held{ID: "c", Began: ago(4 * time.Minute), Finding: diagnose.Finding{
		Kind: diagnose.Loss, Subject: diagnose.Subject{Scope: diagnose.Pair, Names: [2]string{"node-1", "node-3"}}, Or: []diagnose.Subject{{Scope: diagnose.Node, Names: [2]string{"node-3"}}}, Direction: diagnose.Out,
		Severity: diagnose.Warning, Since: ago(5 * time.Minute), Family: "IPv6", Loss: 0.1, For: []diagnose.Count{{Of: "packets", Bad: 10, All: 100}},
	}}
	blackHole = diagnose.Held{ID: "a", Began: ago(50 * time.Minute), Ended: ago(40 * time.Minute), Why: "well", Finding: diagnose.Finding{
		Kind: diagnose.BlackHole, Subject: diagnose.Subject{Scope: diagnose.Cluster}, Severity: diagnose.Critical, Since: ago(51 * time.Minute), Size: 1400, Silent: []string{"agent-x"}, Detail: "that is so",
	}}
)

const (
	overlaySays = `node-2: pod network down in both directions since 11:50:00 (16 of 16 pod paths fail, 8 of 8 host paths work): look at the CNI on node-2, or UDP 8472 between nodes`
	lossySays   = `node-3, or what is between node-1 and node-3: network loses 10% of packets from node-1 to node-3, over IPv6 since 11:55:00 (10 of 100 packets): look at links, cables and queues of node-1 and node-3`
	holeSays    = `all nodes: network swallows packets above 1400 bytes since 11:09:00 (that is so): look at the MTU of tunnels and interfaces there, and at ICMP that is blocked`

	overlayShown = `{"id":"b","kind":"pod-network","subject":{"scope":"node","names":["node-2"]},"class":"pod-to-pod","direction":"both","severity":"critical","since":"2026-11-27T11:50:00Z","sure":true,` +
		`"for":[{"of":"pod paths","bad":16,"all":16}],"against":[{"of":"host paths","bad":0,"all":8}],"sentence":"` + overlaySays + `"`
	lossyShown = `{"id":"c","kind":"loss","subject":{"scope":"pair","names":["node-1","node-3"]},"other":[{"scope":"node","names":["node-3"]}],"direction":"out","family":"IPv6","severity":"warning","since":"2026-11-27T11:55:00Z","sure":false,` +
		`"for":[{"of":"packets","bad":10,"all":100}],"loss":0.1,"sentence":"` + lossySays + `"`
	holeShown = `{"id":"a","kind":"black-hole","subject":{"scope":"cluster","names":[]},"severity":"critical","since":"2026-11-27T11:09:00Z","until":"2026-11-27T11:20:00Z","ended_by":"well","sure":false,` +
		`"size_bytes":1400,"silent_agents":["agent-x"],"detail":"that is so","sentence":"` + holeSays + `"}`
)

// broken is a cluster whose agents mesh, with those findings.
func broken(t *testing.T) *cluster {
	c := meshing(3)
	c.looks(`{}`)
	c.probed("pod-000", report.Mesh{}, report.Session{ID: 1, Peer: c.meshID("pod-001"), Sent: 60})
	for _, h := range []diagnose.Held{lossy, blackHole, overlay} {
		c.found(t, h)
	}
	return c
}

func TestFindingsAreToldAsTheyLastOrLasted(t *testing.T) {
	url := broken(t).serve(t)
	for _, row := range []struct {
		query []string
		want  string
		text  string
	}{
		{nil, `{"findings":[` + overlayShown + `},` + lossyShown + `}]}`, overlaySays + "\n" + lossySays + "\n"},
		{[]string{"from", "-1h"}, `{"findings":[` + holeShown + `,` + overlayShown + `},` + lossyShown + `}]}`, holeSays + "; over since 11:20:00: well\n" + overlaySays + "\n" + lossySays + "\n"},
		{[]string{"from", "2026-11-27T11:00:00Z", "to", "-45m"}, `{"findings":[` + holeShown + `]}`, holeSays + "; over since 11:20:00: well\n"},
		{[]string{"from", "-30m", "to", "-20m"}, `{"findings":[]}`, "no findings\n"},
		{[]string{"to", "-45m"}, `{"findings":[` + holeShown + `]}`, holeSays + "; over since 11:20:00: well\n"},
	} {
		if a := get(t, url, "/api/v1/findings", row.query...); a.status != 200 || a.body != row.want || a.header.Get("Content-Type") != "application/json" {
			t.Errorf("%q: %d\n%s\nwant\n%s", row.query, a.status, a.body, row.want)
		}
		if a := ask(t, "GET", url+path("/api/v1/findings", row.query), "", "Accept", "text/plain"); a.status != 200 || a.body != row.text || a.header.Get("Content-Type") != "text/plain; charset=utf-8" {
			t.Errorf("%q: %d\n%s\nwant\n%s", row.query, a.status, a.body, row.text)
		}
	}
}

// path is one with a query.
func path(base string, query []string) string {
	for i := 0; i+1 < len(query); i += 2 {
		base += fmt.Sprintf("%c%s=%s", "?&"[min(i, 1)], query[i], query[i+1])
	}
	return base
}

func TestPagesOfFindingsLeadToEachOther(t *testing.T) {
	url := broken(t).serve(t)
	var ids []string
	query := []string{"from", "-1h", "limit", "2"}
	for more := true; more; {
		var page struct {
			Findings []struct{ ID string }
			Continue string
		}
		if err := json.Unmarshal([]byte(get(t, url, "/api/v1/findings", query...).body), &page); err != nil {
			t.Fatal(err)
		}
		for _, f := range page.Findings {
			ids = append(ids, f.ID)
		}
		more = page.Continue != ""
		query = []string{"from", "-1h", "limit", "2", "continue", page.Continue}
		if text := ask(t, "GET", url+path("/api/v1/findings", query[:4]), "", "Accept", "text/plain").body; more && !strings.HasSuffix(text, "\nthere are more, with &continue="+page.Continue+"\n") {
			t.Errorf("as text the first page is %q", text)
		}
	}
	if got := strings.Join(ids, " "); got != "a b c" {
		t.Errorf("the pages have %q", got)
	}
}

func TestFindingsSayWhyTheyStandStill(t *testing.T) {
	const still, said = "the server that looks has only begun to", `,"standing_still":"the server that looks has only begun to"}`
	c := broken(t)
	c.looks(`{"still":"` + still + `","left_out":7}`)
	url := c.serve(t)
	want := `{"findings":[` + overlayShown + `,"standing_still":true},` + lossyShown + `,"standing_still":true}],"left_out":7` + said
	if a := get(t, url, "/api/v1/findings"); a.status != 200 || a.body != want {
		t.Errorf("%d\n%s\nwant\n%s", a.status, a.body, want)
	}
	text := overlaySays + "\n" + lossySays + "\nand 7 more\nfindings stand still: " + still + "\n"
	if a := ask(t, "GET", url+"/api/v1/findings", "", "Accept", "text/plain"); a.body != text {
		t.Errorf("%s\nwant\n%s", a.body, text)
	}
	if a := get(t, url, "/api/v1/findings", "from", "-1h", "to", "-45m"); a.body != `{"findings":[`+holeShown+`]`+said {
		t.Errorf("%s", a.body)
	}

	began := meshing(3)
	began.probed("pod-000", report.Mesh{}, report.Session{ID: 1, Peer: began.meshID("pod-001"), Sent: 60})
	if a := get(t, began.serve(t), "/api/v1/findings"); a.status != 200 || a.body != `{"findings":[],"standing_still":"no server has looked for faults yet"}` {
		t.Errorf("before the first look: %d %s", a.status, a.body)
	}

	quiet := newCluster()
	url = quiet.serve(t)
	if a := get(t, url, "/api/v1/findings"); a.status != 503 || !strings.HasPrefix(a.body, "Error occurred while checking the agents. Details: ") {
		t.Errorf("while nothing can be known: %d %s", a.status, a.body)
	}
	if a := get(t, url, "/api/v1/findings", "from", "-1h"); a.status != 200 || !strings.HasPrefix(a.body, `{"findings":[],"standing_still":"no agent pod exists`) {
		t.Errorf("of a stretch of time while nothing can be known: %d %s", a.status, a.body)
	}
	quiet.found(t, overlay)
	if a := get(t, url, "/api/v1/findings"); a.status != 200 || !strings.HasPrefix(a.body, `{"findings":[`+overlayShown+`,"standing_still":true}],"standing_still":"no agent pod exists`) {
		t.Errorf("of what lasts while nothing can be known: %d %s", a.status, a.body)
	}

	original := newCluster(agentX)
	url = original.serve(t)
	post(t, url, agentX.Name, contractReport)
	if a := get(t, url, "/api/v1/findings"); a.status != 200 || a.body != `{"findings":[],"standing_still":"no agent tells of paths to others, so nothing can be found"}` {
		t.Errorf("where no agent meshes: %d %s", a.status, a.body)
	}
}

func TestWhatIsWrongWithAQuestionAboutFindingsIsSaid(t *testing.T) {
	url := broken(t).serve(t)
	for _, row := range []struct {
		query []string
		want  string
	}{
		{[]string{"from", "yesterday"}, `from: is "yesterday"; it should be a time such as 2026-11-27T12:00:00Z, or how long ago that was, such as -1h30m`},
		{[]string{"from", "-1h", "to", "-2h"}, `to: is 2026-11-27T10:00:00Z; it should be after from, which is 2026-11-27T11:00:00Z`},
		{[]string{"from", "-1h", "limit", "0"}, `limit: is "0"; it should be a number from 1 to 1000`},
		{[]string{"from", "-1h", "continue", "x"}, `continue: is not what it should be: the continue of an earlier answer`},
		{[]string{"limit", "5"}, `limit: is for a stretch of time; it should come with from or to, or be left out`},
		{[]string{"continue", "5-x"}, `continue: is for a stretch of time; it should come with from or to, or be left out`},
		{[]string{"kind", "loss"}, `kind: is no parameter of this request; there are from, to, limit, continue`},
	} {
		if a := get(t, url, "/api/v1/findings", row.query...); a.status != 400 || a.body != row.want+"\n" {
			t.Errorf("%q: %d %s, want %s", row.query, a.status, a.body, row.want)
		}
	}
}

func TestPlainTextIsForThoseWhoPreferIt(t *testing.T) {
	url := broken(t).serve(t)
	for accept, text := range map[string]bool{
		"": false, "*/*": false, "application/json": false, "text/html, */*": false, "text/html": false, ";;": false,
		"text/plain": true, "text/plain; charset=utf-8": true, "text/plain, */*;q=0.1": true, "text/plain, application/json;q=0.9": true,
		"application/json, text/plain": false, "text/plain;q=0.1, application/json": false, "text/plain;q=0": false,
		"application/json, text/plain, */*": false, // of axios, whose callers read keys
	} {
		for path, status := range map[string]int{"/api/v1/findings": 200, "/api/v1/connectivity_check": 400} {
			a := ask(t, "GET", url+path, "", "Accept", accept)
			if got := !strings.HasPrefix(a.body, "{"); got != text || got != strings.HasPrefix(a.header.Get("Content-Type"), "text/plain") || a.status != status {
				t.Errorf("%q: %s is %d, text %t, %s, want %d, %t", accept, path, a.status, got, a.header.Get("Content-Type"), status, text)
			}
		}
	}
}

func TestTheCheckTellsFindingsWhereAgentsMesh(t *testing.T) {
	c := broken(t)
	for i := range c.list.Agents {
		c.probed(c.list.Agents[i].Name, report.Mesh{}, report.Session{ID: 1, Peer: c.meshID("pod-001"), Sent: 60})
	}
	url := c.serve(t)
	const well, told = `{"Message":"All 6 pods successfully reported back to the server","Absent":null,"Outdated":null`, `,"Findings":["` + overlaySays + `","` + lossySays + `"]}`
	const fails = `{"Message":"Connectivity check fails. Reason: 1 critical finding; look up the payload","Absent":null,"Outdated":null`
	for _, row := range []struct {
		fail   bool
		query  []string
		status int
		want   string
	}{
		{false, nil, 200, well + told},
		{false, []string{"findings", "ok"}, 200, well + told},
		{true, nil, 400, fails + told},
		{true, []string{"starting", "ok"}, 400, fails + told},
		{true, []string{"findings", "ok"}, 200, well + told},
		{true, []string{"findings", "ok", "starting", "ok"}, 200, well + told},
	} {
		c.findingsFail = row.fail
		if a := get(t, url, "/api/v1/connectivity_check", row.query...); a.status != row.status || a.body != row.want {
			t.Errorf("-findings-fail=%t, %q: %d\n%s\nwant %d\n%s", row.fail, row.query, a.status, a.body, row.status, row.want)
		}
	}
	// The leader's standing still changes nothing.
	c.looks(`{"still":"the server that looks has only begun to"}`)
	if a := ask(t, "GET", url+"/api/v1/connectivity_check", "", "Accept", "text/plain"); a.status != 400 ||
		a.body != "Connectivity check fails. Reason: 1 critical finding; look up the payload\n"+overlaySays+"\n"+lossySays+"\n" {
		t.Errorf("as text: %d\n%s", a.status, a.body)
	}
	// Agents are made anew, as such that do not mesh.
	for _, rec := range c.records {
		rec.Mesh = nil
	}
	if a := get(t, url, "/api/v1/connectivity_check"); a.status != 200 || a.body != well+"}" {
		t.Errorf("where no agent meshes: %d %s", a.status, a.body)
	}
}
