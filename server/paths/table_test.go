package paths

import (
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/netchecker/netchecker/pkg/report"
	"github.com/netchecker/netchecker/server/fleet"
)

func (w *world) table(q Query) Table {
	w.t.Helper()
	if q.Most == 0 {
		q.Most = 100
	}
	t, err := w.p.Table(w.list, w.recordsOf(), q)
	if err != nil {
		w.t.Fatal(err)
	}
	return t
}

// cells are a table's, as "class from>to sent/forward/back sessions".
func cells(t Table) string {
	var all []string
	for _, c := range t.Cells {
		family := ""
		if c.Six {
			family = " six"
		}
		all = append(all, fmt.Sprintf("%v%s %s>%s %d/%d/%d %d", c.Class, family, c.From, c.To, c.Sum.Sent, c.Sum.Forward, c.Sum.Back, c.Sessions))
	}
	return strings.Join(all, "; ")
}

func TestATableHasACellForEachPairOfNodesAndClass(t *testing.T) {
	w := newWorld(t)
	six := w.to("n2-pod", 6, 5, 0, 0, 1)
	six.Six = true
	w.reports("n1-pod", boot, 15*s, sessions(w.to("n2-pod", 1, 10, 0, 2, 3), six, w.to("n3-host", 3, 5, 0, 0, 0), w.to("n1-host", 4, 7, 0, 0, 0), report.Session{ID: 9, Peer: 12345, Sent: 1}))
	w.reports("n1-host", boot, 15*s, sessions(w.to("n1-pod", 1, 6, 0, 0, 0), w.to("n3-pod", 2, 8, 0, 1, 0)))
	w.reports("n2-pod", boot, 15*s, sessions(w.to("n3-pod", 1, 20, 0, 0, 0)))
	for _, row := range []struct {
		q     Query
		names string
		want  string
	}{
		{Query{By: ByNode}, "[n1 n2 n3]", "pod-to-pod n1>n2 10/2/3 1; pod-to-pod six n1>n2 5/0/1 1; pod-to-pod n2>n3 20/0/0 1; pod-to-host n1>n3 5/0/0 1; host-to-pod n1>n3 8/1/0 1; own-node n1>n1 13/0/0 2"},
		{Query{By: ByZone}, "[a b]", "pod-to-pod a>a 10/2/3 1; pod-to-pod six a>a 5/0/1 1; pod-to-pod a>b 20/0/0 1; pod-to-host a>b 5/0/0 1; host-to-pod a>b 8/1/0 1; own-node a>a 13/0/0 2"},
		{Query{By: ByNode, Node: "n2"}, "[n1 n2 n3]", "pod-to-pod n1>n2 10/2/3 1; pod-to-pod six n1>n2 5/0/1 1; pod-to-pod n2>n3 20/0/0 1"},
		{Query{By: ByZone, Node: "n3"}, "[a b]", "pod-to-pod a>b 20/0/0 1; pod-to-host a>b 5/0/0 1; host-to-pod a>b 8/1/0 1"},
	} {
		got := w.table(row.q)
		if cells(got) != row.want || fmt.Sprint(got.Names) != row.names {
			t.Errorf("%+v: %v %s\nwant %s %s", row.q, got.Names, cells(got), row.names, row.want)
		}
	}
}

