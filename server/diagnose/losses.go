package diagnose

import (
	"cmp"
	"slices"
	"time"
)

const (
	// verdict is how much the samples of a class have to say for a loss, or against it, to
	// be counted as evidence.
	verdict = 4
	// flaky is the rate of loss that makes paths seem dead now and then.
	flaky = 0.15
	// settles is how long it takes until the rate of a loss is known.
	settles = 30 * time.Second
	// leastRate is the rate from which on it is a loss: between what may be lost all the time and
	// the least that is tested for.
	leastRate = 0.006
	// learns is how long it takes until the background is known well enough for small losses to
	// be told from it.
	learns = 2 * time.Minute
	// leastLost are packets that a pair has lost at least.
	leastLost = 6
	// told are losses within which an agent says so, of about as many sessions as it has to
	// other nodes at most.
	toldAfter, mostSessions = 6, 8
	// A session loses again from so many seconds after it was told to lose before: what is lost
	// at one moment is told at once; and up to so many.
	againFrom, againUntil = 4, 120
	// lastsFor is for how long losses that no session has again are told until they are no
	// moment's: those of few sessions, and of short ones.
	lastsFor = 30 * time.Second
)

// suspect is a component that is lossy by its own sums.
type suspect struct {
	place  place
	nodes  [2]*node // of a node the first, of a pair both
	inward bool     // of a node; of pairs, that it is from the second to the first
	layer  int
	test   uint8
	of     []*lossy // one, or of zones that by either end
	rest   samples  // that nothing explains yet
	out    bool     // explained
}

// seen is what its test is about, by either end.
func (s *suspect) seen(end int) *seen { return &s.of[end].seen[s.test] }

// losses finds the components that are lossy, such that what one explains is not told of
// others: the one of which the samples say most, again and again.
func (d *diagnosis) losses() {
	all := d.suspects()
	var chosen []*suspect
	for {
		var best *suspect
		most := 0.0
		for i := range all {
			s := &all[i]
			if g := s.rest.gain(d.background(s.layer)); !s.out && g > most && d.holds(s) {
				best, most = s, g
			}
		}
		if best == nil {
			break
		}
		best.out = true
		if best.chosen() || best.lasts() { // else it is not told yet, and nothing else in its stead
			chosen = append(chosen, best)
			best.of[0].layer, best.of[0].owed, best.of[0].told = uint8(best.layer)+1, nil, d.now
		}
		for i := range all {
			d.explain(&all[i], best)
		}
	}
	d.tellLosses(chosen)
}

// suspects are all components that are lossy, in order.
func (d *diagnosis) suspects() (all []suspect) {
	add := func(s suspect) {
		l := s.of[0]
		if l.owed != nil && !l.owed.anyAlarmed() || d.outlives(&s) {
			for _, l := range s.of {
				l.reset() // what explained it is over, so it has to show that it is lossy by itself
			}
			return
		}
		layer, ok := d.layerOf(l)
		was := int(l.layer) - 1
		told := was >= 0 && l.alarmed[was]
		if ok = ok && d.lossAt(&s, layer); ok && told && layer != was && !d.holds(&s) {
			ok = false // what is told goes on until another layer can be told of instead
		}
		if ok || told && d.lossAt(&s, was) {
			all = append(all, s)
		}
	}
	if c := &d.sums.cluster; c.from.anyAlarmed() {
		add(suspect{place: place{scope: Cluster}, of: []*lossy{&c.from, &c.to}})
	}
	for n := range d.sums.active {
		for dir := range n.lossy {
			if n.index >= 0 && n.lossy[dir].anyAlarmed() {
				add(suspect{place: place{scope: Node, a: n.index}, nodes: [2]*node{n}, inward: dir == in, of: []*lossy{n.lossy[dir]}})
			}
		}
	}
	for key, l := range d.sums.pairs {
		if at := pairPlace(key.from, key.to); l.anyAlarmed() {
			add(suspect{place: at, nodes: [2]*node{key.from, key.to}, inward: key.from.index > key.to.index, of: []*lossy{l}})
		}
	}
	for key, z := range d.sums.zones {
		at := key.place()
		if z.from.anyAlarmed() {
			add(suspect{place: at, inward: key.from > key.to, of: []*lossy{&z.from, &z.to}})
		}
	}
	slices.SortFunc(all, func(a, b suspect) int {
		return cmp.Or(a.place.compare(b.place), cmp.Compare(number(a.inward), number(b.inward)))
	})
	return all
}

