package diagnose

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/netchecker/netchecker/pkg/report"
)

// overlay says whether packets of a session are on the pod network, as an overlay has it.
func overlay(s *session) bool { return s.class() == "pod-pod" || s.class() == "host-pod" }

// both is what is lost of sessions that do.
func both(does func(*session) bool) func(*session) ways {
	return func(s *session) ways {
		if does(s) {
			return forward | back
		}
		return 0
	}
}

// into is what is lost of sessions that do on the way to a node, and outOf from it.
func into(node string, does func(*session) bool) func(*session) ways {
	return func(s *session) (w ways) {
		if s.from.Node == s.to.Node || !does(s) {
			return 0
		}
		if s.to.Node == node {
			w |= forward
		}
		if s.from.Node == node {
			w |= back
		}
		return w
	}
}

func outOf(node string, does func(*session) bool) func(*session) ways {
	return func(s *session) ways {
		w := into(node, does)(s)
		return w<<1&back | w>>1
	}
}

func anything(*session) bool { return true }

func ofClassOnly(name string) func(*session) bool {
	return func(s *session) bool { return s.class() == name }
}

func at(node string, does func(*session) bool) func(*session) bool {
	return func(s *session) bool { return s.touches(node) && s.from.Node != s.to.Node && does(s) }
}

func or(a, b func(*session) bool) func(*session) bool {
	return func(s *session) bool { return a(s) || b(s) }
}

func pair(a, b string, does func(*session) bool) func(*session) bool {
	return func(s *session) bool { return s.between(a, b) && does(s) }
}

