package diagnose

import (
	"testing"
	"time"

	"github.com/netchecker/netchecker/pkg/report"
)

// What all share in tests.
var (
	dns      = Thing{report.DNS, "netchecker.default.svc"}
	dnsOne   = Thing{report.DNSServer, "10.244.1.5:53"}
	dnsTwo   = Thing{report.DNSServer, "10.244.2.5:53"}
	byName   = Thing{report.ServiceName, "netchecker.default.svc"}
	byIP     = Thing{report.ServiceAddress, "10.96.0.10:8081"}
	nodePort = Thing{Kind: report.NodePort}
	kubeAPI  = Thing{report.KubeAPI, "10.96.0.1:443"}
)

// asks has agents ask what all share, each every five seconds.
func (w *world) asks() {
	for _, a := range w.agents {
		for _, t := range []Thing{dns, dnsOne, dnsTwo, byName, byIP, nodePort, kubeAPI} {
			row := report.Shared{Kind: t.Kind, Target: t.Target}
			if t == nodePort {
				row.Target = a.Node + ":30081"
			}
			if t != kubeAPI || a.Network == report.Host {
				a.mesh.Shared = append(a.mesh.Shared, row)
			}
		}
	}
	w.share = func(*witness, Thing) string { return "" }
}

// askAll asks what is due, in this second.
func (w *world) askAll() {
	for _, a := range w.agents {
		for i := range a.mesh.Shared {
			row := &a.mesh.Shared[i]
			due := (int(w.now.Unix())+a.index+3*i)%5 == 0
			if !due && (row.Run == 0 || row.Run >= 3) {
				continue
			}
			row.Asked++
			switch message := w.share(a, thingOf(row)); message {
			case "":
				row.Run, row.Message = 0, ""
			case "no answer":
				row.Lost, row.Run, row.Message = row.Lost+1, row.Run+1, message
			default:
				row.Wrong, row.Run, row.Message = row.Wrong+1, row.Run+1, message
			}
		}
	}
}

func TestWhatAllShareIsNamed(t *testing.T) {
	const node = "node-2"
	lost := func(does func(a *witness, t Thing) bool) func(*witness, Thing) string {
		return func(a *witness, t Thing) string {
			if does(a, t) {
				return "no answer"
			}
			return ""
		}
	}
	wrong := func(does func(a *witness, t Thing) bool) func(*witness, Thing) string {
		return func(a *witness, t Thing) string {
			if does(a, t) {
				return "192.0.2.1 was answered"
			}
			return ""
		}
	}
	for _, row := range []struct {
		name  string
		share func(*witness, Thing) string
		want  []string
	}{
		{"kube-proxy of a node is dead", lost(func(a *witness, t Thing) bool { return a.Node == node && t.Kind != report.DNSServer }), []string{
			"node-2: Services are not reached by their addresses since 10:43:01 (2 of 2 agents fail, 16 of 16 elsewhere work; no answer): look at kube-proxy, or what takes its place, on node-2",
		}},
		{"the node port of a node does not work", lost(func(a *witness, t Thing) bool { return a.Node == node && t == nodePort }), []string{
			"node-2: node port does not lead to its Service since 10:43:04 (2 of 2 agents fail, 16 of 16 elsewhere work; no answer): look at kube-proxy's node ports and the firewall of node-2",
		}},
		{"a node's DNS does not work", lost(func(a *witness, t Thing) bool { return a.Node == node && (t == dns || t == byName) }), []string{
			"node-2: names are not answered since 10:43:01 (2 of 2 agents fail, 16 of 16 elsewhere work; no answer): look at the resolver of node-2",
		}},
		{"DNS of a node's pods does not work", lost(func(a *witness, t Thing) bool {
			return a.Node == node && a.Network == report.Pod && (t == dns || t == byName)
		}), []string{
			"node-2: names are not answered on the pod network since 10:43:04 (1 of 2 agents fail, 16 of 16 elsewhere work; no answer): look at the resolver of node-2",
		}},
		{"one DNS server is dead", lost(func(_ *witness, t Thing) bool { return t == dnsOne }), []string{
			"10.244.1.5:53: DNS server answers nobody since 10:43:01 (18 of 18 agents fail; no answer): look at that pod",
		}},
		{"all DNS is dead", lost(func(_ *witness, t Thing) bool {
			return t.Kind == report.DNS || t.Kind == report.DNSServer || t == byName
		}), []string{
			"all nodes: names are not answered since 10:43:01 (18 of 18 agents fail; no answer): look at CoreDNS, and the Service before it",
		}},
		{"all DNS servers answer wrongly", wrong(func(_ *witness, t Thing) bool {
			return t.Kind == report.DNS || t.Kind == report.DNSServer || t == byName
		}), []string{
			"all nodes: names are answered wrongly since 10:43:01 (18 of 18 agents fail; 192.0.2.1 was answered): look at CoreDNS's configuration, and at what else answers",
		}},
		{"a node gets wrong answers", wrong(func(a *witness, t Thing) bool { return a.Node == node && t == dns }), []string{
			"node-2: names are answered wrongly since 10:43:04 (2 of 2 agents fail, 16 of 16 elsewhere work; 192.0.2.1 was answered): look at CoreDNS's configuration, and at what else answers",
		}},
		{"the Service has no backends", lost(func(_ *witness, t Thing) bool { return t == byIP || t == byName || t == nodePort }), []string{
			"all nodes: Services are not reached by their addresses since 10:43:01 (18 of 18 agents fail; no answer): look at the Service's endpoints, and at kube-proxy",
		}},
		{"the API server is not reached from a node", lost(func(a *witness, t Thing) bool { return a.Node == node && t == kubeAPI }), []string{
			"node-2: Kubernetes API server not reached since 10:43:02 (1 of 1 agents fail, 8 of 8 elsewhere work; no answer): look at the way from node-2 to it",
		}},
		{"the API server is down", lost(func(_ *witness, t Thing) bool { return t == kubeAPI }), []string{
			"all nodes: Kubernetes API server not reached since 10:43:01 (9 of 9 agents fail; no answer): look at the API server, and what balances its load",
		}},
		{"two nodes have troubles of their own", lost(func(a *witness, t Thing) bool {
			return a.Node == node && t == nodePort || a.Node == "node-5" && t.Kind != report.DNSServer
		}), []string{
			"node-2: node port does not lead to its Service since 10:43:04 (2 of 2 agents fail, 14 of 16 elsewhere work; no answer): look at kube-proxy's node ports and the firewall of node-2",
			"node-5: Services are not reached by their addresses since 10:43:01 (2 of 2 agents fail, 16 of 16 elsewhere work; no answer): look at kube-proxy, or what takes its place, on node-5",
		}},
	} {
		t.Run(row.name, func(t *testing.T) {
			w := bare(t, 9, 3)
			w.join()
			w.asks()
			w.run(3 * time.Minute)
			w.none()
			well := w.share
			w.share = row.share
			w.finds(20*time.Second, row.want...)
			w.run(time.Minute)
			w.finds(time.Second, row.want...)
			w.share = well
			w.run(10 * time.Second)
			w.none()
		})
	}
}

