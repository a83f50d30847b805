package sim

import "time"

// class is that of a connection: what it comes from, and what it leads to.
type class uint8

const (
	podToPod class = iota
	podToHost
	hostToPod
	hostToHost
)

func classOf(fromHost, toHost bool) class {
	var c class
	if fromHost {
		c += hostToPod
	}
	if toHost {
		c += podToHost
	}
	return c
}

// spot is where packets come from and lead to.
type spot struct {
	node *node
	host bool
}

// packet is one on its way.
type packet struct {
	// size is that of the IP packet before anything encapsulates it.
	size  int
	class class // of its connection
	flow  uint16
	// fresh says that its connection is not known yet.
	fresh, tcp bool
}

const (
	mtu = 1500
	// capsule is what encapsulation adds.
	capsule = 50
	// The times that ways take, on one node, in one zone, and else; to which some
	// microseconds come by chance.
	within, near, far = 15 * time.Microsecond, 120 * time.Microsecond, 450 * time.Microsecond
)

// encapsulated says whether packets of a class are on their way between nodes.
func (w *World) encapsulated(c class) bool {
	switch w.cfg.Mode {
	case Overlay:
		return c == podToPod || c == hostToPod
	case Underlay:
		return c == podToPod
	}
	return false
}

// routed says whether packets go by the pod network, on their way between nodes: those that
// are encapsulated; and where nothing is, those to pods.
func (w *World) routed(c class, to *spot) bool {
	if w.cfg.Mode == Native {
		return !to.host
	}
	return w.encapsulated(c)
}

// mtuOf is how large packets of a class may be, as hosts know.
func (w *World) mtuOf(c class) int {
	if w.cfg.Mode == Native || c == hostToHost || w.cfg.Mode == Underlay && c == hostToPod {
		return mtu
	}
	return mtu - capsule // pods have one for all that they send
}

// journey is that of one packet.
type journey struct {
	w    *World
	p    *packet
	at   time.Duration
	lost bool
}

// carry brings a packet hop by hop from one spot to another. It returns when it is there; ok
// is false where it vanishes.
//
//	from a pod        the node's pods, out
//	on one node       between host and pod, or between pods
//	between nodes     tracking, class, pod network, link, all out;
//	                  zones, pair, pod pair;
//	                  link, pod network, class, tracking, all in
//	to a pod          the node's pods, in
func (w *World) carry(from, to *spot, p *packet, at time.Duration) (arrives time.Duration, ok bool) {
	a, b := from.node, to.node
	chance := w.random.Uint64()
	j := journey{w: w, p: p, at: at + time.Duration(chance&0x3fff)}
	if !from.host {
		j.pass(a.at[podsOut], p.size)
	}
	j.pass(a.at[tracking], p.size)
	if a == b {
		j.at += within
		if from.host != to.host {
			own := ownOut
			if to.host {
				own = ownIn
			}
			j.pass(a.at[own], p.size)
		}
	} else {
		j.cross(from, to, chance>>11 < w.lost)
	}
	if !to.host {
		j.pass(b.at[podsIn], p.size)
	}
	return j.at, !j.lost
}

// Passes says whether packets of full size get from one agent to another now, and back, as the
// first ones of a connection that the first one makes. Numbers are those of nodes.
func (w *World) Passes(from int, fromHost bool, to int, toHost bool) (there, back bool) {
	a, b, c := &spot{w.nodes[from], fromHost}, &spot{w.nodes[to], toHost}, classOf(fromHost, toHost)
	for _, way := range []struct {
		from, to *spot
		passes   *bool
	}{{a, b, &there}, {b, a, &back}} {
		p := packet{size: w.mtuOf(c), class: c, fresh: true}
		_, *way.passes = w.carry(way.from, way.to, &p, w.now)
	}
	return there, back
}

// cross brings it from one node to another.
func (j *journey) cross(from, to *spot, lost bool) {
	w, p, a, b := j.w, j.p, from.node, to.node
	routed, size := w.routed(p.class, to), p.size
	out, in := &a.at[classes+int(p.class)], &b.at[classes+4+int(p.class)]
	if routed {
		j.pass(a.at[podNetworkOut], size)
	}
	j.pass(*out, size)
	if w.encapsulated(p.class) {
		size += capsule
	}
	j.pass(a.at[linkOut], size)
	j.at += far
	if a.zone == b.zone {
		j.at += near - far
	}
	if len(w.between) > 0 {
		j.pass(w.between[way{AtZones, a.zone, b.zone}], size)
		j.pass(w.between[way{AtPair, a.number, b.number}], size)
		if routed {
			j.pass(w.between[way{AtPodPair, a.number, b.number}], size)
		}
	}
	j.lost = j.lost || lost || a.down || b.down
	j.pass(b.at[linkIn], size)
	if routed {
		j.pass(b.at[podNetworkIn], p.size)
	}
	j.pass(*in, p.size)
	j.pass(b.at[tracking], p.size)
}

// pass has it pass what may have faults.
func (j *journey) pass(e *element, size int) {
	if e != nil && !j.lost {
		j.meet(e, size)
	}
}

func (j *journey) meet(e *element, size int) {
	for _, f := range e.faults {
		if !f.on(j.at) || !f.Degree.concerns(j.p, size) {
			continue
		}
		d := &f.Degree
		j.at += d.Delay
		if d.Jitter > 0 {
			j.at += time.Duration(j.w.random.Int64N(int64(d.Jitter)))
		}
		if f.takes(j.w, j.at) {
			j.lost = true
			return
		}
	}
}

// concerns says whether it has anything to do with such a packet.
func (d *Degree) concerns(p *packet, size int) bool {
	return size > d.Above && (p.fresh || !d.New) && (p.tcp || !d.TCP) &&
		(d.Flows == 0 || float64(p.flow*40503)/(1<<16) < d.Flows)
}

// takes says whether a packet vanishes. Bursts and what is between them come one after the
// other, each as long as chance has it: of those Loss is what bursts take.
func (f *fault) takes(w *World, at time.Duration) bool {
	d := &f.Degree
	switch {
	case d.Loss >= 1:
		return true
	case d.Loss <= 0:
		return false
	case d.Burst <= 0:
		return w.random.Float64() < d.Loss
	}
	for f.known < at {
		if f.bad = !f.bad; f.bad {
			f.known += time.Duration(w.random.ExpFloat64() * float64(d.Burst))
		} else {
			f.known += time.Duration(w.random.ExpFloat64() * float64(d.Burst) * (1 - d.Loss) / d.Loss)
		}
	}
	return f.bad
}
