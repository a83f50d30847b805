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

// shared are a table's rows of what all share, as "kind target network@from
// failing/agents asked [pods]".
func shared(t Table) string {
	var all []string
	for _, r := range t.Shared {
		all = append(all, fmt.Sprintf("%s %s %s@%s %d/%d %d %v", r.Kind, r.Target, r.Network, r.From, r.Failing, r.Agents, r.Sum.Asked, r.Pods))
	}
	return strings.Join(all, "\n")
}

func nodePort(target string, asked uint64) report.Shared {
	return report.Shared{Kind: report.NodePort, Target: target, Asked: asked}
}

func TestWhatAllShareHasARowForEachTargetNetworkAndPlace(t *testing.T) {
	w := newWorld(t)
	failing := names(7, 2, 0, 0, 0)
	failing.Run = 2
	w.reports("n1-pod", boot, 15*s, asking(names(10, 0, 0, 0, 0), nodePort("192.0.2.1:30081", 3)))
	w.reports("n1-host", boot, 15*s, asking(names(4, 0, 0, 0, 0)))
	w.reports("n2-pod", boot, 15*s, asking(failing, nodePort("192.0.2.2:30081", 4), server("10.0.0.3:53", 2, 0)))
	w.updates("n3-host", boot, 15*s, asking(nodePort("[2001:db8::3]:30081", 5), nodePort("elsewhere", 1)))
	for _, row := range []struct {
		q    Query
		want []string
	}{
		{Query{By: ByNode}, []string{
			"dns netchecker-service host@n1 0/1 4 [n1-host]",
			"dns netchecker-service pod@n1 0/1 10 [n1-pod]",
			"dns netchecker-service pod@n2 1/1 7 [n2-pod]",
			"dns-server 10.0.0.3:53 pod@n2 0/1 2 [n2-pod]",
			"node-port 192.0.2.1:30081 pod@n1 0/1 3 [n1-pod]",
			"node-port 192.0.2.2:30081 pod@n2 0/1 4 [n2-pod]",
			"node-port [2001:db8::3]:30081 host@n3 0/1 5 [n3-host]",
			"node-port elsewhere host@n3 0/1 1 [n3-host]",
		}},
		{Query{By: ByZone}, []string{
			"dns netchecker-service host@a 0/1 4 [n1-host]",
			"dns netchecker-service pod@a 1/2 17 [n2-pod n1-pod]",
			"dns-server 10.0.0.3:53 pod@a 0/1 2 [n2-pod]",
			"node-port :30081 pod@a 0/2 7 [n1-pod n2-pod]",
			"node-port :30081 host@b 0/1 5 [n3-host]",
			"node-port elsewhere host@b 0/1 1 [n3-host]",
		}},
		{Query{By: ByNode, Node: "n1"}, []string{
			"dns netchecker-service host@n1 0/1 4 [n1-host]",
			"dns netchecker-service pod@n1 0/1 10 [n1-pod]",
			"node-port 192.0.2.1:30081 pod@n1 0/1 3 [n1-pod]",
		}},
	} {
		if got, want := shared(w.table(row.q)), strings.Join(row.want, "\n"); got != want {
			t.Errorf("%+v:\n%s\nwant\n%s", row.q, got, want)
		}
	}
}

func TestANameServerThatLeftIsToldAsSuchForAWhileAndFailsForNobody(t *testing.T) {
	w := newWorld(t)
	dead, gone := server("10.0.0.3:53", 20, 5), server("10.0.0.4:53", 20, 5)
	dead.Run, dead.Message, gone.Run, gone.Message = 5, "no answer", 5, "no answer"
	lookups := names(9, 1, 0, 0, 0)
	lookups.Run, lookups.Target = 1, "10.0.0.4:53" // that is no server's
	w.reports("n1-pod", boot, 15*s, asking(dead, gone, lookups))
	w.left["10.0.0.4:53"] = noon
	const (
		service = "dns 10.0.0.4:53 1/1 left=false"
		others  = "dns-server 10.0.0.3:53 1/1 left=false"
	)
	for _, row := range []struct {
		after time.Duration
		want  []string
	}{
		{0, []string{service, others, "dns-server 10.0.0.4:53 0/1 left=true"}},
		{2*time.Minute - 1, []string{service, others, "dns-server 10.0.0.4:53 0/1 left=true"}},
		{2 * time.Minute, []string{service, others}},
	} {
		w.now = noon.Add(row.after)
		var got []string
		for _, r := range w.table(Query{By: ByNode}).Shared {
			got = append(got, fmt.Sprintf("%s %s %d/%d left=%t", r.Kind, r.Target, r.Failing, r.Agents, r.Left))
			if r.Left != (r.Sum.Run == 0 && r.Sum.Message == "") || r.Left && r.Sum.Lost != 5 {
				t.Errorf("%+v", r)
			}
		}
		if !reflect.DeepEqual(got, row.want) {
			t.Errorf("after %v: %q, want %q", row.after, got, row.want)
		}
	}
}