// The rows of the table in the package's comment, and what they look like from elsewhere.
func TestWhatIsDeadIsNamedWithinTwelveSecondsAndGoneTenAfterItIsWell(t *testing.T) {
	const node = "node-2"
	ofNode := func(a *witness) bool { return a.Node == node }
	podOfNode := func(a *witness) bool { return a.Node == node && a.Network == report.Pod }
	attached := func(s *session) bool {
		return s.from.Node == node && s.from.Network == report.Pod || s.to.Node == node && s.to.Network == report.Pod
	}
	between := func(s *session) bool { return s.class() != "own" }
	zones := func(does func(*session) bool) func(*session) bool {
		return func(s *session) bool {
			a, b := (nodeNumber(s.from.Node)-1)%3, (nodeNumber(s.to.Node)-1)%3
			return a+b == 1 && does(s) // zone-1 and zone-2
		}
	}
	const (
		lookAtMachine  = ": look at the machine, its link and switch port"
		lookAtFirewall = ": look at the firewall, routes and link of node-2"
		lookBetween    = ": look at switches, routes and firewalls between them"
		lookAtCNI      = ": look at the CNI on node-2, or UDP 8472 between nodes"
		lookAtTunnels  = ": look at the CNI's routes and tunnels there, or UDP 8472 between nodes"
		lookAtPolicies = ": look at masquerading, NetworkPolicies and the firewall of node-2"
	)
	for _, row := range []struct {
		name  string
		nodes int
		lose  func(*session) ways
		dumb  func(*witness) bool
		want  []string
	}{
		{"a node is down", 9, both(at(node, anything)), ofNode, []string{
			"node-2: unreachable, down or cut off, since 10:43:00 (16 of 16 host paths fail, 16 of 16 pod paths fail; Ready is True)" + lookAtMachine,
		}},
		{"a node of three is down", 3, both(at(node, anything)), ofNode, []string{
			"node-2: unreachable, down or cut off, since 10:43:00 (4 of 4 host paths fail, 4 of 4 pod paths fail; Ready is True)" + lookAtMachine,
		}},
		{"a node of many is down", 20, both(at(node, anything)), ofNode, []string{
			"node-2: unreachable, down or cut off, since 10:43:00 (16 of 16 host paths fail, 16 of 16 pod paths fail; Ready is True)" + lookAtMachine,
		}},
		{"nothing arrives at a node", 9, into(node, anything), ofNode, []string{
			"node-2: what is sent to it does not arrive, what it sends does, since 10:43:00 (16 of 16 host paths fail, 16 of 16 pod paths fail; Ready is True)" + lookAtFirewall,
		}},
		{"nothing that a node sends arrives, and it can tell", 9, outOf(node, anything), nil, []string{
			"node-2: what it sends does not arrive, what is sent to it does, since 10:43:00 (16 of 16 host paths fail, 16 of 16 pod paths fail; Ready is True)" + lookAtFirewall,
		}},
		{"two nodes do not reach each other", 9, both(pair("node-1", node, anything)), nil, []string{
			"node-1 and node-2: network between them down in both directions since 10:43:00 (2 of 2 host paths fail, 2 of 2 pod paths fail)" + lookBetween,
		}},
		{"one node does not reach another", 9, into(node, pair("node-1", node, anything)), nil, []string{
			"node-1 and node-2: network between them down from node-1 to node-2 since 10:43:00 (2 of 2 host paths fail, 2 of 2 pod paths fail)" + lookBetween,
		}},
		{"of many, two nodes do not reach each other", 20, both(pair("node-1", node, anything)), nil, []string{
			"node-1 and node-2: network between them down from node-1 to node-2, or in both directions since 10:43:00 (1 of 1 host paths fail, 1 of 1 pod paths fail)" + lookBetween,
		}},
		{"two zones do not reach each other", 9, both(zones(anything)), nil, []string{
			"zones zone-1 and zone-2: network between them down in both directions since 10:43:00 (18 of 18 host paths fail, 18 of 18 pod paths fail)" + lookBetween,
		}},
		{"no node reaches another", 9, both(between), nil, []string{
			"all nodes: network between them down since 10:43:00 (72 of 72 host paths fail, 72 of 72 pod paths fail)" + lookBetween,
		}},
		{"the overlay of a node is down", 9, both(at(node, overlay)), nil, []string{
			"node-2: pod network down in both directions since 10:43:00 (16 of 16 pod paths fail, 16 of 16 host paths work)" + lookAtCNI,
		}},
		{"the overlay of a node is down, and its pods reach no server", 9, both(at(node, overlay)), podOfNode, []string{
			"node-2: pod network down in the direction from it, or in both since 10:43:00 (16 of 16 pod paths fail, 16 of 16 host paths work)" + lookAtCNI,
		}},
		{"the overlay of a node of three is down", 3, both(at(node, overlay)), nil, []string{
			"node-2: pod network down in both directions since 10:43:00 (4 of 4 pod paths fail, 4 of 4 host paths work)" + lookAtCNI,
		}},
		{"the overlay of a node of many is down", 20, both(at(node, overlay)), nil, []string{
			"node-2: pod network down in both directions since 10:43:00 (16 of 16 pod paths fail, 16 of 16 host paths work)" + lookAtCNI,
		}},
		{"the pod network of a node is down, routed as it is", 9, both(at(node, ofClassOnly("pod-pod"))), nil, []string{
			"node-2: pod network down in both directions since 10:43:00 (16 of 16 pod paths fail, 16 of 16 host paths work)" + lookAtCNI,
		}},
		{"nothing arrives at a node by the overlay", 9, into(node, overlay), podOfNode, []string{
			"node-2: pod network down in the direction to it since 10:43:00 (16 of 16 pod paths fail, 16 of 16 host paths work)" + lookAtCNI,
		}},
		{"nothing that a node sends arrives by the overlay", 9, outOf(node, overlay), nil, []string{
			"node-2: pod network down in the direction from it since 10:43:00 (16 of 16 pod paths fail, 16 of 16 host paths work)" + lookAtCNI,
		}},
		{"the overlay between two nodes is down", 9, both(pair("node-1", node, overlay)), nil, []string{
			"node-1 and node-2: pod network down in both directions since 10:43:00 (2 of 2 pod paths fail, 2 of 2 host paths work)" + lookAtTunnels,
		}},
		{"the overlay from one node to another is down", 9, outOf(node, pair("node-1", node, overlay)), nil, []string{
			"node-1 and node-2: pod network down from node-2 to node-1 since 10:43:00 (2 of 2 pod paths fail, 2 of 2 host paths work)" + lookAtTunnels,
		}},
		{"the overlay between two zones is down", 9, both(zones(overlay)), nil, []string{
			"zones zone-1 and zone-2: pod network down in both directions since 10:43:00 (18 of 18 pod paths fail, 18 of 18 host paths work)" + lookAtTunnels,
		}},
		{"the overlay is down everywhere", 9, both(overlay), nil, []string{
			"all nodes: pod network down since 10:43:00 (72 of 72 pod paths fail, 72 of 72 host paths work)" + lookAtTunnels,
		}},
		{"pods of a node are cut off", 9, both(attached), podOfNode, []string{
			"node-2: pods are cut off from the network, and from their own host, since 10:43:00 (16 of 16 pod paths fail, 16 of 16 host paths work): look at the CNI on node-2: its bridge and addresses",
		}},
		{"pods of a node of three are cut off", 3, both(attached), podOfNode, []string{
			"node-2: pods are cut off from the network, and from their own host, since 10:43:00 (4 of 4 pod paths fail, 4 of 4 host paths work): look at the CNI on node-2: its bridge and addresses",
		}},
		{"pods of a node of many are cut off", 20, both(attached), podOfNode, []string{
			"node-2: pods are cut off from the network, and from their own host, since 10:43:00 (16 of 16 pod paths fail, 16 of 16 host paths work): look at the CNI on node-2: its bridge and addresses",
		}},
		{"hosts do not reach the pods of a node", 9, both(at(node, ofClassOnly("host-pod"))), nil, []string{
			"node-2: way from hosts to pods down in both directions since 10:43:00 (16 of 16 host-to-pod paths fail, 16 of 16 pod paths work)" + lookAtPolicies,
		}},
		{"pods do not reach a node's host", 9, into(node, ofClassOnly("pod-host")), nil, []string{
			"node-2: way from pods to hosts down in the direction to it since 10:43:00 (16 of 16 pod-to-host paths fail, 16 of 16 pod paths work)" + lookAtPolicies,
		}},
		{"the host network's port of a node is closed", 9, both(at(node, ofClassOnly("host-host"))), nil, []string{
			"node-2: host network down in both directions since 10:43:00 (16 of 16 host paths fail, 16 of 16 pod paths work): look at the firewall of node-2: UDP and TCP 18083",
		}},
		{"the host network's port of a node of many is closed", 20, both(at(node, ofClassOnly("host-host"))), nil, []string{
			"node-2: host network down in both directions since 10:43:00 (16 of 16 host paths fail, 16 of 16 pod paths work): look at the firewall of node-2: UDP and TCP 18083",
		}},
		{"the overlay of many nodes is down everywhere", 20, both(overlay), nil, []string{
			"all nodes: pod network down since 10:43:00 (160 of 160 pod paths fail, 160 of 160 host paths work)" + lookAtTunnels,
		}},
		{"a host does not reach its own pods", 9, both(func(s *session) bool { return s.from.Node == node && s.to.Node == node }), nil, []string{
			"node-2: the host does not reach its own pods since 10:43:00 (2 of 2 own-node paths fail, 16 of 16 pod paths work): look at the routes and the firewall of node-2 towards its pods",
		}},
		{"two faults in two layers", 9, both(or(at(node, overlay), at("node-3", anything))), nil, []string{
			"node-3: unreachable, down or cut off, since 10:43:00 (16 of 16 host paths fail, 16 of 16 pod paths fail; Ready is True)" + lookAtMachine,
			"node-2: pod network down in both directions since 10:43:00 (14 of 14 pod paths fail, 14 of 14 host paths work)" + lookAtCNI,
		}},
		{"two faults in one layer", 9, both(or(at(node, overlay), at("node-7", overlay))), nil, []string{
			"node-2: pod network down in both directions since 10:43:00 (16 of 16 pod paths fail, 16 of 16 host paths work)" + lookAtCNI,
			"node-7: pod network down in both directions since 10:43:00 (14 of 14 pod paths fail, 16 of 16 host paths work): look at the CNI on node-7, or UDP 8472 between nodes",
		}},
		{"two faults, of a node and of a pair", 9, both(or(at(node, overlay), pair("node-4", "node-7", anything))), nil, []string{
			"node-2: pod network down in both directions since 10:43:00 (16 of 16 pod paths fail, 16 of 16 host paths work)" + lookAtCNI,
			"node-4 and node-7: network between them down in both directions since 10:43:00 (2 of 2 host paths fail, 2 of 2 pod paths fail)" + lookBetween,
		}},
		{"two faults of three nodes, which leave one pair", 3, both(or(at(node, overlay), at("node-3", anything))), nil, []string{
			"node-3: unreachable, down or cut off, since 10:43:00 (4 of 4 host paths fail, 4 of 4 pod paths fail; Ready is True)" + lookAtMachine,
			"node-1 or node-2, or what is between node-1 and node-2: pod network down in both directions since 10:43:00 (2 of 2 pod paths fail, 2 of 2 host paths work)" + lookAtTunnels,
		}},
		{"the overlay between the only two nodes is down", 2, both(overlay), nil, []string{
			"node-1 or node-2, or what is between node-1 and node-2: pod network down in both directions since 10:43:00 (2 of 2 pod paths fail, 2 of 2 host paths work)" + lookAtTunnels,
		}},
	} {
		t.Run(row.name, func(t *testing.T) {
			w := newWorld(t, row.nodes, 3)
			well, speaking := w.lose, w.dumb
			w.lose = row.lose
			if row.dumb != nil {
				w.dumb = row.dumb
			}
			w.finds(12*time.Second, row.want...)
			w.run(75 * time.Second)
			if got := w.sentences(); !slices.Equal(got, row.want) {
				t.Errorf("later found\n%q\nwant\n%q", got, row.want)
			}
			w.lose, w.dumb = well, speaking
			w.run(10 * time.Second)
			w.none()
		})
	}
}

