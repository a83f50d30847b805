package diagnose

import (
	"encoding/json"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/netchecker/netchecker/pkg/report"
)

// succeed has another State take over, which knows what agents told last and what was found.
func (w *world) succeed() {
	w.Helper()
	found := w.state.Findings(w.now)
	kept, err := json.Marshal(found)
	if err != nil {
		w.Fatal(err)
	}
	var read []Finding
	if err := json.Unmarshal(kept, &read); err != nil || !reflect.DeepEqual(read, found) {
		w.Fatalf("kept as\n%s\nand read as\n%+v\nwas\n%+v: %v", kept, read, found, err)
	}
	w.state = New(w.now)
	w.state.Observe(w.now, Input{List: w.list, States: w.states, Tellings: slices.Clone(w.tellings), Homes: w.homes})
	w.state.Resume(read)
}

// numbers are those of a sentence that change with each packet.
var numbers = regexp.MustCompile(`[0-9.e+]+%|\(.*\)`)

// told are the sentences without those numbers.
func (w *world) told() string {
	return numbers.ReplaceAllString(strings.Join(w.sentences(), "; "), "N")
}

func TestASuccessorFindsAtOnceWhatWasFoundAndWhatIsNewAndEndsItAsSoon(t *testing.T) {
	const node = "node-2"
	fails := func(kind report.SharedKind) func(*witness, Thing) string {
		return func(a *witness, t Thing) string {
			if a.Node == node && t.Kind == kind {
				return "no answer"
			}
			return ""
		}
	}
	well := func(*session) ways { return 0 }
	for _, row := range []struct {
		name  string
		lose  func(*session) ways
		share func(*witness, Thing) string
		gone  time.Duration
		want  string
	}{
		{"nothing", well, nil, 0, ""},
		{"a node is down", both(at(node, anything)), nil, 15 * time.Second, "node-2: unreachable, down or cut off,"},
		{"a node loses", rated(0.05, 0, into(node, anything)), nil, time.Minute, "node-2: network loses N of packets in the direction to it"},
		{"a node loses a little", rated(0.01, 0, into(node, anything)), nil, 3 * time.Minute, "node-2: network loses N of packets in the direction to it"},
		{"the pod network loses", rated(0.1, 0, into(node, overlay)), nil, time.Minute, "node-2: pod network loses N of packets in the direction to it"},
		{"a pair loses", rated(0.3, 0, into(node, pair("node-1", node, anything))), nil, time.Minute, "node-1 and node-2: network loses N of packets from node-1 to node-2"},
		{"zones lose", rated(0.05, 0, fromZone), nil, time.Minute, "zones zone-1 and zone-2: network loses N of packets from zone-1 to zone-2"},
		{"all lose", rated(0.05, 0, func(s *session) ways { return ways(number(s.class() != "own")) * forward }), nil, time.Minute, "all nodes: network loses N of packets"},
		{"what all share fails at a node", well, fails(report.NodePort), 15 * time.Second, "node-2: node port does not lead to its Service"},
	} {
		t.Run(row.name, func(t *testing.T) {
			w := newWorld(t, 9, 3)
			w.asks()
			w.lose = row.lose
			if row.share != nil {
				w.share = row.share
			}
			for range 180 {
				w.run(time.Second)
				w.sentences()
			}
			was := w.told()
			if row.want == "" && was != "" || !strings.HasPrefix(was, row.want) {
				t.Fatalf("found %q, want %q", was, row.want)
			}
			w.succeed()
			if now := w.told(); now != was {
				t.Errorf("the successor finds\n%s\nits predecessor found\n%s", now, was)
			}
			for s := range 60 {
				w.run(time.Second)
				if now := w.told(); now != was {
					t.Fatalf("%d s later the successor finds\n%s\nits predecessor found\n%s", s+1, now, was)
				}
			}
			w.lose, w.share = well, func(*witness, Thing) string { return "" }
			for range int(row.gone / time.Second) {
				w.run(time.Second)
				w.sentences()
			}
			w.none()
		})
	}
}

func TestASuccessorGoesOnToTellThatAnAgentStarvesUntilThatToldMore(t *testing.T) {
	w := newWorld(t, 3, 3)
	starves := func(by time.Duration) {
		for range 120 {
			w.agent("node-2", report.Host).mesh.Starved += by
			w.run(time.Second)
		}
	}
	starves(300 * time.Millisecond)
	was := w.sentences()
	w.succeed()
	if now := w.sentences(); len(was) != 1 || !slices.Equal(now, was) {
		t.Errorf("the successor finds %q, its predecessor found %q", now, was)
	}
	starves(0)
	w.none()
}

func TestWhatIsNotThereAnyMoreIsNotGoneOnWith(t *testing.T) {
	w := newWorld(t, 3, 3)
	count := []Count{{"packets", 50, 500}}
	for _, f := range []Finding{
		{Kind: Loss, Subject: Subject{Node, [2]string{"gone"}}, Direction: In, Loss: 0.1, For: count},
		{Kind: Loss, Subject: Subject{Pair, [2]string{"gone", "node-1"}}, Direction: In, Loss: 0.1, For: count},
		{Kind: Loss, Subject: Subject{ZonePair, [2]string{"gone", "zone-1"}}, Direction: In, Loss: 0.1, For: count},
		{Kind: Loss, Subject: Subject{Node, [2]string{"node-1"}}, Direction: In, Loss: 0.1},
		{Kind: Loss, Subject: Subject{Node, [2]string{"node-1"}}, Class: "unheard-of", Direction: In, Loss: 0.1, For: count},
		{Kind: Starved, Subject: Subject{Node, [2]string{"gone"}}, Class: "host network"},
		{Kind: DNS, Subject: Subject{Node, [2]string{"gone"}}},
	} {
		w.state.Resume([]Finding{f})
		w.none()
	}
}