// outlives says whether what a suspect lost is of a time in which a finding told of a loss at
// all nodes, which are well by now: agents that were not alarmed tell late what they lost then.
func (d *diagnosis) outlives(s *suspect) bool {
	l := s.of[0]
	if l.layer > 0 {
		return false
	}
	w := &d.sums.cluster.from
	return s.place.scope != Cluster && !w.anyAlarmed() && w.toldSince(l.since())
}

// lossAt has a suspect be one of a layer; false where that is dead rather than lossy.
func (d *diagnosis) lossAt(s *suspect, layer int) bool {
	s.layer, s.test = layer, s.of[0].test[layer]
	s.rest = s.seen(0).all(layer)
	return !d.deadAt(s, layer)
}

// deadAt says whether a suspect's place is dead rather than lossy. One that was told to be lossy
// is so until it is told to be dead: where much is lost, what is dead by chance comes and goes.
func (d *diagnosis) deadAt(s *suspect, layer int) bool {
	if int(s.of[0].layer) == layer+1 && s.place.scope != Cluster {
		subject, _ := d.subject(s.place, NoDirection)
		return slices.ContainsFunc(d.findings, func(f Finding) bool { return networks[f.Kind] && f.Subject == subject })
	}
	switch s.place.scope {
	case Node:
		return d.isDown(s.nodes[0], layer)
	case Pair:
		return d.isDown(s.nodes[0], layer) || d.isDown(s.nodes[1], layer) || d.isCut(s.nodes[0], s.nodes[1], layer)
	case ZonePair:
		return d.isDead(d.cut[ends{zones: zonesOf{s.place.a, s.place.b}}], layer)
	}
	return false
}

func number(is bool) int {
	if is {
		return 1
	}
	return 0
}

// background is that of a layer: the largest of its classes'.
func (d *diagnosis) background(layer int) (b float64) {
	for c := range between {
		if has(layer, c) {
			b = max(b, d.sums.levels[c])
		}
	}
	return b
}

// layerOf is the lowest layer that explains which classes lose, and which do not; false
// where that is not known yet:
//
//	host-to-host   pod-to-pod   others       lossy is
//	-------------  -----------  -----------  ----------------------
//	loses          loses        any          the link
//	loses not      loses        any          the pod network
//	loses          loses not    any          host-to-host
//	loses not      loses not    one loses    that class
func (d *diagnosis) layerOf(l *lossy) (layer int, known bool) {
	busiest := d.busiest(l)
	says := func(c class) float64 {
		s := l.seen[d.testOf(l)].classes[c]
		if s.lost == 0 && d.toldOf(l, busiest) {
			s.all = max(s.all, busiest.all)
		}
		return s.by(d.stepLike(c, d.testOf(l), busiest))
	}
	host, pod := says(hostHost), says(podPod)
	switch {
	case l.alarmed[linkSum] && host > verdict && pod > verdict:
		return linkSum, true
	case host < -verdict && pod > verdict && l.alarmed[podSum]:
		return podSum, true
	case host < -verdict && pod > verdict && l.alarmed[classSum+int(podPod)]:
		return classSum + int(podPod), true
	case host > verdict && pod < -verdict && l.alarmed[classSum+int(hostHost)]:
		return classSum + int(hostHost), true
	case host < -verdict && pod < -verdict:
		for _, c := range []class{hostPod, podHost} {
			if l.alarmed[classSum+int(c)] {
				return classSum + int(c), true
			}
		}
	}
	return 0, false
}

// stepLike is that of a class for losses as frequent as those of others: half as much, for these
// are not known better; and at least the rate of a test.
func (d *diagnosis) stepLike(c class, test uint8, others samples) step {
	rate := rateFive
	if test == one {
		rate = rateOne
	}
	return stepOf(max(rate, others.rate()/2), d.sums.levels[c])
}

// testOf is the test by which the lowest layer that is lossy was found to be so.
func (d *diagnosis) testOf(l *lossy) uint8 {
	i := slices.Index(l.alarmed[:], true)
	return l.test[max(0, i)]
}

// busiest are the samples of the class that lost most.
func (d *diagnosis) busiest(l *lossy) (most samples) {
	for _, s := range l.seen[d.testOf(l)].classes {
		if s.lost > most.lost {
			most = s
		}
	}
	return most
}

