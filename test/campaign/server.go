package main

import (
	"fmt"
	"slices"
	"time"

	"github.com/netchecker/netchecker/pkg/report"
	"github.com/netchecker/netchecker/server/diagnose"
	"github.com/netchecker/netchecker/server/evaluate"
	"github.com/netchecker/netchecker/server/fleet"
	"github.com/netchecker/netchecker/test/sim"
)

const (
	// interval is the time between two reports of an agent, and grace how long one may take
	// for its first.
	interval, grace = time.Minute, 2 * time.Minute
)

// server is what of netchecker's server has to do with findings: it knows what reached it,
// diagnoses that once a second, and holds what it finds.
type server struct {
	world  *sim.World
	state  *diagnose.State
	hold   diagnose.Hold
	newest map[fleet.Key]*diagnose.Telling
	since  time.Time
	ids    int
}

func newServer(w *sim.World) *server {
	s := &server{world: w, state: diagnose.New(w.Wall()), newest: map[fleet.Key]*diagnose.Telling{}, since: w.Wall()}
	s.hold.New = func(*diagnose.Finding) string {
		s.ids++
		return fmt.Sprint(s.ids)
	}
	return s
}

// second lets one pass, and returns what begins, changes and ends.
func (s *server) second() []diagnose.Event {
	s.world.Step()
	for _, told := range s.world.Told() {
		s.take(&told)
	}
	now, list := s.world.Wall(), s.world.List()
	tellings := make([]*diagnose.Telling, len(list.Agents))
	for i := range list.Agents {
		if t := s.newest[list.Agents[i].Key]; t != nil && t.UID == list.Agents[i].UID {
			tellings[i] = t
		}
	}
	s.state.Observe(now, diagnose.Input{List: list, States: s.states(now, list), Tellings: tellings, Every: s.world.Every(), Homes: s.homes(), Left: s.left})
	return s.hold.Step(diagnose.Look{Now: now, Findings: s.state.Findings(now), Gone: s.gone})
}

// take keeps what was told, unless something newer was.
func (s *server) take(told *sim.Told) {
	was := s.newest[told.Key]
	switch {
	case was == nil, was.UID != told.UID:
	case was.Boot == told.Boot && told.Mesh.AsOf <= was.Mesh.AsOf, was.Boot != told.Boot && !told.Booted.After(was.Booted):
		return
	}
	s.newest[told.Key] = &diagnose.Telling{UID: told.UID, Boot: told.Boot, Booted: told.Booted, Via: told.Via, Mesh: told.Mesh}
}

// states are those that the judge of a server that was there all the time says.
func (s *server) states(now time.Time, list *fleet.List) []evaluate.State {
	states := make([]evaluate.State, len(list.Agents))
	listening := evaluate.Listening{Freshness: fleet.Freshness{AsOf: now, Since: s.since, Unbroken: s.since}, Now: now, Grace: grace}
	for i, r := range s.world.Records() {
		a := &list.Agents[i]
		e := evaluate.Evidence{FirstSeen: a.FirstSeen, GoingSince: list.Nodes[a.Node].GoingSince, Interval: interval}
		if r != nil {
			e.Stored, e.Heard = true, r.Learned
		}
		states[i], _ = evaluate.StateOf(e, listening)
	}
	return states
}

// homes are the nodes of what all share.
func (s *server) homes() map[diagnose.Thing][]string {
	homes := map[diagnose.Thing][]string{}
	for _, of := range s.world.Shared() {
		thing := diagnose.Thing{Kind: of.Kind, Target: of.Target}
		for _, n := range of.Nodes {
			homes[thing] = append(homes[thing], nodeName(n))
		}
	}
	return homes
}

func nodeName(number int) string { return fmt.Sprintf("node-%04d", number) }

// left says that a name server is not there any more.
func (s *server) left(of diagnose.Thing) bool {
	return of.Kind == report.DNSServer && !slices.ContainsFunc(s.world.Shared(), func(o sim.Shared) bool { return o.Kind == of.Kind && o.Target == of.Target })
}

// gone says why a subject is not there any more.
func (s *server) gone(of diagnose.Subject) string {
	if of.Scope == diagnose.Target && s.left(diagnose.Thing{Kind: report.DNSServer, Target: of.Names[0]}) {
		return "name server left"
	}
	if of.Scope != diagnose.Node && of.Scope != diagnose.Pair {
		return ""
	}
	for _, name := range of.Names {
		if _, there := s.world.List().Nodes[name]; name != "" && !there {
			return "node deleted"
		}
	}
	return ""
}
