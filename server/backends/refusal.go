package backends

import (
	"cmp"
	"slices"

	"github.com/netchecker/netchecker/server/fleet"
)

// Refusal is a backend that is not sampled, by all or by some.
type Refusal struct {
	Name, Reason string
	// Agents is how many agents were told to sample it and say why they do not; 0 where
	// the server refuses it, and so tells no agent.
	Agents int
}

// mostReasons bounds the reasons of agents that are told of one backend: those that
// most of them give.
const mostReasons = 3

// Refusals are those of the server, and then those that agents report, in their newest
// reports, of backends that they were told to sample: in the order of their names, and
// what more agents say first. A record may be nil.
func Refusals(own []Refused, sampled []Declaration, records []*fleet.Record) []Refusal {
	var all []Refusal
	for _, r := range own {
		all = append(all, Refusal{Name: r.Name, Reason: r.Reason})
	}
	said := map[Refused]int{}
	for _, r := range records {
		if r == nil || r.Disruption == nil {
			continue
		}
		for _, f := range r.Disruption.Refused {
			// What an agent was never told is its own invention.
			if slices.ContainsFunc(sampled, func(d Declaration) bool { return d.Name == f.Backend }) {
				said[Refused{f.Backend, f.Reason}]++
			}
		}
	}
	return append(all, foremost(said)...)
}

// foremost are the reasons that most agents give, of each backend.
func foremost(said map[Refused]int) []Refusal {
	var all []Refusal
	for r, n := range said {
		all = append(all, Refusal{r.Name, r.Reason, n})
	}
	slices.SortFunc(all, func(a, b Refusal) int {
		return cmp.Or(cmp.Compare(a.Name, b.Name), cmp.Compare(b.Agents, a.Agents), cmp.Compare(a.Reason, b.Reason))
	})
	kept := map[string]int{}
	return slices.DeleteFunc(all, func(r Refusal) bool {
		kept[r.Name]++
		return kept[r.Name] > mostReasons
	})
}