// toldOf says whether agents whose samples are lost like these would have said so by now:
// while all is well they only tell in their reports.
func (d *diagnosis) toldOf(l *lossy, s samples) bool {
	sessions := float64(min(max(len(d.nodes)-1, 1), mostSessions))
	patience := speaks + time.Duration(toldAfter/(max(s.rate(), leastBackground)*sessions)*float64(time.Second))
	return s.lost > 0 && d.now.Sub(l.seen[d.testOf(l)].since) >= patience
}

// holds says whether a suspect is lossy as a whole: a pair, while its nodes are not; all
// else, also without the worst of its parts. Of two nodes alone none of this can be known.
func (d *diagnosis) holds(s *suspect) bool {
	step := d.sums.steps[s.class()][s.test]
	alone := len(d.nodes) < 3
	switch {
	case s.chosen():
		return true
	case s.rest.rate() < leastRate, s.test == one && d.now.Sub(d.began) < learns:
		return false
	case s.place.scope == Pair:
		from, to := s.nodes[0], s.nodes[1]
		like := d.stepLike(s.class(), s.test, s.rest)
		if back := from.lossy[in].may(s, to, like) || to.lossy[out].may(s, from, like); back && d.now.Sub(s.seen(0).since) < settles {
			return false // one of the nodes loses in the other direction, so perhaps in both
		}
		return s.rest.lost >= leastLost && (alone || !from.lossy[out].spreads(s, to, like) && !to.lossy[in].spreads(s, from, like))
	case s.place.scope == Node:
		return alone || s.seen(0).spread(s.rest, step)
	}
	return alone || s.withoutWorst().by(step) >= others && (s.place.scope != Cluster || s.everywhere())
}

// lasts says whether what is lost is no moment's: a path that is dead for some seconds is no
// loss once it is over.
func (s *suspect) lasts() bool {
	e := s.seen(0)
	return s.rest.again*8 >= s.rest.lost || e.last.Sub(e.since) >= lastsFor
}

// may says whether a node is lossy in a direction, and not on the way to or from a peer alone.
func (l *lossy) may(s *suspect, peer *node, step step) bool {
	return l.anyAlarmed() && l.spreads(s, peer, step)
}

// spreads says whether a node may lose on the ways to other peers as well, by a suspect's test.
func (l *lossy) spreads(s *suspect, peer *node, step step) bool {
	return l != nil && l.seen[s.test].spreads(peer, s.layer, step)
}

// spread says whether these samples show a loss without those of the peer that lost most.
func (e *seen) spread(all samples, step step) bool {
	worst, parts := e.worst(), samples{}
	for _, p := range e.parts {
		parts = parts.and(p.samples)
	}
	if parts.all == 0 {
		return false
	}
	without := samples{lost: max(0, all.lost-worst.lost), all: all.all * (1 - worst.all/parts.all)}
	return without.by(step) >= others
}

// spreads says whether a node may lose on the ways to other peers as well, for all that is
// known.
func (e *seen) spreads(peer *node, layer int, step step) bool {
	if !e.active {
		return false // its sums are at nothing, also with the losses on the way to that peer
	}
	all, of, parts := e.all(layer), e.of(peer), samples{}
	for _, p := range e.parts {
		parts = parts.and(p.samples)
	}
	without := samples{lost: max(0, all.lost-of.lost), all: all.all * (1 - of.all/max(1, parts.all))}
	return without.by(step) > -verdict
}

// chosen says whether it was told by the last evaluation.
func (s *suspect) chosen() bool { return s.of[0].layer == uint8(s.layer)+1 }

// withoutWorst are the samples of many nodes, but for those of the one that lost most, on
// the ways from it and to it.
func (s *suspect) withoutWorst() samples {
	lost := map[*node]samples{}
	for i := range s.of {
		for _, p := range s.seen(i).parts {
			lost[p.peer] = lost[p.peer].and(p.samples)
		}
	}
	var worst samples
	for _, n := range lost {
		if n.lost > worst.lost {
			worst = n
		}
	}
	return s.rest.minus(worst)
}

// everywhere says whether what is lost between all nodes is so of what leaves most of them.
func (s *suspect) everywhere() bool {
	lossy, parts := 0, s.seen(0).parts
	for _, p := range parts {
		if p.rate() >= s.rest.rate()/3 {
			lossy++
		}
	}
	return lossy*5 >= len(parts)*4
}

