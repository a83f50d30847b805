package mesh

import (
	"fmt"
	"net/netip"
	"testing"
	"time"

	"github.com/netchecker/netchecker/pkg/assignment"
	"github.com/netchecker/netchecker/pkg/datagram"
	"github.com/netchecker/netchecker/pkg/report"
)

// dual is a peer in both families.
func dual(id uint64, from int) assignment.Peer {
	p := peer(id, from)
	p.Addresses = append(p.Addresses, netip.MustParseAddr(fmt.Sprintf("fd00::%d", id)))
	return p
}

func TestAPeerIsAskedOnceASecondWhateverItsFamilies(t *testing.T) {
	inWorld(t, func(w *world) {
		w.tell("a", peer(1, -1), dual(2, -1))
		w.pass(61 * time.Second)
		for s := range w.mesh.Report().Sessions.All() {
			want := map[uint64]uint64{1: 61, 2: 31}[s.Peer]
			if s.Sent+1 < want || s.Sent > want || s.Answered() != s.Sent || s.Dialed < 12 || s.Dialed > 13 || s.DialRun+s.DialLost != 0 {
				t.Errorf("peer %d, IPv6 %t: %s, dialed %d; want about %d", s.Peer, s.Six, fates(s), s.Dialed, want)
			}
			sized := map[uint64]uint64{1: 6, 2: 3}[s.Peer]
			if s.MTU != 1500 || s.There != 1500 || s.Here != 1500 || s.Hole != 0 || s.Sized > sized || s.Sized+1 < sized {
				t.Errorf("peer %d: there %d, here %d of %d, hole %d, %d questions", s.Peer, s.There, s.Here, s.MTU, s.Hole, s.Sized)
			}
			if s.Silent != 0 || s.Shortest != 1000 || s.Longest != 1000 || s.RoundTrips != 1000*s.Sent || s.Dials != 1000*s.Dialed {
				t.Errorf("peer %d: silent %d, round trips %d, %d, %d, dials %d", s.Peer, s.Silent, s.Shortest, s.Longest, s.RoundTrips, s.Dials)
			}
		}
		if n := w.mesh.Report().Sessions.Len(); n != 3 {
			t.Errorf("%d sessions run", n)
		}
	})
}

func TestQuestionsAreSpreadOverTheSecond(t *testing.T) {
	inWorld(t, func(w *world) {
		at := map[time.Duration]int{}
		w.set(func() {
			began := time.Now()
			w.path = func(f *fakeFlow, _ *datagram.Datagram, size int) rune {
				if size == datagram.Size {
					at[time.Since(began)%time.Second]++
				}
				return '.'
			}
		})
		var peers []assignment.Peer
		for id := range uint64(16) {
			peers = append(peers, peer(id+1, -1))
		}
		w.tell("a", peers...)
		w.pass(20 * time.Second)
		for moment, n := range at {
			if n > 20*6 || moment%beat != 0 {
				t.Errorf("at %v %d", moment, n)
			}
		}
		if len(at) < 8 {
			t.Errorf("at %d moments of a second", len(at))
		}
	})
}

func TestTheFamiliesOfAPeerTakeTurns(t *testing.T) {
	inWorld(t, func(w *world) {
		var last time.Time
		w.set(func() {
			w.path = func(f *fakeFlow, _ *datagram.Datagram, size int) rune {
				if !f.whole && size == datagram.Size {
					if since := time.Since(last); since != time.Second && !last.IsZero() {
						t.Errorf("%v after the last one", since)
					}
					last = time.Now()
				}
				return '.'
			}
		})
		w.tell("a", dual(1, -1))
		w.pass(20 * time.Second)
		w.paths('.')
	})
}

func TestNobodyIsAskedBeyondTheWindow(t *testing.T) {
	inWorld(t, func(w *world) {
		var peers []assignment.Peer
		for id := range uint64(40) {
			peers = append(peers, peer(id+1, 0))
		}
		w.tell("a", append(peers, peer(99, 300))...)
		w.pass(time.Minute)
		for id := range uint64(40) {
			if n := w.sent[id+1]; n != 30 && n != 29 {
				t.Errorf("peer %d was asked %d times in 30 s", id+1, n)
			}
		}
		if len(w.farewell) > 0 {
			t.Errorf("%d were told that more would follow", len(w.farewell))
		}
	})
}

