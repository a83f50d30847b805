package mesh

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/netchecker/netchecker/agent/reflector"
	"github.com/netchecker/netchecker/pkg/assignment"
	"github.com/netchecker/netchecker/pkg/datagram"
	"github.com/netchecker/netchecker/pkg/report"
	"github.com/netchecker/netchecker/test/eventually"
)

// real is a Mesh with real sockets.
type real struct {
	*testing.T
	*Mesh
}

func newReal(t *testing.T) real {
	t.Helper()
	began := time.Now()
	m := New(Config{
		Node: "here", Clock: func() time.Duration { return time.Since(began) }, AllowLoopback: true,
	}, Real(), RealKernel(true))
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() { m.Run(ctx); close(done) }()
	t.Cleanup(func() { cancel(); <-done })
	return real{t, m}
}

// probes has it probe peers for good.
func (r real) probes(base string, peers ...assignment.Peer) {
	r.Helper()
	data, err := assignment.Encode(assigned(base, peers...))
	if err != nil {
		r.Fatal(err)
	}
	r.Take(report.News{Version: base, Data: data})
	if r.Version() != base {
		r.Fatal("the news were not taken")
	}
}

// outcome is what is to be seen of a peer.
type outcome struct {
	name string
	peer assignment.Peer
	is   func(report.Session) bool
}

// sees waits until each outcome is so, in each of its peer's families, of a session that
// runs or is over.
func (r real) sees(list ...outcome) {
	r.Helper()
	eventually.Nil(r, func() error {
		m := r.Report()
		for _, o := range list {
			for _, a := range o.peer.Addresses {
				if s := lastOf(m, o.peer.ID, a.Is6()); !o.is(s) {
					return fmt.Errorf("%s at %v: not so of %+v", o.name, a, s)
				}
			}
		}
		return nil
	})
}

// lastOf is the newest session with a peer.
func lastOf(m *report.Mesh, peer uint64, six bool) (last report.Session) {
	for _, list := range []report.Sessions{m.Ended, m.Sessions} {
		for s := range list.All() {
			if s.Peer == peer && s.Six == six && s.ID >= last.ID {
				last = s
			}
		}
	}
	return last
}

// answering is a reflector that runs, at the address, for as long as the test does or
// until it is ended.
func answering(t *testing.T, address string, boot uint64) (port uint16, end func()) {
	t.Helper()
	r, err := reflector.Listen(t.Context(), reflector.Config{Address: address, Boot: boot})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	done := make(chan struct{})
	go func() {
		defer close(done)
		if err := r.Run(ctx); err != nil {
			t.Error(err)
		}
	}()
	end = sync.OnceFunc(func() { cancel(); <-done })
	t.Cleanup(end)
	return r.Port(), end
}

// at is a peer on this machine.
func at(id uint64, port uint16, boot uint64, addresses ...string) assignment.Peer {
	p := peer(id, -1)
	p.Addresses, p.Port, p.Boot = nil, port, fmt.Sprintf("%016x", boot)
	for _, a := range addresses {
		p.Addresses = append(p.Addresses, netip.MustParseAddr(a))
	}
	return p
}

const bootID = 0x0123456789abcdef

// closed is a port that nobody listens at.
func closed(t *testing.T) uint16 {
	t.Helper()
	port, end := answering(t, "0.0.0.0:0", bootID)
	end()
	return port
}

// TestEachOutcomeIsSeenOverRealSockets has them all at once, since they take their time.
func TestEachOutcomeIsSeenOverRealSockets(t *testing.T) {
	t.Parallel()
	port, _ := answering(t, "0.0.0.0:0", bootID)
	restarted, _ := answering(t, "0.0.0.0:0", bootID+1)
	const four, six = "127.0.0.1", "::1"
	const slow = patience + 300*time.Millisecond
	late := func(uint32) time.Duration { return slow }
	list := []outcome{
		{"answered", at(1, port, bootID, four, six), func(s report.Session) bool {
			return s.Answered() >= 2 && s.Forward+s.Back+s.Refused+s.Forbidden+s.Stuck == 0 && s.RoundTrips > 0 &&
				s.Dialed >= 1 && s.DialRun == 0 && s.Dials > 0 && s.Sized >= 1 && s.There == s.MTU && s.Here == s.MTU && s.MTU > 1500
		}},
		{"restarted, or an address that is another's now", at(2, restarted, bootID, four, six), func(s report.Session) bool {
			return s.Refused >= 1 && s.Answered()+s.Forward+s.Back == 0 && s.DialRun == s.DialRefused
		}},
		{"closed", at(3, closed(t), bootID, four, six), func(s report.Session) bool {
			return s.Refused >= 1 && s.Answered()+s.Forward+s.Back == 0 && s.DialRefused >= 1 && s.DialRefused == s.Dialed && s.Silent == 0
		}},
		// On a busy machine what is lost may be suspect.
		{"lost forward", at(4, newRelay(t, port, except(2), passes), bootID, four), func(s report.Session) bool {
			return s.Forward == 1 && s.Back == 0 || s.Suspect == 1 && s.Forward+s.Back == 0
		}},
		{"lost back", at(5, newRelay(t, port, passes, except(2)), bootID, four), func(s report.Session) bool {
			return s.Forward == 0 && s.Back == 1 || s.Suspect == 1 && s.Forward+s.Back == 0
		}},
		{"slow", at(6, newRelay(t, port, passes, late), bootID, four), func(s report.Session) bool {
			return s.Answered() >= 2 && s.Forward+s.Back == 0 && s.Shortest >= uint64(slow.Microseconds())
		}},
	}
	var peers []assignment.Peer
	for _, o := range list {
		peers = append(peers, o.peer)
	}
	r := newReal(t)
	r.probes("a", peers...)
	r.sees(list...)
}

