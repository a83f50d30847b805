package diagnose

import (
	"testing"
	"time"

	"github.com/netchecker/netchecker/pkg/report"
)

// What heals does so row by row, as agents ask again and say so: what is left for a while is no
// smaller fault.
func TestWhatHealsIsNoOtherFault(t *testing.T) {
	for _, row := range []struct {
		name string
		lose func(*session) ways
		want string
		late func(*witness) bool // who says later than others that it is well
	}{
		{"a node that comes back", both(func(s *session) bool { return s.from.Node != s.to.Node && s.touches("node-2") }),
			"node-2: unreachable, down or cut off, since 10:43:00 (16 of 16 host paths fail, 16 of 16 pod paths fail; Ready is True): look at the machine, its link and switch port",
			func(a *witness) bool { return a.Node == "node-4" },
		},
		{"a pod network that comes back", both(at("node-2", overlay)),
			"node-2: pod network down in both directions since 10:43:00 (16 of 16 pod paths fail, 16 of 16 host paths work): look at the CNI on node-2, or UDP 8472 between nodes",
			func(a *witness) bool { return a.Node == "node-4" && a.Network == report.Host },
		},
	} {
		t.Run(row.name, func(t *testing.T) {
			w := newWorld(t, 9, 3)
			well := w.lose
			w.lose = row.lose
			w.finds(20*time.Second, row.want)
			w.lose, w.dumb = well, row.late
			w.run(3 * time.Second)
			for range 20 {
				w.run(time.Second)
				w.none()
			}
		})
	}
}

// An agent that sees something bad tells so every few seconds; what one told that can't any
// more may be over.
func TestWhatAnAgentTellsNoMoreIsNotKnown(t *testing.T) {
	w := newWorld(t, 9, 3)
	w.lose = both(func(s *session) bool { return s.between("node-2", "node-3") })
	w.finds(20*time.Second, "node-2 and node-3: network between them down in both directions since 10:43:00 (2 of 2 host paths fail, 2 of 2 pod paths fail): look at switches, routes and firewalls between them")
	w.dumb = func(a *witness) bool { return a.Node == "node-2" || a.Node == "node-3" }
	w.run(40 * time.Second)
	w.none()
}

// Where only the agents of one node are heard, all that they see is bad: as it is where that
// node is cut off.
func TestWhatOneNodeExplainsIsNotEverywhere(t *testing.T) {
	w := newWorld(t, 9, 3)
	w.lose = both(func(s *session) bool { return s.from.Node != s.to.Node && s.touches("node-2") })
	w.dumb = func(a *witness) bool { return a.Node != "node-2" }
	w.finds(20*time.Second, "node-2: unreachable, down or cut off, since 10:43:00 (16 of 16 host paths fail, 16 of 16 pod paths fail; Ready is True): look at the machine, its link and switch port")
}

// A session tells what it lost while it was dead as it is answered again, or a while after.
func TestWhatADeadSessionLostIsNoLossOnceItIsTold(t *testing.T) {
	w := bare(t, 2, 1)
	w.now = noon.Add(3 * time.Minute)
	tell := func(sent, lost, open, silent uint64) {
		w.tells("a", noon.Add(time.Second), []report.Session{{ID: 1, Began: 1, Sent: sent, Forward: lost, Open: open, Silent: silent}}, nil)
	}
	tell(60, 0, 0, 0)
	tell(90, 0, 30, 30000)
	tell(95, 0, 30, 0)
	before := w.counted()
	tell(100, 30, 0, 0)
	if got := w.counted(); got.lost != before.lost {
		t.Errorf("%v lost are counted; want %v", got.lost, before.lost)
	}
	tell(110, 32, 0, 0)
	if got := w.counted(); got.lost != before.lost+2 {
		t.Errorf("%v lost are counted; want %v", got.lost, before.lost+2)
	}
}
