package sim_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/netchecker/netchecker/pkg/report"
	"github.com/netchecker/netchecker/test/sim"
)

// lost is what was lost of all that was told, but for what leads to a node; -1 for none.
func (s *seen) lost(except int) (lost, open uint64) {
	s.rows(time.Minute, func(c cell, _, now report.Session) {
		if c.to == except {
			return
		}
		lost += now.Forward + now.Back + now.Suspect + now.DialLost + now.DialMute
		if now.Silent > 0 {
			open += now.Open
		}
	})
	return lost, open
}

func TestWhatComesAndGoesIsNoLoss(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		name    string
		change  func(*sim.World, time.Duration)
		without int // a node that is gone at the end
		boots   int // lives that have told something at the end
		abrupt  bool
	}{
		{"containers start anew", func(w *sim.World, at time.Duration) { w.Restart(at, 1, false); w.Restart(at+7*time.Second, 2, true) }, -1, 26, false},
		{"a container is killed", func(w *sim.World, at time.Duration) { w.Kill(at, 1, false); w.Kill(at, 1, true) }, -1, 26, true},
		{"a rollout of those on the pod network", func(w *sim.World, at time.Duration) { w.Rollout(at, false, 3, 10*time.Second) }, -1, 36, false},
		{"a rollout of those on their hosts", func(w *sim.World, at time.Duration) { w.Rollout(at, true, 12, 0) }, -1, 36, false},
		{"nodes come", func(w *sim.World, at time.Duration) { w.Add(at); w.Add(at + 20*time.Second) }, -1, 28, false},
		{"a node goes, on which the server and a name server were", func(w *sim.World, at time.Duration) { w.Drain(at, 1, 30*time.Second) }, 1, 24, true},
	} {
		s := look(t, sim.Config{Nodes: 12, Zones: 3, Interval: 5 * time.Second, Seed: 3, Server: 1})
		s.pass(35 * time.Second)
		list := s.List()
		row.change(s.World, s.Now())
		s.pass(80 * time.Second)
		if lost, open := s.lost(row.without); lost > 0 || open > 0 {
			t.Errorf("%s: %d lost, and %d open", row.name, lost, open)
		}
		for i := range s.List().Agents {
			if a := &s.List().Agents[i]; s.Wall().Sub(s.newest[a.Key].At) > 20*time.Second {
				t.Errorf("%s: %v is silent", row.name, a.Key)
			}
		}
		boots, ended := map[string]bool{}, map[string]int{}
		for _, told := range s.told {
			boots[told.Boot] = true
			for r := range told.Mesh.Ended.All() {
				ended[fmt.Sprint(told.Boot, r.ID)]++
				if r.Refused > 0 && !row.abrupt {
					t.Errorf("%s: %v was refused: %+v", row.name, told.Key, r)
				}
			}
			if len(told.Mesh.Heard) > 0 && !row.abrupt {
				t.Errorf("%s: %v heard %+v", row.name, told.Key, told.Mesh.Heard)
			}
		}
		for what, times := range ended {
			if times > 1 {
				t.Errorf("%s: that session %s is over was told %d times", row.name, what, times)
			}
		}
		if len(boots) != row.boots {
			t.Errorf("%s: %d lives told something, want %d", row.name, len(boots), row.boots)
		}
		if strings.Contains(row.name, "rollout") && (s.List() == list || len(s.List().Left) != 12) {
			t.Errorf("%s: %d are known to have left", row.name, len(s.List().Left))
		}
		for n, text := range s.fails() {
			if text != "" {
				t.Errorf("%s: at node %d %s", row.name, n, text)
			}
		}
	}
}

