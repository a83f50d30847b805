package diagnose

import "cmp"

// count counts rows of a class.
type count struct{ bad, good, late int32 }

func (c count) and(o count) count { return count{c.bad + o.bad, c.good + o.good, c.late + o.late} }

func (c *count) add(is sightOf, n int32) {
	switch is {
	case isLate:
		c.late += n
	case isGood:
		c.good += n
	case isBad:
		c.bad += n
	}
}

// all is how many are known.
func (c count) all() int { return int(c.bad + c.good + c.late) }

// A component is at fault where at least four fifths of its rows are bad, and at most a
// tenth are good.
func (c count) fits() bool { return c.bad > 0 && c.good*9 <= c.bad && c.bad*5 >= int32(c.all())*4 }

// waits says that it may soon be.
func (c count) waits() bool { return c.late > 0 && c.good*9 <= c.bad+c.late && !c.fits() }

// cell counts rows of a class in one direction; of what is either that or the other, too.
type cell struct{ bad, either, good int32 }

// The directions of a component.
const (
	in = iota
	out
	directions
)

// tally is what the rows of a component amount to.
type tally struct {
	rows [classes]count
	// inward are those of them whose targets are there.
	inward [classes]count
	ways   [classes][directions]cell
}

// add adds n rows that show the same. outward says that their way forward is the component's
// way out.
func (t *tally) add(c class, s sight, outward bool, n int32) {
	t.rows[c].add(s.is, n)
	f, b := out, in
	if !outward {
		t.inward[c].add(s.is, n)
		f, b = in, out
	}
	t.ways[c][f].add(s, forward, n)
	t.ways[c][b].add(s, back, n)
}

func (c *cell) add(s sight, w ways, n int32) {
	switch {
	case s.either:
		c.either += n
	case s.bad&w != 0:
		c.bad += n
	case s.good&w != 0:
		c.good += n
	}
}

// possible says whether a direction may be at fault, of a component of which so many rows are
// bad, in whatever direction: a few that are good by chance don't show that it is not.
func (c cell) possible(rows int32) bool {
	return c.bad+c.either > 0 && c.good*9 <= max(c.bad+c.either, rows)
}

// silent says that nothing is known of a direction.
func (c cell) silent() bool { return c == cell{} }

// sum adds up the rows of classes.
func (t *tally) sum(cs []class) (c count) {
	for _, k := range cs {
		c = c.and(t.rows[k])
	}
	return c
}

// direction is the one in which the rows of classes are bad; false where in none that could
// be at fault.
func (t *tally) direction(cs []class) (Direction, bool) {
	var w [directions]cell
	for _, k := range cs {
		for d := range w {
			o := t.ways[k][d]
			w[d].bad, w[d].either, w[d].good = w[d].bad+o.bad, w[d].either+o.either, w[d].good+o.good
		}
	}
	rows := t.sum(cs).bad
	isIn, isOut := w[in].possible(rows), w[out].possible(rows)
	switch {
	case isIn && isOut && w[in].bad > 0 && w[out].bad > 0:
		return Both, true
	case isIn && isOut && w[in].bad > 0:
		return InOrBoth, true
	case isIn && isOut && w[out].bad > 0:
		return OutOrBoth, true
	case isIn && isOut:
		return InOrOut, true
	case isIn && w[out].silent():
		return InOrBoth, true
	case isOut && w[in].silent():
		return OutOrBoth, true
	case isIn:
		return In, true
	case isOut:
		return Out, true
	}
	return NoDirection, false
}

// place is a component without its layer: the cluster, a node, or a pair of nodes or zones,
// by their indices, the lower first.
type place struct {
	scope Scope
	a, b  int
}

func (p place) compare(o place) int {
	return cmp.Or(cmp.Compare(p.scope, o.scope), cmp.Compare(p.a, o.a), cmp.Compare(p.b, o.b))
}

// board has the tallies of one symptom, and the items that are bad.
type board struct {
	items   []item
	cluster tally
	tallies []tally // of nodes
	// zonePairs are those of zones between which something is bad, and pairs those of nodes,
	// as they are looked at for one layer.
	zonePairs map[zonesOf]*tally
	pairs     map[place]*tally
	// touched says of a node that something bad leads there.
	touched []bool
	// byNode has the items that touch a node: byNode[first[n]:first[n+1]].
	first, byNode []int32
	// members is how many nodes have rows to others.
	members int
}

// reset empties the board.
func (b *board) reset(nodes int) {
	b.items, b.cluster, b.members = b.items[:0], tally{}, 0
	b.tallies, b.touched = cleared(&b.tallies, nodes), cleared(&b.touched, nodes)
	b.zonePairs, b.pairs = map[zonesOf]*tally{}, map[place]*tally{}
}

func pairPlace(x, y *node) place {
	return place{Pair, min(x.index, y.index), max(x.index, y.index)}
}

func zonePlace(x, y *node) place { return zonesApart(x, y).place() }

// zonesApart are the zones of two nodes, the lower first.
func zonesApart(x, y *node) zonesOf { return zonesOf{min(x.zoned, y.zoned), max(x.zoned, y.zoned)} }

func (z zonesOf) place() place { return place{ZonePair, min(z.from, z.to), max(z.from, z.to)} }

// open has all that an item leads through be counted from then on.
func (b *board) open(i *item) {
	from, to := i.from.node, i.to.node
	b.touched[from.index], b.touched[to.index] = true, true
	if at := zonesApart(from, to); from.zoned != to.zoned && b.zonePairs[at] == nil {
		b.zonePairs[at] = &tally{}
	}
}

// add counts a row n times at all places that it leads through. Those of zones are counted
// where something between them is bad.
func (b *board) add(from, to *node, c class, s sight, n int32) {
	b.cluster.add(c, s, true, n)
	b.tallies[from.index].add(c, s, true, n)
	if c == ownNode {
		return
	}
	b.tallies[to.index].add(c, s, false, n)
	if from.zoned == to.zoned {
		return
	}
	if t := b.zonePairs[zonesApart(from, to)]; t != nil {
		t.add(c, s, from.zoned < to.zoned, n)
	}
}

// addPair counts a row n times at its pair of nodes, if that is looked at.
func (b *board) addPair(from, to *node, c class, s sight, n int32) {
	if t := b.pairs[pairPlace(from, to)]; t != nil {
		t.add(c, s, from.index < to.index, n)
	}
}

// index sorts the items by the nodes that they touch.
func (b *board) index() {
	n := len(b.tallies)
	b.first = cleared(&b.first, n+1)
	for i := range b.items {
		for _, at := range b.items[i].ends() {
			b.first[at]++
		}
	}
	total := int32(0)
	for i := range b.first {
		b.first[i], total = total, total+b.first[i]
	}
	b.byNode = cleared(&b.byNode, int(total))
	next := append([]int32(nil), b.first...)
	for i := range b.items {
		for _, at := range b.items[i].ends() {
			b.byNode[next[at]] = int32(i)
			next[at]++
		}
	}
}

// at are the items that touch a node, by their index.
func (b *board) at(n int) []int32 { return b.byNode[b.first[n]:b.first[n+1]] }

// explain takes an item out.
func (b *board) explain(i *item) {
	i.done = true
	b.add(i.from.node, i.to.node, i.class, i.sight, -1)
	if len(b.pairs) > 0 && i.class != ownNode {
		b.addPair(i.from.node, i.to.node, i.class, i.sight, -1)
	}
}
