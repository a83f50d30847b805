package sim

import (
	"net/netip"
	"time"

	"github.com/netchecker/netchecker/agent/mesh"
	"github.com/netchecker/netchecker/agent/probe"
	"github.com/netchecker/netchecker/agent/reflector"
	"github.com/netchecker/netchecker/pkg/datagram"
)

const (
	// udp is what IP and UDP add to a datagram.
	udp = 28
	// heldMost is how many datagrams wait for a process that does not run.
	heldMost = 320
)

// endpoint is an address with a port. Who is there may change.
type endpoint struct {
	spot spot
	// there says that the address is that of somebody, who refuses what no agent listens to.
	there bool
	agent *agent
	// open says that somebody else takes connections there.
	open bool
}

// listens says whether somebody takes connections: also where a process does not run.
func (e *endpoint) listens() bool { return e.open || e.agent != nil && e.agent.listens() }

// endpoint is the one of an address.
func (w *World) endpoint(at netip.AddrPort) *endpoint {
	e := w.endpoints[at]
	if e == nil {
		e = &endpoint{spot: spot{node: w.nodes[0]}}
		w.endpoints[at] = e
	}
	return e
}

// flow is a mesh.Flow.
type flow struct {
	from    *agent
	to      *endpoint
	receive mesh.Receiver
	source  netip.AddrPort
	class   class
	// known says that connection tracking knows it, since it was answered.
	known, closed bool
}

// held is a question that waits for its process to run.
type held struct {
	flow *flow
	q    datagram.Datagram
	at   time.Duration
}

// ways are a life's mesh.Ways.
type ways struct{ *life }

func (l ways) Open(peer netip.AddrPort, _ probe.FlowOptions, receive mesh.Receiver) (mesh.Flow, error) {
	to := l.agent.w.endpoint(peer)
	return &flow{from: l.agent, to: to, receive: receive, source: l.agent.source(), class: classOf(l.agent.host, to.spot.host)}, nil
}

func (f *flow) MTU() (int, error) { return f.from.w.mtuOf(f.class), nil }

func (f *flow) Close() error {
	f.closed = true
	return nil
}

// packet is one of the flow's, of so many bytes of payload.
func (f *flow) packet(size int) packet {
	return packet{size: size + udp, class: f.class, flow: f.source.Port(), fresh: !f.known}
}

// Send sends a question.
func (f *flow) Send(q *datagram.Datagram, size int) error {
	w, p := f.from.w, f.packet(size)
	if size == datagram.Size {
		w.probes++
	}
	at, ok := w.carry(&f.from.spot, &f.to.spot, &p, f.from.now)
	if !ok {
		return nil
	}
	switch to := f.to.agent; {
	case to != nil && to.runs():
		to.answer(f, q, at, 0)
	case to != nil && to.listens():
		if len(to.held) < heldMost {
			to.held = append(to.held, held{f, *q, at})
		}
	case f.to.there:
		f.back(coming{flow: f, arrival: probe.Arrival{Datagram: *q}, err: probe.ErrRefused}, 2*udp+datagram.Size, at)
	}
	return nil
}

// back has something come back to who asked, if it gets there.
func (f *flow) back(c coming, size int, at time.Duration) {
	p := f.packet(size)
	at, ok := f.from.w.carry(&f.to.spot, &f.from.spot, &p, at)
	if !ok {
		return
	}
	f.known = true
	c.at = at
	f.from.comes(c)
}

// answer answers a question that came, after so long.
func (a *agent) answer(f *flow, q *datagram.Datagram, at, after time.Duration) {
	reply, size, ok := a.life.book.Answer(reflector.Source{Address: f.source, Session: q.Session}, q, genesis.Add(at))
	if !ok {
		return
	}
	reply.Took = after + a.lateness() + 10*time.Microsecond
	f.back(coming{flow: f, arrival: probe.Arrival{Datagram: reply, Size: size}}, size, at+reply.Took)
}

// Exchange makes a TCP connection, and asks one question over it.
func (l ways) Exchange(peer netip.AddrPort, q *datagram.Datagram, done func(probe.Exchanged, error)) {
	a := l.agent
	w, to, began := a.w, a.w.endpoint(peer), a.now
	c := w.connect(&route{legs: []leg{{&a.spot, &to.spot}}, to: to}, a.source().Port(), began, began+mesh.Patience)
	e, err, at := probe.Exchanged{Connect: c.at - began}, error(nil), c.at
	switch {
	case c.refused:
		err = probe.ErrRefused
	case !c.made:
		err = probe.ErrUnanswered
	default:
		if e.Answer, at, err = c.exchange(to.agent, q, began+mesh.Patience); err != nil {
			at = began + mesh.Patience
		}
	}
	e.Took = at - began
	a.comes(coming{at: at, done: func() { done(e, err) }})
}

// exchange asks an agent a question over it.
func (c *connection) exchange(to *agent, q *datagram.Datagram, until time.Duration) (datagram.Datagram, time.Duration, error) {
	if !c.send(true, datagram.Size, until) || !to.runs() {
		return datagram.Datagram{}, until, probe.ErrMute
	}
	answer, ok := to.life.book.Once(q, genesis.Add(c.at))
	answer.Took = to.lateness() + 30*time.Microsecond
	c.at += answer.Took
	if !ok || !c.send(false, datagram.Size, until) {
		return datagram.Datagram{}, until, probe.ErrMute
	}
	return answer, c.at, nil
}
