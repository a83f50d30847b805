package api

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/netchecker/netchecker/pkg/report"
	"github.com/netchecker/netchecker/server/fleet"
	"github.com/netchecker/netchecker/server/mesh"
	"github.com/netchecker/netchecker/server/paths"
	"github.com/netchecker/netchecker/server/store"
)

// meshing is a cluster of that many nodes in two zones, with an agent on each network.
func meshing(nodes int) *cluster {
	var keys []fleet.Key
	for i := range nodes {
		keys = append(keys, fleet.Key{Namespace: "default", Name: fmt.Sprintf("host-%03d", i)}, fleet.Key{Namespace: "default", Name: fmt.Sprintf("pod-%03d", i)})
	}
	c := newCluster(keys...)
	c.list.Nodes = map[string]fleet.Node{}
	for i := range c.list.Agents {
		a := &c.list.Agents[i]
		network, number, _ := strings.Cut(a.Name, "-")
		a.Network, a.Node = report.Network(network), "n"+number
		c.list.Nodes[a.Node] = fleet.Node{Name: a.Node, Zone: string("ab"[i%2])}
	}
	return c
}

func (c *cluster) meshID(name string) uint64 { return mesh.ID(&c.list.Named(name)[0]) }

// probed has an agent report these sessions, 5 s ago.
func (c *cluster) probed(name string, m report.Mesh, list ...report.Session) {
	m.AsOf, m.Sessions = time.Minute, report.SessionsOf(list...)
	key := c.list.Named(name)[0].Key
	rec := &fleet.Record{Key: key, Learned: time.Now()}
	rec.PodName, rec.ReportInterval, rec.BootID, rec.Mesh, rec.Booted = name, 15, bootX, &m, noon.Add(-65*time.Second)
	c.records[key] = rec
}

// updated has it send an update by a way, 3 s ago.
func (c *cluster) updated(name string, via report.Via, m report.Mesh) {
	m.AsOf = time.Minute + 2*time.Second
	value := report.AppendLife(nil, &report.Record{
		Report: report.Report{BootID: bootX, Delivery: report.Delivery{Via: via}, Mesh: &m}, Booted: noon.Add(-65 * time.Second),
	})
	c.paths.Kept().Keeper.Apply(store.Entry{Key: c.list.Named(name)[0].Key.String(), Value: value, Revision: 1})
}

