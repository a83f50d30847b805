package sim

import "time"

const (
	// segment is what IP and TCP add to what is sent, and bare the size of a packet that only
	// opens a connection, acknowledges or refuses.
	segment, bare = 52, 60
	// again is after how long TCP sends again what was not acknowledged, at first; and
	// knock after how long it tries again to connect.
	again, knock = 200 * time.Millisecond, time.Second
)

// route is the way of a connection: leg by leg, where something on the way leads it on to
// another address; and gates that its packets pass besides.
type route struct {
	legs  []leg
	gates []*element
	to    *endpoint
}

// leg is a part of the way.
type leg struct{ from, to *spot }

// connection is a TCP connection, or what came of trying to make one, at a time.
type connection struct {
	*route
	w             *World
	packet        packet
	at            time.Duration
	made, refused bool
}

// connect tries to make one until a time.
func (w *World) connect(r *route, port uint16, at, until time.Duration) connection {
	c := connection{route: r, w: w, packet: packet{flow: port, tcp: true, fresh: true}}
	for wait := knock; at < until; at, wait = at+wait, 2*wait {
		if c.at = at; !c.carry(true, bare) || !r.to.there || !c.carry(false, bare) || c.at >= until {
			continue
		}
		c.made, c.refused = r.to.listens(), !r.to.listens()
		c.packet.fresh = false
		return c
	}
	c.at = until
	return c
}

// carry brings a packet there, or back.
func (c *connection) carry(there bool, size int) bool {
	p := c.packet
	p.size = size
	ok := true
	if there {
		c.at, ok = c.w.through(c.gates, &p, c.at)
	}
	for i := range c.legs {
		l := c.legs[i]
		if p.class = classOf(l.from.host, l.to.host); !there {
			l = c.legs[len(c.legs)-1-i]
			p.class = classOf(l.from.host, l.to.host)
			l.from, l.to = l.to, l.from
		}
		if ok {
			c.at, ok = c.w.carry(l.from, l.to, &p, c.at)
		}
	}
	if ok && !there {
		c.at, ok = c.w.through(c.gates, &p, c.at)
	}
	return ok
}

// most is how many bytes a packet can have.
func (c *connection) most() int {
	most := mtu
	for _, l := range c.legs {
		most = min(most, c.w.mtuOf(classOf(l.from.host, l.to.host)))
	}
	return most - segment
}

// send gets bytes there, or back, until a time: in packets as large as the path's MTU, each of
// which is sent until it is acknowledged.
func (c *connection) send(there bool, bytes int, until time.Duration) bool {
	for most := c.most(); bytes > 0; bytes -= most {
		at, came := c.at, time.Duration(0)
		for wait := again; ; at, wait = at+wait, 2*wait {
			if at >= until {
				c.at = until
				return false
			}
			if c.at = at; !c.carry(there, min(bytes, most)+segment) {
				continue
			}
			if came == 0 {
				came = c.at
			}
			if c.carry(!there, bare) {
				break
			}
		}
		c.at = came
	}
	return c.at < until
}

// through has a packet pass some places.
func (w *World) through(gates []*element, p *packet, at time.Duration) (time.Duration, bool) {
	j := journey{w: w, p: p, at: at}
	for _, e := range gates {
		j.pass(e, p.size)
	}
	return j.at, !j.lost
}
