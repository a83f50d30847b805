// Package mesh probes the agents that the server names, and keeps what came of it.
//
// What is probed are sessions: one for each peer, which is an agent, and each family of
// its addresses. A session has a UDP socket whose port is kept. The parts that decide are
// pure, and get events and times:
//
//	plan        whom to probe now, of what the server told; goes on without the server
//	account     what became of the small datagrams of one session
//	dials       when to make the next TCP connection, and what became of them
//	alarm       whether a session, or all of them together, look worse or well again
//	starvation  when the agent did not run as it should, so that what it missed is suspect
//	hiccups     losses of many sessions at the same moment, which say more of this host
//
// Core has them, and does all that is due whenever it is told to look; it is pure as
// well, so that any clock and any network can be around it. Mesh is it in the real ones: one
// goroutine wakes 20 times a second while there is something to probe, and sees by that how
// late it is. Each socket has one that reads. Answers count by when the kernel received them:
// one that is read late is not a lost one.
package mesh

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"sync"
	"time"

	"github.com/netchecker/netchecker/agent/probe"
	"github.com/netchecker/netchecker/pkg/datagram"
	"github.com/netchecker/netchecker/pkg/report"
	"github.com/netchecker/netchecker/pkg/wait"
)

// Socket is a probe.Flow. Send may be called by many goroutines at once, Receive by one.
type Socket interface {
	Flow
	// Receive waits until the flow is closed, and then returns net.ErrClosed.
	Receive() (probe.Arrival, error)
}

// Network is how peers are reached: the functions of agent/probe, except in tests.
type Network struct {
	Open     func(netip.AddrPort, probe.FlowOptions) (Socket, error)
	Exchange func(context.Context, netip.AddrPort, *datagram.Datagram) (probe.Exchanged, error)
}

// Real is the real one.
func Real() Network {
	return Network{
		Open: func(peer netip.AddrPort, o probe.FlowOptions) (Socket, error) {
			f, err := probe.OpenFlow(peer, o)
			if err != nil {
				return nil, err // not a Socket that is nil
			}
			return f, nil
		},
		Exchange: probe.Exchange,
	}
}

// Mesh probes the peers that the server tells, is its subscriber to them, and the author
// of updates: a Core in the time that goes by, with sockets. Make it with New. Its methods
// may be called by many goroutines at once.
type Mesh struct {
	network Network
	kernel  *Kernel
	clock   func() time.Duration
	readers sync.WaitGroup // of sockets, and exchanges
	news    wait.Broadcast

	mu   sync.Mutex
	life context.Context // of Run
	core *Core
}

// New returns a Mesh that probes nothing until Run, and nobody then whom it was not told.
func New(c Config, n Network, k Kernel) *Mesh {
	m := &Mesh{network: n, kernel: &k, clock: c.Clock}
	m.core = NewCore(c, sockets{m}, m.kernel)
	return m
}

// Version is that of the newest news; empty for none.
func (m *Mesh) Version() string {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.core.Version()
}

// Take is Core.Take.
func (m *Mesh) Take(n report.News) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.core.Take(n) {
		m.news.Send()
	}
}

// Starving is Core.Starving.
func (m *Mesh) Starving(from, to time.Duration) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.core.Starving(from, to)
}

// Report is Core.Report.
func (m *Mesh) Report() *report.Mesh {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.core.Report()
}

// Settled is Core.Settled.
func (m *Mesh) Settled(told *report.Mesh) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.core.Settled(told)
}

// Waits is Core.Waits.
func (m *Mesh) Waits() bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.core.Waits()
}

// Write is Core.Write.
func (m *Mesh) Write() []byte {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.core.Write()
}

// Peers is Core.Peers.
func (m *Mesh) Peers() []Peer {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.core.Peers()
}

// Starved is Core.Starved.
func (m *Mesh) Starved() time.Duration {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.core.Starved()
}

// Run probes until ctx ends, and returns once all sockets are closed. It is called once.
func (m *Mesh) Run(ctx context.Context) {
	m.mu.Lock()
	m.life = ctx
	m.mu.Unlock()
	defer m.end()
	due := m.clock()
	for {
		news := m.news.Next()
		if !m.busy() {
			select {
			case <-ctx.Done():
				return
			case <-news:
			}
			due = m.clock()
		}
		if !wait.For(ctx, due-m.clock()) {
			return
		}
		due = m.look(due)
	}
}

// busy is Core.Busy.
func (m *Mesh) busy() bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.core.Busy()
}

// look is Core.Look.
func (m *Mesh) look(due time.Duration) time.Duration {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.core.Look(due)
}

// end ends all sessions, and waits for those that read.
func (m *Mesh) end() {
	m.mu.Lock()
	m.core.End()
	m.mu.Unlock()
	m.readers.Wait()
	m.kernel.Close()
}

// sockets are the Ways of a Mesh, whose lock is held where they are called, and by whoever
// they call.
type sockets struct{ *Mesh }

// Open opens a socket, and has a goroutine that reads it.
func (m sockets) Open(peer netip.AddrPort, o probe.FlowOptions, receive Receiver) (Flow, error) {
	s, err := m.network.Open(peer, o)
	if err != nil {
		return nil, err
	}
	m.readers.Go(func() { m.read(s, receive) })
	return s, nil
}

func (m sockets) read(s Socket, receive Receiver) {
	for {
		a, err := s.Receive()
		if errors.Is(err, net.ErrClosed) {
			return
		}
		at := m.clock()
		if err == nil {
			at -= max(0, time.Since(a.At))
		}
		m.mu.Lock()
		receive(s, &a, at, err)
		m.mu.Unlock()
		if err != nil && !isAbout(err) {
			_ = s.Close() // it is of no use any more
			return
		}
	}
}

// Exchange makes a TCP connection beside all else.
func (m sockets) Exchange(peer netip.AddrPort, q *datagram.Datagram, done func(probe.Exchanged, error)) {
	life := m.life
	m.readers.Go(func() {
		ctx, cancel := context.WithTimeout(life, patience)
		defer cancel()
		e, err := m.network.Exchange(ctx, peer, q)
		m.mu.Lock()
		defer m.mu.Unlock()
		done(e, err)
	})
}

// isAbout says whether an error is about a question, so that the flow goes on.
func isAbout(err error) bool {
	return errors.Is(err, probe.ErrRefused) || errors.Is(err, probe.ErrUnreachable) || errors.Is(err, probe.ErrTooLarge)
}
