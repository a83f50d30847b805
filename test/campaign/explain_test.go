package main

import (
	"slices"
	"testing"

	"github.com/netchecker/netchecker/test/sim"
)

func TestWhatShowsTheSameAsTwoFaultsIsFound(t *testing.T) {
	both := func(at func(from, to int) sim.Place, a, b int) []sim.Fault {
		return []sim.Fault{{At: at(a, b), Degree: dead}, {At: at(b, a), Degree: dead}}
	}
	at := func(p sim.Place) []sim.Fault { return []sim.Fault{{At: p, Degree: dead}} }
	own := []want{{class: "the two themselves"}}
	// What comes to a node is not known where nothing that it says arrives.
	link := []string{"node-unreachable of node-0001, both or out", "node-unreachable of node-0001, both or out or both", "node-unreachable of node-0001, out or out or both"}
	for _, row := range []struct {
		name  string
		nodes int
		two   [2][]sim.Fault
		want  []string
	}{
		{"one lies within the other", 4, [2][]sim.Fault{at(sim.Link(1, sim.Both)), at(sim.PodNetwork(1, sim.In))}, link},
		{"one is on a machine that is dead", 4, [2][]sim.Fault{{{At: sim.At(sim.AtMachine, 1)}}, at(sim.OwnPods(1, sim.In))}, link},
		{"two pairs of three nodes are one node", 3, [2][]sim.Fault{both(sim.Pair, 0, 1), both(sim.Pair, 1, 2)}, link},
		{"two pairs of four nodes are not", 4, [2][]sim.Fault{both(sim.Pair, 1, 2), both(sim.Pair, 2, 3)}, []string{"the two themselves"}},
		{"two that have nothing in common", 4, [2][]sim.Fault{at(sim.At(sim.AtServices, 1)), at(sim.At(sim.AtNodePort, 2))}, []string{"the two themselves"}},
	} {
		s := newSearch(sim.Config{Nodes: row.nodes, Zones: 1, DNS: 1, API: 3 % row.nodes}, nil)
		var got []string
		for _, wants := range s.explain(catalogue(), row.two, own) {
			switch {
			case wants[0].class == own[0].class:
				got = append(got, own[0].class)
			case len(wants) == 1:
				got = append(got, wants[0].String())
			}
		}
		if slices.Sort(got); !slices.Equal(slices.Compact(got), row.want) {
			t.Errorf("%s: %q, want %q", row.name, got, row.want)
		}
	}
}
