//go:build e2e

package e2e

import (
	"fmt"
	"io"
	"maps"
	"math"
	"net/http"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/netchecker/netchecker/test/eventually"
	"github.com/netchecker/netchecker/test/sweep"
)

// rarely are helm's arguments for agents that report once a minute: what is told sooner
// is told by updates.
var rarely = append(slices.Clone(quick), "--set", "agent.reportInterval=60", "--set", "server.reportTTL=300")

// The classes of paths, as the API calls them.
const (
	podToPod, hostToHost, podToHost, hostToPod, ownNode = "pod-to-pod", "host-to-host", "pod-to-host", "host-to-pod", "own-node"
)

// path is one between two nodes.
type path struct{ class, from, to string }

func (p path) String() string { return p.class + " " + p.from + ">" + p.to }

// touches says whether the node is at one end of it.
func (p path) touches(node string) bool { return p.from == node || p.to == node }

// between says whether its ends are those.
func (p path) between(a, b string) bool { return p.from != p.to && p.touches(a) && p.touches(b) }

// paths are all there are.
func (w world) paths() (all []path) {
	nodes := w.nodes()
	for _, from := range nodes {
		for _, to := range nodes {
			if from == to {
				all = append(all, path{ownNode, from, to})
				continue
			}
			for _, class := range []string{podToPod, hostToHost, podToHost, hostToPod} {
				all = append(all, path{class, from, to})
			}
		}
	}
	return all
}

// cell is what was measured of a path in one address family.
type cell struct {
	Class, Family, From, To string
	Sessions                int
	Dead                    int `json:"dead_sessions"`
	Sent, Answered          uint64
	Forward                 uint64 `json:"lost_forward"`
	Back                    uint64 `json:"lost_back"`
	Open                    uint64 `json:"unanswered"`
	Refused, Suspect        uint64
	Silent                  float64                `json:"silent_seconds"`
	RoundTrip               struct{ Mean float64 } `json:"round_trip_ms"`
	TCP                     struct {
		Tried  uint64
		InARow uint64 `json:"failing_in_a_row"`
	}
	Size struct {
		MTU  uint64
		Hole string `json:"black_hole"`
	}
	MeasuredBy []string `json:"measured_by"`
	Age        float64  `json:"age_seconds"`
}

func (c cell) path() path { return path{c.Class, c.From, c.To} }

func (c cell) String() string {
	return fmt.Sprintf("%v %s: %d sessions, %d dead, sent %d, answered %d, lost %d and %d, open %d, silent %.1f s, TCP failing %d, hole %q, %.1f s old",
		c.path(), c.Family, c.Sessions, c.Dead, c.Sent, c.Answered, c.Forward, c.Back, c.Open, c.Silent, c.TCP.InARow, c.Size.Hole, c.Age)
}

// cells are all that the server tells.
func (w world) cells(door netip.AddrPort) ([]cell, error) {
	var answer struct{ Cells []cell }
	if err := w.getJSON(door, "mesh?by=node", &answer); err != nil {
		return nil, err
	}
	return answer.Cells, nil
}

// meshed waits until all paths are measured in both families, and well.
func (w world) meshed(within time.Duration) {
	w.Helper()
	want := w.paths()
	door := w.door()
	eventually.Within(w, within, func() error {
		cells, err := w.cells(door)
		if err != nil {
			return err
		}
		if len(cells) != 2*len(want) {
			return fmt.Errorf("%d paths are measured, want %d, each in two families", len(cells), len(want))
		}
		for _, c := range cells {
			if !slices.Contains(want, c.path()) || c.Answered == 0 || c.Dead > 0 || c.TCP.Tried == 0 || c.TCP.InARow > 0 || c.Size.MTU == 0 || c.Size.Hole != "" {
				return fmt.Errorf("not well: %v", c)
			}
		}
		return nil
	})
}

// symptom says of a path whether it is ill, as a fault makes it, in one family.
type symptom func(cell) bool

func dead(c cell) bool { return c.Dead == c.Sessions && c.TCP.InARow > 0 }

func hole(c cell) bool { return c.Size.Hole != "" }