func TestAnAgentThatEndsSaysSoAndItsNextLifeIsProbedAnew(t *testing.T) {
	t.Parallel()
	port, end := answering(t, "0.0.0.0:0", bootID)
	peer := at(1, port, bootID, "127.0.0.1")
	r := newReal(t)
	r.probes("a", peer)
	r.sees(outcome{"answered", peer, func(s report.Session) bool { return s.Answered() >= 1 }})
	end()
	eventually.Nil(t, func() error {
		m := r.Report()
		for s := range m.Ended.All() {
			if s.Open+s.Forward+s.Back+s.Refused == 0 {
				return nil
			}
		}
		if s := lastOf(m, 1, false); s.Refused > 0 && m.Starved > 300*time.Millisecond {
			return nil // so it did not ask in time to hear it
		}
		return fmt.Errorf("%d sessions are over", m.Ended.Len())
	})
	answering(t, netip.AddrPortFrom(netip.IPv4Unspecified(), port).String(), bootID+1)
	next := at(1, port, bootID+1, "127.0.0.1")
	r.probes("b", next)
	r.sees(outcome{"the next life", next, func(s report.Session) bool { return s.Answered() >= 1 && s.Refused == 0 }})
}

// relay passes datagrams on to a reflector and back, as it is told to.
type relay struct {
	conn *net.UDPConn
	to   netip.AddrPort
	// forward and back say of each datagram, by the number of its question, after how
	// long it goes on; never where that is negative.
	forward, back func(sequence uint32) time.Duration

	mu      sync.Mutex
	ways    map[netip.AddrPort]*net.UDPConn
	running sync.WaitGroup
	over    atomic.Bool
}

func newRelay(t *testing.T, port uint16, forward, back func(uint32) time.Duration) uint16 {
	t.Helper()
	conn, err := net.ListenUDP("udp4", net.UDPAddrFromAddrPort(netip.MustParseAddrPort("127.0.0.1:0")))
	if err != nil {
		t.Fatal(err)
	}
	r := &relay{conn: conn, to: netip.AddrPortFrom(netip.MustParseAddr("127.0.0.1"), port), forward: forward, back: back, ways: map[netip.AddrPort]*net.UDPConn{}}
	r.running.Go(r.run)
	t.Cleanup(func() {
		r.over.Store(true)
		_ = conn.Close()
		r.mu.Lock()
		for _, w := range r.ways {
			_ = w.Close()
		}
		r.mu.Unlock()
		r.running.Wait()
	})
	return conn.LocalAddr().(*net.UDPAddr).AddrPort().Port()
}

func (r *relay) run() {
	buf := make([]byte, 1<<16)
	for {
		n, from, err := r.conn.ReadFromUDPAddrPort(buf)
		if errors.Is(err, net.ErrClosed) {
			return
		}
		way := r.way(from)
		if err != nil || way == nil {
			continue
		}
		r.later(buf[:n], r.forward, func(data []byte) { _, _ = way.Write(data) })
	}
}

// way is the socket that stands for a source.
func (r *relay) way(from netip.AddrPort) *net.UDPConn {
	r.mu.Lock()
	defer r.mu.Unlock()
	if w := r.ways[from]; w != nil || r.over.Load() {
		return w
	}
	w, err := net.DialUDP("udp4", nil, net.UDPAddrFromAddrPort(r.to))
	if err != nil {
		return nil
	}
	r.ways[from] = w
	r.running.Go(func() {
		buf := make([]byte, 1<<16)
		for {
			n, err := w.Read(buf)
			if errors.Is(err, net.ErrClosed) {
				return
			}
			if err == nil {
				r.later(buf[:n], r.back, func(data []byte) { _, _ = r.conn.WriteToUDPAddrPort(data, from) })
			}
		}
	})
	return w
}

func (r *relay) later(data []byte, wait func(uint32) time.Duration, pass func([]byte)) {
	d, ok := datagram.Parse(data)
	if !ok {
		return
	}
	data = append([]byte{}, data...)
	switch after := wait(d.Sequence); {
	case after == 0:
		pass(data)
	case after > 0:
		r.running.Go(func() { time.Sleep(after); pass(data) })
	}
}

func passes(uint32) time.Duration { return 0 }

// except is a way on which the datagrams of these numbers are lost.
func except(lost ...uint32) func(uint32) time.Duration {
	return func(sequence uint32) time.Duration {
		if slices.Contains(lost, sequence) {
			return -1
		}
		return 0
	}
}