func TestTheMeshIsToldByNodeAndByZone(t *testing.T) {
	c := meshing(3)
	c.list.Nodes["n002"] = fleet.Node{Name: "n002", Zone: "b"}
	for _, node := range []string{"n000", "n001"} {
		c.list.Nodes[node] = fleet.Node{Name: node, Zone: "a"}
	}
	full := report.Session{
		ID: 1, Peer: c.meshID("pod-001"), Sent: 60, Open: 6, Forward: 5, Back: 4, Refused: 3, Suspect: 2, Silent: 6100, RoundTrips: 40 * 1250, Shortest: 900, Longest: 70_500,
		Forbidden: 1, Stuck: 2, Flows: report.FlowsDead, Dialed: 12, DialRefused: 3, DialLost: 2, DialMute: 1, DialRun: 4, Dials: 6 * 2500, MTU: 1500, Sized: 6, There: 1400, Here: 1500, Hole: report.HoleForward,
	}
	six := report.Session{ID: 2, Peer: c.meshID("pod-001"), Six: true, Sent: 1, Open: 1}
	c.probed("pod-000", report.Mesh{}, full, six)
	c.probed("host-002", report.Mesh{Heard: []report.Heard{{Peer: c.meshID("host-000"), ID: 7, Received: 3, Silent: 4500, Unanswered: 2}}}, report.Session{ID: 1, Peer: c.meshID("pod-001"), Sent: 2})
	url := c.serve(t)
	const rest = `"sessions":1,"dead_sessions":1,"sent":60,"answered":40,"lost_forward":5,"lost_back":4,"unanswered":6,"refused":3,"suspect":2,"forbidden":1,"local_errors":2,"silent_seconds":6.1,"flows":"dead",` +
		`"round_trip_ms":{"mean":1.25,"shortest":0.9,"longest":70.5},"tcp":{"tried":12,"refused":3,"lost":2,"mute":1,"failing_in_a_row":4,"mean_ms":2.5},` +
		`"size":{"mtu":1500,"passed_forward":1400,"passed_back":1500,"black_hole":"forward"},"measured_by":["pod-000"],"age_seconds":5}`
	few := func(class, family, from, to string, sent, answered, open int, by string) string {
		spread := ""
		if answered > 0 {
			spread = `"round_trip_ms":{"mean":0,"shortest":0,"longest":0},`
		}
		return fmt.Sprintf(`{"class":%q,"family":%q,"from":%q,"to":%q,"sessions":1,"dead_sessions":0,"sent":%d,"answered":%d,"lost_forward":0,"lost_back":0,"unanswered":%d,"refused":0,"suspect":0,"silent_seconds":0,%s"tcp":{"tried":0,"refused":0,"lost":0,"mute":0,"failing_in_a_row":0},"size":{},"measured_by":[%q],"age_seconds":5}`,
			class, family, from, to, sent, answered, open, spread, by)
	}
	nodes := `{"class":"pod-to-pod","family":"ipv4","from":"n000","to":"n001",` + rest + `,` + few("pod-to-pod", "ipv6", "n000", "n001", 1, 0, 1, "pod-000")
	last := few("host-to-pod", "ipv4", "n002", "n001", 2, 2, 0, "host-002")
	for _, row := range []struct {
		query []string
		want  string
	}{
		{nil, `{"by":"node","places":["n000","n001","n002"],"cells":[` + nodes + `,` + last + `],"shared":[],"agents":[]}`},
		{[]string{"by", "zone"}, `{"by":"zone","places":["a","b"],"cells":[{"class":"pod-to-pod","family":"ipv4","from":"a","to":"a",` + rest + `,` +
			few("pod-to-pod", "ipv6", "a", "a", 1, 0, 1, "pod-000") + `,` + few("host-to-pod", "ipv4", "b", "a", 2, 2, 0, "host-002") + `],"shared":[],"agents":[]}`},
		{[]string{"node", "n000"}, `{"by":"node","places":["n000","n001"],"cells":[` + nodes + `],"shared":[],"agents":[{"pod":"pod-000","node":"n000","network":"pod","starved_seconds":0,"age_seconds":5}],"heard":[{"pod":"host-002","node":"n002","from":"host-000","from_node":"n000","family":"ipv4","received":3,"silent_seconds":4.5,"unanswered":2,"age_seconds":5}]}`},
	} {
		a := get(t, url, "/api/v1/mesh", row.query...)
		if a.status != 200 || a.body != row.want || a.header.Get("Content-Type") != "application/json" {
			t.Errorf("%q: %d\n%s\nwant\n%s", row.query, a.status, a.body, row.want)
		}
		if strings.Contains(a.body, bootX) {
			t.Errorf("%q: a boot id is shown", row.query)
		}
	}
}

func TestWithoutAnythingToTellTheMeshIsEmpty(t *testing.T) {
	if a := get(t, newCluster(agentX).serve(t), "/api/v1/mesh"); a.status != 200 || a.body != `{"by":"node","places":[],"cells":[],"shared":[],"agents":[]}` {
		t.Errorf("%d %s", a.status, a.body)
	}
	c := newCluster()
	c.list = nil
	if a := get(t, c.serve(t), "/api/v1/mesh"); a.status != 503 || a.body != "Error occurred while checking the agents. Details: the list of agent pods was never read\n" {
		t.Errorf("%d %s", a.status, a.body)
	}
}

