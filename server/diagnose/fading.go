package diagnose

import (
	"slices"
	"time"

	"github.com/netchecker/netchecker/pkg/report"
)

// fades is how long it takes, once something is well again, until all rows are that it was
// bad for: those who asked need not have asked again, or said so.
const fades = overdue

// past is a pick of a moment ago. While its place gets well, its rows do so one after the
// other, and those that are left would look like smaller faults.
type past struct {
	symptom symptom
	six     bool
	pick    pick
	// ends are the nodes of its place, whose indices may change; and seen is when it was
	// picked last.
	ends [2]*node
	seen time.Time
	// wide says that it was picked in both directions, or perhaps in both.
	wide bool
}

// remember notes a pick.
func (d *diagnosis) remember(e *evaluation, p *pick) {
	is := past{symptom: e.symptom, six: e.six, pick: *p, seen: d.now, wide: p.direction != In && p.direction != Out}
	switch p.place.scope {
	case Node:
		is.ends[0] = e.State.nodes[p.place.a]
	case Pair:
		is.ends = [2]*node{e.State.nodes[p.place.a], e.State.nodes[p.place.b]}
	}
	i := slices.IndexFunc(d.past, func(o past) bool {
		return o.symptom == is.symptom && o.six == is.six && o.pick.layer.kind == p.layer.kind && o.pick.place.scope == p.place.scope && o.ends == is.ends &&
			(p.place.scope != ZonePair || o.pick.place == p.place)
	})
	if i < 0 {
		d.past = append(d.past, is)
		return
	}
	is.wide = is.wide || d.past[i].wide || d.past[i].pick.direction != p.direction
	d.past[i] = is
}

// fade takes out what is left of those picks whose places get well.
func (d *diagnosis) fade(e *evaluation) {
	d.past = slices.DeleteFunc(d.past, func(p past) bool { return d.now.Sub(p.seen) > fades })
	for i := range d.past {
		p := &d.past[i]
		if p.symptom != e.symptom || p.six != e.six || !p.locate() {
			continue
		}
		if !e.recovers(&p.pick) {
			if p.wide {
				e.wide = append(e.wide, p)
			}
			continue
		}
		rest := p.pick
		rest.direction = NoDirection // which may be known less of, by now
		since := p.seen
		if e.symptom == holes { // which sessions find later than they are there
			since = since.Add(sizes)
		}
		if e.takeSince(&rest, since); e.symptom != holes {
			d.note(e, &rest)
		}
		if d.blinds(&p.pick, p.ends[0]) { // others tell late what they saw meanwhile, all of which may be over
			rest.place = place{scope: Cluster}
			e.takeSince(&rest, p.seen)
		}
	}
}

// takeWide takes out what a pick explained as it was known to be in both directions: the one
// may be well before the other.
func (e *evaluation) takeWide(p *pick) {
	for _, was := range e.wide {
		if was.pick.layer.kind == p.layer.kind && was.pick.place == p.place {
			rest := was.pick
			rest.direction = NoDirection
			e.takeSince(&rest, was.seen)
		}
	}
}

// blinds says whether a pick is that a node is cut off which has the only server.
func (d *diagnosis) blinds(p *pick, at *node) bool {
	if p.layer.kind != Underlay || p.place.scope != Node {
		return false
	}
	for t, homes := range d.in.Homes {
		if t.Kind == report.ServiceAddress && len(homes) == 1 && homes[0] == at.name {
			return true
		}
	}
	return false
}

// locate finds its place among the nodes that there are; false where it is not there any
// more.
func (p *past) locate() bool {
	at := &p.pick.place
	switch at.scope {
	case Node:
		at.a = p.ends[0].index
		return at.a >= 0
	case Pair:
		if at.a, at.b = p.ends[0].index, p.ends[1].index; at.a > at.b {
			at.a, at.b = at.b, at.a
			p.ends[0], p.ends[1] = p.ends[1], p.ends[0]
			p.pick.direction = p.pick.direction.turned()
		}
		return at.a >= 0
	}
	return true
}

// recovers says whether a place that was picked would not be any more, and not for the reason
// that something of it is not known yet.
func (e *evaluation) recovers(p *pick) bool {
	t := e.tallyOf(p.place)
	if t == nil {
		return true
	}
	fits, waits := p.layer.fits(t)
	_, directed := t.direction(p.layer.needs)
	return !waits && !(fits && directed && e.spread(p.layer, p.place))
}

// tallyOf is that of a place; nil where nothing bad leads through it.
func (e *evaluation) tallyOf(at place) *tally {
	switch at.scope {
	case Cluster:
		return &e.cluster
	case Node:
		return &e.tallies[at.a]
	case ZonePair:
		return e.zonePairs[zonesOf{at.a, at.b}]
	}
	t := &tally{}
	for a, r := range e.across(at) {
		if s := e.sight(a, r); s.is != nothing {
			t.add(r.class, s, a.node.index == at.a, 1)
		}
	}
	return t
}
