package mesh

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/netchecker/netchecker/agent/probe"
	"github.com/netchecker/netchecker/pkg/assignment"
	"github.com/netchecker/netchecker/pkg/datagram"
	"github.com/netchecker/netchecker/pkg/report"
)

// world is the peers of a Mesh and the paths to them, in made-up time.
type world struct {
	t    *testing.T
	mesh *Mesh
	end  func()

	mu    sync.Mutex
	boots map[netip.AddrPort]uint64
	// path says what becomes of a question: '.' answered, 'f' lost forward, 'b' lost on
	// the way back, 'r' refused by ICMP, 'l' answered by one who leaves, 'p' forbidden,
	// 'w' answered in the name of a wrong life, 'd' answered and read half a second later.
	// One for another life is answered "not me" where it would be answered.
	path func(f *fakeFlow, q *datagram.Datagram, size int) rune
	// dial says the same of TCP connections, 'm' for one that is mute.
	dial     func(netip.AddrPort) rune
	sent     map[uint64]int // small datagrams that left over first flows, by their boot id
	opened   int            // flows that are open
	farewell []uint32       // sessions that were said to end
	jump     time.Duration  // by which the agent's clock is ahead, as if it had not run
	overflow uint32         // datagrams that found no room
	stat     string         // the file of the cgroup's account
}

const gap = time.Millisecond // a way there and back

// inWorld runs a test of a Mesh in made-up time.
func inWorld(t *testing.T, test func(*world)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		w := &world{t: t, boots: map[netip.AddrPort]uint64{}, sent: map[uint64]int{},
			path: func(*fakeFlow, *datagram.Datagram, int) rune { return '.' },
			dial: func(netip.AddrPort) rune { return '.' },
			stat: filepath.Join(t.TempDir(), "cpu.stat"),
		}
		w.throttled(0)
		began := time.Now()
		w.mesh = New(Config{
			Node: "here", Clock: func() time.Duration { w.mu.Lock(); defer w.mu.Unlock(); return time.Since(began) + w.jump },
		}, Network{Open: w.open, Exchange: w.exchange}, Kernel{CPUStat: []string{w.stat}})
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() { w.mesh.Run(ctx); close(done) }()
		w.end = func() { cancel(); <-done }
		test(w)
		w.end()
		if w.opened != 0 {
			t.Errorf("%d flows are still open", w.opened)
		}
	})
}

// tell is news of the server's.
func (w *world) tell(base string, peers ...assignment.Peer) {
	w.t.Helper()
	data, err := assignment.Encode(assigned(base, peers...))
	if err != nil {
		w.t.Fatal(err)
	}
	w.mu.Lock()
	for _, p := range peers {
		p, _ := windowOf(&p, 0)
		for _, six := range []bool{false, true} {
			if a, ok := p.target.address(six); ok {
				w.boots[a] = p.target.boot
			}
		}
	}
	w.mu.Unlock()
	w.mesh.Take(report.News{Topic: assignment.Topic, Version: base, Data: data})
}

