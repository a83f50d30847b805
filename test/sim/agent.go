package sim

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"slices"
	"time"

	"github.com/netchecker/netchecker/agent/mesh"
	"github.com/netchecker/netchecker/agent/probe"
	"github.com/netchecker/netchecker/agent/reflector"
	"github.com/netchecker/netchecker/agent/shared"
	"github.com/netchecker/netchecker/pkg/report"
	"github.com/netchecker/netchecker/server/fleet"
)

// agent is a pod with an agent in it, in one life after the other.
type agent struct {
	w        *World
	spot     // where it is
	index    int
	listed   fleet.Agent
	endpoint *endpoint
	// now is what time it is as far as the agent has got.
	now  time.Duration
	life *life // nil while it has none
	// starts is when its next life begins, 0 where none does.
	starts time.Duration
	// frozen says that its process stands still; gone, that there is no such pod any more.
	frozen, gone bool
	held         []held
	ports        uint16

	record *fleet.Record // its newest
	// phase is its place in the interval between reports.
	phase float64
}

// life is an agent between two of its starts.
type life struct {
	agent  *agent
	boot   string
	booted time.Duration
	core   *mesh.Core
	agenda *shared.Agenda
	book   *reflector.Book
	due    time.Duration // on its own clock, when to look again
	coming []coming      // in the order of their times
	told   telling
	// leaving says that it only tells those who ask that it ends.
	leaving bool
	// asks is when to ask next what all share, and took what the question took that is asked.
	asks, took time.Duration
}

// coming is what will have come at a time: over a flow, or of something that was done.
type coming struct {
	at      time.Duration
	flow    *flow
	arrival probe.Arrival
	err     error
	done    func()
}

// newAgent makes a pod on a node, which has no life yet.
func (w *World) newAgent(n *node, host bool) *agent {
	w.drawn++
	a := &agent{w: w, spot: spot{n, host}, ports: 32768, phase: w.random.Float64()}
	name, port, network, address := "netchecker-agent", uint16(meshPort), report.Pod, n.podAddress(n.pods)
	if host {
		name, port, network, address = "netchecker-agent-hostnet", hostPort, report.Host, n.address
	} else {
		n.pods++
	}
	a.listed = fleet.Agent{
		Key: fleet.Key{Namespace: namespace, Name: fmt.Sprintf("%s-%06d", name, w.drawn)}, UID: fmt.Sprintf("uid-%06d", w.drawn),
		Node: n.Name, Network: network, Addresses: []string{address.String()}, MeshPort: port, FirstSeen: w.Wall(),
	}
	a.endpoint = w.endpoint(netip.AddrPortFrom(address, port))
	*a.endpoint = endpoint{spot: a.spot, there: true, agent: a}
	w.agents = append(w.agents, a)
	w.relist = true
	return a
}

// start has a life begin at a time.
func (w *World) start(a *agent, at time.Duration) { a.starts = max(at, 1) }

// begin begins a life.
func (a *agent) begin() {
	w := a.w
	boot := w.random.Uint64() | 1
	l := &life{agent: a, boot: fmt.Sprintf("%016x", boot), booted: a.now, book: reflector.NewBook(boot, genesis.Add(a.now))}
	l.agenda = shared.NewAgenda(shared.Place{Host: a.host, Node: a.node.address}, rand.New(rand.NewPCG(w.random.Uint64(), 1)))
	l.core = mesh.NewCore(mesh.Config{
		Node: a.node.Name, Clock: l.clock, Shared: l.agenda.Rows, Told: l.takeShared,
		Heard: func() []report.Heard { return l.book.Heard(genesis.Add(a.now)) },
	}, ways{l}, l)
	l.told.begin(l)
	a.starts, a.life = 0, l
}

// clock is the agent's own.
func (l *life) clock() time.Duration { return l.agent.now - l.booted }

// Throttled is 0: what does not run as it should here is late.
func (l *life) Throttled() time.Duration { return 0 }

// Conntrack is that of its node, which agents on the host's network see.
func (l *life) Conntrack() (count, most uint64) {
	if !l.agent.host {
		return 0, 0
	}
	return l.agent.node.tracked, mostTracked
}

// runs says whether the process runs, and listens whether its kernel takes connections.
func (a *agent) runs() bool { return a.listens() && !a.frozen }

func (a *agent) listens() bool { return a.life != nil && !a.node.down }

// source is an address with a port that no other flow of the agent's has.
func (a *agent) source() netip.AddrPort {
	a.ports++
	if a.ports < 32768 {
		a.ports = 32768
	}
	address, _ := netip.ParseAddr(a.listed.Addresses[0]) // which is one
	return netip.AddrPortFrom(address, a.ports)
}

// lateness is how late its process runs this time.
func (a *agent) lateness() time.Duration {
	n := a.node
	if n.late == 0 || a.w.random.Float64() >= n.share {
		return 0
	}
	return time.Duration(a.w.random.Int64N(int64(n.late)))
}

// comes has something come at its time.
func (a *agent) comes(c coming) {
	if a.life == nil {
		return
	}
	list := a.life.coming
	i := len(list)
	for i > 0 && list[i-1].at > c.at {
		i--
	}
	a.life.coming = slices.Insert(list, i, c)
}

// goOn has the agent do all that it does up to a time.
func (a *agent) goOn(until time.Duration) {
	if a.gone || a.frozen || a.node.down {
		return
	}
	if a.starts > 0 && a.starts < until {
		a.now = a.starts
		a.begin()
	}
	for l := a.life; l != nil && !l.leaving && l.booted+l.due < until; {
		l.beat()
	}
}

// beat does all that is due, once.
func (l *life) beat() {
	a, due := l.agent, l.due
	now := max(a.now, l.booted+due) + a.lateness()
	l.receive(now)
	a.now = now
	if a.now >= l.asks {
		l.ask()
	}
	if l.core.Busy() {
		l.due = l.core.Look(due)
	} else {
		l.due = due + tick
	}
	l.told.look(l)
}

// receive takes what has come up to a time.
func (l *life) receive(until time.Duration) {
	n := 0
	for ; n < len(l.coming) && l.coming[n].at <= until; n++ {
		c := l.coming[n]
		l.agent.now = max(l.agent.now, c.at)
		switch {
		case c.done != nil:
			c.done()
		case !c.flow.closed:
			c.flow.receive(c.flow, &c.arrival, c.at-l.booted, c.err)
		}
	}
	l.coming = slices.Delete(l.coming, 0, n)
}

// freeze has the process stand still, or go on: then it answers what waits for it.
func (a *agent) freeze(on bool) {
	if a.frozen = on; on {
		return
	}
	a.now = max(a.now, a.w.now)
	waiting := a.held
	a.held = nil
	for i := range waiting {
		if a.runs() {
			a.answer(waiting[i].flow, &waiting[i].q, waiting[i].at, a.now-waiting[i].at)
		}
	}
}