// ill are the paths that have the symptom in both families, or an error where one has it
// in one of them alone.
func ill(cells []cell, has symptom) ([]path, error) {
	families := map[path]int{}
	for _, c := range cells {
		if has(c) {
			families[c.path()]++
		}
	}
	for p, n := range families {
		if n != 2 {
			return nil, fmt.Errorf("%v is ill in one family alone", p)
		}
	}
	return slices.SortedFunc(maps.Keys(families), func(a, b path) int { return strings.Compare(a.String(), b.String()) }), nil
}

// showsIn waits until those paths have the symptom, and no others, and that is still so
// some time after.
func (w world) showsIn(door netip.AddrPort, has symptom, want func(path) bool) {
	w.Helper()
	var all []path
	for _, p := range w.paths() {
		if want(p) {
			all = append(all, p)
		}
	}
	slices.SortFunc(all, func(a, b path) int { return strings.Compare(a.String(), b.String()) })
	check := func() error {
		cells, err := w.cells(door)
		if err != nil {
			return err
		}
		got, err := ill(cells, has)
		if err == nil && !slices.Equal(got, all) {
			err = fmt.Errorf("ill are\n%v\nwant\n%v", got, all)
		}
		return err
	}
	begun := time.Now()
	eventually.Within(w, time.Minute, check)
	w.Logf("shown after %.1f s", time.Since(begun).Seconds())
	for range 5 {
		w.sleep(time.Second)
		if err := check(); err != nil {
			w.Error(err)
			return
		}
	}
}

// breaks injects a fault, sees that it is named and shows where it should, heals it, and
// sees that nothing is left of it.
func (w world) breaks(door netip.AddrPort, has symptom, want func(path) bool, named naming, fault string, args ...string) {
	w.Helper()
	w.broken(func() {
		w.named(door, namedWithin, named)
		w.showsIn(door, has, want)
	}, fault, args...)
	w.named(door, goneWithin, as())
	w.showsIn(door, func(c cell) bool { return c.Dead > 0 || c.TCP.InARow > 0 || c.Size.Hole != "" }, func(path) bool { return false })
}

// installsMeshed: at the chart's own 15 s.
func installsMeshed(w world) {
	begun := time.Now()
	w.install()
	w.rolledOut()
	w.meshed(time.Minute - time.Since(begun))
	w.Logf("all paths are measured %.1f s after helm install began", time.Since(begun).Seconds())
}

// withRareReports ends with agents that report once a minute, and all paths measured.
func (w world) withRareReports() {
	w.Helper()
	w.withRelease(rarely...)
	w.meshed(patience)
}

// away is how long what the mesh can do without is away.
func away() time.Duration {
	if sweep.Whole() {
		return 5 * time.Minute
	}
	return time.Minute
}

// counted has the nodes count the small datagrams that their pods and hosts ask other nodes
// by while f runs, and holds that against what the agents tell of it, each as of when: to
// each of four agents, by both of a node's own, one a second.
func (w world) counted(f func()) {
	w.Helper()
	for _, node := range w.nodes() {
		w.must(w.cluster.Count(w.Context(), node, "udp dport { 8083, 18083 } udp length 56"))
	}
	counting := time.Now()
	before := w.tellings()
	f()
	told := map[string]float64{}
	for key, after := range w.tellings() {
		was := before[key]
		told[after.from] += (float64(after.sent) - float64(was.sent)) / after.asOf.Sub(was.asOf).Seconds()
	}
	for _, node := range w.nodes() {
		pods, host, err := w.cluster.Counted(w.Context(), node)
		w.must(err)
		counted := float64(pods+host) / time.Since(counting).Seconds()
		w.Logf("%s: its agents tell of %.2f small datagrams a second; it counted %.2f", node, told[node], counted)
		const least, most = 7.6, 8.4
		if counted < least || counted > most || math.Abs(told[node]-counted) > most-least {
			w.Errorf("%s: it should be %.1f to %.1f, by both accounts", node, least, most)
		}
	}
}

// meshIsCounted: while nothing happens.
func meshIsCounted(w world) {
	w.counted(func() { w.sleep(time.Minute) })
}

