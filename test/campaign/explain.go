package main

import (
	"fmt"
	"slices"

	"github.com/netchecker/netchecker/pkg/report"
	"github.com/netchecker/netchecker/server/diagnose"
	"github.com/netchecker/netchecker/test/sim"
)

const (
	// mostSearched are as many nodes as are searched for other explanations. Of a larger
	// cluster they are those that a fault names, and those of what all share, with others.
	mostSearched = 10
	// mostChoices is more than places there are to choose from: what chooses among more
	// draws a size, or a time, which makes no other explanation.
	mostChoices = 200
)

// symptom is what a fault does to what passes its place.
type symptom int

const (
	dies symptom = iota
	holed
	lossy
	dials
	symptoms
)

func symptomOf(d sim.Degree) symptom {
	switch {
	case d.New:
		return dials
	case d.Above > 0:
		return holed
	case d.Loss < 1:
		return lossy
	}
	return dies
}

// gate is something that packets to what all share pass, which is no path.
type gate struct {
	at    sim.Place
	wrong bool
}

// effect is what faults do: to which ways between agents, to which gates, and which agents
// stand still.
type effect struct {
	// ways has what is lost on the way there and back of questions from one agent to another.
	ways  [symptoms][][2]bool
	gates map[gate]bool
	still map[int]bool
}

// and is what two do together.
func (e *effect) and(o *effect) *effect {
	both := effect{gates: map[gate]bool{}, still: map[int]bool{}}
	for i := range e.ways {
		both.ways[i] = slices.Clone(e.ways[i])
		for k, w := range o.ways[i] {
			both.ways[i][k][0] = both.ways[i][k][0] || w[0]
			both.ways[i][k][1] = both.ways[i][k][1] || w[1]
		}
	}
	for _, one := range []*effect{e, o} {
		for g := range one.gates {
			both.gates[g] = true
		}
		for s := range one.still {
			both.still[s] = true
		}
	}
	return &both
}

// explanation is a fault, or two, with what it does and what should be said of it.
type explanation struct {
	wants  []want
	effect *effect
}

// search finds what explains the same as faults do, in a cluster like theirs. It knows where
// packets go from the simulator alone, and nothing of how faults are found.
type search struct {
	cfg   sim.Config
	world *sim.World
	nodes []int
	// pods and hosts of nodes are spots: twice the place of the node, and one more for its host.
	spots int
}

func newSearch(cfg sim.Config, named []int) *search {
	cfg.Background = 0
	s := &search{cfg: cfg, world: sim.New(cfg)}
	s.world.Step() // what ends at no time at all lasts for good
	take := func(n int) {
		if len(s.nodes) < mostSearched && !slices.Contains(s.nodes, n) {
			s.nodes = append(s.nodes, n)
		}
	}
	for _, n := range append(slices.Clone(named), cfg.Server, cfg.API) {
		take(n)
	}
	for _, of := range s.world.Shared() {
		for _, n := range of.Nodes {
			take(n)
		}
	}
	for n := range cfg.Nodes {
		take(n)
	}
	slices.Sort(s.nodes)
	s.spots = 2 * len(s.nodes)
	return s
}

// spot is that of an agent; -1 where its node is not searched.
func (s *search) spot(node int, host bool) int {
	i := slices.Index(s.nodes, node)
	switch {
	case i < 0:
		return -1
	case host:
		return 2*i + 1
	}
	return 2 * i
}

func (s *search) way(from, to int) int { return from*s.spots + to }

// effect is what faults do.
func (s *search) effect(faults []sim.Fault) *effect {
	e := &effect{gates: map[gate]bool{}, still: map[int]bool{}}
	for i := range e.ways {
		e.ways[i] = make([][2]bool, s.spots*s.spots)
	}
	for _, f := range faults {
		at, of := f.At, symptomOf(f.Degree)
		switch at.Kind {
		case sim.AtServices, sim.AtNodePort, sim.AtDNS, sim.AtAPI, sim.AtNameServer, sim.AtAPIServer:
			e.gates[gate{at, f.Degree.Wrong}] = true
			continue
		case sim.AtAgent:
			e.still[s.spot(at.Node, at.Host)] = true
			continue
		case sim.AtMachine: // nobody there says anything, so that it is as if it were cut off
			at, of = sim.Link(at.Node, sim.Both), dies
		}
		if err := s.world.Inject(sim.Fault{At: at, Degree: dead}); err != nil {
			panic(err)
		}
		ways := e.ways[of]
		for from := range s.spots {
			for to := range s.spots {
				there, back := s.world.Passes(s.nodes[from/2], from%2 == 1, s.nodes[to/2], to%2 == 1)
				w := &ways[s.way(from, to)]
				w[0], w[1] = w[0] || !there, w[1] || !back
			}
		}
		s.world.Heal()
	}
	return e
}