func TestWhatAllShareIsToldByNodeAndByZone(t *testing.T) {
	c := meshing(3)
	for _, node := range []string{"n000", "n001"} {
		c.list.Nodes[node] = fleet.Node{Name: node, Zone: "a"}
	}
	lookups := report.Shared{Kind: report.DNS, Target: "netchecker-service", Asked: 60, Lost: 3, Refused: 2, Wrong: 1, Suspect: 4, Run: 2, RoundTrips: 50 * 1250, Message: "no such host"}
	fine := report.Shared{Kind: report.DNS, Target: "netchecker-service", Asked: 10, RoundTrips: 10 * 1250}
	c.probed("pod-000", report.Mesh{Shared: []report.Shared{lookups, {Kind: report.NodePort, Target: "192.0.2.1:30081", Asked: 1, Lost: 1, Run: 1, Message: "i/o timeout"}}})
	c.probed("pod-001", report.Mesh{Shared: []report.Shared{fine}})
	c.probed("host-002", report.Mesh{Shared: []report.Shared{{Kind: report.KubeAPI, Target: "10.96.0.1:443", Asked: 5, RoundTrips: 5 * 500}}})
	url := c.serve(t)
	dns := func(from, rest string) string {
		return `{"kind":"dns","target":"netchecker-service","network":"pod","from":"` + from + `",` + rest + `,"age_seconds":5}`
	}
	const failing = `"asked":60,"lost":3,"refused":2,"wrong":1,"suspect":4,"failing_in_a_row":2,"mean_ms":1.25,"message":"no such host","measured_by":["pod-000"]`
	port := func(target, from string) string {
		return `{"kind":"node-port","target":"` + target + `","network":"pod","from":"` + from + `","agents":1,"failing_agents":1,"asked":1,"lost":1,"refused":0,"wrong":0,"suspect":0,"failing_in_a_row":1,"message":"i/o timeout","measured_by":["pod-000"],"age_seconds":5}`
	}
	api := func(from string) string {
		return `{"kind":"kube-api","target":"10.96.0.1:443","network":"host","from":"` + from + `","agents":1,"failing_agents":0,"asked":5,"lost":0,"refused":0,"wrong":0,"suspect":0,"failing_in_a_row":0,"mean_ms":0.5,"measured_by":["host-002"],"age_seconds":5}`
	}
	for _, row := range []struct {
		query []string
		want  []string
	}{
		{nil, []string{
			dns("n000", `"agents":1,"failing_agents":1,`+failing),
			dns("n001", `"agents":1,"failing_agents":0,"asked":10,"lost":0,"refused":0,"wrong":0,"suspect":0,"failing_in_a_row":0,"mean_ms":1.25,"measured_by":["pod-001"]`),
			api("n002"), port("192.0.2.1:30081", "n000"),
		}},
		{[]string{"by", "zone"}, []string{
			dns("a", `"agents":2,"failing_agents":1,`+strings.NewReplacer(`"asked":60`, `"asked":70`, `["pod-000"]`, `["pod-000","pod-001"]`).Replace(failing)),
			api("b"), port(":30081", "a"),
		}},
		{[]string{"node", "n000"}, []string{dns("n000", `"agents":1,"failing_agents":1,`+failing), port("192.0.2.1:30081", "n000")}},
		{[]string{"node", "n002"}, []string{api("n002")}},
	} {
		a := get(t, url, "/api/v1/mesh", row.query...)
		if want := `"cells":[],"shared":[` + strings.Join(row.want, ",") + `],"agents":[`; a.status != 200 || !strings.Contains(a.body, want) {
			t.Errorf("%q: %d\n%s\nwant\n%s", row.query, a.status, a.body, want)
		}
	}
}

func TestANameServerThatLeftIsToldToHaveLeft(t *testing.T) {
	c := meshing(1)
	c.left = map[string]time.Time{"10.244.0.3:53": noon.Add(-time.Minute)}
	c.probed("pod-000", report.Mesh{Shared: []report.Shared{{Kind: report.DNSServer, Target: "10.244.0.3:53", Asked: 9, Lost: 3, Run: 3, RoundTrips: 6 * 1500, Message: "no answer"}}})
	const want = `"shared":[{"kind":"dns-server","target":"10.244.0.3:53","network":"pod","from":"n000","left":true,"agents":1,"failing_agents":0,` +
		`"asked":9,"lost":3,"refused":0,"wrong":0,"suspect":0,"failing_in_a_row":0,"mean_ms":1.5,"measured_by":["pod-000"],"age_seconds":5}]`
	if a := get(t, c.serve(t), "/api/v1/mesh"); !strings.Contains(a.body, want) {
		t.Errorf("%d\n%s\nwant\n%s", a.status, a.body, want)
	}
}

