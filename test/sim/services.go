package sim

import (
	"context"
	"net"
	"net/netip"
	"slices"
	"syscall"
	"time"

	"github.com/netchecker/netchecker/agent/probe"
	"github.com/netchecker/netchecker/agent/shared"
	"github.com/netchecker/netchecker/pkg/assignment"
	"github.com/netchecker/netchecker/pkg/report"
)

const (
	serviceName = "netchecker-service.netchecker.svc.cluster.local"
	servicePort = 8081
	nodePort    = 31081
	apiPort     = 443
	// query is the size of a question for a name, and of its answer.
	query, answer = 76, 92
)

// services are the addresses of what all share.
type services struct {
	own, api, wrong netip.Addr
	dns             []netip.AddrPort
}

// nameServer is a pod that is one. Its element has its faults.
type nameServer struct {
	spot    spot
	element *element
}

// addServices makes all that agents share, and what the server tells of it.
func (w *World) addServices() {
	at := func(last byte) netip.Addr { return netip.AddrFrom4([4]byte{10, 32, 0, last}) }
	w.services = services{own: at(9), api: at(1), wrong: at(66)}
	for i := range w.cfg.DNS {
		n := w.nodes[(1+i*max(1, w.cfg.Nodes/w.cfg.DNS))%w.cfg.Nodes]
		w.servers = append(w.servers, &nameServer{spot: spot{n, false}})
		w.services.dns = append(w.services.dns, netip.AddrPortFrom(n.podAddress(240+i), 53))
	}
	w.server, w.api = spot{w.nodes[w.cfg.Server], false}, spot{w.nodes[w.cfg.API], true}
	w.tellShared()
}

// tellShared has the planner tell what all share as it is now.
func (w *World) tellShared() {
	w.shared = &assignment.Shared{
		Name: serviceName, Want: []netip.Addr{w.services.own}, DNSServers: w.services.dns[:min(len(w.services.dns), 4)],
		ServicePort: servicePort, NodePort: nodePort,
		KubeAPI: []netip.AddrPort{netip.AddrPortFrom(w.services.api, apiPort)},
		Servers: []netip.AddrPort{netip.AddrPortFrom(w.server.node.podAddress(230), servicePort)},
		Nodes:   []netip.Addr{w.server.node.address},
	}
}

// Shared is something that all agents share, with the numbers of the nodes that it lies on.
type Shared struct {
	Kind   report.SharedKind
	Target string
	Nodes  []int
}

// Shared is all of it.
func (w *World) Shared() (all []Shared) {
	add := func(kind report.SharedKind, target string, nodes ...int) {
		all = append(all, Shared{kind, target, nodes})
	}
	var names []int
	for i, s := range w.servers {
		names = append(names, s.spot.node.number)
		add(report.DNSServer, w.services.dns[i].String(), s.spot.node.number)
	}
	add(report.DNS, serviceName, names...)
	add(report.ServiceAddress, netip.AddrPortFrom(w.services.own, servicePort).String(), w.server.node.number)
	add(report.NodePort, "", w.server.node.number)
	add(report.KubeAPI, netip.AddrPortFrom(w.services.api, apiPort).String(), w.api.node.number)
	return all
}

// Every is the longest time between two questions of an agent for the same of it; 0 while
// nobody was told to ask.
func (w *World) Every() time.Duration { return w.every }

func (l *life) takeShared(s *assignment.Shared) {
	l.agenda.Take(s, l.clock())
	l.agent.w.every = time.Duration(max(s.DNSEvery, s.ServiceEvery, s.KubeAPIEvery)) * time.Millisecond
	l.asks = 0
}

// ask asks what is due of what all share.
func (l *life) ask() {
	due, next, some := l.agenda.Due(l.clock())
	if l.asks = l.agent.now + next; !some {
		l.asks += time.Second // or as something is done
	}
	for _, d := range due {
		l.took = 0
		began := l.clock()
		outcome := shared.Ways{Lookup: l.lookup, Connect: l.connect}.Ask(context.Background(), d)
		took := min(l.took, shared.Patience)
		l.agent.comes(coming{at: l.agent.now + took, done: func() {
			l.agenda.Done(d, outcome, took, l.clock(), l.core.Starving(began, l.clock()))
			l.asks = 0
		}})
	}
}

