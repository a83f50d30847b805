package diagnose

import (
	"math/rand/v2"
	"regexp"
	"strings"
	"testing"
	"time"
)

// lossyBy loses at random, the same each time, at the rates of a session forward and back.
func lossyBy(rate func(*session) (forward, back float64)) func(*session) ways {
	random := rand.New(rand.NewPCG(1, 2))
	return func(s *session) (w ways) {
		f, b := rate(s)
		if random.Float64() < f {
			w |= forward
		} else if random.Float64() < b {
			w |= back
		}
		return w
	}
}

// rated loses at a rate on those ways, and at another on all others.
func rated(rate, background float64, where func(*session) ways) func(*session) ways {
	return lossyBy(func(s *session) (f, b float64) {
		f, b = background, background
		w := where(s)
		if w&forward != 0 {
			f = rate
		}
		if w&back != 0 {
			b = rate
		}
		return f, b
	})
}

// lossCase is a loss, and what the sentence says of it without its numbers.
type lossCase struct {
	name  string
	nodes int
	rate  float64
	where func(*session) ways
	named time.Duration
	gone  time.Duration
	want  string
	// part is what may be told before or after, of two directions; empty for nothing.
	part string
}

func fromZone(s *session) (w ways) {
	from, to := (nodeNumber(s.from.Node)-1)%3, (nodeNumber(s.to.Node)-1)%3
	if from == 0 && to == 1 {
		w |= forward
	}
	if from == 1 && to == 0 {
		w |= back
	}
	return w
}

// rates are the numbers of a loss in a sentence, and what comes after them.
var rates = regexp.MustCompile(` [0-9.e+]+%| since .*`)

func (w *world) lossesTold() string {
	var all []string
	for _, s := range w.sentences() {
		all = append(all, rates.ReplaceAllString(s, ""))
	}
	return strings.Join(all, "; ")
}

func TestLossesAreNamed(t *testing.T) {
	const node = "node-2"
	between := func(s *session) ways {
		if s.class() == "own" {
			return 0
		}
		return forward | back
	}
	twoWays := twoWaysOf(node)
	const outward = "node-2: network loses of packets in the direction from it"
	const inOverlay = "node-2: pod network loses of packets in the direction to it"
	for _, c := range []lossCase{
		{"40% into a node by the overlay", 9, .4, into(node, overlay), 20 * time.Second, 30 * time.Second, inOverlay, ""},
		{"90% into a node by the overlay", 9, .9, into(node, overlay), 20 * time.Second, 30 * time.Second, inOverlay, ""},
		{"10% into a node by the overlay", 9, .1, into(node, overlay), 20 * time.Second, 30 * time.Second, inOverlay, ""},
		{"10% into a node of three by the overlay", 3, .1, into(node, overlay), 30 * time.Second, 30 * time.Second, inOverlay, ""},
		{"10% into a node of twenty by the overlay", 20, .1, into(node, overlay), 20 * time.Second, 30 * time.Second, inOverlay, ""},
		{"10% out of a node", 9, .1, outOf(node, anything), 20 * time.Second, 30 * time.Second, outward, ""},
		{"10% out of a node of three", 3, .1, outOf(node, anything), 30 * time.Second, 30 * time.Second, outward, ""},
		{"10% both ways of a node", 9, .1, twoWays, 20 * time.Second, 30 * time.Second, "node-2: network loses of packets in both directions", "node-2: network loses of packets in the direction to it"},
		{"10% both ways of a node of three", 3, .1, twoWays, 30 * time.Second, 30 * time.Second, "node-2: network loses of packets in both directions", outward},
		{"5% into a node", 9, .05, into(node, anything), 60 * time.Second, 30 * time.Second, "node-2: network loses of packets in the direction to it", ""},
		{"5% into a node of three", 3, .05, into(node, anything), 60 * time.Second, 30 * time.Second, "node-2: network loses of packets in the direction to it", ""},
		{"5% into a node of twenty", 20, .05, into(node, anything), 60 * time.Second, 30 * time.Second, "node-2: network loses of packets in the direction to it", ""},
		{"5% of the pod network, routed as it is", 9, .05, into(node, ofClassOnly("pod-pod")), 60 * time.Second, 30 * time.Second, inOverlay, ""},
		{"1% into a node", 9, .01, into(node, anything), 2 * time.Minute, 3 * time.Minute, "node-2: network loses of packets in the direction to it", ""},
		{"1% into a node of twenty", 20, .01, into(node, anything), 2 * time.Minute, 3 * time.Minute, "node-2: network loses of packets in the direction to it", ""},
		{"1% into a node of three", 3, .01, into(node, anything), 10 * time.Minute, 3 * time.Minute, "node-2: network loses of packets in the direction to it", ""},
		{"30% from a node to another", 9, .3, into(node, pair("node-1", node, anything)), 20 * time.Second, 30 * time.Second, "node-1 and node-2: network loses of packets from node-1 to node-2", ""},
		{"30% from a node to another by the overlay", 9, .3, into(node, pair("node-1", node, overlay)), 20 * time.Second, 30 * time.Second, "node-1 and node-2: pod network loses of packets from node-1 to node-2", ""},
		{"5% from a zone to another", 9, .05, fromZone, 60 * time.Second, 30 * time.Second, "zones zone-1 and zone-2: network loses of packets from zone-1 to zone-2", ""},
		{"5% everywhere", 9, .05, between, 60 * time.Second, 30 * time.Second, "all nodes: network loses of packets", ""},
		{"20% into a node between hosts", 9, .2, into(node, ofClassOnly("host-host")), 20 * time.Second, 30 * time.Second, "node-2: host network loses of packets in the direction to it", ""},
		{"20% into a node from pods to hosts", 9, .2, into(node, ofClassOnly("pod-host")), 20 * time.Second, 30 * time.Second, "node-2: way from pods to hosts loses of packets in the direction to it", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld(t, c.nodes, 3)
			w.lose = rated(c.rate, 0.001, c.where)
			named, wrong, first := time.Duration(0), 0, ""
			last := ""
			for s := range 600 {
				w.run(time.Second)
				told := w.lossesTold()
				held := told != "" && told == last
				last = told
				if held && told != c.want && told != c.part {
					if wrong++; first == "" {
						first = told
					}
				}
				if held && told == c.want && named == 0 {
					named = time.Duration(s+1) * time.Second
				}
				if named > 0 && time.Duration(s) > 2*named/time.Second+60 {
					break
				}
			}
			w.lose = rated(0, 0.001, c.where)
			gone := 0
			for ; gone < 240 && w.lossesTold() != ""; gone++ {
				w.run(time.Second)
				if told := w.lossesTold(); told != "" && told != c.want && told != c.part {
					if wrong++; first == "" {
						first = told
					}
				}
			}
			if named == 0 || named > c.named || wrong > 0 || time.Duration(gone)*time.Second > c.gone {
				if len(first) > 200 {
					first = first[:200]
				}
				t.Errorf("named after %v (want %v), gone after %d s, wrong for %d s: %s", named, c.named, gone, wrong, first)
			}
		})
	}
}

