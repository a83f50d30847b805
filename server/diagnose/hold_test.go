package diagnose

import (
	"fmt"
	"slices"
	"testing"
	"time"
)

// Findings that tests hold.
var (
	podNetwork = Finding{Kind: PodNetwork, Subject: Subject{Node, [2]string{"node-2"}}, Direction: In}
	bothWays   = Finding{Kind: PodNetwork, Subject: podNetwork.Subject, Direction: Both}
	cutOff     = Finding{Kind: NodeUnreachable, Subject: podNetwork.Subject, Direction: OutOrBoth}
	lossOfTwo  = Finding{Kind: Loss, Subject: podNetwork.Subject, Direction: In}
	lossOfPods = Finding{Kind: Loss, Subject: podNetwork.Subject, Direction: In, Class: "pod-to-pod"}
	otherNode  = Finding{Kind: PodNetwork, Subject: Subject{Node, [2]string{"node-3"}}, Direction: In}
	portOfTwo  = Finding{Kind: NodePort, Subject: podNetwork.Subject}
)

// holdTest is a Hold whose clock is moved.
type holdTest struct {
	Hold
	now  time.Time
	told []string
}

func newHold() *holdTest {
	h := &holdTest{now: noon}
	ids := 0
	h.New = func(*Finding) string { ids++; return fmt.Sprint("f", ids) }
	return h
}

// sees has evaluations, each a second, see findings for a time, and notes the changes.
func (h *holdTest) sees(lasts time.Duration, f ...Finding) { h.looks(lasts, Look{Findings: f}) }

func (h *holdTest) looks(lasts time.Duration, look Look) {
	for range int(lasts / time.Second) {
		look.Now = h.now
		for _, e := range h.Step(look) {
			h.told = append(h.told, fmt.Sprintf("%d s: %s %s %s %s%s", int(h.now.Sub(noon).Seconds()), [...]string{"begins", "sharpens", "ends"}[e.Change], e.Held.ID, e.Held.Kind, e.Held.Subject, suffix(e.Held)))
		}
		h.now = h.now.Add(time.Second)
	}
}

func suffix(h Held) string {
	text := ""
	if d := h.Direction.String(); d != "" {
		text = " " + d
	}
	if h.Why != "" {
		text += ", " + h.Why
	}
	return text
}