// lookup asks a name server, or where none is named the one that is configured, which is a
// Service, for the addresses of both families.
func (l *life) lookup(_ context.Context, at netip.AddrPort, name string) ([]netip.Addr, error) {
	a := l.agent
	gates := []*element{a.node.at[atDNS]}
	to := slices.Index(a.w.services.dns, at)
	if !at.IsValid() {
		gates = append(gates, a.node.at[atServices])
		to = a.w.random.IntN(len(a.w.servers))
	}
	if to < 0 { // nobody is there any more
		l.took += shared.Patience
		return nil, context.DeadlineExceeded
	}
	server, took := a.w.servers[to], time.Duration(0)
	for range 2 {
		answered, one := a.w.query(&a.spot, server, gates, a.source().Port(), a.now+l.took)
		if took = max(took, one); !answered {
			l.took += shared.Patience
			return nil, context.DeadlineExceeded
		}
	}
	l.took += took
	switch d := server.element.now(a.now); {
	case d.Refuse:
		return nil, &net.DNSError{Err: "read udp: " + syscall.ECONNREFUSED.Error(), Name: name}
	case d.Wrong:
		return []netip.Addr{a.w.services.wrong}, nil
	}
	return []netip.Addr{a.w.services.own}, nil
}

// query asks a name server, and says whether it answers, and after how long.
func (w *World) query(from *spot, server *nameServer, gates []*element, port uint16, began time.Duration) (ok bool, took time.Duration) {
	p := packet{size: query + udp, class: classOf(from.host, false), flow: port, fresh: true}
	at, ok := w.through(gates, &p, began)
	if ok {
		at, ok = w.carry(from, &server.spot, &p, at)
	}
	if ok {
		at, ok = w.through([]*element{server.element}, &p, at)
	}
	if ok {
		p.size = answer + udp
		at, ok = w.carry(&server.spot, from, &p, at+50*time.Microsecond)
	}
	if ok {
		at, ok = w.through(gates, &p, at)
	}
	return ok, at - began
}

// now are the words of the faults that there are at a time.
func (e *element) now(at time.Duration) (d Degree) {
	if e == nil {
		return d
	}
	for _, f := range e.faults {
		if f.on(at) {
			d.Wrong, d.Refuse = d.Wrong || f.Degree.Wrong, d.Refuse || f.Degree.Refuse
		}
	}
	return d
}

// connect makes a TCP connection to an address that is a Service's, the API server's, or the
// own node's with a port that leads to the Service.
func (l *life) connect(_ context.Context, to netip.AddrPort) error {
	a := l.agent
	c := a.w.connect(a.route(to), a.source().Port(), a.now+l.took, a.now+shared.Patience)
	l.took = max(l.took, c.at-a.now)
	switch {
	case c.refused:
		return probe.ErrRefused
	case !c.made:
		return probe.ErrUnanswered
	}
	return nil
}

// route is that from an agent to an address: a Service's, the API server's, one of a node with
// the port that leads to the Service, the server's own, or one that nobody has.
func (a *agent) route(to netip.AddrPort) *route {
	w, n := a.w, a.node
	own := leg{&a.spot, &w.server}
	server := &endpoint{there: true, open: true}
	switch {
	case to.Addr() == w.services.own:
		return &route{legs: []leg{own}, to: server, gates: []*element{n.at[atServices]}}
	case to.Addr() == w.services.api:
		return &route{legs: []leg{{&a.spot, &w.api}}, to: server, gates: []*element{n.at[atServices], n.at[atAPI], w.apiServer}}
	case to.Port() == nodePort:
		if to.Addr() == w.server.node.address {
			n = w.server.node
		}
		by := &spot{n, true}
		return &route{legs: []leg{{&a.spot, by}, {by, &w.server}}, to: server, gates: []*element{n.at[atNodePort]}}
	case slices.Contains(w.shared.Servers, to):
		return &route{legs: []leg{own}, to: server}
	}
	return &route{legs: []leg{own}, to: &endpoint{}}
}
