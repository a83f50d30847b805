package diagnose

import (
	"time"

	"github.com/netchecker/netchecker/pkg/report"
	"github.com/netchecker/netchecker/pkg/wait"
)

const (
	// shows is how long a fault takes to show in what is told, at least; an answer that was
	// told to have come later is evidence of health.
	shows = 3 * time.Second
	// speaks is within what time an agent tells that something looks bad: two datagrams have
	// to be missing, each for 2 s, and updates are spread and sent.
	speaks = 8 * time.Second
	// hears is how long the one that is probed takes to say what it hears of a session.
	hears = 7 * time.Second
	// sizes is how long after the first hole was told all sessions that have one know it: each
	// tries large packets every 10 s, and takes a few more to be sure.
	sizes = 14 * time.Second
	// connects is how long after the first connection that failed was told all sessions whose
	// connections fail know it: each tries one every 5 s.
	connects = 6 * time.Second
	// troubled is for how long nothing is heard where it is more than a loss or two, in
	// milliseconds.
	troubled = 4000
	// deadThough is for how long nothing is heard of what is dead, in milliseconds, where so much
	// is lost that several in a row are by chance.
	deadThough = 12000
	// outdated is how old what a silent agent told last may be, and overdue what one told that
	// saw something bad, of which it tells every few seconds, or where that fails every half
	// minute.
	outdated, overdue = 15 * time.Second, 35 * time.Second
)

// sight is what a row shows of one symptom: nothing, or that it is well, or late, which
// may become bad; or bad. Of what is bad, bad and good are the ways that are known to be so;
// either says that one of both is bad.
type sight struct {
	is        sightOf
	bad, good ways
	either    bool
}

type sightOf uint8

const (
	nothing sightOf = iota
	isGood
	isLate
	isBad
)

// item is a bad row that has to be explained.
type item struct {
	from, to *agent
	class    class
	sight    sight
	since    time.Time
	row      *row // nil of one that only the target tells of
	done     bool
}

// touches says by which ways of the item packets enter and leave a node.
func (i *item) touches(n *node) (in, out ways) {
	switch n {
	case i.from.node:
		return back, forward
	case i.to.node:
		return forward, back
	}
	return 0, 0
}

// ends are the nodes that the item touches, by index.
func (i *item) ends() []int {
	if i.from.node == i.to.node {
		return []int{i.from.node.index}
	}
	return []int{i.from.node.index, i.to.node.index}
}

// symptom is something that rows show.
type symptom uint8

const (
	deadness symptom = iota
	holes
	dialing
)

// evaluation is a look at all rows at one moment, in one address family.
type evaluation struct {
	*State
	now     time.Time
	six     bool
	symptom symptom

	// died is when the newest of a node's rows that are in trouble was answered last, and spoke when one of
	// its agents told something; by index.
	died, spoke []time.Time
	// diedOwn is that of rows on the node itself.
	diedOwn []time.Time
	// flakes says of a node that so much is lost there that its rows seem dead now and then.
	flakes []bool
	// wide are picks of a moment ago that were in both directions.
	wide []*past
	*board
}

// scratch is what evaluations use again and again.
type scratch struct {
	died, diedOwn, spoke []time.Time
	flakes               []bool
	board                board
}

// survey notes what the states of rows are judged by.
func (e *evaluation) survey() {
	n := len(e.nodes)
	e.died, e.diedOwn, e.spoke = cleared(&e.scratch.died, n), cleared(&e.scratch.diedOwn, n), cleared(&e.scratch.spoke, n)
	e.flakes = cleared(&e.scratch.flakes, n)
	for i, n := range e.State.nodes {
		e.flakes[i] = n.flaky(e.now)
	}
	for _, a := range e.agents {
		a.deadTo = 0
	}
	for n := range wait.Resting(len(e.agents), e.in.Rest) {
		a := e.agents[n]
		if spoke := &e.spoke[a.node.index]; a.at.After(*spoke) {
			*spoke = a.at
		}
		if a.ill == 0 {
			continue
		}
		for i := range a.rows {
			r := &a.rows[i]
			if r.told != dead && (r.told != late || r.silent < troubled) || r.six != e.six || !a.counts(r) || e.mute(a) {
				continue
			}
			if r.told == dead {
				r.target.deadTo++
			}
			at := a.died(r)
			if r.class == ownNode {
				e.diedOwn[a.node.index] = at
				continue
			}
			for _, n := range []*node{a.node, r.target.node} {
				if d := &e.died[n.index]; at.After(*d) {
					*d = at
				}
			}
		}
	}
}