// Half a percent is lost everywhere, for twenty minutes.
func TestALossyBackgroundIsNoFinding(t *testing.T) {
	for _, nodes := range []int{3, 9, 20} {
		w := newWorld(t, nodes, 3)
		w.lose = rated(0.0025, 0, func(s *session) ways { return forward | back })
		for s := range 1200 {
			w.run(time.Second)
			if got := w.lossesTold(); got != "" {
				t.Fatalf("%d nodes, after %d s: %s", nodes, s, got)
			}
		}
	}
}

func TestTheBackgroundLeavesOutWhatAFindingExplains(t *testing.T) {
	w := newWorld(t, 9, 3)
	w.lose = rated(0.1, 0.001, into("node-2", anything))
	w.run(6 * time.Minute)
	if got := w.state.sums.levels[podPod]; got > 0.002 {
		t.Errorf("the background is %.4f; want about 0.001", got)
	}
}

func TestWhatIsLostWhileANodeIsDownIsNoLossAfterIt(t *testing.T) {
	w := newWorld(t, 9, 3)
	w.lose = both(at("node-2", anything))
	w.dumb = func(a *witness) bool { return a.Node == "node-2" }
	for range 60 {
		w.run(time.Second)
		w.sentences()
	}
	w.lose, w.dumb = func(*session) ways { return 0 }, func(*witness) bool { return false }
	w.run(6 * time.Second)
	for range 60 {
		w.run(time.Second)
		w.none()
	}
}

// What was lost by chance a while before, and all that came since, is no part of a loss: else
// it would seem less than it is, and that of one class or peer.
func TestALossIsCountedFromItsBegin(t *testing.T) {
	w := newWorld(t, 9, 3)
	well := w.lose
	lost := false
	w.lose = func(s *session) ways { // one packet to the node
		if s.to.Node != "node-2" || s.from.Node != "node-5" || lost {
			return 0
		}
		lost = true
		return forward
	}
	w.run(time.Second)
	w.lose = well
	w.run(20 * time.Second)
	w.none()
	begins := w.now
	w.lose = rated(0.1, 0, into("node-2", anything))
	for range 30 {
		w.run(time.Second)
		for _, f := range w.state.Findings(w.now) {
			if f.Subject != (Subject{Node, [2]string{"node-2"}}) || f.Class != "" || f.Loss < 0.02 || f.Since.Before(begins) {
				t.Fatalf("found %q, %.3f", f.Sentence(), f.Loss)
			}
			return
		}
	}
	t.Error("nothing was found")
}