func TestAnAnswerCountsByWhenTheKernelReceivedIt(t *testing.T) {
	inWorld(t, func(w *world) {
		w.paths('d')
		w.tell("a", peer(1, -1))
		w.pass(10 * time.Second)
		if s := w.row(1); s.Shortest != 1000 || s.Longest != 1000 || s.RoundTrips == 0 {
			t.Errorf("round trips from %d to %d µs", s.Shortest, s.Longest)
		}
	})
}

func TestAnAnswerInTheNameOfAnotherLifeIsNone(t *testing.T) {
	inWorld(t, func(w *world) {
		w.tell("a", peer(1, -1))
		w.paths('w')
		w.pass(10 * time.Second)
		if s := w.row(1); s.Answered() != 0 || s.Open != s.Sent {
			t.Error(fates(s))
		}
	})
}

func TestOutcomesAreToldApart(t *testing.T) {
	for what, want := range map[rune]struct {
		row func(s report.Session) bool
	}{
		'f': {func(s report.Session) bool {
			return s.Forward == 5 && s.Back+s.Open+s.Refused+s.Suspect == 0 && s.DialLost >= 1 && s.DialRun == 0
		}},
		'b': {func(s report.Session) bool {
			return s.Back == 5 && s.Forward+s.Open+s.Refused+s.Suspect == 0 && s.DialLost >= 1
		}},
		'r': {func(s report.Session) bool {
			return s.Refused >= 1 && s.Open+s.Forward+s.Back == 0 && s.DialRefused >= 3 && s.DialLost == 0
		}},
		'p': {func(s report.Session) bool {
			return s.Forbidden >= 5 && s.Open+s.Forward+s.Back+s.Refused == 0 && s.DialLost+s.DialRefused == 0 && s.Answered() == s.Sent
		}},
	} {
		inWorld(t, func(w *world) {
			w.tell("a", peer(1, -1))
			w.pass(20 * time.Second)
			w.paths(what)
			w.pass(5 * time.Second)
			w.paths('.')
			w.pass(20 * time.Second)
			if s := w.row(1); !want.row(s) {
				t.Errorf("%c: %s, forbidden %d, dialed %d refused %d lost %d run %d", what, fates(s), s.Forbidden, s.Dialed, s.DialRefused, s.DialLost, s.DialRun)
			}
		})
	}
}

func TestAConnectionOverWhichNothingComesIsMuteThoughDatagramsPass(t *testing.T) {
	inWorld(t, func(w *world) {
		w.tell("a", peer(1, -1))
		w.set(func() { w.dial = func(netip.AddrPort) rune { return 'm' } })
		w.pass(20 * time.Second)
		if s := w.row(1); s.DialMute < 3 || s.DialRun != s.DialMute || s.DialLost != 0 || s.Answered() != s.Sent {
			t.Errorf("%s, dialed %d, mute %d, run %d", fates(s), s.Dialed, s.DialMute, s.DialRun)
		}
	})
}

func TestADeadSessionTriesASecondSourcePort(t *testing.T) {
	for _, row := range []struct {
		name   string
		second rune
		want   report.Flows
	}{{"all flows", 'f', report.FlowsDead}, {"some flows", '.', report.FlowsSome}} {
		inWorld(t, func(w *world) {
			w.tell("a", peer(1, -1))
			w.pass(20 * time.Second)
			w.set(func() {
				w.path = func(f *fakeFlow, _ *datagram.Datagram, _ int) rune {
					if f.port <= 2 { // the session's own
						return 'f'
					}
					return row.second
				}
			})
			w.pass(5 * time.Second)
			if s := w.row(1); s.Flows != report.FlowsUntried {
				t.Errorf("%s: %d before the session was dead", row.name, s.Flows)
			}
			w.pass(7 * time.Second)
			if s := w.row(1); s.Flows != row.want || s.Open < 11 || s.Silent < 9000 {
				t.Errorf("%s: %d, %s, silent %d", row.name, s.Flows, fates(s), s.Silent)
			}
			w.paths('.')
			w.pass(3 * time.Second)
			if s := w.row(1); s.Flows != report.FlowsUntried || s.Silent != 0 {
				t.Errorf("%s: %d once all is well again, silent %d", row.name, s.Flows, s.Silent)
			}
		})
	}
}