// meshServerAway: the server's etcd goes with it.
func meshServerAway(w world) {
	scale := func(replicas int) {
		w.kubectl("scale", "deployment/netchecker-server", "--namespace", namespace, fmt.Sprint("--replicas=", replicas))
	}
	w.counted(func() {
		scale(0)
		w.sleep(away())
		scale(1)
		w.rolledOut()
		w.meshed(patience)
	})
}

// meshAPIServerDown is seen from all hosts. Agents have no other use for it.
func meshAPIServerDown(w world) {
	begun := time.Now()
	w.counted(func() {
		w.sharesBreak(func(s share) bool { return s.Kind == "kube-api" }, noShare, as("kube-api"), "apiserver-down")
		w.sleep(away() - time.Since(begun))
	})
	w.eventually(func() error { return w.nodesReady(begun) })
	// Pods of nodes that were taken for lost are out of their Services until their kubelets say so.
	w.kubectl("wait", "pods", "--all", "--namespace", namespace, "--for=condition=Ready", "--timeout=120s")
	w.await("", well)
}

// telling is how many small datagrams were sent on a path between nodes, and as of when.
type telling struct {
	from string
	sent uint64
	asOf time.Time
}

func (w world) tellings() map[string]telling {
	w.Helper()
	cells, err := w.cells(w.door())
	w.must(err)
	all := map[string]telling{}
	for _, c := range cells {
		if c.Class == ownNode {
			continue // two agents tell of one cell, each as of another time
		}
		all[c.path().String()+c.Family] = telling{c.From, c.Sent, time.Now().Add(-time.Duration(c.Age * float64(time.Second)))}
	}
	return all
}

// crossesOverlay says of a path whether its packets are on the overlay.
func crossesOverlay(p path) bool { return p.class == podToPod || p.class == hostToPod }

func meshOverlayCut(w world, node string) {
	w.breaks(w.door(), dead, func(p path) bool { return p.touches(node) && crossesOverlay(p) },
		as("pod-network "+node+" both"), "overlay-cut", node)
}

func meshOverlayPairCut(w world, node string) {
	others := w.butFor(node)
	w.breaks(w.door(), dead, func(p path) bool { return p.between(node, others[0]) && crossesOverlay(p) },
		as("pod-network "+pairOf(node, others[0])+" both"), "overlay-pair-cut", node, others[0])
}

// meshUnderlayCut: nobody hears of a node that is cut from the server's own.
func meshUnderlayCut(w world, node string) {
	other := slices.DeleteFunc(w.others(), func(name string) bool { return name == node })[0]
	w.breaks(w.door(), dead, func(p path) bool { return p.between(node, other) },
		as("underlay "+pairOf(node, other)+" both"), "underlay-cut", node, other)
}

func meshHostPodsCut(w world, node string) {
	w.breaks(w.door(), dead, func(p path) bool { return p == path{ownNode, node, node} },
		as("own-pods "+node), "host-pods-cut", node)
}

func meshBlackHole(w world, node string) {
	w.breaks(w.door(), hole, func(p path) bool { return p.touches(node) && crossesOverlay(p) },
		as("black-hole "+node+" both"), "blackhole", node, "1300")
}

// pairOf is how a finding names two nodes.
func pairOf(a, b string) string { return min(a, b) + " " + max(a, b) }

// loses injects a fault that loses a share of what is on its way on some paths, and sees
// that it is named, and counted there, by its direction, and nowhere else.
func (w world) loses(forward, back func(path) bool, named naming, fault string, args ...string) {
	w.Helper()
	door := w.door()
	before := w.measured(door)
	w.broken(func() {
		w.named(door, namedWithin, named)
		eventually.Within(w, 2*time.Minute, func() error { // by chance a path loses little
			for key, c := range w.measured(door) {
				was := before[key]
				there, here := c.Forward-was.Forward, c.Back-was.Back
				for _, way := range []struct {
					lost uint64
					want bool
				}{{there, forward(c.path())}, {here, back(c.path())}} {
					if (way.lost > 0) != way.want {
						return fmt.Errorf("lost were %d and %d: %v", there, here, c)
					}
				}
			}
			return nil
		})
	}, fault, args...)
	w.named(door, goneWithin, as())
	w.showsIn(door, func(c cell) bool { return c.Dead > 0 || c.TCP.InARow > 0 || c.Open > 2 }, func(path) bool { return false })
}

