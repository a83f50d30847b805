package mesh

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/netchecker/netchecker/pkg/assignment"
	"github.com/netchecker/netchecker/pkg/datagram"
	"github.com/netchecker/netchecker/pkg/report"
)

func TestWhatIsOverIsToldUntilAReportWithItWasAccepted(t *testing.T) {
	inWorld(t, func(w *world) {
		w.tell("a", peer(1, -1), peer(2, 0))
		w.pass(29 * time.Second)
		if m := w.mesh.Report(); m.Ended.Len() != 0 || m.Sessions.Len() != 2 {
			t.Errorf("%d are over, and %d run", m.Ended.Len(), m.Sessions.Len())
		}
		w.tell("a", peer(3, 1)) // goes on at 30
		w.pass(5 * time.Second)
		first, second := w.mesh.Report(), w.mesh.Report()
		for _, m := range []*report.Mesh{first, second} {
			for s := range m.Ended.All() {
				if s.Peer != 2 || s.Sent < 29 || s.Sent > 30 || s.Answered() != s.Sent {
					t.Errorf("peer %d: %s", s.Peer, fates(s))
				}
			}
			if m.Ended.Len() != 1 || m.Sessions.Len() != 2 {
				t.Errorf("%d are over, and %d run", m.Ended.Len(), m.Sessions.Len())
			}
		}
		w.mesh.Settled(first)
		if m := w.mesh.Report(); m.Ended.Len() != 0 || m.Sessions.Len() != 2 {
			t.Errorf("%d are over, and %d run", m.Ended.Len(), m.Sessions.Len())
		}
	})
}

func TestAFailingPairIsKeptBeyondItsWindowUntilItHeals(t *testing.T) {
	inWorld(t, func(w *world) {
		w.tell("a", peer(1, -1), peer(2, 0), peer(3, 30), peer(4, 60), peer(5, 300))
		w.pass(20 * time.Second)
		w.set(func() {
			w.path = func(f *fakeFlow, _ *datagram.Datagram, _ int) rune {
				if f.peer.Addr().String() == "10.0.0.2" {
					return 'b'
				}
				return '.'
			}
		})
		w.pass(60 * time.Second)
		if s := w.row(2); s.Open < 57 {
			t.Errorf("it is not probed any more: %s", fates(s))
		}
		w.paths('.')
		w.pass(100 * time.Second) // of calm
		m := w.mesh.Report()
		for s := range m.Sessions.All() {
			if s.Peer == 2 {
				t.Errorf("it is still probed: %s", fates(s))
			}
		}
		for s := range m.Ended.All() {
			if s.Peer == 2 && (s.Back < 57 || s.Open+s.Forward != 0) {
				t.Errorf("it ended as %s", fates(s))
			}
		}
	})
}

func TestAFailingPairThatTheServerDoesNotTellOfAnyMoreIsKeptForTenMinutes(t *testing.T) {
	inWorld(t, func(w *world) {
		w.tell("a", peer(1, -1), peer(2, -1), peer(3, -1))
		w.paths('f')
		w.pass(20 * time.Second)
		next := peer(3, -1)
		next.Boot = "00000000000000aa"
		w.tell("b", peer(1, -1), next) // 2 is gone, and 3 was restarted
		runs := func() (n int) { return w.mesh.Report().Sessions.Len() }
		w.pass(9 * time.Minute)
		if n := runs(); n != 3 {
			t.Errorf("%d run after 9 min", n)
		}
		w.pass(2 * time.Minute)
		if n := runs(); n != 2 {
			t.Errorf("%d run after 11 min", n)
		}
	})
}

func TestASumMakesSenseAlsoWhereWhatWasOpenIsLostNow(t *testing.T) {
	var c Core
	told := report.Session{ID: 1, Peer: 2, Sent: 10, Open: 3, RoundTrips: 70, Shortest: 5, Longest: 20}
	row := report.Session{ID: 1, Peer: 2, Sent: 12, Forward: 4, RoundTrips: 80, Shortest: 4, Longest: 30}
	c.addUp(row, told)
	c.addUp(report.Session{ID: 2, Peer: 3, Host: true, Sent: 1, Longest: 9, Shortest: 9}, report.Session{})
	c.addUp(report.Session{ID: 3, Peer: 2, Sent: 1, Longest: 9, Shortest: 9}, report.Session{})
	want := []report.Session{{Sent: 5, Forward: 4, RoundTrips: 10, Shortest: 4, Longest: 30}, {Host: true, Sent: 1, Shortest: 9, Longest: 9}}
	if !slices.Equal(c.summed, want) {
		t.Errorf("got  %+v\nwant %+v", c.summed, want)
	}
}

func TestOfFailingPairsThoseOfEightNodesAreKept(t *testing.T) {
	inWorld(t, func(w *world) {
		var peers []assignment.Peer
		for id := range uint64(12) {
			peers = append(peers, peer(id+1, 0))
		}
		w.tell("a", append(peers, peer(20, 300))...)
		w.paths('f')
		w.pass(60 * time.Second)
		if n := w.mesh.Report().Sessions.Len(); n != keptNodes {
			t.Errorf("%d are kept", n)
		}
	})
}

