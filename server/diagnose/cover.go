package diagnose

import (
	"iter"
	"maps"
	"slices"
	"time"
)

// layer is one of the networks that stand on each other. A component of it is at fault
// where the first of the classes that it needs fails there, and so do the others, as far as
// anybody measures them; then it explains all that it carries.
type layer struct {
	kind    Kind
	needs   []class
	carries []class
	// above waits until those classes, of the layers below, are known not to fail as well.
	above []class
}

// between nodes, from the lowest.
var network = []layer{
	{kind: Underlay, needs: []class{hostHost, podPod}, carries: []class{podPod, hostHost, podHost, hostPod}},
	{kind: PodNetwork, needs: []class{podPod}, carries: []class{podPod, podHost, hostPod}, above: []class{hostHost}},
	{kind: HostNetwork, needs: []class{hostHost}, carries: []class{hostHost}, above: []class{podPod}},
	{kind: HostToPod, needs: []class{hostPod}, carries: []class{hostPod}, above: []class{podPod, hostHost}},
	{kind: PodToHost, needs: []class{podHost}, carries: []class{podHost}, above: []class{podPod, hostHost}},
}

const (
	// leastPeers are as many as the bad rows of a node lead to, where there are so many.
	leastPeers = 3
	// mostRounds bounds the components of one layer that are found to be at fault.
	mostRounds = 100
)

// pick is a component that is found to be at fault.
type pick struct {
	layer     *layer
	place     place
	direction Direction
	// tally is what its rows amounted to as it was picked, and since when the first of
	// them was bad.
	tally tally
	since time.Time
	// flows says that it is so for some flows alone, and tcp that new TCP connections pass.
	flows, tcp bool
	// items is how many it explains, and size the smallest of the largest packets that pass
	// there; 0 where that is not known.
	items int
	size  uint64
	// alone says of each end of a pair that nothing else is known of it.
	alone [2]bool
}

// fits says whether the layer's needs are met by what a place's rows amount to; waits, that
// they may soon be, or that something below may explain it.
func (l *layer) fits(t *tally) (fits, waits bool) {
	if t.rows[l.needs[0]].all() == 0 {
		return false, false
	}
	fits = true
	for _, c := range l.needs {
		n := t.rows[c]
		if n.all() == 0 {
			continue // nobody measures it
		}
		if n.waits() {
			waits = true
		}
		fits = fits && n.fits()
		if !n.fits() && !n.waits() {
			return false, false
		}
	}
	waits = waits || l.below(t)
	return fits && !waits, waits
}

// below says whether what is below the layer may soon fail at a place.
func (l *layer) below(t *tally) bool {
	return slices.ContainsFunc(l.above, func(c class) bool {
		n := t.rows[c]
		return n.late > 0 && n.good*9 <= n.bad+n.late
	})
}

// cover picks components until none is left that explains anything, from the lowest layer:
// of each first the large ones, and then the pairs of nodes, none of which explains more.
func (e *evaluation) cover() (picks []pick) {
	for l := range network {
		layer := &network[l]
		for range mostRounds {
			p, ok := e.best(layer)
			if !ok {
				break
			}
			e.take(&p)
			e.takeWide(&p)
			picks = append(picks, p)
		}
		picks = append(picks, e.pairwise(layer)...)
		clear(e.pairs)
	}
	return picks
}

// allMayFail says whether all nodes may soon be at fault together.
func (e *evaluation) allMayFail(l *layer) bool {
	_, waits := l.fits(&e.cluster)
	return waits && e.members >= leastPeers
}

// best is the place, larger than a pair of nodes, of which most is explained.
func (e *evaluation) best(l *layer) (best pick, found bool) {
	most := int32(0)
	consider := func(at place, t *tally) {
		n := t.sum(l.carries).bad
		if n <= most {
			return
		}
		if fits, _ := l.fits(t); !fits {
			return
		}
		if d, ok := t.direction(l.needs); ok && e.spread(l, at) {
			most, best, found = n, pick{layer: l, place: at, direction: d, tally: *t}, true
		}
	}
	if e.members < leastPeers || e.allMayFail(l) {
		return best, false
	}
	for n := range e.tallies {
		if e.touched[n] {
			consider(place{scope: Node, a: n}, &e.tallies[n])
		}
	}
	for _, z := range slices.SortedFunc(maps.Keys(e.zonePairs), zonesOf.compare) {
		consider(z.place(), e.zonePairs[z])
	}
	// What a node explains as well is its own, and not everywhere.
	consider(place{scope: Cluster}, &e.cluster)
	return best, found
}