// cleared is a slice of n zero values.
func cleared[T any](s *[]T, n int) []T {
	if cap(*s) < n {
		*s = make([]T, n+n/8)
	}
	*s = (*s)[:n]
	clear(*s)
	return *s
}

// died is when a row of a that is dead was answered last.
func (a *agent) died(r *row) time.Time {
	if r.barred {
		return a.sickened(r)
	}
	return a.at.Add(-time.Duration(r.silent) * time.Millisecond)
}

// sickened is since when a row is sick.
func (a *agent) sickened(r *row) time.Time {
	return a.booted.Add(time.Duration(r.sick) * time.Second)
}

// mute says whether what an agent told last is too old to hold.
func (e *evaluation) mute(a *agent) bool {
	return a.gone(e.now)
}

// stale says whether an agent that has something late should have told more by now.
func (e *evaluation) stale(a *agent) bool { return e.now.Sub(a.at) > speaks }

// sight is what a row of a shows.
func (e *evaluation) sight(a *agent, r *row) sight {
	s := e.shown(a, r)
	if s.is == isBad && e.now.Sub(a.at) > overdue {
		return sight{} // it may be well since, and a can't say so
	}
	return s
}

func (e *evaluation) shown(a *agent, r *row) sight {
	if r.told == unknown || !a.counts(r) || e.mute(a) {
		return sight{}
	}
	switch e.symptom {
	case holes:
		return e.holed(a, r)
	case dialing:
		return e.dialed(a, r)
	}
	switch r.told {
	case dead:
		if r.silent < deadThough && !r.barred && e.flaky(a.node, r.target.node) || a.at.Before(later(a.node.revived, r.target.node.revived)) {
			return sight{is: isLate}
		}
		return e.deadWay(a, r)
	case late:
		if e.stale(a) {
			return sight{}
		}
		return sight{is: isLate}
	case refused:
		if r.target.host {
			return sight{is: isGood, good: forward | back}
		}
		return sight{}
	}
	return e.goodSince(a, r)
}

// flaky says whether so much is lost between two nodes that it may seem dead.
func (e *evaluation) flaky(x, y *node) bool {
	return e.flakes[x.index] || e.flakes[y.index] || e.pairLoses(x, y)
}

// goodSince is good, if a row that was well as it was told still is, for all that is known.
func (e *evaluation) goodSince(a *agent, r *row) sight {
	trouble := later(e.died[a.node.index], e.died[r.target.node.index])
	if own := e.diedOwn[a.node.index]; r.class == ownNode && !own.IsZero() {
		return e.goodAfter(a, own, shows, speaks, false)
	}
	return e.goodAfter(a, trouble, shows, speaks, a.deadTo == 0 && a.ill == 0)
}

// goodAfter is good, if what a told is so since trouble began, which shows and is told within
// a time; or where a could have said so, if it is reached and its node spoke.
func (e *evaluation) goodAfter(a *agent, trouble time.Time, shows, speaks time.Duration, reached bool) sight {
	good := sight{is: isGood, good: forward | back}
	switch {
	case trouble.IsZero(), !a.at.Before(trouble.Add(shows)):
		return good
	case reached && e.now.Sub(trouble) >= speaks && !e.spoke[a.node.index].Before(trouble.Add(shows)):
		return good
	case e.now.Sub(trouble) < speaks && (a.ill == 0 || !e.stale(a)):
		return sight{is: isLate} // it may say otherwise yet
	}
	return sight{}
}

