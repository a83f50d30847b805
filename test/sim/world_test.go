package sim_test

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/netchecker/netchecker/pkg/report"
	"github.com/netchecker/netchecker/server/fleet"
	"github.com/netchecker/netchecker/server/mesh"
	"github.com/netchecker/netchecker/test/sim"
)

// cell is a class of paths from one node to another.
type cell struct {
	from, to         int
	fromHost, toHost bool
}

// seen is what was told of a World, by whoever reads it.
type seen struct {
	*sim.World
	t      *testing.T
	newest map[fleet.Key]sim.Told
	before map[fleet.Key]sim.Told
	told   []sim.Told
}

func look(t *testing.T, c sim.Config) *seen {
	t.Helper()
	return &seen{World: sim.New(c), t: t, newest: map[fleet.Key]sim.Told{}}
}

// pass lets time go by, in whole seconds.
func (s *seen) pass(d time.Duration) {
	for range d / time.Second {
		s.Step()
		if len(s.Records()) != len(s.List().Agents) {
			s.t.Fatalf("there are %d records of %d agents", len(s.Records()), len(s.List().Agents))
		}
		for _, told := range s.Told() {
			if a := &s.List().Agents[told.Agent]; a.Key != told.Key || a.UID != told.UID {
				s.t.Fatalf("what %v told is said to be of %v", told.Key, a.Key)
			}
			s.told = append(s.told, told)
			if was, there := s.newest[told.Key]; !there || was.Boot != told.Boot || told.Mesh.AsOf >= was.Mesh.AsOf {
				s.newest[told.Key] = told
			}
		}
	}
}

func (s *seen) inject(faults ...sim.Fault) {
	s.t.Helper()
	s.before, s.told = maps.Clone(s.newest), nil
	for _, f := range faults {
		if err := s.Inject(f); err != nil {
			s.t.Fatal(err)
		}
	}
}

// node is an agent's by its number.
func (s *seen) node(i int) int {
	var n int
	if _, err := fmt.Sscanf(s.List().Agents[i].Node, "node-%d", &n); err != nil {
		s.t.Fatal(err)
	}
	return n
}

// rows calls f with each row of those who told something within the last seconds, and with
// what the same session had told before the faults.
func (s *seen) rows(within time.Duration, f func(c cell, before, now report.Session)) {
	ids := mesh.IDs(s.List())
	for i := range s.List().Agents {
		a := &s.List().Agents[i]
		told := s.newest[a.Key]
		if told.Mesh == nil || s.Wall().Sub(told.At) > within {
			continue
		}
		was := map[uint64]report.Session{}
		if b := s.before[a.Key]; b.Mesh != nil && b.Boot == told.Boot {
			for r := range b.Mesh.Sessions.All() {
				was[r.ID] = r
			}
		}
		for r := range told.Mesh.Sessions.All() {
			if to, known := ids[r.Peer]; known {
				f(cell{s.node(i), s.node(to), a.Network == report.Host, r.Host}, was[r.ID], r)
			}
		}
	}
}

// words say what a session shows that it did not before.
func words(before, now report.Session) string {
	var all []string
	add := func(is bool, word string) {
		if is {
			all = append(all, word)
		}
	}
	add(now.Forward > before.Forward, "forward")
	add(now.Back > before.Back, "back")
	add(now.Silent > 4000, "silent")
	add(now.Refused > before.Refused, "refused")
	add(now.Suspect > before.Suspect, "suspect")
	add(now.Flows == report.FlowsSome, "some flows")
	add(now.Hole == report.HoleForward || now.Hole == report.HoleBoth, "hole forward")
	add(now.Hole == report.HoleBack || now.Hole == report.HoleBoth, "hole back")
	add(now.DialLost > before.DialLost, "dials lost")
	add(now.DialMute > before.DialMute, "dials mute")
	add(now.DialRefused > before.DialRefused, "dials refused")
	return strings.Join(all, ", ")
}

// shows has the words of each cell that has some, but for those left out.
func (s *seen) shows(without ...string) map[cell]string {
	all := map[cell]map[string]bool{}
	s.rows(10*time.Second, func(c cell, before, now report.Session) {
		for _, w := range strings.Split(words(before, now), ", ") {
			if w == "" || slices.Contains(without, w) {
				continue
			}
			if all[c] == nil {
				all[c] = map[string]bool{}
			}
			all[c][w] = true
		}
	})
	joined := map[cell]string{}
	for c, w := range all {
		joined[c] = strings.Join(slices.Sorted(maps.Keys(w)), ", ")
	}
	return joined
}

// compare holds what is shown against what should be, of all cells of those who tell.
func (s *seen) compare(got map[cell]string, want func(cell) string) {
	s.t.Helper()
	cells := 0
	s.rows(10*time.Second, func(c cell, _, now report.Session) {
		cells++
		if got[c] != want(c) {
			s.t.Errorf("%+v shows %q, want %q: %+v", c, got[c], want(c), now)
		}
	})
	if cells == 0 {
		s.t.Error("nobody tells anything")
	}
}

func small(mode sim.Mode) sim.Config {
	return sim.Config{Nodes: 5, Zones: 2, Mode: mode, Interval: 5 * time.Second, Seed: 7}
}
