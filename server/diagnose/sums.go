package diagnose

import (
	"cmp"
	"math"
	"slices"
	"time"
)

const (
	// The rates that a loss is tested for, against the background, which is at least
	// leastBackground and at most mostBackground.
	rateFive, rateOne               = 0.05, 0.01
	leastBackground, mostBackground = 0.001, 0.01
	// alarm is where a sum says that a component is lossy, others where it has to be
	// without its worst peer, and healed where one with signs turned says that it is over.
	alarm, others, healed = 25, 8, 5
	// healedFor is for how long it has to say so: where there are thousands of samples in a
	// second, a hundred in a row come without a loss by chance.
	healedFor = 8 * time.Second
	// minutes is how long the background is remembered.
	minutes = 10
	// remembered is for how long it is known that a pair was lossy.
	remembered = 2 * time.Minute
	// mostParts bounds the peers whose share of a component's losses is known.
	mostParts = 24
	// mostZones bounds the zones between pairs of which losses are summed.
	mostZones = 64
)

// The tests of a sum.
const (
	five = iota
	one
	tests
)

// The layers of a sum: samples of all classes that share a component.
const (
	// linkSum has all classes, podSum those that are on the pod network: pod-to-pod and
	// host-to-pod. After these come each class's own.
	linkSum = iota
	podSum
	classSum
	layers = classSum + int(between)
)

// has says whether a layer has the samples of a class.
func has(layer int, c class) bool {
	return layer == linkSum || layer == podSum && (c == podPod || c == hostPod) || layer == classSum+int(c)
}

// step is what a loss adds to a sum, and a delivery takes away.
type step struct{ loss, delivery float64 }

// stepOf is that of a test for a rate against a background.
func stepOf(rate, background float64) step {
	return step{math.Log(rate / background), math.Log((1 - background) / (1 - rate))}
}

// samples are packets in one direction of a component, as many of which are lost; again by
// sessions that had lost some before, so that they are not of one moment.
type samples struct{ lost, all, again float64 }

func (s samples) minus(o samples) samples {
	return samples{lost: max(0, s.lost-o.lost), all: max(0, s.all-o.all), again: max(0, s.again-o.again)}
}

func (s samples) and(o samples) samples {
	return samples{lost: s.lost + o.lost, all: s.all + o.all, again: s.again + o.again}
}

// rate is the part that is lost.
func (s samples) rate() float64 {
	if s.all == 0 {
		return 0
	}
	return s.lost / s.all
}

// by is what a test says of samples.
func (s samples) by(t step) float64 { return s.lost*t.loss - (s.all-s.lost)*t.delivery }

// gain is how much better these samples are explained by their own rate than by the
// background.
func (s samples) gain(background float64) float64 {
	r := s.rate()
	if r <= background {
		return 0
	}
	gain := s.lost * math.Log(r/background)
	if r < 1 {
		gain += (s.all - s.lost) * math.Log((1-r)/(1-background))
	}
	return gain
}

// part is what one peer has of the samples of a component.
type part struct {
	peer *node
	samples
}

// lossy are the sums of a component in one direction, from the first loss on until they
// are all back at nothing.
type lossy struct {
	sums [layers][tests]float64
	// seen is what each test is about, and active says that any of the sums is above nothing.
	seen   [tests]seen
	active bool
	// alarmed are the layers that are lossy, and well how much speaks against each since.
	alarmed [layers]bool
	well    [layers]float64
	better  [layers]time.Time // since when that is so
	test    [layers]uint8     // that alarmed
	// layer is the one that a finding tells of, counted from 1; 0 for none. owed is what
	// explained these losses last; nil for nothing.
	layer uint8
	owed  *lossy
	// told is when a finding told of it last.
	told time.Time
}

// seen are the samples since the sums of a test were at nothing last, which is when what they
// show began.
type seen struct {
	classes [between]samples
	parts   []part
	active  bool
	// since is when the first loss was told, and last when the last was.
	since, last time.Time
}

// add adds samples of a class, of a peer. It does nothing for deliveries while nothing is
// lost, which is most often so.
func (l *lossy) add(c class, peer *node, s samples, steps *[tests]step, now time.Time) {
	if s.lost == 0 && !l.active {
		return
	}
	for t := range l.seen {
		l.seen[t].add(c, peer, s, now)
	}
	for layer := range l.sums {
		if has(layer, c) {
			l.sum(layer, s, steps, now)
		}
	}
	if over := l.layer > 0 && !l.alarmed[l.layer-1]; over {
		l.reset()
		return
	}
	l.active = l.anyAlarmed()
	for t := range l.seen {
		if !l.anyAlarmed() && !l.rises(t) {
			l.seen[t] = seen{parts: l.seen[t].parts[:0]}
		}
		l.active = l.active || l.seen[t].active
	}
}

// reset forgets all but that a finding told of it.
func (l *lossy) reset() { *l = lossy{told: l.told} }

