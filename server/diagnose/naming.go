package diagnose

import (
	"fmt"
	"slices"

	"github.com/netchecker/netchecker/server/evaluate"
)

// finding is that of a pick.
func (e *evaluation) finding(p *pick) Finding {
	f := Finding{Kind: p.layer.kind, Severity: Critical, Since: p.since, Direction: p.direction, Sure: true}
	f.Class = p.layer.class()
	f.Subject, f.Direction = e.subject(p.place, p.direction)
	e.counts(&f, p)
	switch e.symptom {
	case holes:
		f.Kind, f.Size = BlackHole, p.size
		return f
	case dialing:
		f.Kind, f.Direction, f.Severity = NewConnections, NoDirection, Warning
		f.Detail = e.tracking(p)
		return f
	}
	if p.place.scope == Cluster && e.never(p.layer) {
		f.Kind, f.Severity = Blocked, Info
		return f
	}
	switch {
	case f.Kind == Underlay && p.place.scope == Node:
		f.Kind = NodeUnreachable
		e.unreachable(&f, p)
	case f.Kind == PodAttachment, f.Kind == OwnPods:
		f.Direction = NoDirection
	case f.Kind == PodNetwork && p.tally.rows[hostHost].all() == 0:
		f.Sure = false
		f.Detail = "or the network between hosts, which nobody measures"
	case f.Kind == PodNetwork && p.place.scope == Node && e.tallies[p.place.a].rows[ownNode].all() == 0:
		f.Sure = false
		f.Detail = "or its pods are cut off from their own host, which tells nothing"
	}
	switch {
	case p.flows:
		f.Detail = "for some flows only"
	case p.tcp:
		f.Detail = "new TCP connections pass"
	}
	e.either(&f, p)
	e.silent(&f, p)
	return f
}

// class is the layer's name where it is not all that there is.
func (l *layer) class() string {
	if l.kind == Underlay {
		return ""
	}
	return l.needs[0].String()
}

// subject is that of a place. Of a pair the names are in order.
func (s *State) subject(at place, d Direction) (Subject, Direction) {
	sub := Subject{Scope: at.scope}
	switch at.scope {
	case Cluster:
		return sub, NoDirection
	case Node:
		sub.Names[0] = s.nodes[at.a].name
		return sub, d
	case Pair:
		sub.Names = [2]string{s.nodes[at.a].name, s.nodes[at.b].name}
	case ZonePair:
		sub.Names = [2]string{s.zones[at.a], s.zones[at.b]}
	}
	if sub.Names[0] > sub.Names[1] {
		sub.Names[0], sub.Names[1] = sub.Names[1], sub.Names[0]
		d = d.turned()
	}
	return sub, d
}

// turned is the direction as seen from the other end.
func (d Direction) turned() Direction {
	switch d {
	case In:
		return Out
	case Out:
		return In
	case InOrBoth:
		return OutOrBoth
	case OutOrBoth:
		return InOrBoth
	}
	return d
}

// ofClass is what paths of a class are called.
var ofClass = [classes]string{"pod paths", "host paths", "pod-to-host paths", "host-to-pod paths", "own-node paths"}

// counts sets the rows for a finding, and those against.
func (e *evaluation) counts(f *Finding, p *pick) {
	for _, c := range p.layer.needs {
		if n := p.tally.rows[c]; n.all() > 0 {
			f.For = append(f.For, Count{ofClass[c], int(n.bad), n.all()})
		}
	}
	against := podPod
	if slices.Contains(p.layer.needs, podPod) {
		against = hostHost
	}
	if slices.Contains(p.layer.needs, hostHost) && slices.Contains(p.layer.needs, podPod) {
		return
	}
	if n := p.tally.rows[against]; n.all() > 0 {
		f.Against = append(f.Against, Count{ofClass[against], int(n.bad + n.late), n.all()})
	}
}

// never says whether no path of any class that a layer needs ever worked.
func (e *evaluation) never(l *layer) bool {
	family := 0
	if e.six {
		family = 1
	}
	return !slices.ContainsFunc(l.needs, func(c class) bool { return e.ever[family][c] })
}

// unreachable tells more of a node that is not reached.
func (e *evaluation) unreachable(f *Finding, p *pick) {
	n := e.State.nodes[p.place.a]
	if k, known := e.list.Nodes[n.name]; known && k.Ready != "" {
		f.Detail = "Ready is " + string(k.Ready)
	}
}

// either says of a pair which nodes it may be as well, where nothing tells of these but it.
func (e *evaluation) either(f *Finding, p *pick) {
	for i, n := range []int{p.place.a, p.place.b} {
		if p.alone[i] {
			f.Sure = false
			f.Or = append(f.Or, nodeSubject(e.State.nodes[n]))
		}
	}
	slices.SortFunc(f.Or, Subject.compare)
}

// silent names the agents whose silence a finding explains.
func (e *evaluation) silent(f *Finding, p *pick) {
	if p.place.scope != Node {
		return
	}
	for _, a := range e.State.nodes[p.place.a].agents {
		if silent := a.state == evaluate.Outdated || a.state == evaluate.Absent; silent && len(f.Silent) < mostSilent {
			f.Silent = append(f.Silent, a.name)
		}
	}
}

// full is the part of connection tracking that is as good as full.
const full = 0.95

// tracking says where a node's connection tracking is full.
func (e *evaluation) tracking(p *pick) string {
	var nodes []*node
	switch p.place.scope {
	case Node:
		nodes = []*node{e.State.nodes[p.place.a]}
	case Pair:
		nodes = []*node{e.State.nodes[p.place.a], e.State.nodes[p.place.b]}
	}
	for _, n := range nodes {
		for _, a := range n.agents {
			if m := a.mesh; m != nil && m.ConntrackMax > 0 && float64(m.Conntrack) >= full*float64(m.ConntrackMax) {
				return fmt.Sprintf("connection tracking of %s is full: %d of %d", n.name, m.Conntrack, m.ConntrackMax)
			}
		}
	}
	return ""
}