// A tenth of its rows that are well speaks for a node, and its pairs are told.
func TestANodeThatReachesSomeIsNotAtFaultItself(t *testing.T) {
	w := newWorld(t, 9, 3)
	w.lose = both(at("node-2", func(s *session) bool { return overlay(s) && !s.touches("node-9") }))
	w.run(15 * time.Second)
	found := w.state.Findings(w.now)
	for _, f := range found {
		if f.Kind != PodNetwork || f.Subject.Scope != Pair {
			t.Errorf("found %q", f.Sentence())
		}
	}
	if len(found) != 7 {
		t.Errorf("found %d pairs; want 7", len(found))
	}
}

func TestWhetherAHostReachesItsPodsIsWaitedForAndThenSaidToBeUnknown(t *testing.T) {
	w := newWorld(t, 9, 3)
	pod, host := w.agent("node-2", report.Pod), w.agent("node-2", report.Host)
	w.lose = both(func(s *session) bool { return s.from == pod || s.to == pod })
	w.dumb = func(a *witness) bool { return a == pod }
	w.run(4 * time.Second)
	w.dumb = func(a *witness) bool { return a == pod || a == host }
	w.run(6 * time.Second)
	w.none()
	w.run(5 * time.Second)
	w.finds(time.Second, "node-2: pod network down in the direction from it, or in both since 10:43:00 (16 of 16 pod paths fail, 16 of 16 host paths work; or its pods are cut off from their own host, which tells nothing): look at the CNI on node-2, or UDP 8472 between nodes")
	if f := w.state.Findings(w.now); f[0].Sure {
		t.Error("it is said to be sure")
	}
}

