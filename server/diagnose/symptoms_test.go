package diagnose

import (
	"slices"
	"testing"
	"time"

	"github.com/netchecker/netchecker/pkg/report"
	"github.com/netchecker/netchecker/server/evaluate"
	"github.com/netchecker/netchecker/server/fleet"
)

// holed has sessions that do find a hole above a size, on the ways that lose says.
func (w *world) holed(size uint64, lose func(*session) ways) {
	for _, s := range w.sessions {
		lost := lose(s)
		if s.row.Hole = report.Hole(lost); lost&forward != 0 {
			s.row.There = size
		}
		if lost&back != 0 {
			s.row.Here = size
		}
	}
}

func TestBlackHolesAreNamed(t *testing.T) {
	const node = "node-2"
	for _, row := range []struct {
		name string
		size uint64
		lose func(*session) ways
		want []string
	}{
		{"on a node's overlay", 1300, both(at(node, overlay)), []string{
			"node-2: pod network swallows packets above 1300 bytes in both directions since 10:43:01 (16 of 16 pod paths fail, 16 of 16 host paths work): look at the MTU of tunnels and interfaces there, and at ICMP that is blocked",
		}},
		{"its size is not known yet", 0, both(at(node, overlay)), []string{
			"node-2: pod network swallows large packets in both directions since 10:43:01 (16 of 16 pod paths fail, 16 of 16 host paths work): look at the MTU of tunnels and interfaces there, and at ICMP that is blocked",
		}},
		{"to a node, by the overlay", 1300, into(node, overlay), []string{
			"node-2: pod network swallows packets above 1300 bytes in the direction to it since 10:43:01 (16 of 16 pod paths fail, 16 of 16 host paths work): look at the MTU of tunnels and interfaces there, and at ICMP that is blocked",
		}},
		{"from a node, by all networks", 1400, outOf(node, anything), []string{
			"node-2: network swallows packets above 1400 bytes in the direction from it since 10:43:01 (16 of 16 host paths fail, 16 of 16 pod paths fail): look at the MTU of tunnels and interfaces there, and at ICMP that is blocked",
		}},
		{"between two nodes", 1400, both(pair("node-1", node, anything)), []string{
			"node-1 and node-2: network swallows packets above 1400 bytes in both directions since 10:43:01 (2 of 2 host paths fail, 2 of 2 pod paths fail): look at the MTU of tunnels and interfaces there, and at ICMP that is blocked",
		}},
		{"everywhere", 1400, both(overlay), []string{
			"all nodes: pod network swallows packets above 1400 bytes since 10:43:01 (72 of 72 pod paths fail, 72 of 72 host paths work): look at the MTU of tunnels and interfaces there, and at ICMP that is blocked",
		}},
	} {
		t.Run(row.name, func(t *testing.T) {
			w := newWorld(t, 9, 3)
			w.holed(row.size, row.lose)
			w.run(15 * time.Second) // those that are well may be tried yet
			w.finds(3*time.Second, row.want...)
			w.run(time.Minute)
			w.finds(time.Second, row.want...)
			w.holed(1450, func(*session) ways { return 0 })
			w.run(2 * time.Second)
			w.none()
		})
	}
}

func TestNewConnectionsThatFailAreNamed(t *testing.T) {
	const node = "node-2"
	fails := at(node, anything)
	for _, row := range []struct {
		name  string
		fails func(*session) bool
		track uint64
		want  []string
	}{
		{"at a node", fails, 10, []string{
			"node-2: new TCP connections fail, while what goes on is well, since 10:43:01 (16 of 16 host paths fail, 16 of 16 pod paths fail): look at connection tracking of node-2 (nf_conntrack_count)",
		}},
		{"at a node whose table is full", fails, 96, []string{
			"node-2: new TCP connections fail, while what goes on is well, since 10:43:01 (16 of 16 host paths fail, 16 of 16 pod paths fail; connection tracking of node-2 is full: 96 of 100): look at connection tracking of node-2 (nf_conntrack_count)",
		}},
		{"between two nodes", pair("node-1", node, anything), 10, []string{
			"node-1 and node-2: new TCP connections fail, while what goes on is well, since 10:43:01 (2 of 2 host paths fail, 2 of 2 pod paths fail): look at connection tracking of the nodes (nf_conntrack_count)",
		}},
	} {
		t.Run(row.name, func(t *testing.T) {
			w := newWorld(t, 9, 3)
			host := w.agent(node, report.Host)
			host.mesh.Conntrack, host.mesh.ConntrackMax = row.track, 100
			w.fails = row.fails
			w.finds(20*time.Second, row.want...)
			w.fails = func(*session) bool { return false }
			w.run(11 * time.Second)
			w.none()
		})
	}
}