func TestTheEndOfASessionIsToldToThePeer(t *testing.T) {
	inWorld(t, func(w *world) {
		w.tell("a", peer(1, -1), peer(2, -1))
		w.pass(20 * time.Second)
		w.tell("b", peer(1, -1))
		w.pass(time.Second)
		if len(w.farewell) != 1 {
			t.Errorf("%d were told", len(w.farewell))
		}
		w.end()
		if len(w.farewell) != 2 {
			t.Errorf("%d were told as the agent ended", len(w.farewell))
		}
	})
}

// TestWithoutTheServerAllThatIsHeldGoesRoundAndNothingCountsTwice has the server away for
// ten minutes, in which reports are made all the same.
func TestWithoutTheServerAllThatIsHeldGoesRoundAndNothingCountsTwice(t *testing.T) {
	inWorld(t, func(w *world) {
		peers := []assignment.Peer{peer(1, -1)}
		for i := range uint64(56) {
			peers = append(peers, peer(2+i, int(i/14)*30))
		}
		w.tell("a", peers...)
		for range 40 {
			w.pass(15 * time.Second)
			if m := w.mesh.Report(); m.Summed.Len() != 0 || m.Sessions.Len() > report.MaxSessions || m.Ended.Len() > report.MaxEnded {
				t.Fatalf("%d run, %d are over, %d sums", m.Sessions.Len(), m.Ended.Len(), m.Summed.Len())
			}
		}
		sent, m := map[uint64]uint64{}, w.mesh.Report()
		for _, list := range []report.Sessions{m.Sessions, m.Ended} {
			for s := range list.All() {
				sent[s.Peer] += s.Sent
				if s.Answered() != s.Sent {
					t.Errorf("peer %d: %s", s.Peer, fates(s))
				}
			}
		}
		for id := range uint64(57) {
			want := uint64(w.sent[id+1])
			if got := sent[id+1]; got != want || got < 4*29 {
				t.Errorf("peer %d: %d are told, and %d were sent", id+1, got, want)
			}
		}
	})
}

func TestWhatThereIsNoRoomForIsSummedAndNeverFalls(t *testing.T) {
	inWorld(t, func(w *world) {
		var before uint64
		running := map[uint64]uint64{} // by session, as it was told last
		began := w.mesh.core.cfg.Clock()
		for round := range 40 { // nobody asks for a report, and 20 sessions end in each
			var peers []assignment.Peer
			for i := range uint64(20) {
				peers = append(peers, peer(1000+uint64(round)*20+i, 0))
			}
			w.tell(fmt.Sprint(round), peers...)
			w.pass(30 * time.Second)
			if round%8 != 7 {
				continue
			}
			m := w.mesh.Report()
			summed := uint64(0)
			for s := range m.Summed.All() {
				summed += s.Sent
			}
			if summed < before {
				t.Fatalf("%d after %d", summed, before)
			}
			before = summed
			for _, list := range []report.Sessions{m.Sessions, m.Ended} {
				for s := range list.All() {
					running[s.ID] = s.Sent
				}
			}
			body := report.AppendMesh(nil, m)
			if _, err := report.DecodeMesh(body); err != nil {
				t.Fatal(err)
			}
		}
		told := before
		for _, sent := range running {
			told += sent
		}
		seconds := uint64((w.mesh.core.cfg.Clock() - began) / time.Second)
		if want := uint64(w.total()); told != want || want < 20*(seconds-40) || before < want/4 {
			t.Errorf("%d are told, %d of them as sums, and %d were sent", told, before, want)
		}
	})
}

// total is how many small datagrams were sent.
func (w *world) total() (n int) {
	w.set(func() {
		for _, sent := range w.sent {
			n += sent
		}
	})
	return n
}

func TestWhatCannotBeReadChangesNothing(t *testing.T) {
	inWorld(t, func(w *world) {
		w.tell("a", peer(1, -1))
		w.mesh.Take(report.News{Version: "b", Data: []byte(`{"self":0}`)})
		loop := peer(2, -1)
		loop.Addresses[0] = netip.MustParseAddr("127.0.0.1")
		data, err := assignment.Encode(assigned("c", loop))
		if err != nil {
			t.Fatal(err)
		}
		w.mesh.Take(report.News{Version: "c", Data: data})
		w.pass(3 * time.Second)
		if v := w.mesh.Version(); v != "a" || w.row(1).Sent < 2 {
			t.Errorf("version %q", v)
		}
	})
}

func TestAMeshThatIsToldNothingTellsOnlyThatItIsThere(t *testing.T) {
	inWorld(t, func(w *world) {
		w.pass(time.Minute)
		if got := string(report.AppendMesh(nil, w.mesh.Report())); !strings.HasPrefix(got, `{"as_of_ms":60000`) || strings.Contains(got, "[[") {
			t.Errorf("it tells %s", got)
		}
		if w.mesh.Waits() || w.mesh.Version() != "" {
			t.Error("there is news of nothing")
		}
	})
}