// connects says whether a new connection comes about.
func (s *search) connects(e *effect, from, to int) bool {
	for _, of := range []symptom{dies, dials} {
		if w := e.ways[of][s.way(from, to)]; w[0] || w[1] {
			return false
		}
	}
	return true
}

// heard says whether an agent's updates get to the server, by the Service's address, by the
// server's own, or by a port of its node.
func (s *search) heard(e *effect, from int) bool {
	server, host := s.spot(s.cfg.Server, false), s.spot(s.cfg.Server, true)
	switch {
	case e.still[from]:
		return false
	case s.connects(e, from, server):
		return true
	}
	return !e.gates[gate{at: sim.At(sim.AtNodePort, s.cfg.Server)}] && s.connects(e, from, host) && s.connects(e, host, server)
}

// What a row shows.
const (
	showsWell = iota
	showsDead
	showsStill
	showsNothing
)

// shown is all that is told to the server while faults last, such that what looks the same to
// it is the same: of each agent that is heard, what its rows and those of others to it show,
// and what it meets with that all share.
func (s *search) shown(e *effect) string {
	var b []byte
	for a := range s.spots {
		if !s.heard(e, a) {
			b = append(b, showsNothing)
			continue
		}
		b = append(b, showsWell)
		for to := range s.spots {
			if a != to {
				b = append(b, s.rows(e, a, to)...)
			}
		}
		b = append(b, s.meets(e, a)...)
	}
	return string(b)
}

// rows are what an agent knows of the ways between it and another: whether its own questions
// are answered, whether those of the other come, and what else becomes of its own.
func (s *search) rows(e *effect, a, to int) []byte {
	own, others := e.ways[dies][s.way(a, to)], e.ways[dies][s.way(to, a)]
	row := byte(showsWell)
	switch {
	case own[0] || own[1]:
		row = showsDead
	case e.still[to]:
		row = showsStill
	}
	b := []byte{row, bit(others[0] || e.still[to])}
	if row != showsWell {
		return b
	}
	for _, of := range []symptom{holed, lossy} {
		w := e.ways[of][s.way(a, to)]
		b = append(b, bit(w[0]), bit(w[1]))
	}
	w := e.ways[dials][s.way(a, to)]
	return append(b, bit(w[0] || w[1]))
}

func bit(is bool) byte { return byte(map[bool]int{true: 1}[is]) }

// meets is what an agent meets with that all share.
func (s *search) meets(e *effect, a int) (b []byte) {
	node := s.nodes[a/2]
	shut := func(kind sim.Kind) bool { return e.gates[gate{at: sim.At(kind, node)}] }
	var answers [2]int // of name servers that do not answer, and that do so wrongly
	servers := 0
	for _, of := range s.world.Shared() {
		gone := false
		for _, home := range of.Nodes {
			gone = gone || !s.connects(e, a, s.spot(home, of.Kind == report.KubeAPI))
		}
		switch of.Kind {
		case report.DNSServer:
			at := sim.At(sim.AtNameServer, servers)
			servers++
			fails, wrong := gone || shut(sim.AtDNS) || e.gates[gate{at: at}], e.gates[gate{at, true}]
			b = append(b, bit(fails), bit(wrong && !fails))
			answers[0] += int(bit(fails))
			answers[1] += int(bit(wrong && !fails))
		case report.DNS:
			b = append(b, bit(shut(sim.AtServices) || shut(sim.AtDNS)), byte(answers[0]), byte(answers[1]))
		case report.ServiceAddress:
			b = append(b, bit(gone || shut(sim.AtServices)))
		case report.NodePort:
			own := s.spot(node, true)
			b = append(b, bit(shut(sim.AtNodePort) || a != own && !s.connects(e, a, own) || !s.connects(e, own, s.spot(s.cfg.Server, false))))
		case report.KubeAPI:
			if a%2 == 1 { // hosts alone ask
				b = append(b, bit(gone || shut(sim.AtServices) || shut(sim.AtAPI) || e.gates[gate{at: sim.At(sim.AtAPIServer, 0)}]))
			}
		}
	}
	return b
}