func TestACellHasTheSumsAndTheWorstOfItsSessions(t *testing.T) {
	w := newWorld(t)
	one, two := report.Session{
		ID: 1, Peer: w.id("n2-pod"), Sent: 60, Open: 1, Forward: 2, Back: 3, Refused: 4, Suspect: 5, Silent: 100, RoundTrips: 7, Shortest: 200, Longest: 900, Forbidden: 10, Stuck: 11,
		Flows: report.FlowsSome, Dialed: 100, DialRefused: 12, DialLost: 13, DialMute: 14, DialRun: 15, Dials: 16, MTU: 9000, Sized: 17, Resized: 18, There: 9000, Here: 1400, Hole: report.HoleBack,
	}, report.Session{
		ID: 1, Peer: w.id("n1-pod"), Sent: 60, Open: 10, Silent: 6000, RoundTrips: 1, Shortest: 300, Longest: 400,
		Flows: report.FlowsDead, Dialed: 1, DialRun: 1, Dials: 1, MTU: 1500, Sized: 1, There: 1300, Hole: report.HoleForward,
	}
	w.reports("n1-pod", boot, 15*s, sessions(one))
	w.reports("n2-pod", boot, 10*s, sessions(two))
	// That one has nothing to wait for does not make it dead.
	w.reports("n3-pod", boot, 15*s, sessions(report.Session{ID: 1, Peer: w.id("n1-pod"), Sent: 1, Silent: 9000}))
	if waiting := w.table(Query{By: ByNode, Node: "n3"}); len(waiting.Cells) != 1 || waiting.Cells[0].Dead != 0 {
		t.Errorf("%+v", waiting.Cells)
	}
	delete(w.records, "n3-pod")
	got := w.table(Query{By: ByZone})
	want := Cell{
		Place: Place{Class: PodToPod, From: "a", To: "a"}, Sessions: 2, Dead: 1, Pods: []string{"n1-pod", "n2-pod"}, At: booted(boot).Add(10 * s),
		Sum: report.Session{
			Sent: 120, Open: 11, Forward: 2, Back: 3, Refused: 4, Suspect: 5, Silent: 6000, RoundTrips: 8, Shortest: 200, Longest: 900, Forbidden: 10, Stuck: 11,
			Flows: report.FlowsSome, Dialed: 101, DialRefused: 12, DialLost: 13, DialMute: 14, DialRun: 15, Dials: 17, MTU: 1500, Sized: 18, Resized: 18, There: 1300, Here: 1400, Hole: report.HoleBoth,
		},
	}
	if len(got.Cells) != 1 || !reflect.DeepEqual(got.Cells[0], want) {
		t.Errorf("got  %+v\nwant %+v", got.Cells, want)
	}
}

func TestOfAReportAndAnUpdateTheNewerCounts(t *testing.T) {
	for _, row := range []struct {
		name           string
		report, update time.Duration
		boots          [2]string
		want           uint64
	}{
		{"the update is newer", 15 * s, 16 * s, [2]string{boot, boot}, 2},
		{"the report is", 16 * s, 15 * s, [2]string{boot, boot}, 1},
		{"they are of one moment", 15 * s, 15 * s, [2]string{boot, boot}, 1},
		{"the update is of a later life", 100 * s, 1 * s, [2]string{boot, nextBoot}, 2},
		{"the report is of a later life", 1 * s, 100 * s, [2]string{nextBoot, boot}, 1},
	} {
		w := newWorld(t)
		w.reports("n1-pod", row.boots[0], row.report, sessions(w.to("n2-pod", 1, 1, 0, 0, 0)))
		w.updates("n1-pod", row.boots[1], row.update, sessions(w.to("n2-pod", 1, 2, 0, 0, 0)))
		if got := w.table(Query{}).Cells[0].Sum.Sent; got != row.want {
			t.Errorf("%s: %d were sent, want %d", row.name, got, row.want)
		}
	}
	w := newWorld(t)
	w.updates("n1-pod", boot, 15*s, sessions(w.to("n2-pod", 1, 2, 0, 0, 0)))
	if got := cells(w.table(Query{})); got != "pod-to-pod a>a 2/0/0 1" {
		t.Errorf("an update alone tells %q", got)
	}
	w.agent("n1-pod").UID = "that-of-the-next-pod"
	if got := cells(w.table(Query{})); got != "" {
		t.Errorf("an earlier pod's update tells %q", got)
	}
}

func TestWhatIsOverIsToldWhereItsPeerIsNotProbedNow(t *testing.T) {
	w := newWorld(t)
	dead := w.to("n3-pod", 2, 8, 8, 0, 0)
	dead.Silent, dead.DialRun = 8000, 2
	w.reports("n1-pod", boot, 15*s, report.Mesh{
		Sessions: report.SessionsOf(w.to("n2-pod", 3, 4, 0, 0, 0)),
		Ended:    report.SessionsOf(w.to("n2-pod", 1, 30, 0, 9, 0), dead),
	})
	got := w.table(Query{By: ByNode})
	if cells(got) != "pod-to-pod n1>n2 4/0/0 1; pod-to-pod n1>n3 8/0/0 1" {
		t.Errorf("got %s", cells(got))
	}
	if c := got.Cells[1]; c.Dead != 0 || c.Sum.Silent != 0 || c.Sum.DialRun != 0 {
		t.Errorf("what is over is told as dead now: %+v", c)
	}
}