func TestAnAgentThatStandsStillIsNoFaultOfTheNetwork(t *testing.T) {
	w := newWorld(t, 9, 3)
	frozen := w.agent("node-2", report.Pod)
	w.lose = both(func(s *session) bool { return s.to == frozen || s.from == frozen })
	w.mutes = func(s *session) bool { return s.to == frozen }
	w.dumb = func(a *witness) bool { return a == frozen }
	w.finds(15*time.Second, "node-2: agent on the pod network stands still since 10:43:00 (17 paths to it): look at the agent's pod; the network is not at fault")
}

// What follows is everyday life, of which nothing is found.

func TestWhatIsNotAFaultIsNoFinding(t *testing.T) {
	for _, row := range []struct {
		name string
		does func(*world)
	}{
		{"an agent that is killed, whose port is closed", func(w *world) {
			killed := w.agent("node-2", report.Pod)
			w.dumb = func(a *witness) bool { return a == killed }
			for _, s := range w.sessions {
				s.refused = s.to == killed
				s.dead = s.from == killed
			}
		}},
		{"an agent that was started again", func(w *world) {
			again := w.agent("node-2", report.Pod)
			again.boot, again.booted, again.next = "again", w.now, 0
			w.lose = both(func(s *session) bool { return s.from.Node != s.to.Node && s.to == again })
			w.sessions = slices.DeleteFunc(w.sessions, func(s *session) bool { return s.from == again })
		}},
		{"a pod that left the list", func(w *world) {
			gone := w.agent("node-2", report.Pod)
			w.lose = both(func(s *session) bool { return s.to == gone || s.from == gone })
			w.leaves(gone)
		}},
		{"a node that is drained", func(w *world) {
			for i, a := range w.agents {
				if a.Node == "node-2" {
					w.states[i] = evaluate.Planned
				}
			}
			w.lose = both(at("node-2", anything))
			w.dumb = func(a *witness) bool { return a.Node == "node-2" }
		}},
		{"a node whose agents start", func(w *world) {
			for i, a := range w.agents {
				if a.Node == "node-2" {
					w.states[i] = evaluate.Starting
				}
			}
			w.lose = both(at("node-2", anything))
		}},
		{"sessions that are young", func(w *world) {
			w.sessions = nil
			w.join()
			w.lose = both(at("node-2", anything))
			w.run(4 * time.Second)
			w.none()
			w.lose = func(*session) ways { return 0 }
		}},
		{"losses that are suspect", func(w *world) {
			for _, s := range w.sessions {
				s.suspect = true
			}
		}},
		{"one in a thousand is lost", func(w *world) {
			n := 0
			w.lose = func(*session) ways {
				n++
				return ways(number(n%1000 == 0)) | ways(2*number(n%1000 == 500))
			}
			w.run(10 * time.Minute)
		}},
	} {
		t.Run(row.name, func(t *testing.T) {
			w := newWorld(t, 9, 3)
			row.does(w)
			for range 60 {
				w.run(time.Second)
				w.none()
			}
		})
	}
}

// leaves takes an agent out of the list.
func (w *world) leaves(gone *witness) {
	list := &fleet.List{Nodes: w.list.Nodes}
	states, tellings := w.states, w.tellings
	w.states, w.tellings = nil, nil
	for i, a := range w.agents {
		if a != gone {
			list.Agents = append(list.Agents, *a.Agent)
			w.states, w.tellings = append(w.states, states[i]), append(w.tellings, tellings[i])
		}
	}
	w.agents = slices.DeleteFunc(w.agents, func(a *witness) bool { return a == gone })
	w.list = list
}

func TestNothingIsFoundWhileNothingIsKnown(t *testing.T) {
	if got := New(noon).Findings(noon); got != nil {
		t.Errorf("found %v", got)
	}
	w := newWorld(t, 3, 3)
	w.lose = both(at("node-2", anything))
	w.run(20 * time.Second)
	w.states = nil // nothing can be known
	w.observe()
	w.none()
}

func TestAClassThatNeverWorkedMayBeBlocked(t *testing.T) {
	w := bare(t, 9, 3)
	w.join()
	w.lose = both(ofClassOnly("host-host"))
	w.run(2 * time.Minute)
	w.finds(time.Second, "all nodes: host network never worked: blocked by a firewall or policy? since 10:40:00 (72 of 72 host paths fail, 72 of 72 pod paths work): look at policies for the agents' ports, if these paths should work")
	if f := w.state.Findings(w.now); f[0].Severity != Info {
		t.Errorf("severity %q; want %q", f[0].Severity, Info)
	}
}