// measured are the cells, by path and family.
func (w world) measured(door netip.AddrPort) map[string]cell {
	w.Helper()
	cells, err := w.cells(door)
	w.must(err)
	all := map[string]cell{}
	for _, c := range cells {
		all[c.path().String()+c.Family] = c
	}
	return all
}

// meshOverlayLoss: on the way to the node alone.
func meshOverlayLoss(w world, node string) {
	w.loses(func(p path) bool { return p.to == node && p.touches(node) && crossesOverlay(p) && p.from != node },
		func(p path) bool { return p.from == node && crossesOverlay(p) && p.to != node },
		as("loss "+node+" in"), "overlay-loss", node, "30", "in")
}

// meshLoss: both ways, of all that leaves the node or comes to it.
func meshLoss(w world, node string) {
	crosses := func(p path) bool { return p.touches(node) && p.class != ownNode }
	w.loses(crosses, crosses, as("loss "+node+" both"), "loss", node, "30")
}

// meshSlow: what passes the node's cable takes 0.3 s longer, each way. All agents have told of
// that by their next report but one, of some seconds of it at least.
func meshSlow(w world, node string) {
	door := w.door()
	before := w.measured(door)
	slower := func(c cell) bool {
		was := before[c.path().String()+c.Family]
		took := c.RoundTrip.Mean*float64(c.Answered) - was.RoundTrip.Mean*float64(was.Answered)
		return took > 25*float64(c.Answered-was.Answered)
	}
	w.broken(func() {
		w.sleep(70 * time.Second)
		w.showsIn(door, slower, func(p path) bool { return p.touches(node) && p.class != ownNode })
	}, "delay", node, "300")
	w.showsIn(door, func(c cell) bool { return c.Dead > 0 || c.TCP.InARow > 0 || c.Size.Hole != "" }, func(path) bool { return false })
}

// meshLinkDown: all that the others ask there is lost, and what the node sees nobody can
// hear before it is over.
func meshLinkDown(w world, node string) {
	w.breaks(w.door(), dead, func(p path) bool { return p.to == node && p.from != node },
		as("node-unreachable "+node+" out or both"), "link-down", node)
}

// meshKubeletDead: its pods go on.
func meshKubeletDead(w world, node string) {
	before := w.measured(w.door())
	w.broken(func() {
		w.sleep(15 * time.Second)
		for key, c := range w.measured(w.door()) {
			if was := before[key]; c.Forward+c.Back > was.Forward+was.Back || c.Dead > 0 || c.Open > 2 {
				w.Errorf("a path is worse: %v", c)
			}
		}
		w.named(w.door(), namedWithin, as())
	}, "kubelet-dead", node)
}

// meshBurning: what agents miss that do not get to run is suspect, and what they answer
// late is no loss: neither their own nor that of others who ask them.
func meshBurning(w world, node string) {
	door := w.door()
	w.named(door, 2*time.Minute, as()) // the node before may tell of it until its next report
	before, starved := w.measured(door), w.starved(door, node)
	w.broken(func() {
		eventually.Within(w, 2*time.Minute, func() error { // two reports
			after := w.starved(door, node)
			for _, pod := range w.agents(node) {
				if more := after[pod] - starved[pod]; more < 1 {
					return fmt.Errorf("%s starved for %.1f s", pod, more)
				}
			}
			return nil
		})
		w.named(door, namedWithin, as("agent-starved "+node, "agent-starved "+node)) // on each network
	}, "cores-burning", node)
	w.sleep(2 * interval)
	for pod, was := range starved {
		w.Logf("%s starved for %.1f s", pod, w.starved(door, node)[pod]-was)
	}
	for key, c := range w.measured(door) {
		if was := before[key]; c.Forward+c.Back > was.Forward+was.Back || c.Dead > 0 || c.Open > 2 {
			w.Errorf("lost were %d and %d: %v", c.Forward-was.Forward, c.Back-was.Back, c)
		}
	}
}