func TestWhatIsHeardOfOthersSessionsIsToldOfEitherEnd(t *testing.T) {
	w := newWorld(t)
	from := report.Heard{Peer: w.id("n1-pod"), ID: 3, Received: 9, Silent: 4000}
	unknown := report.Heard{Peer: 12345, ID: 1, Unanswered: 3}
	w.reports("n2-pod", boot, 15*s, report.Mesh{Heard: []report.Heard{from, unknown}})
	at := booted(boot).Add(15 * s)
	known := Heard{Pod: "n2-pod", Node: "n2", From: "n1-pod", FromNode: "n1", Heard: from, At: at}
	for node, want := range map[string][]Heard{
		"":   nil,
		"n1": {known},
		"n2": {known, {Pod: "n2-pod", Node: "n2", Heard: unknown, At: at}},
		"n3": nil,
	} {
		if got := w.table(Query{By: ByNode, Node: node}).Heard; !reflect.DeepEqual(got, want) {
			t.Errorf("node %q: %+v, want %+v", node, got, want)
		}
	}
}

func TestATableIsBounded(t *testing.T) {
	w := newWorld(t)
	w.reports("n1-pod", boot, 15*s, sessions(w.to("n2-pod", 1, 1, 0, 0, 0), w.to("n3-pod", 2, 1, 0, 0, 0)))
	_, err := w.p.Table(w.list, w.recordsOf(), Query{By: ByNode, Most: 1})
	var large *TooLargeError
	if !errors.As(err, &large) || err.Error() != "there would be more than 1 cells" {
		t.Errorf("got %v", err)
	}
	if got := w.table(Query{By: ByNode, Most: 2}); len(got.Cells) != 2 {
		t.Errorf("%d cells", len(got.Cells))
	}
}

// crowd is agents, two on a node of one of three zones, each of which tells of 17 sessions
// that run and of as many that are over, and of ten things that all share.
func crowd(agents int) (*Paths, *fleet.List, []*fleet.Record) {
	l, records := &fleet.List{Nodes: map[string]fleet.Node{}}, make([]*fleet.Record, agents)
	for i := range records {
		node := fmt.Sprintf("node-%05d", i/2)
		l.Nodes[node] = fleet.Node{Name: node, Zone: fmt.Sprint("zone-", i/2%3)}
		l.Agents = append(l.Agents, fleet.Agent{Key: fleet.Key{Namespace: "default", Name: fmt.Sprintf("agent-%05d", i)}, Node: node, Network: []report.Network{report.Pod, report.Host}[i%2]})
	}
	p := New(Config{Now: func() time.Time { return noon }})
	ids := make([]uint64, len(records))
	for id, i := range p.idsOf(l) {
		ids[i] = id
	}
	for i := range records {
		var rows [2][]report.Session
		for k := range 34 {
			one := report.Session{ID: uint64(k + 1), Peer: ids[(i+k*601)%len(ids)], Sent: 30, RoundTrips: 45_000}
			rows[k/17] = append(rows[k/17], one)
		}
		asked := []report.Shared{nodePort(fmt.Sprintf("10.%d.%d.1:30081", i/256, i%256), 1)}
		for k := range uint64(9) {
			asked = append(asked, server(fmt.Sprintf("10.0.0.%d:53", k), k, 0))
		}
		records[i] = &fleet.Record{Record: report.Record{Booted: booted(boot), Report: report.Report{BootID: boot, Mesh: &report.Mesh{AsOf: s, Sessions: report.SessionsOf(rows[0]...), Ended: report.SessionsOf(rows[1]...), Shared: asked}}}}
	}
	return p, l, records
}

func TestTheTableOfTwoThousandAgentsIsMadeInAMoment(t *testing.T) {
	p, l, records := crowd(2000)
	for _, row := range []struct {
		name string
		does func()
	}{
		{"by zone", func() { _, _ = p.Table(l, records, Query{Most: 5000}) }},
		{"one node", func() { _, _ = p.Table(l, records, Query{By: ByNode, Node: "node-00007", Most: 5000}) }},
		{"a look", func() { p.Look(l, records) }},
		{"a look at which nothing is new", func() { p.Look(l, records) }},
		{"counting who meshes", func() { p.Meshing(l, records) }},
	} {
		began := time.Now()
		row.does()
		took := time.Since(began)
		t.Logf("%s: %v", row.name, took)
		if took > 10*time.Second {
			t.Errorf("%s took %v", row.name, took)
		}
	}
}

// BenchmarkTable is what a question costs of 20,000 agents.
func BenchmarkTable(b *testing.B) {
	p, l, records := crowd(20_000)
	for name, q := range map[string]Query{
		"by zone": {Most: 5000}, "one node": {By: ByNode, Node: "node-00007", Most: 5000},
	} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := p.Table(l, records, q); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
