package sim

import (
	"net/netip"
	"slices"
	"time"

	"github.com/netchecker/netchecker/server/fleet"
)

const (
	// unheard is after how long the API server takes a node for one that nothing is heard of.
	unheard = 40 * time.Second
	// boots is how long a machine takes to start, and startsAgain a container.
	boots, startsAgain = 20 * time.Second, 2 * time.Second
	farewell           = 1500 * time.Millisecond
)

// plan is something that somebody does to the cluster at a time.
type plan struct {
	at time.Duration
	do func()
}

// after has something done at a time, or now where that is over.
func (w *World) after(at time.Duration, do func()) {
	i := len(w.plans)
	for i > 0 && w.plans[i-1].at > at {
		i--
	}
	w.plans = slices.Insert(w.plans, i, plan{at, do})
}

// churn does what is to be done by now.
func (w *World) churn() {
	for len(w.plans) > 0 && w.plans[0].at <= w.now {
		p := w.plans[0]
		w.plans = w.plans[1:]
		p.do()
	}
}

// Restart has the container of a node's agent end as it is told to, at a time, and another
// one start in the same pod.
func (w *World) Restart(at time.Duration, node int, host bool) {
	w.after(at, func() {
		if a := w.agentOf(node, host); a != nil {
			a.leave(func() { w.start(a, w.now+startsAgain) })
		}
	})
}

// Kill has it end without a word.
func (w *World) Kill(at time.Duration, node int, host bool) {
	w.after(at, func() {
		if a := w.agentOf(node, host); a != nil {
			a.life, a.held = nil, nil
			w.start(a, w.now+startsAgain)
		}
	})
}

// Replace has another pod take the place of a node's agent: of another name, and on the pod
// network sometimes of another address. The old one is then nobody's, or somebody's who is no
// agent.
func (w *World) Replace(at time.Duration, node int, host bool) {
	w.after(at, func() {
		if a := w.agentOf(node, host); a != nil {
			w.remove(a, func() {
				same := w.random.IntN(3) == 0 && !host
				if same {
					a.node.pods--
				}
				w.start(w.newAgent(a.node, host), w.now+startsAgain)
				if !same && !host {
					a.endpoint.agent, a.endpoint.there = nil, w.random.IntN(2) == 0
				}
			})
		}
	})
}

// Rollout replaces all agents on the one network, so many at a time every so often.
func (w *World) Rollout(at time.Duration, host bool, together int, every time.Duration) {
	for i := range w.nodes {
		w.Replace(at+time.Duration(i/max(1, together))*every, i, host)
	}
}

// Drain has a node cordoned at a time, what is not bound to it move to other nodes, and the
// node removed a while after; 0 stands for never.
func (w *World) Drain(at time.Duration, node int, removed time.Duration) {
	w.after(at, func() {
		w.mark(w.nodes[node], "cordoned")
		w.moveFrom(w.nodes[node])
	})
	if removed == 0 {
		return
	}
	w.after(at+removed, func() {
		n := w.nodes[node]
		w.mark(n, "deleted")
		w.power(n, false)
		for _, host := range []bool{false, true} {
			if a := w.agentOf(node, host); a != nil {
				a.gone = true
			}
		}
		n.removed = true
	})
}

// Add has a node come at a time.
func (w *World) Add(at time.Duration) {
	w.after(at, func() {
		n := w.addNode(len(w.nodes))
		for _, host := range []bool{false, true} {
			w.start(w.newAgent(n, host), w.now+startsAgain+time.Duration(w.random.Int64N(int64(time.Second))))
		}
	})
}

func (w *World) mark(n *node, going string) {
	if n.Going = going; n.GoingSince.IsZero() {
		n.GoingSince = w.Wall()
	}
	w.relist = true
}

// moveFrom moves the server and the servers of names from a node to others.
func (w *World) moveFrom(n *node) {
	to := func() *node {
		for i := range w.nodes {
			if o := w.nodes[(n.number+1+i)%len(w.nodes)]; o.Going == "" && !o.down {
				return o
			}
		}
		return n
	}
	if w.server.node == n {
		w.server.node = to()
	}
	w.services.dns = slices.Clone(w.services.dns)
	for i, s := range w.servers {
		if s.spot.node == n {
			s.spot.node = to()
			w.services.dns[i] = netip.AddrPortFrom(s.spot.node.podAddress(240+i), 53)
		}
	}
	w.tellShared()
}

// leave has an agent say for a while that it ends; then it has, and something is done.
func (a *agent) leave(then func()) {
	w, l := a.w, a.life
	a.now = max(a.now, w.now)
	if l == nil || l.leaving {
		then()
		return
	}
	l.core.End()
	l.book.Leave(genesis.Add(a.now))
	l.leaving = true
	w.after(w.now+farewell, func() {
		if a.life == l {
			a.life, a.held = nil, nil
		}
		then()
	})
}

// remove has a pod end that nobody expects any more from now on.
func (w *World) remove(a *agent, then func()) {
	a.gone, w.relist = true, true
	a.leave(then)
}

// power turns a machine on or off. What ran on it begins anew a while after.
func (w *World) power(n *node, on bool) {
	n.down = !on
	for _, a := range w.agents {
		if a.node != n || a.gone {
			continue
		}
		a.life, a.held = nil, nil
		if a.starts = 0; on {
			w.start(a, w.now+boots+time.Duration(w.random.Int64N(int64(time.Second))))
		}
	}
}

// readiness has the nodes be as ready as the API server takes them for: each has to reach it
// from time to time.
func (w *World) readiness() {
	for _, n := range w.nodes {
		if n.removed {
			continue
		}
		if w.reachesAPI(n) {
			n.cut = 0
		} else if n.cut == 0 {
			n.cut = w.now
		}
		ready := fleet.Ready
		if n.cut > 0 && w.now-n.cut >= unheard {
			ready = fleet.ReadyUnknown
		}
		if ready != n.Ready {
			n.Ready, w.relist = ready, true
		}
	}
}

// reachesAPI says whether a node's kubelet reaches the API server now, as it tries once a
// second; it does not matter where a single packet is lost.
func (w *World) reachesAPI(n *node) bool {
	if n.down {
		return false
	}
	from := spot{n, true}
	r := &route{legs: []leg{{&from, &w.api}}, to: &endpoint{there: true, open: true}}
	c := w.connect(r, 6443, w.now, w.now+2*time.Second)
	return c.made
}