// meshRolledOut: agents that are made anew say so, and those of a node that is drained go on.
func meshRolledOut(w world) {
	node := w.others()[0]
	before := w.lost()
	for _, set := range []string{"daemonset/netchecker-agent", "daemonset/netchecker-agent-hostnet"} {
		w.kubectl("rollout", "restart", set, "--namespace", namespace)
	}
	w.rolledOut()
	w.kubectl("drain", node, "--ignore-daemonsets", "--delete-emptydir-data", "--timeout=60s")
	w.kubectl("uncordon", node)
	w.meshed(patience)
	if after := w.lost(); after > before {
		w.Errorf("%v datagrams were lost", after-before)
	}
}

// lost is how many datagrams were, by the server's metrics.
func (w world) lost() (sum float64) {
	w.Helper()
	client := http.Client{Timeout: 5 * time.Second, Transport: &http.Transport{DialContext: w.cluster.Dial, DisableKeepAlives: true}}
	response, err := client.Get(fmt.Sprintf("http://%s/metrics", w.door()))
	w.must(err)
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	w.must(err)
	for line := range strings.Lines(string(text)) {
		if series, value, ok := strings.Cut(line, "} "); ok && strings.HasPrefix(series, "netchecker_mesh_lost_total{") {
			n, err := strconv.ParseFloat(strings.TrimSpace(value), 64)
			w.must(err)
			if n > 0 {
				w.Log(strings.TrimSpace(line))
			}
			sum += n
		}
	}
	return sum
}

// starved is for how long each agent of a node could not run as it should, in seconds.
func (w world) starved(door netip.AddrPort, node string) map[string]float64 {
	w.Helper()
	var answer struct {
		Agents []struct {
			Pod     string
			Starved float64 `json:"starved_seconds"`
		}
	}
	w.must(w.getJSON(door, "mesh?node="+node, &answer))
	all := map[string]float64{}
	for _, a := range answer.Agents {
		all[a.Pod] = a.Starved
	}
	return all
}

// meshOneWay: what is lost on its way to the node is heard by nobody there, and what the
// node asks is heard elsewhere.
func meshOneWay(w world, node string) {
	door := w.door()
	w.broken(func() {
		eventually.Within(w, time.Minute, func() error {
			var answer struct {
				Heard []struct {
					Node, Family string
					From         string  `json:"from_node"`
					Silent       float64 `json:"silent_seconds"`
					Unanswered   uint64
				}
			}
			if err := w.getJSON(door, "mesh?node="+node, &answer); err != nil {
				return err
			}
			silent, unanswered := map[string]bool{}, map[string]bool{}
			for _, h := range answer.Heard {
				switch {
				case h.Node == node && h.Silent >= 3:
					silent[h.From] = true
				case h.From == node && h.Unanswered >= 3 && h.Silent < 3:
					unanswered[h.Node] = true
				default:
					return fmt.Errorf("heard is %+v", h)
				}
			}
			for _, other := range w.butFor(node) {
				if !silent[other] || !unanswered[other] {
					return fmt.Errorf("from %s nothing is heard: %v; it hears %s: %v, in %+v", other, silent[other], node, unanswered[other], answer.Heard)
				}
			}
			return nil
		})
	}, "overlay-cut", node, "in")
	w.showsIn(door, dead, func(path) bool { return false })
}

// share is what the agents of a node find of something that all share.
type share struct {
	Kind, Target, Network, From, Message string
	Agents                               int
	Failing                              int    `json:"failing_agents"`
	InARow                               uint64 `json:"failing_in_a_row"`
	Asked, Lost, Refused, Wrong          uint64
}

// dead is three failures in a row: what is asked rarely may fail once.
func (s share) dead() bool { return s.InARow >= 3 }

func (s share) String() string {
	return fmt.Sprintf("%s %s from %s's %s network: %d in a row, of %d asked %d lost, %d refused, %d wrong: %s",
		s.Kind, s.Target, s.From, s.Network, s.InARow, s.Asked, s.Lost, s.Refused, s.Wrong, s.Message)
}

func (w world) shares(door netip.AddrPort) ([]share, error) {
	var answer struct{ Shared []share }
	if err := w.getJSON(door, "mesh?by=node", &answer); err != nil {
		return nil, err
	}
	return answer.Shared, nil
}

