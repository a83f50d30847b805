package mesh

import (
	"net/netip"
	"testing"
	"time"

	"github.com/netchecker/netchecker/pkg/assignment"
	"github.com/netchecker/netchecker/pkg/datagram"
	"github.com/netchecker/netchecker/pkg/report"
)

func peerAddress(id uint64) netip.AddrPort {
	p := peer(id, -1)
	return netip.AddrPortFrom(p.Addresses[0], p.Port)
}

// loseOne loses the next small datagram to a peer, and nothing after.
func (w *world) loseOne(id uint64) {
	lost := false
	w.set(func() {
		w.path = func(f *fakeFlow, _ *datagram.Datagram, size int) rune {
			if !lost && f.peer == peerAddress(id) && size == datagram.Size {
				lost = true
				return 'f'
			}
			return '.'
		}
	})
}

// update is the one that waits.
func (w *world) update() report.Mesh {
	w.t.Helper()
	if !w.mesh.Waits() {
		w.t.Fatal("no update waits")
	}
	m, err := report.DecodeMesh(w.mesh.Write())
	if err != nil {
		w.t.Fatal(err)
	}
	return m
}

func TestWhatLooksWorseIsToldAtOnceAndAgainForAsLongAsItIs(t *testing.T) {
	inWorld(t, func(w *world) {
		w.tell("a", peer(1, -1), peer(2, -1))
		w.pass(20 * time.Second)
		w.set(func() {
			w.path = func(f *fakeFlow, _ *datagram.Datagram, _ int) rune {
				if f.peer == peerAddress(1) {
					return 'f'
				}
				return '.'
			}
		})
		w.pass(4*time.Second + beat) // two are missing
		m := w.update()
		if m.Sessions.Len() != 2 || m.Ended.Len() != 0 || m.AsOf != w.mesh.core.cfg.Clock() {
			t.Errorf("it tells %d sessions as of %v", m.Sessions.Len(), m.AsOf)
		}
		if w.mesh.Waits() {
			t.Error("another one waits at once")
		}
		w.pass(20 * time.Second) // until nothing is new any more
		w.update()
		for range 3 {
			w.pass(4900 * time.Millisecond)
			if w.mesh.Waits() {
				t.Error("another one waits too soon")
			}
			w.pass(200 * time.Millisecond)
			w.update()
		}
		w.paths('.')
		w.pass(70 * time.Second)
		w.update() // that it is well again
		w.pass(time.Minute)
		if w.mesh.Waits() {
			t.Error("an update waits though all is well, and told")
		}
	})
}

func TestAnUpdateFitsIntoAMessageAndHasThoseThatLookBad(t *testing.T) {
	inWorld(t, func(w *world) {
		var peers []assignment.Peer
		for id := range uint64(assignment.MaxPeers) {
			p := dual(id+1, -1)
			p.ID = report.MaxID - id
			peers = append(peers, p)
		}
		w.tell("a", peers...)
		w.pass(1000 * time.Second)
		w.set(func() {
			w.path = func(f *fakeFlow, _ *datagram.Datagram, _ int) rune {
				if f.peer == peerAddress(20) {
					return 'f'
				}
				return '.'
			}
		})
		w.pass(6*time.Second + beat)
		body := w.mesh.Write()
		m, err := report.DecodeMesh(body)
		if err != nil || len(body) > report.MaxBody || m.Sessions.Len() < 70 {
			t.Fatalf("%d bytes, %d sessions: %v", len(body), m.Sessions.Len(), err)
		}
		for s := range m.Sessions.All() {
			if s.Peer == report.MaxID-19 {
				return
			}
		}
		t.Error("the one that looks bad is not among them")
	})
}

func TestWhatThisHostForbidsIsToldAtOnceWhereItDidNotBefore(t *testing.T) {
	inWorld(t, func(w *world) {
		w.paths('p')
		w.tell("a", peer(1, -1))
		w.pass(20 * time.Second)
		if w.mesh.Waits() {
			t.Error("an update waits though it was always so")
		}
		w.paths('.')
		w.pass(20 * time.Second)
		w.paths('p')
		w.pass(3 * time.Second)
		if m := w.update(); m.Sessions.Len() != 1 {
			t.Errorf("it tells %d sessions", m.Sessions.Len())
		}
	})
}

func TestWhatOthersHearIsToldAtOnce(t *testing.T) {
	inWorld(t, func(w *world) {
		var heard []report.Heard
		w.mesh.core.cfg.Heard = func() []report.Heard {
			w.mu.Lock()
			defer w.mu.Unlock()
			return heard
		}
		w.tell("a", peer(1, -1))
		w.pass(5 * time.Second)
		if w.mesh.Waits() {
			t.Fatal("an update waits though all is well")
		}
		w.set(func() { heard = []report.Heard{{Peer: 1, ID: 2, Silent: 4000}} })
		w.pass(time.Second)
		if m := w.update(); len(m.Heard) != 1 || m.Heard[0].Silent != 4000 {
			t.Errorf("it tells %+v", m.Heard)
		}
	})
}

// TestAllThatOneHostMissesInAMomentIsSuspect has 8 peers whose answers of half a second
// do not come.
func TestAllThatOneHostMissesInAMomentIsSuspect(t *testing.T) {
	for _, row := range []struct {
		name    string
		takes   time.Duration
		suspect bool
	}{{"a moment", 400 * time.Millisecond, true}, {"five seconds", 5 * time.Second, false}} {
		inWorld(t, func(w *world) {
			var peers []assignment.Peer
			for id := range uint64(16) {
				peers = append(peers, peer(id+1, -1))
			}
			for id := range uint64(4) { // what is on the own node misses nothing
				own := peer(100+id, -1)
				own.Node = "here"
				peers = append(peers, own)
			}
			w.tell("a", peers...)
			w.pass(20 * time.Second)
			w.set(func() {
				w.path = func(f *fakeFlow, _ *datagram.Datagram, _ int) rune {
					if f.peer.Addr().As4()[3] >= 100 {
						return '.'
					}
					return 'b'
				}
			})
			w.pass(row.takes)
			w.paths('.')
			w.pass(20*time.Second + beat/2) // nothing is on its way then
			var suspect, lost uint64
			for s := range w.mesh.Report().Sessions.All() {
				suspect, lost = suspect+s.Suspect, lost+s.Back+s.Forward+s.Open
			}
			if row.suspect && (suspect < 3 || lost > 0) || !row.suspect && (suspect > 0 || lost < 70) {
				t.Errorf("%s: %d are suspect, and %d lost", row.name, suspect, lost)
			}
		})
	}
}
