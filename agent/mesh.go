package main

import (
	"context"
	"net/netip"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/netchecker/netchecker/agent/collect"
	"github.com/netchecker/netchecker/agent/mesh"
	"github.com/netchecker/netchecker/agent/responder"
	"github.com/netchecker/netchecker/agent/sender"
	"github.com/netchecker/netchecker/agent/shared"
	"github.com/netchecker/netchecker/pkg/assignment"
	"github.com/netchecker/netchecker/pkg/report"
)

const (
	// updatesPace is the least time between two updates of an agent.
	updatesPace = 5 * time.Second
	// updatesDeadline and the pauses are those of one that hangs or fails. What it says is
	// old by then, so that it is not tried for long before there is a newer one.
	updatesDeadline     = 5 * time.Second
	updatesFirstPause   = time.Second
	updatesLongestPause = 30 * time.Second
)

// meshing is the probing of other agents, the answering of theirs, and the way of what is
// urgent of that to the server.
// Of an agent that is not to mesh it has nothing, and does nothing.
type meshing struct {
	mesh     *mesh.Mesh
	shared   *shared.Asker
	answerer *answerer
	outbox   *sender.Outbox
	// spread is that of updates, as the server told it last, in nanoseconds.
	spread atomic.Int64
}

func newMeshing(ctx context.Context, s Settings, machine Machine, self collect.Self, boot collect.Boot, server *sender.Server, metrics *responder.Metrics) *meshing {
	m := &meshing{}
	if !s.Mesh {
		return m
	}
	m.spread.Store(int64(assignment.DefaultSpread))
	m.answerer = newAnswerer(ctx, s.MeshListen, boot.ID)
	cfg := mesh.Config{
		Node: self.NodeName, Clock: boot.Clock,
		AllowLoopback: s.AllowLoopback, Wake: func() { m.outbox.Wake() },
		Mute: m.answerer.why, Heard: m.answerer.heard,
		Told: func(a *assignment.Shared) {
			server.Detour(detours(a))
			m.shared.Take(a)
			m.spread.Store(int64(a.SpreadOfUpdates()))
		},
	}
	node, _ := netip.ParseAddr(machine.Getenv("MY_NODE_IP")) // the zero value where it is not told
	m.shared = shared.New(shared.Config{
		Place: shared.Place{Host: self.Network == report.Host, Node: node, Domain: machine.domain()}, Ways: shared.Real(machine.Names), Clock: boot.Clock,
		Suspect: func(from, to time.Duration) bool { return m.mesh.Starving(from, to) },
	})
	cfg.Shared = m.shared.Rows
	m.mesh = mesh.New(cfg, mesh.Real(), mesh.RealKernel(self.Network == report.Host))
	m.outbox = sender.NewOutbox(m.updates(s, self, boot, server))
	metrics.Mesh(m.peers, m.mesh.Starved)
	return m
}

// updates says how updates get to the server.
func (m *meshing) updates(s Settings, self collect.Self, boot collect.Boot, server *sender.Server) sender.OutboxConfig {
	return sender.OutboxConfig{
		Server: server,
		URL:    pathAt(s.ServerEndpoint, "/api/v1/agents/"+self.PodName+"/"+report.UpdatesKind),
		Kind:   report.UpdatesKind,
		From:   report.Message{PodName: self.PodName, NodeName: self.NodeName, Namespace: self.Namespace, UID: self.UID, BootID: boot.ID},
		Clock:  boot.Clock,
		Author: m.mesh, MaxCount: 1, MaxBytes: report.MaxBody,
		Deadline: updatesDeadline, FirstPause: updatesFirstPause, LongestPause: updatesLongestPause,
		Pace: updatesPace, Spread: func() time.Duration { return time.Duration(m.spread.Load()) }, Detours: true,
		Observe: func(uint64, sender.Attempt) {},
	}
}

// detours are further ways to the server.
func detours(a *assignment.Shared) sender.Detours {
	d := sender.Detours{Servers: a.Servers}
	if a.NodePort != 0 {
		for _, node := range a.Nodes {
			d.Nodes = append(d.Nodes, netip.AddrPortFrom(node, a.NodePort))
		}
	}
	return d
}

// run probes and answers until ctx ends, and then tells those who probe this agent that it
// leaves.
func (m *meshing) run(ctx context.Context) error {
	if m.mesh == nil {
		return nil
	}
	var group errgroup.Group
	group.Go(func() error { return m.answerer.run(ctx) })
	group.Go(func() error { m.mesh.Run(ctx); return nil })
	group.Go(func() error { m.shared.Run(ctx); return nil })
	group.Go(func() error { m.outbox.Run(ctx); return nil })
	return group.Wait()
}

// subscribe adds the mesh to those whom replies concern.
func (m *meshing) subscribe(to sender.Subscribers) sender.Subscribers {
	if m.mesh != nil {
		to[assignment.Topic] = m.mesh
	}
	return to
}

// report is what a report says.
func (m *meshing) report() *report.Mesh {
	if m.mesh == nil {
		return nil
	}
	return m.mesh.Report()
}

// early says of an agent that has just started whether it should report before its time:
// once, since others start with it, whom the server could not tell it of as it reported
// first; and again as long as the server has told it something new since it last did, of
// which there is something to tell soon.
func (m *meshing) early() func() bool {
	if m.mesh == nil {
		return func() bool { return false }
	}
	asked, had := false, ""
	return func() bool {
		has := m.mesh.Version()
		is := !asked || has != had
		asked, had = true, has
		return is
	}
}

// settle notes what became of a report.
func (m *meshing) settle(r *report.Report, a sender.Attempt) {
	if m.mesh != nil && a.Outcome == sender.Accepted {
		m.mesh.Settled(r.Mesh)
	}
}

// peers are those that are probed, for the agent's metrics.
func (m *meshing) peers() (all []responder.MeshPeer) {
	for _, p := range m.mesh.Peers() {
		s := &p.Session
		to := responder.MeshPeer{
			Node: p.Node, Network: string(report.Pod), Family: "ipv4",
			Sent: s.Sent, Forward: s.Forward, Back: s.Back, Refused: s.Refused,
			Answered: s.Answered(), RoundTrips: time.Duration(s.RoundTrips) * time.Microsecond,
			HoleForward: s.Hole == report.HoleForward || s.Hole == report.HoleBoth,
			HoleBack:    s.Hole == report.HoleBack || s.Hole == report.HoleBoth,
		}
		if p.Host {
			to.Network = string(report.Host)
		}
		if p.Six {
			to.Family = "ipv6"
		}
		all = append(all, to)
	}
	return all
}
