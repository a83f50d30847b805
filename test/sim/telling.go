package sim

import (
	"context"
	"net/netip"
	"time"

	"github.com/netchecker/netchecker/pkg/report"
)

const (
	// The pauses and deadlines are those of agents: see agent/mesh.go and agent/sender.
	updateSpread, updatePace, updateDeadline = time.Second, 5 * time.Second, 5 * time.Second
	firstPause, longestPause                 = time.Second, 30 * time.Second
	reportDeadline                           = 10 * time.Second
	wayTime                                  = time.Second
	wobble                                   = 0.05
	// around is what a report has besides its rows, which have about rowBytes each; and reply
	// what the server says, in bytes.
	around, rowBytes, reply = 2600, 60, 4096
)

// line is what an agent sends one after the other, and when it may next.
type line struct {
	rest     time.Duration // until when it sends nothing
	failures int
}

// over notes what became of an attempt that is over at a time.
func (l *line) over(a *agent, ok bool, at, pace, longest time.Duration) {
	if ok {
		l.failures, l.rest = 0, at+pace
		return
	}
	l.failures++
	most := min(firstPause<<min(l.failures-1, 10), longest)
	l.rest = at + max(pace, most/2+time.Duration(a.w.random.Float64()*float64(most/2)))
}

// telling is what an agent tells the server, and when.
type telling struct {
	reports, updates line
	round            int
	next             time.Duration // of the rounds, when it begins
	newest           *report.Mesh  // of a report that waits
	body             []byte        // of an update that waits
	spread           time.Duration // when it may be sent; 0 where none waits
	worked           report.Via
}

func (t *telling) begin(l *life) { t.next = l.agent.now }

// look tells what is to be told now.
func (t *telling) look(l *life) {
	a := l.agent
	if a.now >= t.next {
		t.newest = l.core.Report()
		t.round++
		offset := a.phase + wobble + float64(t.round-1) + (2*a.w.random.Float64()-1)*wobble
		t.next = l.booted + time.Duration(offset*float64(a.w.cfg.Interval))
	}
	if t.newest != nil && a.now >= t.reports.rest {
		t.report(l)
	}
	if (t.body != nil || l.core.Waits()) && a.now >= t.updates.rest {
		t.update(l)
	}
}

// report sends the report that waits.
func (t *telling) report(l *life) {
	a := l.agent
	interval := a.w.cfg.Interval
	m := &message{from: a, boot: l.boot, report: true, mesh: t.newest, has: l.core.Version()}
	size := around + rowBytes*(m.mesh.Sessions.Len()+m.mesh.Ended.Len())
	came, at, ok := l.post(m, l.usual(), size, min(interval, reportDeadline))
	ok = came && a.w.send(m) && ok
	t.reports.over(a, ok, at, 0, min(interval, longestPause))
	if ok {
		t.newest = nil
		m.answered = l
	}
}

// update sends the update that waits, spread over a second, by whatever way leads there.
func (t *telling) update(l *life) {
	a := l.agent
	if t.spread == 0 {
		t.spread = a.now + time.Duration(a.w.random.Int64N(int64(updateSpread)))
	}
	if a.now < t.spread {
		return
	}
	t.spread = 0
	if t.body == nil {
		t.body = l.core.Write()
	}
	told, err := report.DecodeMesh(t.body)
	if err != nil {
		panic("an agent wrote an update that can't be read: " + err.Error())
	}
	began, at, ok := a.now, a.now, false
	for _, via := range t.ways() {
		m := &message{from: a, boot: l.boot, mesh: &told, via: via}
		var came bool
		a.now = at
		came, at, ok = l.post(m, l.route(via), len(t.body)+around/10, min(wayTime, began+updateDeadline-at))
		if ok = came && a.w.send(m) && ok; ok {
			t.worked = via
			break
		}
	}
	a.now = began
	t.updates.over(a, ok, at, updatePace, longestPause)
	if ok {
		t.body = nil
	}
}

// ways are the ways to the server, the one that worked last first.
func (t *telling) ways() []report.Via {
	switch t.worked {
	case report.ViaServer:
		return []report.Via{report.ViaServer, report.ViaService, report.ViaNode}
	case report.ViaNode:
		return []report.Via{report.ViaNode, report.ViaService, report.ViaServer}
	}
	return []report.Via{report.ViaService, report.ViaServer, report.ViaNode}
}

func (l *life) usual() *route {
	return l.agent.route(netip.AddrPortFrom(l.agent.w.services.own, servicePort))
}

// route is that of a way.
func (l *life) route(via report.Via) *route {
	w := l.agent.w
	switch via {
	case report.ViaServer:
		return l.agent.route(w.shared.Servers[0])
	case report.ViaNode:
		return l.agent.route(netip.AddrPortFrom(w.server.node.address, nodePort))
	}
	return l.usual()
}

// post sends a message by a route: came says whether it came to the server, and ok whether its
// answer came back, at a time. The usual way begins with a lookup, whose failure leaves the
// last address known for the second half of the time.
func (l *life) post(m *message, r *route, size int, within time.Duration) (came bool, at time.Duration, ok bool) {
	a := l.agent
	began := a.now
	until := began + within
	if m.via == report.ViaService {
		l.took = 0
		if _, err := l.lookup(context.Background(), netip.AddrPort{}, serviceName); err != nil {
			l.took = min(l.took, within/2)
		}
		began += l.took
	}
	c := a.w.connect(r, a.source().Port(), began, until)
	if !c.made {
		return false, c.at, false
	}
	m.clock = c.at - l.booted
	if !c.send(true, size, until) {
		return false, c.at, false
	}
	m.at = c.at
	at, ok = c.at, c.send(false, reply, until)
	return true, max(at, c.at), ok
}

// send has a message come to the server, unless something about messages keeps it, as where
// the server is too busy.
func (w *World) send(m *message) bool {
	for _, f := range w.faults {
		if f.At.Kind != AtMessages || f.At.Node != m.from.node.number || f.At.Host != m.from.host || !f.on(m.at) {
			continue
		}
		if f.takes(w, m.at) {
			return false
		}
		m.at += f.Degree.Delay
		if f.Degree.Jitter > 0 {
			m.at += time.Duration(w.random.Int64N(int64(f.Degree.Jitter)))
		}
	}
	w.transit = append(w.transit, m)
	return true
}