func TestAgentsAreToldOfOneNodeAndOfOthersThoseThatAreMute(t *testing.T) {
	c := meshing(2)
	c.probed("pod-000", report.Mesh{Starved: 1500 * time.Millisecond})
	c.probed("host-000", report.Mesh{Mute: "port 18083 is taken", Conntrack: 700, ConntrackMax: 65536})
	c.probed("pod-001", report.Mesh{})
	c.updated("pod-000", report.ViaServer, report.Mesh{Starved: 2500 * time.Millisecond})
	url := c.serve(t)
	const mute = `{"pod":"host-000","node":"n000","network":"host","mute":"port 18083 is taken","starved_seconds":0,"conntrack":700,"conntrack_max":65536,"age_seconds":5}`
	for _, row := range []struct{ node, want string }{
		{"", `"agents":[` + mute + `]}`},
		{"n000", `"agents":[` + mute + `,{"pod":"pod-000","node":"n000","network":"pod","starved_seconds":2.5,"via":"server","age_seconds":3}]}`},
		{"n001", `"agents":[{"pod":"pod-001","node":"n001","network":"pod","starved_seconds":0,"age_seconds":5}]}`},
	} {
		a := get(t, url, "/api/v1/mesh", "node", row.node)
		if a.status != 200 || !strings.HasSuffix(a.body, row.want) {
			t.Errorf("node %q: %d\n%s\nwant at its end\n%s", row.node, a.status, a.body, row.want)
		}
		if strings.Contains(a.body, bootX) {
			t.Errorf("node %q: a boot id is shown", row.node)
		}
	}
}

// An agent that lies can't make the answer large.
func TestWithMoreOfWhatAllShareThanCanBeToldANodeIsToBeNamed(t *testing.T) {
	c := meshing(110)
	for i := range c.list.Agents {
		var rows []report.Shared
		for k := range report.MaxShared {
			rows = append(rows, report.Shared{Kind: report.DNSServer, Target: fmt.Sprintf("10.0.%d.%d:53", i, k), Asked: 1})
		}
		c.probed(c.list.Agents[i].Name, report.Mesh{Shared: rows})
	}
	url := c.serve(t)
	for _, row := range []struct {
		query []string
		want  string
	}{
		{nil, "node: is left out, so that there are more than 5000 rows of what all share to tell; it should name a node\n"},
		{[]string{"by", "node"}, "by: has more than 5000 rows of what all share to tell; it should be zone, or node should name one\n"},
	} {
		if a := get(t, url, "/api/v1/mesh", row.query...); a.status != 400 || a.body != row.want {
			t.Errorf("%q: %d %.200s\nwant %s", row.query, a.status, a.body, row.want)
		}
	}
	if a := get(t, url, "/api/v1/mesh", "node", "n007"); a.status != 200 || strings.Count(a.body, `"kind"`) != 2*report.MaxShared {
		t.Errorf("%d %.200s", a.status, a.body)
	}
}

func TestALargeMeshIsToldByZoneUnlessOneNodeIsAskedFor(t *testing.T) {
	c := meshing(120)
	for i := range 120 {
		var rows []report.Session
		for k := range 60 {
			rows = append(rows, report.Session{ID: uint64(k + 1), Peer: c.meshID(fmt.Sprintf("pod-%03d", (i+k+1)%120)), Sent: 1})
		}
		c.probed(fmt.Sprintf("pod-%03d", i), report.Mesh{}, rows...)
	}
	url := c.serve(t)
	if a := get(t, url, "/api/v1/mesh"); a.status != 200 || !strings.HasPrefix(a.body, `{"by":"zone",`) {
		t.Errorf("%d %.100s", a.status, a.body)
	}
	if a := get(t, url, "/api/v1/mesh", "node", "n007"); a.status != 200 || !strings.HasPrefix(a.body, `{"by":"node",`) || strings.Count(a.body, `"class"`) != 120 {
		t.Errorf("%d %d cells, %.100s", a.status, strings.Count(a.body, `"class"`), a.body)
	}
	for _, row := range []struct {
		query []string
		want  string
	}{
		{[]string{"by", "node"}, "by: has more than 5000 cells to tell; it should be zone, or node should name one\n"},
		{[]string{"by", "pod"}, "by: is \"pod\"; it should be node or zone\n"},
		{[]string{"node", "n999"}, "node: is \"n999\", which has no agents; it should be the name of a node that has\n"},
		{[]string{"zone", "a"}, "zone: is no parameter of this request; there are by, node\n"},
	} {
		if a := get(t, url, "/api/v1/mesh", row.query...); a.status != 400 || a.body != row.want {
			t.Errorf("%q: %d %s\nwant %s", row.query, a.status, a.body, row.want)
		}
	}
}