// spread says whether the bad rows of a place lead to as many others as they have to, that it
// is the place and none of those.
func (e *evaluation) spread(l *layer, at place) bool {
	switch at.scope {
	case Cluster:
		return e.nodesIll(l) >= leastPeers
	case Node:
		return l.needs[0] == ownNode || e.peers(l, at.a) >= min(leastPeers, e.members-1)
	case ZonePair:
		return e.pairsOf(l, at) > 1
	}
	return true
}

// pairwise picks pairs of nodes.
func (e *evaluation) pairwise(l *layer) (picks []pick) {
	if e.allMayFail(l) || !e.openPairs(l) {
		return nil
	}
	for _, at := range slices.SortedFunc(maps.Keys(e.pairs), place.compare) {
		t := e.pairs[at]
		if fits, _ := l.fits(t); !fits || e.growing(l, at) || e.flakes[at.a] || e.flakes[at.b] || !e.persists(at) || !e.spoken(l, at) || len(picks) >= mostRounds {
			continue
		}
		d, ok := t.direction(l.needs)
		if !ok {
			continue
		}
		p := pick{layer: l, place: at, direction: d, tally: *t, alone: [2]bool{e.alone(l, at.a, t), e.alone(l, at.b, t)}}
		e.take(&p)
		e.takeWide(&p)
		picks = append(picks, p)
	}
	return picks
}

// persists says whether connections between two nodes failed several times in a row, where
// that is looked at: single ones do by chance.
func (e *evaluation) persists(at place) bool {
	if e.symptom != dialing {
		return true
	}
	for _, i := range e.at(at.a) {
		if it := &e.items[i]; !it.done && pairPlace(it.from.node, it.to.node) == at && it.row.dialRun < deadDials {
			return false
		}
	}
	return true
}

// spoken says whether most rows of a layer between two nodes are bad, also of those that say
// nothing, where what is told may be of a moment ago: what is well is told of seldom.
func (e *evaluation) spoken(l *layer, at place) bool {
	if e.symptom == deadness {
		return true
	}
	bad, all := 0, 0
	for a, r := range e.across(at) {
		if !slices.Contains(l.needs, r.class) || r.told != well || !a.counts(r) {
			continue
		}
		if all++; e.sight(a, r).is == isBad {
			bad++
		}
	}
	return bad*2 >= all
}

// across are the rows between two nodes, with the agents that told them.
func (e *evaluation) across(at place) iter.Seq2[*agent, *row] {
	return func(yield func(*agent, *row) bool) {
		for _, n := range []int{at.a, at.b} {
			for _, a := range e.State.nodes[n].agents {
				for i := range a.rows {
					r := &a.rows[i]
					if r.target != nil && r.six == e.six && r.class != ownNode && pairPlace(a.node, r.target.node) == at && !yield(a, r) {
						return
					}
				}
			}
		}
	}
}

// openPairs looks at the pairs of nodes between which something of a layer is bad that
// nothing explains; false where there are none.
func (e *evaluation) openPairs(l *layer) bool {
	for _, c := range l.needs {
		if n := e.cluster.rows[c]; n.all() > 0 && n.bad == 0 {
			return false
		}
	}
	ends := map[*node]bool{}
	for i := range e.items {
		it := &e.items[i]
		if it.done || !slices.Contains(l.needs, it.class) {
			continue
		}
		if at := pairPlace(it.from.node, it.to.node); e.pairs[at] == nil {
			e.pairs[at] = &tally{}
			ends[it.from.node], ends[it.to.node] = true, true
		}
	}
	if len(e.pairs) == 0 {
		return false
	}
	for i := range e.items {
		if it := &e.items[i]; !it.done && it.class != ownNode {
			e.addPair(it.from.node, it.to.node, it.class, it.sight, 1)
		}
	}
	for n := range ends {
		for _, a := range n.agents {
			e.addWell(a)
		}
	}
	return true
}

// addWell counts the rows of an agent that are not bad at the pairs that are looked at.
func (e *evaluation) addWell(a *agent) {
	for i := range a.rows {
		r := &a.rows[i]
		if r.target == nil || r.six != e.six || r.class == ownNode || !e.touched[r.target.node.index] {
			continue
		}
		if s := e.sight(a, r); s.is == isGood || s.is == isLate {
			e.addPair(a.node, r.target.node, r.class, s, 1)
		}
	}
}

// alone says whether all that is known of a node is known of a pair that it is in, too.
func (e *evaluation) alone(l *layer, n int, pair *tally) bool {
	all := e.tallies[n].sum(l.needs)
	return all.all() == pair.sum(l.needs).all()
}