// choices are what a draw chooses, in turn, until it has drawn all that it can.
type choices struct {
	taken, of []int
	next      int
}

// IntN is the next choice.
func (c *choices) IntN(n int) int {
	if n > mostChoices {
		return 0
	}
	if c.next == len(c.taken) {
		c.taken, c.of = append(c.taken, 0), append(c.of, n)
	}
	c.next++
	return c.taken[c.next-1]
}

// Float64 is no choice.
func (c *choices) Float64() float64 { return 0 }

// advance is false once all were drawn.
func (c *choices) advance() bool {
	c.next = 0
	for i := len(c.taken) - 1; i >= 0; i-- {
		if c.taken[i]++; c.taken[i] < c.of[i] {
			c.taken, c.of = c.taken[:i+1], c.of[:i+1]
			return true
		}
	}
	return false
}

// all are the faults of a catalogue at all places that are searched, once each: those that are
// more or less of the same are named alike.
func (s *search) all(catalogue []entry) (all []explanation) {
	known := map[string]bool{}
	for _, e := range catalogue {
		if e.least > s.cfg.Nodes {
			continue
		}
		chance := &choices{}
		c := &cluster{chance: chance, server: &server{world: s.world}, cfg: s.cfg, nodes: s.nodes}
		for more := true; more; more = chance.advance() {
			in := e.draw(c)
			if name := fmt.Sprint(in.wants); len(in.wants) > 0 && !known[name] {
				known[name] = true
				all = append(all, explanation{in.wants, s.effect(in.faults)})
			}
		}
	}
	return all
}

// explain are all explanations of what two faults do that are not larger than these: if one
// fault shows the same as both, those of one alone.
func (s *search) explain(catalogue []entry, faults [2][]sim.Fault, wants []want) (all [][]want) {
	truth := s.effect(slices.Concat(faults[0], faults[1]))
	shown := s.shown(truth)
	candidates := slices.DeleteFunc(s.all(catalogue), func(x explanation) bool { return !s.within(x.effect, truth) })
	for _, x := range candidates {
		if s.shown(x.effect) == shown {
			all = append(all, x.wants)
		}
	}
	if len(all) > 0 {
		return all
	}
	all = append(all, wants)
	for i := range candidates {
		for k := range candidates[:i] {
			if s.shown(candidates[i].effect.and(candidates[k].effect)) == shown {
				all = append(all, slices.Concat(candidates[i].wants, candidates[k].wants))
			}
		}
	}
	return all
}

// within says whether a fault does nothing that is known not to be so.
func (s *search) within(e, truth *effect) bool {
	for a := range s.spots {
		if !s.heard(truth, a) {
			continue
		}
		if !s.heard(e, a) {
			return false
		}
		for to := range s.spots {
			if a == to {
				continue
			}
			is, may := s.rows(e, a, to), s.rows(truth, a, to)
			if is[0] > showsWell && may[0] == showsWell || is[1] > 0 && may[1] == 0 {
				return false
			}
			if is[0] == showsWell && may[0] == showsWell {
				for i := range is {
					if is[i] > may[i] {
						return false
					}
				}
			}
		}
		is, may := s.meets(e, a), s.meets(truth, a)
		for i := range is {
			if is[i] > may[i] {
				return false
			}
		}
	}
	return true
}

// numbers are the nodes that wants name.
func numbers(wants []want) (all []int) {
	for _, w := range wants {
		if w.subject.Scope != diagnose.Node && w.subject.Scope != diagnose.Pair {
			continue
		}
		for _, name := range w.subject.Names {
			if name != "" {
				all = append(all, numberOf(name))
			}
		}
	}
	return all
}