// rises says whether any sum of a test is above nothing.
func (l *lossy) rises(test int) bool {
	return slices.ContainsFunc(l.sums[:], func(s [tests]float64) bool { return s[test] > 0 })
}

func (e *seen) add(c class, peer *node, s samples, now time.Time) {
	if !e.active {
		if s.lost == 0 {
			return
		}
		e.active, e.since = true, now
	}
	if s.lost > 0 {
		e.last = now
	}
	e.classes[c] = e.classes[c].and(s)
	e.part(peer, s)
}

// sum adds samples to the sums of a layer.
func (l *lossy) sum(layer int, s samples, steps *[tests]step, now time.Time) {
	for t := range steps {
		to := &l.sums[layer][t]
		*to = max(0, *to+s.by(steps[t]))
		if *to >= alarm && !l.alarmed[layer] && steps[t].loss > 0 {
			l.alarmed[layer], l.well[layer], l.test[layer] = true, 0, uint8(t)
		}
	}
	if !l.alarmed[layer] {
		return
	}
	if l.well[layer] == 0 {
		l.better[layer] = now
	}
	l.well[layer] = max(0, l.well[layer]-s.by(steps[l.test[layer]]))
	if l.well[layer] >= healed && now.Sub(l.better[layer]) >= healedFor {
		l.alarmed[layer], l.well[layer], l.sums[layer] = false, 0, [tests]float64{}
	}
}

// part adds to what a peer has. Of too many, the one that lost the least goes.
func (e *seen) part(peer *node, s samples) {
	for i := range e.parts {
		if e.parts[i].peer == peer {
			e.parts[i].samples = e.parts[i].and(s)
			return
		}
	}
	if len(e.parts) >= mostParts {
		least := 0
		for i := range e.parts {
			if e.parts[i].lost < e.parts[least].lost {
				least = i
			}
		}
		e.parts = slices.Delete(e.parts, least, least+1)
	}
	e.parts = append(e.parts, part{peer, s})
}

// all are the samples of a layer.
func (e *seen) all(layer int) (s samples) {
	for c := range between {
		if has(layer, c) {
			s = s.and(e.classes[c])
		}
	}
	return s
}

// of are those of a peer.
func (e *seen) of(peer *node) samples {
	for _, p := range e.parts {
		if p.peer == peer {
			return p.samples
		}
	}
	return samples{}
}

// worst is what the peer has that lost most.
func (e *seen) worst() (w samples) {
	for _, p := range e.parts {
		if p.lost > w.lost {
			w = p.samples
		}
	}
	return w
}

// since is when the first of all losses was told that it has.
func (l *lossy) since() (first time.Time) {
	for t := range l.seen {
		if e := &l.seen[t]; e.active && (first.IsZero() || e.since.Before(first)) {
			first = e.since
		}
	}
	return first
}

// anyAlarmed says whether any layer is lossy.
func (l *lossy) anyAlarmed() bool { return l != nil && l.alarmed != [layers]bool{} }

// isActive says whether any sum is above nothing.
func (l *lossy) isActive() bool { return l != nil && l.active }

// toldSince says whether a finding told of it since a time.
func (l *lossy) toldSince(at time.Time) bool { return l != nil && l.told.After(at) }

// pairOf is a pair of nodes, from the one to the other, and zonesOf one of zones.
type (
	pairOf  struct{ from, to *node }
	zonesOf struct{ from, to int }
)

func (z zonesOf) compare(o zonesOf) int {
	return cmp.Or(cmp.Compare(z.from, o.from), cmp.Compare(z.to, o.to))
}

// between zones, the parts are known by both ends.
type zonal struct{ from, to lossy }

// minute is what was counted in one.
type minute struct{ classes [between]samples }

// sums are all of them.
type sums struct {
	now     time.Time
	cluster zonal
	pairs   map[pairOf]*lossy
	zones   map[zonesOf]*zonal
	// active are the nodes one of whose sums is above nothing.
	active map[*node]bool

	background [minutes]minute
	minute     int64
	steps      [between][tests]step
	levels     [between]float64
}

func newSums(now time.Time) sums {
	s := sums{pairs: map[pairOf]*lossy{}, zones: map[zonesOf]*zonal{}, active: map[*node]bool{}, minute: now.Unix() / 60}
	s.level()
	return s
}

// pass notes what time it is.
func (s *sums) pass(now time.Time) {
	s.now = now
	m := now.Unix() / 60
	if m == s.minute {
		return
	}
	for i := s.minute + 1; i <= m && i <= s.minute+minutes; i++ {
		s.background[((i%minutes)+minutes)%minutes] = minute{}
	}
	s.minute = m
	s.level()
}

// level takes the background of each class, and with it what losses add.
func (s *sums) level() {
	for c := range between {
		var all samples
		for i := range s.background {
			all = all.and(s.background[i].classes[c])
		}
		level := min(max(all.rate(), leastBackground), mostBackground)
		s.levels[c] = level
		s.steps[c] = [tests]step{five: stepOf(rateFive, level), one: stepOf(rateOne, level)}
	}
}