// class is one of the layer's.
func (s *suspect) class() class {
	if s.layer >= classSum {
		return class(s.layer - classSum)
	}
	return podPod
}

// explain takes out of a suspect what another explains.
func (d *diagnosis) explain(s, by *suspect) {
	if s == by || s.out {
		return
	}
	o := d.overlap(s, by)
	if o.lost == 0 {
		return
	}
	s.rest = s.rest.minus(o)
	if s.rest.by(d.sums.steps[s.class()][s.test]) < alarm {
		s.out = true
		s.of[0].layer, s.of[0].owed = 0, by.of[0]
	}
}

// overlap are the samples of s that by has as well.
func (d *diagnosis) overlap(s, by *suspect) samples {
	same := func(n *node, leaves bool) samples { // what of s leaves or enters n
		switch s.place.scope {
		case Node:
			if s.nodes[0] != n && s.inward == leaves {
				return s.seen(0).of(n)
			}
		case Pair:
			if s.nodes[0] == n && leaves || s.nodes[1] == n && !leaves {
				return s.rest
			}
		case ZonePair, Cluster:
			if leaves {
				return s.seen(0).of(n)
			}
			return s.seen(1).of(n)
		}
		return samples{}
	}
	switch by.place.scope {
	case Cluster:
		return s.rest
	case Node:
		return same(by.nodes[0], !by.inward)
	case Pair:
		switch s.place.scope {
		case Node:
			if s.inward && s.nodes[0] == by.nodes[1] {
				return s.seen(0).of(by.nodes[0])
			}
			if !s.inward && s.nodes[0] == by.nodes[0] {
				return s.seen(0).of(by.nodes[1])
			}
		case ZonePair, Cluster:
			if s.place.scope == Cluster || zonePlace(by.nodes[0], by.nodes[1]) == s.place && (by.nodes[0].zoned > by.nodes[1].zoned) == s.inward {
				return by.rest
			}
		}
	case ZonePair:
		return d.ofZones(s, by)
	}
	return samples{}
}

// ofZones are the samples of s that go between the zones of by.
func (d *diagnosis) ofZones(s, by *suspect) (o samples) {
	from, to := by.place.a, by.place.b
	if by.inward {
		from, to = to, from
	}
	switch s.place.scope {
	case Cluster:
		return by.rest
	case Pair:
		if s.nodes[0].zoned == from && s.nodes[1].zoned == to {
			return s.rest
		}
	case Node:
		for _, p := range s.seen(0).parts {
			if s.inward && s.nodes[0].zoned == to && p.peer.zoned == from || !s.inward && s.nodes[0].zoned == from && p.peer.zoned == to {
				o = o.and(p.samples)
			}
		}
	}
	return o
}

// tellLosses makes findings of those that were chosen: of two directions of one place, one.
func (d *diagnosis) tellLosses(chosen []*suspect) {
	for i, s := range chosen {
		if s == nil {
			continue
		}
		direction, n, since := Out, s.rest, s.seen(0).since
		if s.inward {
			direction = In
		}
		for j := i + 1; j < len(chosen); j++ {
			if o := chosen[j]; o != nil && o.place == s.place && o.layer == s.layer {
				direction, n, chosen[j] = Both, n.and(o.rest), nil
				if o.seen(0).since.Before(since) {
					since = o.seen(0).since
				}
			}
		}
		f := Finding{Kind: Loss, Severity: Warning, Since: since, Sure: true, Loss: n.rate()}
		f.For = []Count{{"packets", int(n.lost), int(n.all)}}
		f.Subject, f.Direction = d.subject(s.place, direction)
		switch {
		case s.layer == podSum:
			f.Class = podPod.String()
		case s.layer >= classSum:
			f.Class = s.class().String()
		}
		d.findings = append(d.findings, f)
	}
}

// flaky says whether so much is lost at a node that its paths seem dead now and then.
func (n *node) flaky(now time.Time) bool {
	for _, l := range n.lossy {
		if l == nil {
			continue
		}
		if layer := slices.Index(l.alarmed[:], true); layer >= 0 && l.flaky(layer, now) || layer < 0 && l.loses() {
			n.flaked = now
		}
	}
	return !n.flaked.IsZero() && now.Sub(n.flaked) < settles/2
}

func (l *lossy) flaky(layer int, now time.Time) bool {
	e := &l.seen[l.test[layer]]
	return now.Sub(e.since) < settles || e.all(layer).rate() >= flaky
}
