package diagnose

import (
	"time"

	"github.com/netchecker/netchecker/pkg/report"
)

// trouble is when the paths of each class were found to be dead last.
type trouble [classes]time.Time

// note notes that classes are.
func (t *trouble) note(cs []class, now time.Time) {
	for _, c := range cs {
		t[c] = now
	}
}

// since says whether a class was found to be dead within a time.
func (t *trouble) since(c class, from time.Time) bool {
	return !t[c].Before(from) && !t[c].IsZero()
}

// troubles of a place are what was dead there, and what explains that something is missed:
// also where new connections fail.
type troubles struct{ dead, missed trouble }

func (t *troubles) misses(c class, from time.Time) bool { return t != nil && t.missed.since(c, from) }

// ends are those of a pair of nodes, in the order of their names, or of zones.
type ends struct {
	from, to *node
	zones    zonesOf
}

func endsOf(x, y *node) ends {
	if x.name > y.name {
		x, y = y, x
	}
	return ends{from: x, to: y}
}

// note notes what a pick explains besides.
func (d *diagnosis) note(e *evaluation, p *pick) {
	nodes := e.State.nodes
	note := func(t *troubles) {
		if t.missed.note(p.layer.carries, d.now); e.symptom == deadness {
			t.dead.note(p.layer.carries, d.now)
		}
	}
	at := func(of ends) {
		if d.cut[of] == nil {
			d.cut[of] = &troubles{}
		}
		note(d.cut[of])
	}
	switch p.place.scope {
	case Node:
		note(&nodes[p.place.a].down)
		if d.blinds(p, nodes[p.place.a]) { // of the others nothing is heard
			for _, n := range nodes {
				note(&n.down)
			}
		}
	case Cluster:
		for _, n := range nodes {
			note(&n.down)
		}
	case Pair:
		at(endsOf(nodes[p.place.a], nodes[p.place.b]))
	case ZonePair:
		at(ends{zones: zonesOf{p.place.a, p.place.b}})
	}
}

// heal forgets the pairs that were well for long.
func (d *diagnosis) heal() {
	for of, t := range d.cut {
		recent := false
		for c := range classes {
			recent = recent || t.missed.since(c, d.recently())
		}
		if !recent {
			delete(d.cut, of)
		}
	}
}

// recently is since when what was found to be dead explains what agents miss of what all
// share: they ask that seldom.
func (d *diagnosis) recently() time.Time { return d.now.Add(-fades - max(leastEvery, d.in.Every)) }

// isDown says whether one of a layer of sums is dead at a node now.
func (d *diagnosis) isDown(n *node, layer int) bool { return d.isDead(&n.down, layer) }

// isCut says it of what is between two nodes.
func (d *diagnosis) isCut(from, to *node, layer int) bool {
	return d.isDead(d.cut[endsOf(from, to)], layer) || d.isDead(d.cut[ends{zones: zonesApart(from, to)}], layer)
}

func (d *diagnosis) isDead(t *troubles, layer int) bool {
	for c := range between {
		if has(layer, c) && (layer != linkSum || c == hostHost || c == podPod) && t != nil && t.dead.since(c, d.now) {
			return true
		}
	}
	return false
}

// wasDead says whether a finding told, since a time, that the paths of a class between two nodes
// were dead: what is told to be lost of them is no loss of another kind.
func (s *State) wasDead(from, to *node, c class, since time.Time) bool {
	for _, t := range []*troubles{&from.down, &to.down, s.cut[endsOf(from, to)], s.cut[ends{zones: zonesApart(from, to)}]} {
		if t != nil && t.dead[c].After(since) {
			return true
		}
	}
	return false
}

// asksBy is the class of the paths by which an agent asks something: of a node port, those of
// the node.
func asksBy(a *agent, t Thing) class {
	switch host := a.host || t.Kind == report.NodePort; {
	case t.Kind == report.KubeAPI && host:
		return hostHost
	case t.Kind == report.KubeAPI:
		return podHost
	case host:
		return hostPod
	}
	return podPod
}

// losing is how much the samples of a component have to say for a loss to explain what is
// not answered.
const losing = 10

// loses says whether a node may be lossy, or a pair of nodes where there is an other.
func (d *diagnosis) loses(n, other *node) bool {
	for _, l := range n.lossy {
		if l.loses() {
			return true
		}
	}
	return other != nil && d.pairLoses(n, other)
}

// pairLoses says whether what is between two nodes may be lossy.
func (s *State) pairLoses(x, y *node) bool {
	if len(s.sums.pairs) == 0 {
		return false
	}
	for _, key := range [...]pairOf{{x, y}, {y, x}} {
		if l := s.sums.pairs[key]; l != nil && l.loses() {
			return true
		}
	}
	return false
}

func (l *lossy) loses() bool {
	if l == nil {
		return false
	}
	for layer := range l.sums {
		if l.alarmed[layer] || max(l.sums[layer][five], l.sums[layer][one]) >= losing {
			return true
		}
	}
	return false
}

// explained says whether what an agent misses of a thing is explained by what was found to
// be dead a moment ago; partly, of one that lies on several nodes, that some of it is. Where it
// lies is not always known.
func (d *diagnosis) explained(a *agent, t Thing) (all, partly bool) {
	from, by := d.recently(), asksBy(a, t)
	if d.loses(a.node, nil) || a.node.dials.last.After(from) || t.Kind == report.NodePort && a.node.down.missed.since(ownNode, from) {
		return true, true
	}
	known, dead := 0, 0
	for _, home := range d.in.Homes[t] {
		n := d.byName[home]
		if n == nil || n.index < 0 {
			continue
		}
		known++
		switch {
		case n == a.node && n.down.missed.since(ownNode, from), n != a.node && (d.loses(n, a.node) || n.dials.last.After(from)),
			n.down.missed.since(by, from), a.node.down.missed.since(by, from),
			d.cut[endsOf(n, a.node)].misses(by, from), d.cut[ends{zones: zonesApart(n, a.node)}].misses(by, from):
			dead++
		}
	}
	if known > 0 {
		return dead == known, dead > 0
	}
	for c := range between {
		all = all || a.node.down.missed.since(c, from)
	}
	return all, all
}
