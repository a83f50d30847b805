package paths

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/netchecker/netchecker/pkg/report"
	"github.com/netchecker/netchecker/server/fleet"
)

// By is what a Table's rows and columns are.
type By uint8

const (
	// ByZone sums up all nodes of a zone.
	ByZone By = iota
	// ByNode has a row and a column for each node.
	ByNode
)

// Query is what a Table is to have.
type Query struct {
	By By
	// Node is the only node whose cells are wanted, as prober and as target, and of what
	// all share what its own agents ask; empty: all.
	Node string
	// Most bounds the cells, and the rows of what all share.
	Most int
}

// Place is that of a cell.
type Place struct {
	Class Class
	Six   bool
	// From and To are nodes, or zones.
	From, To string
}

func (p Place) compare(o Place) int {
	return cmp.Or(
		cmp.Compare(p.Class, o.Class), strings.Compare(p.From, o.From), strings.Compare(p.To, o.To), compareBool(p.Six, o.Six),
	)
}

func compareBool(a, b bool) int {
	switch {
	case a == b:
		return 0
	case a:
		return 1
	}
	return -1
}

// Cell is what agents of one place measured to another.
type Cell struct {
	Place
	// Sessions are how many it is made of. Their sums, and what else is summed up, are in
	// Sum: Silent and DialRun are those of the session that was longest so, Shortest and
	// Longest hold for all, There, Here and MTU are the smallest, Flows is that of the
	// worst, and Hole has the ways of all.
	Sessions int
	Sum      report.Session
	// Dead are the sessions that have not been answered for DeadAfter, since a datagram.
	Dead int
	// Pods are those that measured it, in order, at most mostPods.
	Pods []string
	// At is as of when it holds: the oldest of what it is made of.
	At time.Time
}

// DeadAfter is for how long a session that is dead has not been answered.
const DeadAfter = 5 * time.Second

const (
	// mostPods bounds the pods that are named as those who measured a cell.
	mostPods = 4
	// mostMute bounds the agents that are told where no node is asked for.
	mostMute = 100
)

// Heard is a session that is not as it should be, as the agent knows it that is probed.
type Heard struct {
	// Pod was probed, on Node, by From, a pod on FromNode; both are empty where the list
	// does not know the prober.
	Pod, Node, From, FromNode string
	report.Heard
	At time.Time
}

// Self is what an agent tells of itself.
type Self struct {
	Pod, Node string
	Network   report.Network
	// Via is the way that the newest it told took to the server.
	Via report.Via
	// Mute is why it answers no probes; empty of one that does.
	Mute string
	// Starved, Conntrack and ConntrackMax are as in report.Mesh.
	Starved                 time.Duration
	Conntrack, ConntrackMax uint64
	At                      time.Time
}

// Table is what agents measured.
type Table struct {
	// Names are those of all rows and columns of cells.
	Names  []string
	Cells  []Cell
	Shared []Shared
	// Agents are those of the node that is asked for, at most Most; or those of all nodes
	// that answer no probes, at most mostMute.
	Agents []Self
	// Heard are told of one node alone, where it is one end.
	Heard []Heard
}

// TooLargeError says that a Table would have more than Most of something.
type TooLargeError struct {
	Most int
	// What it is that there would be too many of, in the plural.
	What string
}

func (e *TooLargeError) Error() string {
	return fmt.Sprintf("there would be more than %d %s", e.Most, e.What)
}

// Table is what the agents of a list told last, whose newest records these are. The
// error is a *TooLargeError.
func (p *Paths) Table(list *fleet.List, records []*fleet.Record, q Query) (Table, error) {
	t := &tabling{scene: scene{list, p.idsOf(list)}, Query: q, now: p.now(), left: p.left, cells: map[Place]*Cell{}, shared: map[SharedPlace]*Shared{}}
	for i, r := range records {
		if told := p.newest(&list.Agents[i], r); told != nil {
			t.take(&list.Agents[i], told)
		}
		if len(t.cells) > q.Most {
			return Table{}, &TooLargeError{q.Most, "cells"}
		}
		if len(t.shared) > q.Most {
			return Table{}, &TooLargeError{q.Most, "rows of what all share"}
		}
	}
	return t.table(), nil
}

// tabling is a Table that is being made.
type tabling struct {
	scene
	Query
	now    time.Time
	left   departures
	cells  map[Place]*Cell
	shared map[SharedPlace]*Shared
	agents []Self
	heard  []Heard
	// probed are whom the agent at hand probes now.
	probed []end
}

// end is where a session leads to.
type end struct {
	peer uint64
	six  bool
}