// deadWay finds from what the target hears on which way a dead row is so.
func (e *evaluation) deadWay(a *agent, r *row) sight {
	s := sight{is: isBad, either: true}
	if r.barred {
		return sight{is: isBad, bad: forward}
	}
	t, died := r.target, a.died(r)
	if t.mesh == nil || t.at.Before(died.Add(shows)) {
		return s
	}
	for i := range t.mesh.Heard {
		h := &t.mesh.Heard[i]
		if h.Peer != a.id || uint32(h.ID) != r.id || h.Six != r.six {
			continue
		}
		if h.Silent > 0 {
			return sight{is: isBad, bad: forward}
		}
		return sight{is: isBad, bad: back, good: forward}
	}
	if len(t.mesh.Heard) < report.MaxHeard && !t.at.Before(died.Add(hears)) {
		return sight{is: isBad, bad: forward} // of whatever comes, the target would say so
	}
	return s
}

// overheard calls yield with what agents hear of sessions whose probers have not told of
// it: they may be unable to.
func (e *evaluation) overheard(yield func(item)) {
	for _, t := range e.agents {
		if t.mesh == nil || len(t.mesh.Heard) == 0 || e.now.Sub(t.at) > overdue || !t.ready() {
			continue
		}
		for i := range t.mesh.Heard {
			h := &t.mesh.Heard[i]
			p := e.byID[h.Peer]
			if p == nil || p.deadTo == 0 || h.Six != e.six || !p.ready() {
				continue
			}
			since := t.at.Add(-time.Duration(h.Silent) * time.Millisecond)
			if h.Silent == 0 {
				since = since.Add(-time.Duration(h.Unanswered) * time.Second)
			}
			if p.at.After(since.Add(shows)) {
				continue
			}
			s := sight{is: isBad, bad: back, good: forward}
			if h.Silent > 0 {
				s = sight{is: isBad, bad: forward}
			}
			yield(item{from: p, to: t, class: classOf(p, t), sight: s, since: since})
		}
	}
}

// holed is what a row shows of large packets.
func (e *evaluation) holed(a *agent, r *row) sight {
	switch {
	case r.hole != 0:
		s := sight{is: isBad, bad: r.hole}
		if r.hole == back { // of what is held up on its way there, no answer comes that is as large
			s.good = forward
		}
		return s
	case r.told != well || !r.sized:
		return sight{}
	}
	return e.goodAfter(a, later(a.node.holes.since, r.target.node.holes.since), sizes, sizes+5*time.Second, a.ill == 0 && !e.holedToServer(a))
}

// holedToServer says whether what an agent tells may be swallowed on its way, so that its
// silence says nothing.
func (e *evaluation) holedToServer(a *agent) bool {
	for t, homes := range e.in.Homes {
		if t.Kind != report.ServiceAddress {
			continue
		}
		for _, home := range homes {
			if n := e.byName[home]; n != nil && n != a.node && e.now.Sub(n.holes.last) < overdue {
				return true
			}
		}
	}
	return false
}

// onset is when something began to show at a node, row by row: the last of them no later
// than a while after the one before.
type onset struct{ since, last time.Time }

// add adds a row that shows it from a time on.
func (o *onset) add(at time.Time, apart time.Duration) {
	if at.Sub(o.last) > 2*apart {
		o.since = at
	}
	if at.After(o.last) {
		o.last = at
	}
}

// dialed is what a row shows of new TCP connections, where flows are well.
func (e *evaluation) dialed(a *agent, r *row) sight {
	switch {
	case r.told != well, e.now.Sub(a.node.troubled) < fades, e.now.Sub(r.target.node.troubled) < fades:
		return sight{} // a connection that was begun while a path was dead fails later
	case r.refusing && !e.flaky(a.node, r.target.node):
		return sight{is: isBad, either: true}
	case r.dial == dialLost:
		return sight{is: isLate}
	case r.dial == dialWell: // one whose connections fail can't say so
		return e.goodAfter(a, later(a.node.dials.since, r.target.node.dials.since), connects, connects+5*time.Second, false)
	}
	return sight{}
}

// later is the later of two times.
func later(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}