func TestWithoutAgentsOnHostsItIsNotKnownWhichNetworkIsDown(t *testing.T) {
	w := bare(t, 9, 3)
	w.join()
	w.sessions = slices.DeleteFunc(w.sessions, func(s *session) bool { return s.class() != "pod-pod" })
	w.run(3 * time.Minute)
	w.lose = both(at("node-2", anything))
	w.finds(12*time.Second, "node-2: pod network down in both directions since 10:43:00 (16 of 16 pod paths fail; or the network between hosts, which nobody measures): look at the CNI on node-2, or UDP 8472 between nodes")
}

func TestWhatIsToldBeforeOthersGotWellIsNoFaultOfItsOwn(t *testing.T) {
	for _, lasts := range []time.Duration{8 * time.Second, 9 * time.Second, 10 * time.Second, 11 * time.Second} {
		w := newWorld(t, 9, 3)
		w.lose = both(func(s *session) bool { return s.touches("node-2") && s.class() == "pod-pod" })
		w.run(lasts)
		w.lose = func(*session) ways { return 0 }
		w.dumb = func(a *witness) bool { return a.Node == "node-5" }
		for range 14 {
			w.run(time.Second)
			for _, s := range w.sentences() {
				if strings.Contains(s, "node-5") {
					t.Errorf("%v dead, at %v: %s", lasts, w.now, s)
				}
			}
		}
	}
}