// pass lets time go by.
func (w *world) pass(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

// set changes the world.
func (w *world) set(change func()) {
	w.mu.Lock()
	defer w.mu.Unlock()
	change()
}

// paths has all questions meet the same fate from now on.
func (w *world) paths(what rune) {
	w.set(func() {
		w.path = func(*fakeFlow, *datagram.Datagram, int) rune { return what }
		w.dial = func(netip.AddrPort) rune { return what }
	})
}

// throttled writes for how long the cgroup was not allowed to run.
func (w *world) throttled(d time.Duration) {
	w.t.Helper()
	if err := os.WriteFile(w.stat, fmt.Appendf(nil, "throttled_usec %d\n", d.Microseconds()), 0o600); err != nil {
		w.t.Fatal(err)
	}
}

// row is that of the session that runs with a peer over IPv4.
func (w *world) row(id uint64) report.Session {
	w.t.Helper()
	for s := range w.mesh.Report().Sessions.All() {
		if s.Peer == id && !s.Six {
			return s
		}
	}
	w.t.Fatalf("no session with %d runs", id)
	return report.Session{}
}

// fakeFlow is a Socket of a world.
type fakeFlow struct {
	w        *world
	peer     netip.AddrPort
	whole    bool
	port     int
	received map[uint32]uint32 // by session
	more     uint16            // that would follow, as was said last
	in       chan arrived
	over     chan struct{}
	once     sync.Once
}

type arrived struct {
	a   probe.Arrival
	err error
}

func (w *world) open(peer netip.AddrPort, o probe.FlowOptions) (Socket, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.opened++
	return &fakeFlow{w: w, peer: peer, whole: o.Unfragmented, port: w.opened, received: map[uint32]uint32{},
		in: make(chan arrived, 1000), over: make(chan struct{})}, nil
}

func (f *fakeFlow) MTU() (int, error) { return 1500, nil }

func (f *fakeFlow) Close() error {
	f.once.Do(func() {
		close(f.over)
		f.w.set(func() { f.w.opened-- })
	})
	return nil
}

func (f *fakeFlow) Receive() (probe.Arrival, error) {
	select {
	case <-f.over:
		return probe.Arrival{}, net.ErrClosed
	case a := <-f.in:
		return a.a, a.err
	}
}

func (f *fakeFlow) Send(q *datagram.Datagram, size int) error {
	f.w.mu.Lock()
	defer f.w.mu.Unlock()
	what := f.w.path(f, q, size)
	if what == 'p' {
		return probe.ErrForbidden
	}
	f.w.note(f, q, size)
	if what == 'f' {
		return nil
	}
	f.received[q.Session]++
	if what == 'b' {
		return nil
	}
	a := arrived{probe.Arrival{Datagram: *q, Size: int(q.Reply), Overflowed: f.w.overflow}, nil}
	a.a.Kind, a.a.Received = datagram.Answer, f.received[q.Session]
	switch {
	case what == 'r':
		a.err = probe.ErrRefused
	case f.w.boots[f.peer] != q.Boot:
		a.a.Kind, a.a.Boot = datagram.NotMe, 0
	case what == 'l':
		a.a.Kind = datagram.Leaving
	case what == 'w':
		a.a.Boot++
	}
	time.AfterFunc(gap, func() {
		a.a.At = time.Now()
		if what == 'd' {
			time.Sleep(500 * time.Millisecond)
		}
		f.in <- a
	})
	return nil
}

// note counts what left, but for the words that a session ends before it was to.
func (w *world) note(f *fakeFlow, q *datagram.Datagram, size int) {
	if f.whole || size != datagram.Size {
		return
	}
	if q.More == 0 && f.more > 1 {
		w.farewell = append(w.farewell, q.Session)
	} else {
		w.sent[q.Boot]++
	}
	f.more = q.More
}

func (w *world) exchange(ctx context.Context, peer netip.AddrPort, q *datagram.Datagram) (probe.Exchanged, error) {
	w.mu.Lock()
	what, boot := w.dial(peer), w.boots[peer]
	w.mu.Unlock()
	e := probe.Exchanged{Answer: *q, Took: gap}
	e.Answer.Kind = datagram.Answer
	switch what {
	case 'f', 'b':
		<-ctx.Done()
		return probe.Exchanged{Took: patience}, probe.ErrUnanswered
	case 'm':
		<-ctx.Done()
		return probe.Exchanged{Took: patience}, probe.ErrMute
	case 'r':
		return probe.Exchanged{}, probe.ErrRefused
	case 'p':
		return probe.Exchanged{}, probe.ErrForbidden
	case 'l':
		e.Answer.Kind = datagram.Leaving
	}
	if boot != q.Boot {
		e.Answer.Kind, e.Answer.Boot = datagram.NotMe, 0
	}
	return e, nil
}