// What is on a node that is down, or asked from there, is explained by that.
func TestWhatAllShareIsExplainedByTheNodeItIsOn(t *testing.T) {
	w := bare(t, 9, 3)
	w.join()
	w.asks()
	w.homes = map[Thing][]string{dnsOne: {"node-2"}, dns: {"node-2", "node-3"}}
	w.run(3 * time.Minute)
	w.none()
	w.lose = both(at("node-2", overlay))
	w.share = func(a *witness, t Thing) string {
		if a.Node == "node-2" || t == dnsOne || t == dns && (int(w.now.Unix())+a.index)%4 > 0 {
			return "no answer"
		}
		return ""
	}
	w.finds(15*time.Second, "node-2: pod network down in both directions since 10:43:00 (16 of 16 pod paths fail, 16 of 16 host paths work): look at the CNI on node-2, or UDP 8472 between nodes")
	for range 60 {
		w.run(time.Second)
		if got := w.sentences(); len(got) != 1 {
			t.Fatalf("found %q", got)
		}
	}
}

func TestAnAnswerStaysWrongUntilAnotherComes(t *testing.T) {
	mesh := func(lost, wrong, run uint64) *report.Mesh {
		return &report.Mesh{Shared: []report.Shared{{Kind: dns.Kind, Target: dns.Target, Asked: 99, Lost: lost, Wrong: wrong, Run: run}}}
	}
	a := &agent{}
	for i, row := range []struct {
		told *report.Mesh
		want bool
	}{
		{mesh(0, 3, 3), true},
		{mesh(0, 3, 3), true},
		{mesh(1, 3, 4), false},
		{mesh(1, 3, 4), false},
		{mesh(1, 4, 5), true},
		{mesh(1, 4, 0), false},
	} {
		was := a.mesh
		a.mesh = row.told
		if a.share(was); a.failing[dns].wrong != row.want {
			t.Errorf("telling %d: wrong %v; want %v", i, a.failing[dns].wrong, row.want)
		}
	}
}

// One of several DNS servers has a part of all lookups fail, and now and then some of an
// agent in a row: that is no fault of its node.
func TestADeadServerExplainsLookupsThatFail(t *testing.T) {
	w := bare(t, 3, 3)
	w.join()
	w.asks()
	w.run(3 * time.Minute)
	w.share = func(a *witness, t Thing) string {
		if t == dnsOne || t == dns && int(w.now.Unix()/7)%4 == a.index%4 {
			return "no answer"
		}
		return ""
	}
	const want = "10.244.1.5:53: DNS server answers nobody since 10:43:01 (6 of 6 agents fail; no answer): look at that pod"
	w.finds(20*time.Second, want)
	for range 120 {
		w.run(time.Second)
		if got := w.sentences(); len(got) != 1 || got[0] != want {
			t.Fatalf("found %q", got)
		}
	}
}

// What all miss some still do as it is over, and some have not found yet as it begins, also where
// something else failed for one of them long before.
func TestWhatAllMissIsNoNodesOwnFault(t *testing.T) {
	w := bare(t, 3, 3)
	w.join()
	w.asks()
	w.run(3 * time.Minute)
	begins := w.now.Add(time.Minute)
	w.share = func(a *witness, t Thing) string {
		if t == byName && a.Node == "node-1" || t == kubeAPI && w.now.Sub(begins) >= time.Duration(nodeNumber(a.Node))*4*time.Second {
			return "no answer"
		}
		return ""
	}
	w.run(time.Minute)
	w.none()
	const want = "all nodes: Kubernetes API server not reached since 10:44:04 (3 of 3 agents fail; no answer): look at the API server, and what balances its load"
	w.finds(30*time.Second, want)
	w.share = func(a *witness, t Thing) string {
		if t == kubeAPI && a.Node == "node-2" {
			return "no answer"
		}
		return ""
	}
	for range 20 {
		w.run(time.Second)
		if got := w.sentences(); len(got) > 1 || len(got) == 1 && got[0] != want {
			t.Fatalf("found %q", got)
		}
	}
}