func TestANodeThatIsDrainedIsMarkedAndThenGone(t *testing.T) {
	s := look(t, small(sim.Overlay))
	s.pass(20 * time.Second)
	s.Drain(s.Now(), 1, 30*time.Second)
	s.pass(5 * time.Second)
	if n := s.List().Nodes["node-0001"]; n.Going != "cordoned" || n.GoingSince.IsZero() || len(s.List().Agents) != 10 {
		t.Errorf("it is %+v, of %d agents", n, len(s.List().Agents))
	}
	s.pass(30 * time.Second)
	if n, there := s.List().Nodes["node-0001"]; there || len(s.List().Agents) != 8 || len(s.List().Left) != 2 {
		t.Errorf("it is %+v, of %d agents; %d have left", n, len(s.List().Agents), len(s.List().Left))
	}
}

func TestAStarvedHostSaysSoAndLosesNothing(t *testing.T) {
	c := small(sim.Overlay)
	s := look(t, c)
	s.pass(30 * time.Second)
	s.inject(sim.Fault{At: sim.At(sim.AtProcessors, 1), Degree: sim.Degree{Late: 400 * time.Millisecond, Share: 0.3}})
	s.pass(60 * time.Second)
	s.compare(s.shows("suspect"), func(cell) string { return "" })
	for key, told := range s.newest {
		if starved := told.Mesh.Starved > 2*time.Second; starved != (s.node(told.Agent) == 1) {
			t.Errorf("%v was starved for %v", key, told.Mesh.Starved)
		}
	}
	s.rows(10*time.Second, func(c cell, before, now report.Session) {
		if now.Longest > 5000 {
			t.Errorf("%+v took %d µs", c, now.Longest)
		}
	})
}

func TestWhoHardlyRunsAnswersTooLate(t *testing.T) {
	s := look(t, small(sim.Overlay))
	s.pass(30 * time.Second)
	s.inject(sim.Fault{At: sim.At(sim.AtProcessors, 1), Degree: sim.Degree{Late: 20 * time.Second, Share: 1}})
	s.pass(60 * time.Second)
	for c, text := range s.shows() {
		if c.from != 1 && c.to != 1 || c.from != 1 && (strings.Contains(text, "forward") || strings.Contains(text, "dials lost") || !strings.Contains(text, "dials mute")) {
			t.Errorf("%+v shows %s", c, text)
		}
	}
	if n := len(s.shows()); n < 8 {
		t.Errorf("%d cells show something", n)
	}
}

func TestMessagesAreLateAndMissingAndComeInAnotherOrder(t *testing.T) {
	s := look(t, small(sim.Overlay))
	s.pass(30 * time.Second)
	s.inject(
		sim.Fault{At: sim.Messages(1, false), Degree: sim.Degree{Loss: 1}},
		sim.Fault{At: sim.Messages(2, false), Degree: sim.Degree{Delay: 8 * time.Second}},
		sim.Fault{At: sim.Messages(3, false), Degree: sim.Degree{Jitter: 12 * time.Second}},
	)
	s.pass(30 * time.Second)
	s.told = nil
	s.pass(60 * time.Second)
	count, newest, order := map[int]int{}, map[int]time.Duration{}, map[int]bool{}
	for _, told := range s.told {
		if s.List().Agents[told.Agent].Network == report.Host {
			continue
		}
		n := s.node(told.Agent)
		count[n]++
		order[n] = order[n] || told.Mesh.AsOf < newest[n]
		newest[n] = max(newest[n], told.Mesh.AsOf)
		if late := told.At.Sub(told.Booted.Add(told.Mesh.AsOf)); n == 0 && late > 100*time.Millisecond {
			t.Errorf("what node 0 tells is %v old", late)
		}
	}
	if count[0] < 11 || count[1] != 0 || count[2] < 11 || count[3] < 11 || order[0] || order[2] || !order[3] {
		t.Errorf("told %v times, out of order %v", count, order)
	}
	for key, told := range s.newest { // which the server can't tell from a clock that was wrong
		late := told.Booted.Sub(s.before[key].Booted)
		if is := late > 7900*time.Millisecond && late < 8100*time.Millisecond; s.node(told.Agent) != 3 && is != (s.node(told.Agent) == 2 && s.List().Agents[told.Agent].Network == report.Pod) {
			t.Errorf("what %v tells is late by %v", key, late)
		}
	}
}