func TestARowOfWhatAllShareHasTheSumsOfAllAndTheMessageOfTheWorst(t *testing.T) {
	w := newWorld(t)
	of := func(run uint64, message string) report.Shared {
		row := names(20, 1, 2, 3, 4)
		row.Run, row.RoundTrips, row.Message = run, 1000, message
		return row
	}
	w.reports("n1-pod", boot, 30*s, asking(of(3, "no such host")))
	w.reports("n2-pod", boot, 15*s, asking(of(0, "")))
	w.list.Nodes["n3"] = fleet.Node{Name: "n3", Zone: "a"}
	w.reports("n3-pod", boot, 45*s, asking(of(3, "one as bad")))
	w.reports("n3-host", boot, 45*s, asking(of(1, "a timeout")))
	w.agent("n3-host").Network = report.Pod
	got := w.table(Query{By: ByZone}).Shared
	want := []Shared{{
		SharedPlace: SharedPlace{Kind: report.DNS, Target: "netchecker-service", Network: report.Pod, From: "a"},
		Agents:      4, Failing: 3, Pods: []string{"n1-pod", "n3-host", "n3-pod", "n2-pod"}, At: booted(boot).Add(15 * s),
		Sum: report.Shared{Asked: 80, Lost: 4, Refused: 8, Wrong: 12, Suspect: 16, Run: 3, RoundTrips: 4000, Message: "no such host"},
	}}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v\nwant %+v", got, want)
	}
}

func TestThoseForWhichItFailsAreNamedFirst(t *testing.T) {
	for _, row := range []struct{ fails, want string }{
		{"......", "[0 1 2 3]"},
		{".....x", "[5 0 1 2]"},
		{"x.x...", "[0 2 1 3]"},
		{"xxxxxx", "[0 1 2 3]"},
		{"..xxxx", "[2 3 4 5]"},
	} {
		var r Shared
		for i, c := range row.fails {
			one := report.Shared{Run: uint64(strings.Count(string(c), "x"))}
			r.add(&fleet.Agent{Key: fleet.Key{Name: fmt.Sprint(i)}}, &one, noon)
		}
		if got := fmt.Sprint(r.Pods); got != row.want || r.Agents != 6 || r.Failing != strings.Count(row.fails, "x") {
			t.Errorf("%s: %s are named of %d, for %d of which it fails; want %s", row.fails, got, r.Agents, r.Failing, row.want)
		}
	}
}

func TestTheRowsOfWhatAllShareAreBounded(t *testing.T) {
	w := newWorld(t)
	w.reports("n1-pod", boot, 15*s, asking(names(1, 0, 0, 0, 0), server("10.0.0.3:53", 1, 0)))
	_, err := w.p.Table(w.list, w.recordsOf(), Query{By: ByNode, Most: 1})
	var large *TooLargeError
	if !errors.As(err, &large) || err.Error() != "there would be more than 1 rows of what all share" {
		t.Errorf("got %v", err)
	}
	if got := w.table(Query{By: ByNode, Most: 2}); len(got.Shared) != 2 {
		t.Errorf("%d rows", len(got.Shared))
	}
}