// add adds a batch of a session from one node to another. What is lost of questions that
// are dead is not among it before they are answered again.
// since is when what it counts began to be counted.
func (s *sums) add(from, to *node, c class, b batch, since time.Time) {
	if c >= between {
		return
	}
	way := func(from, to *node, lost, came uint32) {
		n := samples{lost: float64(lost), all: float64(lost + came)}
		if b.again {
			n.again = n.lost
		}
		s.way(from, to, c, n, since)
	}
	way(from, to, b.lostForward, b.cameThere)
	way(to, from, b.lostBack, b.delivered)
}

// way adds samples that went from one node to another.
func (s *sums) way(from, to *node, c class, n samples, since time.Time) {
	if n.all == 0 {
		return
	}
	steps := &s.steps[c]
	out, in := from.lossy[1], to.lossy[0]
	if n.lost > 0 && s.explains(from, to, since) {
		s.known(from, to, c, n, steps)
		return
	}
	if !out.anyAlarmed() && !in.anyAlarmed() && s.cluster.from.layer == 0 {
		b := &s.background[((s.minute%minutes)+minutes)%minutes]
		b.classes[c] = b.classes[c].and(n)
	}
	if n.lost > 0 || out.isActive() {
		from.losing(1).add(c, to, n, steps, s.now)
		s.note(from)
	}
	if n.lost > 0 || in.isActive() {
		to.losing(0).add(c, from, n, steps, s.now)
		s.note(to)
	}
	s.pair(from, to, c, n, steps)
	s.zone(from, to, c, n, steps)
	s.cluster.add(from, to, c, n, steps, s.now)
}

// explains says whether samples with losses are of a time in which a finding told of the loss
// of one of the nodes, or of the pair: agents that are not alarmed tell of it much later.
func (s *sums) explains(from, to *node, since time.Time) bool {
	pair := s.pairs[pairOf{from, to}]
	return from.lossy[1].toldSince(since) || to.lossy[0].toldSince(since) || pair.toldSince(since)
}

// known adds samples to those of what is known to be lossy alone.
func (s *sums) known(from, to *node, c class, n samples, steps *[tests]step) {
	if out := from.lossy[1]; out.anyAlarmed() {
		out.add(c, to, n, steps, s.now)
	}
	if in := to.lossy[0]; in.anyAlarmed() {
		in.add(c, from, n, steps, s.now)
	}
	if l := s.pairs[pairOf{from, to}]; l.anyAlarmed() {
		l.add(c, to, n, steps, s.now)
	}
}

// zone adds samples to those of a pair of zones, whose sums are there while they are above
// nothing.
func (s *sums) zone(from, to *node, c class, n samples, steps *[tests]step) {
	if n.lost == 0 && len(s.zones) == 0 || from.zoned == to.zoned || max(from.zoned, to.zoned) >= mostZones {
		return
	}
	key := zonesOf{from.zoned, to.zoned}
	z := s.zones[key]
	if z == nil && n.lost > 0 {
		z = &zonal{}
		s.zones[key] = z
	}
	if z.add(from, to, c, n, steps, s.now); z != nil && !z.from.active {
		delete(s.zones, key)
	}
}

func (z *zonal) add(from, to *node, c class, n samples, steps *[tests]step, now time.Time) {
	if z == nil || n.lost == 0 && !z.from.active {
		return
	}
	z.from.add(c, from, n, steps, now)
	if z.to.add(c, to, n, steps, now); !z.from.active {
		z.to.reset()
	}
}

// note notes whether any sum of a node is above nothing, and drops those that are not.
func (s *sums) note(n *node) {
	active := false
	for i, l := range n.lossy {
		if l.isActive() {
			active = true
		} else if l != nil && s.now.Sub(l.told) > remembered {
			n.lossy[i] = nil
		}
	}
	if active {
		s.active[n] = true
	} else {
		delete(s.active, n)
	}
}

// pair adds samples to those of a pair, whose sums are there while they are above nothing.
func (s *sums) pair(from, to *node, c class, n samples, steps *[tests]step) {
	if n.lost == 0 && (from.pairs == 0 || to.pairs == 0) {
		return
	}
	key := pairOf{from, to}
	l := s.pairs[key]
	switch {
	case l == nil && n.lost == 0:
		return
	case l == nil:
		l = &lossy{}
		s.pairs[key] = l
		from.pairs++
		to.pairs++
	}
	if l.add(c, to, n, steps, s.now); !l.active && s.now.Sub(l.told) > remembered {
		s.drop(key)
	}
}

func (s *sums) drop(key pairOf) {
	delete(s.pairs, key)
	key.from.pairs--
	key.to.pairs--
}

// forget forgets a node that is not in the list any more.
func (s *sums) forget(n *node) {
	delete(s.active, n)
	for key := range s.pairs {
		if key.from == n || key.to == n {
			s.drop(key)
		}
	}
}