// sharesShow waits until those that should be dead are, and no others, apart from what
// may go either way, and that is still so some time after.
func (w world) sharesShow(door netip.AddrPort, want, may func(share) bool) {
	w.Helper()
	check := func() error {
		all, err := w.shares(door)
		if err != nil {
			return err
		}
		kinds := map[string]bool{}
		for _, s := range all {
			kinds[s.Kind] = true
			if s.dead() != want(s) && !may(s) {
				return fmt.Errorf("dead: want %v: %v", want(s), s)
			}
		}
		if want := []string{"dns", "dns-server", "kube-api", "node-port", "service-address", "service-name"}; !slices.Equal(slices.Sorted(maps.Keys(kinds)), want) {
			return fmt.Errorf("asked is %v, want all of %q", kinds, want)
		}
		return nil
	}
	begun := time.Now()
	eventually.Within(w, patience, check)
	w.Logf("shown after %.1f s", time.Since(begun).Seconds())
	for range 5 {
		w.sleep(time.Second)
		if err := check(); err != nil {
			w.Error(err)
			return
		}
	}
}

func noShare(share) bool { return false }

// sharesBreak injects a fault of what all share, sees that it is named, that it shows where
// it should, and that all paths between nodes are well, and heals it.
func (w world) sharesBreak(want, may func(share) bool, named naming, fault string, args ...string) {
	w.Helper()
	door := w.door()
	w.sharesShow(door, noShare, noShare)
	w.broken(func() {
		w.named(door, namedWithin, named)
		w.sharesShow(door, want, may)
		w.showsIn(door, dead, func(path) bool { return false })
	}, fault, args...)
	w.named(door, goneWithin, as())
	w.sharesShow(door, noShare, may)
}

func meshNodePortBroken(w world, node string) {
	door := w.doorOf(w.butFor(node)[0])
	w.broken(func() {
		w.named(door, namedWithin, as("node-port "+node))
		w.sharesShow(door, func(s share) bool { return s.From == node && s.Kind == "node-port" }, noShare)
	}, "nodeport-broken", node)
	w.named(door, goneWithin, as())
	w.sharesShow(door, noShare, noShare)
}

// meshKubeProxyDead: what is behind Services' addresses is dead, and what is asked
// straight is well.
func meshKubeProxyDead(w world, node string) {
	w.sharesBreak(func(s share) bool { return s.From == node && s.Kind != "dns-server" }, noShare,
		as("service "+node), "kubeproxy-dead", node)
}

func meshDNSCut(w world, node string) {
	w.sharesBreak(func(s share) bool { return s.From == node && strings.HasPrefix(s.Kind, "dns") },
		func(s share) bool { return s.From == node && s.Kind == "service-name" },
		as("dns "+node), "dns-cut", node)
}

// meshDNSPodCut: names are found or not, by which server the Service leads to.
func meshDNSPodCut(w world) {
	first := w.kubectl("get", "pods", "--namespace=kube-system", "--selector=k8s-app=kube-dns", "--sort-by=.metadata.name",
		"--output", "jsonpath={.items[0].status.podIP}")
	w.sharesBreak(func(s share) bool { return s.Kind == "dns-server" && strings.HasPrefix(s.Target, first+":") },
		func(s share) bool { return s.Kind == "dns" || s.Kind == "service-name" },
		as("dns-server "+first+":53"), "dns-pod-cut")
}

// meshDNSWrong: the servers are made anew for that, so that agents ask old ones until they
// are told the new ones.
func meshDNSWrong(w world) {
	door := w.door()
	may := func(s share) bool { return s.Kind == "dns-server" || s.Kind == "service-name" }
	w.broken(func() {
		w.named(door, namedWithin, as("wrong-dns"))
		w.sharesShow(door, func(s share) bool { return s.Kind == "dns" }, may)
		all, err := w.shares(door)
		w.must(err)
		for _, s := range all {
			if s.Kind == "dns" && s.Wrong < 3 {
				w.Errorf("it is not wrong: %v", s)
			}
		}
	}, "dns-wrong")
	w.sharesShow(door, noShare, may)
	w.named(door, goneWithin, as())
}

func meshAPIServerCut(w world, node string) {
	w.sharesBreak(func(s share) bool { return s.From == node && s.Kind == "kube-api" }, noShare, as("kube-api "+node), "apiserver-cut", node)
}