// take takes in what an agent told: its running sessions, those of the sessions that were
// just over whose peers it does not probe now, what it heard, what it asked that all share,
// and what it says of itself.
func (t *tabling) take(a *fleet.Agent, told *Telling) {
	at := told.at()
	t.probed = t.probed[:0]
	for s := range told.Mesh.Sessions.All() {
		t.probed = append(t.probed, end{s.Peer, s.Six})
		t.session(a, &s, at)
	}
	for s := range told.Mesh.Ended.All() {
		if !slices.Contains(t.probed, end{s.Peer, s.Six}) {
			s.Silent, s.DialRun = 0, 0 // they do not go on
			t.session(a, &s, at)
		}
	}
	for _, h := range told.Mesh.Heard {
		t.hear(a, h, at)
	}
	if t.Node == "" || a.Node == t.Node {
		for i := range told.Mesh.Shared {
			t.share(a, &told.Mesh.Shared[i], at)
		}
		t.introduce(a, told)
	}
}

// introduce takes in what an agent of the node that is asked for says of itself; of all
// nodes, one that answers no probes.
func (t *tabling) introduce(a *fleet.Agent, told *Telling) {
	m, most := told.Mesh, t.Most
	if t.Node == "" {
		if m.Mute == "" {
			return
		}
		most = min(most, mostMute)
	}
	if len(t.agents) >= most {
		return
	}
	t.agents = append(t.agents, Self{
		Pod: a.Name, Node: a.Node, Network: a.Network, Via: told.Via, Mute: m.Mute,
		Starved: m.Starved, Conntrack: m.Conntrack, ConntrackMax: m.ConntrackMax, At: told.at(),
	})
}

func (t *tabling) session(a *fleet.Agent, s *report.Session, at time.Time) {
	i, known := t.ids[s.Peer]
	if !known {
		return
	}
	target := &t.list.Agents[i]
	if t.Node != "" && a.Node != t.Node && target.Node != t.Node {
		return
	}
	place := Place{Class: classOf(a, target), Six: s.Six, From: t.name(a.Node), To: t.name(target.Node)}
	c := t.cells[place]
	if c == nil {
		c = &Cell{Place: place, At: at}
		t.cells[place] = c
	}
	c.add(a, s, at)
}

// name is that of the row of a node.
func (t *tabling) name(node string) string {
	if t.By == ByNode {
		return node
	}
	return t.list.Nodes[node].Zone
}

func (t *tabling) hear(a *fleet.Agent, h report.Heard, at time.Time) {
	if t.Node == "" {
		return
	}
	one := Heard{Pod: a.Name, Node: a.Node, Heard: h, At: at}
	if i, known := t.ids[h.Peer]; known {
		one.From, one.FromNode = t.list.Agents[i].Name, t.list.Agents[i].Node
	}
	if (one.Node == t.Node || one.FromNode == t.Node) && len(t.heard) < t.Most {
		t.heard = append(t.heard, one)
	}
}

func (t *tabling) table() Table {
	names := map[string]bool{}
	cells := make([]Cell, 0, len(t.cells))
	for _, c := range t.cells {
		names[c.From], names[c.To] = true, true
		slices.Sort(c.Pods)
		cells = append(cells, *c)
	}
	slices.SortFunc(cells, func(a, b Cell) int { return a.Place.compare(b.Place) })
	return Table{Names: slices.Sorted(maps.Keys(names)), Cells: cells, Shared: t.sharedRows(), Agents: t.agents, Heard: t.heard}
}

// add adds one session.
func (c *Cell) add(a *fleet.Agent, s *report.Session, at time.Time) {
	if len(c.Pods) < mostPods && !slices.Contains(c.Pods, a.Name) {
		c.Pods = append(c.Pods, a.Name)
	}
	if at.Before(c.At) {
		c.At = at
	}
	if time.Duration(s.Silent)*time.Millisecond >= DeadAfter && s.Open > 0 {
		c.Dead++
	}
	sum := &c.Sum
	sum.Silent, sum.DialRun = max(sum.Silent, s.Silent), max(sum.DialRun, s.DialRun)
	sum.Flows, sum.Hole = max(sum.Flows, s.Flows), sum.Hole|s.Hole
	sum.Shortest, sum.Longest = smallest(sum.Shortest, s.Shortest), max(sum.Longest, s.Longest)
	sum.MTU, sum.There, sum.Here = smallest(sum.MTU, s.MTU), smallest(sum.There, s.There), smallest(sum.Here, s.Here)
	for _, f := range []struct {
		to   *uint64
		more uint64
	}{
		{&sum.Sent, s.Sent}, {&sum.Open, s.Open}, {&sum.Forward, s.Forward}, {&sum.Back, s.Back}, {&sum.Refused, s.Refused},
		{&sum.Suspect, s.Suspect}, {&sum.RoundTrips, s.RoundTrips}, {&sum.Forbidden, s.Forbidden}, {&sum.Stuck, s.Stuck},
		{&sum.Dialed, s.Dialed}, {&sum.DialRefused, s.DialRefused}, {&sum.DialLost, s.DialLost}, {&sum.DialMute, s.DialMute},
		{&sum.Dials, s.Dials}, {&sum.Sized, s.Sized}, {&sum.Resized, s.Resized},
	} {
		*f.to += f.more
	}
	c.Sessions++
}

// smallest is the smaller of two that were measured, which those that are 0 were not.
func smallest(a, b uint64) uint64 {
	if a == 0 || b == 0 {
		return max(a, b)
	}
	return min(a, b)
}
