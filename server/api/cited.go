package api

import (
	"slices"
	"time"

	"github.com/netchecker/netchecker/pkg/report"
	"github.com/netchecker/netchecker/server/diagnose"
	"github.com/netchecker/netchecker/server/findings"
	"github.com/netchecker/netchecker/server/fleet"
	"github.com/netchecker/netchecker/server/intervals"
)

const (
	// mostCited bounds the intervals that one finding cites.
	mostCited = 8
	// about is by how much a finding's times may be off: a backend that a fault cuts off fails
	// with it, and not with its name.
	about = 5 * time.Second
)

// citing has the disruption that findings may cite, by the node that met with it.
type citing struct {
	list   *fleet.List
	all    []intervals.Interval
	byNode map[string][]intervals.Interval
}

// citingFor looks for what findings may cite once, for all of them.
func (s *server) citingFor(list *fleet.List, found []findings.Finding, now time.Time) *citing {
	c := &citing{list: list, byNode: map[string][]intervals.Interval{}}
	if len(found) == 0 {
		return c
	}
	from, to := found[0].Since, time.Time{}
	for i := range found {
		since, until := timeOf(&found[i], now)
		if since.Before(from) {
			from = since
		}
		if until.After(to) {
			to = until
		}
	}
	for _, i := range s.History.Between(from, to) {
		if i.Level == report.Error {
			c.all = append(c.all, i)
			c.byNode[i.Node] = append(c.byNode[i.Node], i)
		}
	}
	return c
}

// timeOf is a finding's, and a little more.
func timeOf(f *findings.Finding, now time.Time) (since, until time.Time) {
	until = now
	if !f.Lasts() {
		until = f.Ended
	}
	return f.Since.Add(-about), until.Add(about)
}

// of are the intervals of a finding's time and place, the first of them, and how many more
// there are.
func (c *citing) of(f *findings.Finding, now time.Time) (cited []shownInterval, more int) {
	since, until := timeOf(f, now)
	for _, list := range c.at(f.Subject) {
		for i := range list {
			switch one := &list[i]; {
			case !one.From.Before(until) || !one.To.After(since):
			case len(cited) == mostCited:
				more++
			default:
				cited = append(cited, shown(one))
			}
		}
	}
	return cited, more
}

// at is the disruption at a subject: of what all nodes share, all there is.
func (c *citing) at(s diagnose.Subject) (lists [][]intervals.Interval) {
	switch s.Scope {
	case diagnose.Node:
		return [][]intervals.Interval{c.byNode[s.Names[0]]}
	case diagnose.Pair:
		return [][]intervals.Interval{c.byNode[s.Names[0]], c.byNode[s.Names[1]]}
	case diagnose.ZonePair:
		if c.list == nil {
			return nil // nobody knows what is in a zone
		}
		return [][]intervals.Interval{slices.DeleteFunc(slices.Clone(c.all), func(i intervals.Interval) bool {
			return !slices.Contains(s.Names[:], c.list.Nodes[i.Node].Zone)
		})}
	}
	return [][]intervals.Interval{c.all}
}