func TestWhoIsNotTheOneAskedForIsAskedSeldomAndThatIsNoLoss(t *testing.T) {
	inWorld(t, func(w *world) {
		p := peer(1, -1)
		w.tell("a", p)
		w.pass(20 * time.Second)
		before := w.row(1)
		address := netip.AddrPortFrom(p.Addresses[0], p.Port)
		w.set(func() { w.boots[address] = 77 })
		w.pass(50 * time.Second)
		s := w.row(1)
		if n := s.Sent - before.Sent; n < 9 || n > 12 || s.Refused != n || s.Open+s.Forward+s.Back != 0 || s.Dialed > before.Dialed+1 || s.Hole != 0 {
			t.Errorf("%s after %s; dialed %d after %d", fates(s), fates(before), s.Dialed, before.Dialed)
		}
		w.set(func() { w.boots[address] = 1 })
		w.pass(20 * time.Second)
		if s := w.row(1); s.Sent < before.Sent+9+14 || s.Open+s.Forward+s.Back != 0 {
			t.Errorf("once it is back: %s", fates(s))
		}
	})
}

func TestWhoLeavesIsNotAskedAnyMoreUntilItIsAnother(t *testing.T) {
	inWorld(t, func(w *world) {
		w.tell("a", dual(1, -1), peer(2, -1))
		w.pass(20 * time.Second)
		w.set(func() {
			w.path = func(f *fakeFlow, _ *datagram.Datagram, _ int) rune {
				if f.peer.Port() == 8083 && f.peer.Addr().String() == "10.0.0.1" {
					return 'l'
				}
				return '.'
			}
		})
		w.pass(3 * time.Second)
		w.paths('f')
		w.set(func() { w.sent = map[uint64]int{} })
		w.pass(10 * time.Second)
		if n := w.sent[1]; n > 1 { // over the other family, whose next was due
			t.Errorf("it was asked %d times after it left", n)
		}
		m := w.mesh.Report()
		if m.Ended.Len() != 2 || m.Sessions.Len() != 1 {
			t.Errorf("%d are over, and %d run", m.Ended.Len(), m.Sessions.Len())
		}
		for s := range m.Ended.All() {
			if s.Peer != 1 || s.Open+s.Forward+s.Back > 1 {
				t.Errorf("peer %d: %s", s.Peer, fates(s))
			}
		}
		next := dual(1, -1)
		next.Boot = "00000000000000aa"
		w.paths('.')
		w.tell("a", next)
		w.pass(5 * time.Second)
		if s := w.row(1); s.Sent < 2 || s.Answered() != s.Sent {
			t.Errorf("the next life: %s", fates(s))
		}
	})
}

func TestARestartedPeersSessionEndsAndAnotherBegins(t *testing.T) {
	inWorld(t, func(w *world) {
		w.tell("a", peer(1, -1), peer(2, -1))
		w.pass(20 * time.Second)
		first, undisturbed := w.row(1), w.row(2)
		next := peer(1, -1)
		next.Boot = "00000000000000aa"
		w.tell("b", next, peer(2, -1))
		w.pass(10 * time.Second)
		m := w.mesh.Report()
		if m.Ended.Len() != 1 || m.Sessions.Len() != 2 {
			t.Fatalf("%d are over, and %d run", m.Ended.Len(), m.Sessions.Len())
		}
		for s := range m.Ended.All() {
			if s.ID != first.ID || s.Forward+s.Back+s.Open != 0 {
				t.Errorf("session %d: %s", s.ID, fates(s))
			}
		}
		if s := w.row(1); s.ID == first.ID || s.Sent < 9 || s.Answered() != s.Sent {
			t.Errorf("session %d: %s", s.ID, fates(s))
		}
		if s := w.row(2); s.ID != undisturbed.ID || s.Sent != undisturbed.Sent+10 {
			t.Errorf("the other one, session %d after %d: %s", s.ID, undisturbed.ID, fates(s))
		}
	})
}