// counting counts the tables that are made, and holds each up until it may go on.
type counting struct {
	Paths
	made chan paths.Query
	hold chan struct{}
}

func (c *counting) Table(list *fleet.List, records []*fleet.Record, q paths.Query) (paths.Table, error) {
	c.made <- q
	<-c.hold
	return c.Paths.Table(list, records, q)
}

func TestHoweverManyAskOfPathsATableIsMadeOnceASecondAndOneAtATime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := meshing(2)
		c.probed("pod-000", report.Mesh{}, report.Session{ID: 1, Peer: c.meshID("pod-001"), Sent: 60})
		of := &counting{c.paths, make(chan paths.Query, 100), make(chan struct{}, 100)}
		s := newServer(Config{Snapshots: still{fresh{c}.Snapshot()}, Paths: of, Now: time.Now})
		ask := func(query string) {
			go func() {
				w := httptest.NewRecorder()
				s.mesh(w, httptest.NewRequest(http.MethodGet, "/api/v1/mesh"+query, nil))
				if w.Code != http.StatusOK || !strings.Contains(w.Body.String(), `"sent":60`) || w.Header().Get("Content-Type") != "application/json" {
					t.Errorf("%s: %d %s", query, w.Code, w.Body)
				}
			}()
		}
		made := func(want int) {
			t.Helper()
			if synctest.Wait(); len(of.made) != want {
				t.Errorf("%d tables were made, want %d", len(of.made), want)
			}
			for len(of.made) > 0 {
				<-of.made
			}
		}
		for range 10 {
			ask("?by=zone")
			ask("?by=node")
			ask("?node=n000")
		}
		synctest.Wait()
		gone, leave := context.WithCancel(t.Context())
		left := make(chan struct{})
		go func() {
			defer close(left)
			s.mesh(httptest.NewRecorder(), httptest.NewRequestWithContext(gone, http.MethodGet, "/api/v1/mesh?node=n001", nil))
		}()
		synctest.Wait()
		leave()
		<-left // whoever does not wait any more costs nothing
		for range 3 {
			made(1) // the others wait for it
			of.hold <- struct{}{}
		}
		made(0)
		time.Sleep(tableLasts - time.Millisecond)
		ask("?by=zone")
		made(0)
		time.Sleep(time.Millisecond)
		ask("?by=zone")
		made(1)
		of.hold <- struct{}{}
		if synctest.Wait(); len(s.tables.made) != 1 {
			t.Errorf("%d answers are kept", len(s.tables.made))
		}
	})
}

// BenchmarkMesh is a question about the paths of 20,000 agents, each with 17 sessions that
// run and 17 that are over.
func BenchmarkMesh(b *testing.B) {
	c := meshing(10_000)
	for i := range c.list.Agents {
		var rows [2][]report.Session
		for k := range 34 {
			peer := mesh.ID(&c.list.Agents[(i+k*601)%len(c.list.Agents)])
			rows[k/17] = append(rows[k/17], report.Session{ID: uint64(k + 1), Peer: peer, Sent: 30, RoundTrips: 45_000})
		}
		c.probed(c.list.Agents[i].Name, report.Mesh{Ended: report.SessionsOf(rows[1]...)}, rows[0]...)
	}
	s := newServer(Config{Snapshots: still{fresh{c}.Snapshot()}, Paths: c.paths, Now: time.Now})
	for _, query := range []string{"?by=zone", "?node=n007"} {
		b.Run(query, func(b *testing.B) {
			for b.Loop() {
				w := httptest.NewRecorder()
				if s.mesh(w, httptest.NewRequest(http.MethodGet, "/api/v1/mesh"+query, nil)); w.Code != http.StatusOK {
					b.Fatal(w.Code, w.Body)
				}
			}
		})
	}
}