// nodesIll counts the nodes that have bad rows of a layer, up to leastPeers.
func (e *evaluation) nodesIll(l *layer) (nodes int) {
	for n := range e.tallies {
		if e.tallies[n].sum(l.needs).bad > 0 {
			if nodes++; nodes >= leastPeers {
				break
			}
		}
	}
	return nodes
}

// peers counts the nodes that bad rows of a layer lead to from a node.
func (e *evaluation) peers(l *layer, n int) int {
	seen := map[*node]bool{}
	for _, i := range e.at(n) {
		it := &e.items[i]
		if it.done || !slices.Contains(l.needs, it.class) {
			continue
		}
		for _, o := range []*node{it.from.node, it.to.node} {
			if o.index != n {
				seen[o] = true
			}
		}
		if len(seen) >= leastPeers {
			break
		}
	}
	return len(seen)
}

// pairsOf counts the pairs of nodes whose rows of a layer are bad between two zones; more
// than one is as much as is asked for.
func (e *evaluation) pairsOf(l *layer, at place) (pairs int) {
	seen := map[place]bool{}
	for i := range e.items {
		it := &e.items[i]
		if !it.done && slices.Contains(l.needs, it.class) && zonePlace(it.from.node, it.to.node) == at {
			if seen[pairPlace(it.from.node, it.to.node)] = true; len(seen) > 1 {
				break
			}
		}
	}
	return len(seen)
}

// growing says whether one of a pair's nodes may soon be at fault as a whole.
func (e *evaluation) growing(l *layer, at place) bool {
	if e.members < leastPeers {
		return false
	}
	for _, n := range []int{at.a, at.b} {
		if _, waits := l.fits(&e.tallies[n]); waits {
			return true
		}
	}
	return false
}

// take takes out what a pick explains, and notes what of it is to be told.
func (e *evaluation) take(p *pick) { e.takeSince(p, e.now) }

// takeSince takes out those that were bad by then.
func (e *evaluation) takeSince(p *pick, since time.Time) {
	flows, tcp, n := 0, 0, 0
	visit := func(i *item) {
		if i.done || i.since.After(since) || !slices.Contains(p.layer.carries, i.class) || !e.leadsThrough(i, p) {
			return
		}
		e.explain(i)
		p.items++
		if p.since.IsZero() || i.since.Before(p.since) {
			p.since = i.since
		}
		if i.row == nil {
			return
		}
		n++
		if size := uint64(i.row.passes); size > 0 && (p.size == 0 || size < p.size) {
			p.size = size
		}
		if i.row.dial == dialWell {
			tcp++
		}
		if i.row.flows {
			flows++
		}
	}
	switch p.place.scope {
	case Node, Pair:
		for _, i := range e.at(p.place.a) {
			visit(&e.items[i])
		}
	default:
		for i := range e.items {
			visit(&e.items[i])
		}
	}
	p.flows, p.tcp = n > 0 && flows*2 >= n, n > 0 && tcp*10 >= n*9
}

// leadsThrough says whether a bad way of an item leads through a pick.
func (e *evaluation) leadsThrough(i *item, p *pick) bool {
	var inward, outward ways
	switch p.place.scope {
	case Cluster:
		return true
	case Node:
		inward, outward = i.touches(e.State.nodes[p.place.a])
	case Pair:
		if pairPlace(i.from.node, i.to.node) != p.place {
			return false
		}
		inward, outward = i.touches(e.State.nodes[p.place.a])
	case ZonePair:
		if zonePlace(i.from.node, i.to.node) != p.place {
			return false
		}
		inward, outward = back, forward
		if i.from.node.zoned != p.place.a {
			inward, outward = forward, back
		}
	}
	bad := i.sight.bad
	if i.sight.either {
		bad = forward | back
	}
	switch p.direction {
	case In:
		return bad&inward != 0
	case Out:
		return bad&outward != 0
	}
	return bad&(inward|outward) != 0
}

// left are the items that nothing explains, but for those that may be soon.
func (e *evaluation) left() (left []item) {
	for i := range e.items {
		it := &e.items[i]
		if !it.done && it.class != ownNode && !e.mayWait(it) {
			left = append(left, *it)
		}
	}
	return left
}

// mayWait says whether something is late where an item leads through.
func (e *evaluation) mayWait(i *item) bool {
	for _, n := range i.ends() {
		if e.flakes[n] {
			return true
		}
		for c := range between {
			if e.tallies[n].rows[c].late > 0 {
				return true
			}
		}
	}
	return false
}