func TestFindingsAreHeld(t *testing.T) {
	gone := func(Subject) string { return "node deleted" }
	for _, row := range []struct {
		name string
		does func(*holdTest)
		want []string
	}{
		{"a moment's guess is none", func(h *holdTest) {
			h.sees(2*time.Second, podNetwork)
			h.sees(time.Minute)
		}, nil},
		{"what comes and goes each second is none", func(h *holdTest) {
			for range 10 {
				h.sees(time.Second, podNetwork)
				h.sees(time.Second)
			}
		}, nil},
		{"it begins after two seconds and ends after ten", func(h *holdTest) {
			h.sees(5*time.Second, podNetwork)
			h.sees(time.Minute)
		}, []string{"2 s: begins f1 pod-network node-2 in", "14 s: ends f1 pod-network node-2 in, well"}},
		{"it goes on over nine good seconds", func(h *holdTest) {
			h.sees(5*time.Second, podNetwork)
			h.sees(9 * time.Second)
			h.sees(5*time.Second, podNetwork)
		}, []string{"2 s: begins f1 pod-network node-2 in"}},
		{"a loss ends at once", func(h *holdTest) {
			h.sees(5*time.Second, lossOfTwo)
			h.sees(5 * time.Second)
		}, []string{"2 s: begins f1 loss node-2 in", "5 s: ends f1 loss node-2 in, well"}},
		{"again within a minute it is the same", func(h *holdTest) {
			h.sees(5*time.Second, podNetwork)
			h.sees(60 * time.Second)
			h.sees(5*time.Second, podNetwork)
		}, []string{"2 s: begins f1 pod-network node-2 in", "14 s: ends f1 pod-network node-2 in, well", "67 s: begins f1 pod-network node-2 in"}},
		{"later it is another", func(h *holdTest) {
			h.sees(5*time.Second, podNetwork)
			h.sees(80 * time.Second)
			h.sees(5*time.Second, podNetwork)
		}, []string{"2 s: begins f1 pod-network node-2 in", "14 s: ends f1 pod-network node-2 in, well", "87 s: begins f2 pod-network node-2 in"}},
		{"of a loss that becomes worse it is the same", func(h *holdTest) {
			h.sees(5*time.Second, lossOfTwo)
			h.sees(5*time.Second, podNetwork)
			h.sees(5*time.Second, bothWays)
		}, []string{"2 s: begins f1 loss node-2 in", "5 s: sharpens f1 pod-network node-2 in", "10 s: sharpens f1 pod-network node-2 both"}},
		{"after a moment without, too", func(h *holdTest) {
			h.sees(5*time.Second, lossOfTwo)
			h.sees(3 * time.Second)
			h.sees(5*time.Second, podNetwork)
		}, []string{"2 s: begins f1 loss node-2 in", "5 s: ends f1 loss node-2 in, well", "10 s: begins f1 pod-network node-2 in"}},
		{"what was dead and is so in another way is another", func(h *holdTest) {
			h.sees(5*time.Second, podNetwork)
			h.sees(20 * time.Second)
			h.sees(5*time.Second, cutOff)
		}, []string{"2 s: begins f1 pod-network node-2 in", "14 s: ends f1 pod-network node-2 in, well", "27 s: begins f2 node-unreachable node-2 out or both"}},
		{"a second fault of the same place is another", func(h *holdTest) {
			h.sees(5*time.Second, lossOfTwo)
			h.sees(5*time.Second, podNetwork, lossOfTwo)
			h.sees(5*time.Second, lossOfTwo)
		}, []string{"2 s: begins f1 loss node-2 in", "7 s: begins f2 pod-network node-2 in"}},
		{"other kinds and places are others", func(h *holdTest) {
			h.sees(3*time.Second, podNetwork, portOfTwo, otherNode)
		}, []string{"2 s: begins f1 pod-network node-2 in", "2 s: begins f2 node-port node-2", "2 s: begins f3 pod-network node-3 in"}},
		{"of which class a loss is may be known later", func(h *holdTest) {
			h.sees(4*time.Second, lossOfTwo)
			h.sees(4*time.Second, lossOfPods)
		}, []string{"2 s: begins f1 loss node-2 in", "4 s: sharpens f1 loss node-2 in"}},
		{"it ends with its subject", func(h *holdTest) {
			h.sees(5*time.Second, podNetwork)
			h.looks(5*time.Second, Look{Findings: []Finding{podNetwork}, Gone: gone})
		}, []string{"2 s: begins f1 pod-network node-2 in", "5 s: ends f1 pod-network node-2 in, node deleted"}},
		{"while nothing can be known it stands still", func(h *holdTest) {
			h.sees(5*time.Second, podNetwork)
			h.looks(time.Hour, Look{Blind: true})
			h.sees(9 * time.Second)
			h.sees(5*time.Second, podNetwork)
		}, []string{"2 s: begins f1 pod-network node-2 in"}},
		{"what was seen but once before that does not begin after it", func(h *holdTest) {
			h.sees(time.Second, podNetwork)
			h.looks(time.Minute, Look{Blind: true})
			h.sees(2*time.Second, podNetwork)
		}, nil},
	} {
		h := newHold()
		row.does(h)
		if !slices.Equal(h.told, row.want) {
			t.Errorf("%s:\ngot  %q\nwant %q", row.name, h.told, row.want)
		}
	}
}

func TestASuccessorHoldsWhatItsPredecessorHeld(t *testing.T) {
	h := newHold()
	h.sees(5*time.Second, podNetwork)
	next := newHold()
	next.now = h.now
	next.Take(h.Held(), h.now)
	next.sees(5*time.Second, podNetwork)
	next.sees(11 * time.Second)
	want := []string{"19 s: ends f1 pod-network node-2 in, well"}
	if !slices.Equal(next.told, want) || len(h.Held()) != 1 || len(next.Held()) != 0 {
		t.Errorf("told %q, want %q; held %v and %v", next.told, want, h.Held(), next.Held())
	}
}

func TestAFindingThatGoesOnKeepsItsBeginning(t *testing.T) {
	h := newHold()
	f := podNetwork
	f.Since = noon.Add(-time.Minute)
	h.sees(3*time.Second, f)
	f.Since, f.Direction = noon, Both
	h.sees(3*time.Second, f)
	got := h.Held()[0]
	if !got.Since.Equal(noon.Add(-time.Minute)) || !got.Began.Equal(noon.Add(2*time.Second)) || got.Direction != Both {
		t.Errorf("got %+v", got)
	}
}