func TestOfTwoFamiliesTheOneThatFailsIsTold(t *testing.T) {
	w := bare(t, 3, 3)
	w.join()
	for _, s := range slices.Clone(w.sessions) {
		w.begin(s.from, s.to).row.Six = true
	}
	w.run(2 * time.Minute)
	w.none()
	w.lose = both(func(s *session) bool { return s.row.Six && s.touches("node-2") && overlay(s) })
	w.finds(12*time.Second, "node-2: pod network down in both directions, over IPv6 since 10:42:00 (4 of 4 pod paths fail, 4 of 4 host paths work): look at the CNI on node-2, or UDP 8472 between nodes")
	w.lose = both(at("node-2", overlay))
	w.run(10 * time.Second)
	w.finds(time.Second, "node-2: pod network down in both directions since 10:42:00 (8 of 8 pod paths fail, 8 of 8 host paths work): look at the CNI on node-2, or UDP 8472 between nodes")
}

func TestWhatIsForbiddenOnTheHostIsDeadOnTheWayFromIt(t *testing.T) {
	w := newWorld(t, 9, 3)
	for _, s := range w.sessions {
		s.forbidden = s.from.Node == "node-2" && s.class() == "pod-pod"
	}
	w.lose = outOf("node-2", ofClassOnly("pod-pod"))
	w.finds(15*time.Second, "node-2: pod network down in the direction from it since 10:43:00 (16 of 16 pod paths fail, 16 of 16 host paths work): look at the CNI on node-2, or UDP 8472 between nodes")
}

func TestWhatTheFindingSaysBesides(t *testing.T) {
	w := newWorld(t, 9, 3)
	w.lose = both(at("node-2", anything))
	w.dumb = func(a *witness) bool { return a.Node == "node-2" }
	for i, a := range w.agents {
		if a.Node == "node-2" {
			w.states[i] = evaluate.Outdated
		}
	}
	w.run(30 * time.Second)
	f := w.state.Findings(w.now)
	if len(f) != 1 || f[0].Severity != Critical || !f[0].Sure || !slices.Equal(f[0].Silent, []string{"agent-2", "hostagent-2"}) || f[0].Detail != "Ready is True" {
		t.Errorf("found %+v", f)
	}
	w = newWorld(t, 9, 3)
	w.lose = both(at("node-2", ofClassOnly("pod-pod")))
	for _, s := range w.sessions {
		if s.touches("node-2") {
			s.row.Flows = report.FlowsSome
		}
	}
	w.finds(12*time.Second, "node-2: pod network down in both directions since 10:43:00 (16 of 16 pod paths fail, 16 of 16 host paths work; for some flows only): look at the CNI on node-2, or UDP 8472 between nodes")
}

// Sessions find a hole one after the other, each within ten seconds: those that have found
// none yet don't make it that of a pair.
func TestABlackHoleIsWaitedForUntilAllThatHaveItKnow(t *testing.T) {
	w := newWorld(t, 9, 3)
	found := 0
	lose := outOf("node-2", anything)
	for range 10 {
		found += 16
		n := 0
		w.holed(1300, func(s *session) ways {
			if lose(s) == 0 {
				return 0
			}
			if n++; n > found {
				return 0
			}
			return lose(s)
		})
		w.run(time.Second)
		if got := w.sentences(); len(got) > 0 && got[0][:20] != "node-2: network swal" {
			t.Fatalf("found %q", got)
		}
	}
	w.finds(20*time.Second, "node-2: network swallows packets above 1300 bytes in the direction from it since 10:43:01 (16 of 16 host paths fail, 16 of 16 pod paths fail): look at the MTU of tunnels and interfaces there, and at ICMP that is blocked")
}

// Of a question that does not arrive as large as it should be, nobody knows how large an answer
// would be that does.
func TestAHoleOnTheWayThereTellsNothingOfTheWayBack(t *testing.T) {
	w := newWorld(t, 3, 3)
	w.holed(1300, func(s *session) ways {
		if s.from.Node == "node-1" && s.to.Node == "node-2" {
			return forward
		}
		return 0
	})
	w.dumb = func(a *witness) bool { return a.Node == "node-2" }
	w.run(15 * time.Second)
	w.finds(5*time.Second, "node-1 and node-2: network swallows packets above 1300 bytes from node-1 to node-2, or in both directions since 10:43:01 (1 of 1 host paths fail, 1 of 1 pod paths fail): look at the MTU of tunnels and interfaces there, and at ICMP that is blocked")
}

// What an agent tells is a new connection, too.
func TestANodeWhoseConnectionsFailCanNotSayThatTheyDo(t *testing.T) {
	w := newWorld(t, 9, 3)
	w.fails = func(s *session) bool { return s.from.Node != s.to.Node && s.touches("node-2") }
	w.dumb = func(a *witness) bool { return a.Node == "node-2" }
	w.finds(20*time.Second, "node-2: new TCP connections fail, while what goes on is well, since 10:43:01 (8 of 8 host paths fail, 8 of 8 pod paths fail): look at connection tracking of node-2 (nf_conntrack_count)")
}