func TestAgentsAreToldOfTheirNodeOrThoseThatAreMute(t *testing.T) {
	w := newWorld(t)
	w.reports("n1-pod", boot, 15*s, report.Mesh{Starved: 3 * s})
	w.reports("n1-host", boot, 15*s, report.Mesh{Mute: "port 18083 is taken", Conntrack: 7, ConntrackMax: 9})
	w.reports("n3-host", boot, 20*s, report.Mesh{Mute: "-mesh-listen is empty"})
	mute := Self{
		Pod: "n1-host", Node: "n1", Network: report.Host, Mute: "port 18083 is taken", Conntrack: 7, ConntrackMax: 9, At: booted(boot).Add(15 * s),
	}
	for node, want := range map[string][]Self{
		"":   {mute, {Pod: "n3-host", Node: "n3", Network: report.Host, Mute: "-mesh-listen is empty", At: booted(boot).Add(20 * s)}},
		"n1": {mute, {Pod: "n1-pod", Node: "n1", Network: report.Pod, Starved: 3 * s, At: booted(boot).Add(15 * s)}},
		"n2": nil,
	} {
		if got := w.table(Query{By: ByNode, Node: node}).Agents; !reflect.DeepEqual(got, want) {
			t.Errorf("node %q: %+v\nwant %+v", node, got, want)
		}
	}
	if got := w.p.Meshing(w.list, w.recordsOf()); got != (Meshing{Agents: 3, Mute: 2}) || !w.p.Meshes(w.list, w.recordsOf()) {
		t.Errorf("%+v mesh", got)
	}
}

func TestAgentsMeshOnceOneTellsOfPaths(t *testing.T) {
	w := newWorld(t)
	w.records["n1-pod"] = &fleet.Record{} // of an agent that does not
	if w.p.Meshes(w.list, w.recordsOf()) {
		t.Error("nobody tells of paths, and agents mesh")
	}
	w.updates("n3-host", boot, 3*s, report.Mesh{})
	if !w.p.Meshes(w.list, w.recordsOf()) {
		t.Error("one has sent an update, and nobody meshes")
	}
	w.start()
	w.reports("n3-host", boot, 15*s, report.Mesh{})
	if !w.p.Meshes(w.list, w.recordsOf()) {
		t.Error("one has reported, and nobody meshes")
	}
}

func TestNoMoreAgentsThatAreMuteAreToldThanMay(t *testing.T) {
	w := newWorld(t)
	w.list = &fleet.List{Nodes: w.list.Nodes}
	for i := range mostMute + 20 {
		w.list.Agents = append(w.list.Agents, fleet.Agent{Key: fleet.Key{Namespace: "default", Name: fmt.Sprintf("pod-%03d", i)}, Node: "n1"})
		w.reports(fmt.Sprintf("pod-%03d", i), boot, 15*s, report.Mesh{Mute: "its port is taken"})
	}
	if got := w.table(Query{By: ByZone, Most: 5000}).Agents; len(got) != mostMute || got[mostMute-1].Pod != "pod-099" {
		t.Errorf("%d are told", len(got))
	}
	if got := w.table(Query{By: ByNode, Node: "n1", Most: 5000}).Agents; len(got) != mostMute+20 {
		t.Errorf("%d are told of their node", len(got))
	}
	if got := w.p.Meshing(w.list, w.recordsOf()); got != (Meshing{Agents: 120, Mute: 120}) {
		t.Errorf("%+v mesh", got)
	}
}

func TestTheWayIsThatOfTheNewestThatWasTold(t *testing.T) {
	w := newWorld(t)
	via := func() report.Via {
		t.Helper()
		told := w.table(Query{By: ByNode, Node: "n1"}).Agents
		if len(told) != 1 {
			t.Fatalf("%d agents", len(told))
		}
		return told[0].Via
	}
	w.reports("n1-pod", boot, 15*s, report.Mesh{})
	w.updatesVia(report.ViaNode, "n1-pod", boot, 20*s, report.Mesh{})
	if got := via(); got != report.ViaNode {
		t.Errorf("the update came via %q", got)
	}
	w.reports("n1-pod", boot, 30*s, report.Mesh{})
	if got := via(); got != report.ViaService {
		t.Errorf("the report after it came via %q", got)
	}
	w.updatesVia(report.ViaService, "n1-pod", boot, 40*s, report.Mesh{})
	if got := via(); got != report.ViaService {
		t.Errorf("an update that took the usual way came via %q", got)
	}
}