// Agents that are not alarmed tell once a minute what they lost: also after the loss that
// explains it is over.
func TestWhatIsToldLateOfALossIsNoOtherLoss(t *testing.T) {
	late := func(a *witness) bool { n := nodeNumber(a.Node); return n >= 10 && n <= 13 }
	for _, row := range []struct {
		where func(*session) ways
		want  Subject
	}{
		{into("node-14", anything), Subject{Node, [2]string{"node-14"}}},
		{both(func(s *session) bool { return s.class() == "pod-pod" }), Subject{Scope: Cluster}},
	} {
		w := newWorld(t, 20, 3)
		w.lose = rated(0.3, 0, row.where)
		w.dumb = late
		for range 40 {
			w.run(time.Second)
			w.sentences()
		}
		w.lose = func(*session) ways { return 0 }
		told := false
		for s := range 90 {
			if s == 40 {
				w.dumb = func(*witness) bool { return false }
			}
			w.run(time.Second)
			for _, f := range w.state.Findings(w.now) {
				told = told || f.Kind == Loss
				if f.Subject != row.want || s >= 40 {
					t.Fatalf("after %d s: %q", s, f.Sentence())
				}
			}
		}
		if !told {
			t.Errorf("the loss of %v itself was not told", row.want)
		}
	}
}

// At first nobody knows what is lost all the time.
func TestASmallLossIsNotToldBeforeTheBackgroundIsKnown(t *testing.T) {
	w := bare(t, 9, 3)
	w.join()
	w.lose = rated(0.006, 0, func(s *session) ways { return forward | back })
	for s := range 115 {
		w.run(time.Second)
		if got := w.lossesTold(); got != "" {
			t.Fatalf("after %d s: %s", s, got)
		}
	}
}

// Where half of the packets is lost each way, paths look dead now and then, which does not keep
// what they lose else from being counted.
func TestHalfOfThePacketsLostIsALossOfTheNode(t *testing.T) {
	for _, nodes := range []int{5, 9} {
		w := newWorld(t, nodes, 3)
		w.lose = rated(0.5, 0, func(s *session) ways {
			if s.from.Node != s.to.Node && s.touches("node-2") {
				return forward | back
			}
			return 0
		})
		told := false
		for s := range 90 {
			w.run(time.Second)
			for _, f := range w.state.Findings(w.now) {
				told = told || s < 15 && f.Kind == Loss && f.Direction == Both
				if f.Kind != Loss || f.Subject != (Subject{Node, [2]string{"node-2"}}) {
					t.Fatalf("%d nodes, after %d s: %s", nodes, s, f.Sentence())
				}
			}
		}
		if !told {
			t.Errorf("%d nodes: it was not found within 15 s", nodes)
		}
	}
}

func twoWaysOf(node string) func(*session) ways {
	return func(s *session) ways { return outOf(node, anything)(s) | into(node, anything)(s) }
}

func TestWhereHalfIsLostNothingSeemsDeadAndTheLossIsToldAllTheTime(t *testing.T) {
	w := newWorld(t, 3, 3)
	w.lose = rated(.5, 0.001, twoWaysOf("node-2"))
	w.run(time.Minute)
	for range 300 {
		w.run(time.Second)
		if told := w.lossesTold(); told != "node-2: network loses of packets in both directions" {
			t.Fatalf("after %v: found %q", w.now.Sub(noon), told)
		}
	}
}

func TestWhatLosesMuchAndThenAllIsDead(t *testing.T) {
	w := newWorld(t, 3, 3)
	w.lose = rated(.3, 0.001, twoWaysOf("node-2"))
	w.run(time.Minute)
	w.lose = twoWaysOf("node-2")
	w.dumb = func(a *witness) bool { return a.Node == "node-2" }
	w.run(20 * time.Second)
	if got := w.sentences(); len(got) != 1 || !strings.HasPrefix(got[0], "node-2: unreachable") {
		t.Errorf("found %q", got)
	}
}

func TestWhatIsDeadForSecondsIsNoLossOnceItIsOver(t *testing.T) {
	for _, lasts := range []time.Duration{3 * time.Second, 5 * time.Second, 7 * time.Second} {
		w := newWorld(t, 9, 3)
		w.lose = both(func(s *session) bool { return s.touches("node-2") && s.class() == "pod-pod" })
		w.run(lasts)
		w.lose = func(*session) ways { return 0 }
		for range 90 {
			w.run(time.Second)
			w.none()
		}
	}
}
