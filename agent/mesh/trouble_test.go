package mesh

import (
	"testing"
	"time"

	"github.com/netchecker/netchecker/pkg/datagram"
	"github.com/netchecker/netchecker/pkg/report"
)

func TestWhatIsMissedWhileTheAgentIsStarvedIsSuspectAndNoLoss(t *testing.T) {
	for _, row := range []struct {
		name string
		// trouble happens half a second after the paths began to lose all.
		trouble func(*world)
		total   time.Duration
	}{
		{"its timer is late", func(w *world) { w.set(func() { w.jump += 200 * time.Millisecond }) }, 200 * time.Millisecond},
		{"its cgroup is throttled", func(w *world) { w.throttled(70 * time.Millisecond) }, 70 * time.Millisecond},
	} {
		inWorld(t, func(w *world) {
			w.tell("a", peer(1, -1))
			w.pass(20*time.Second + beat/2)
			w.paths('b')
			w.pass(500 * time.Millisecond)
			row.trouble(w)
			w.pass(500*time.Millisecond - w.jump) // a second by the agent's clock
			w.paths('.')
			w.pass(20 * time.Second)
			m := w.mesh.Report()
			if s := w.row(1); s.Suspect != 1 || s.Back+s.Forward+s.Open != 0 || s.DialLost != 0 {
				t.Errorf("%s: %s", row.name, fates(s))
			}
			if m.Starved < row.total || m.Starved > row.total+beat {
				t.Errorf("%s: starved for %v, want %v", row.name, m.Starved, row.total)
			}
			if w.mesh.Waits() {
				t.Errorf("%s: an update waits for what is suspect", row.name)
			}
		})
	}
}

func TestWhatASocketHadNoRoomForIsSuspect(t *testing.T) {
	inWorld(t, func(w *world) {
		w.tell("a", peer(1, -1))
		w.pass(20*time.Second + beat/2)
		w.paths('b')
		w.pass(time.Second)
		w.set(func() { w.overflow = 3 }) // the next answer tells
		w.paths('.')
		w.pass(20 * time.Second)
		if s := w.row(1); s.Suspect != 1 || s.Back+s.Forward+s.Open != 0 {
			t.Error(fates(s))
		}
	})
}

func TestWithoutTroubleALossIsALoss(t *testing.T) {
	inWorld(t, func(w *world) {
		w.tell("a", peer(1, -1))
		w.pass(20*time.Second + beat/2)
		w.paths('b')
		w.pass(time.Second)
		w.paths('.')
		w.pass(20 * time.Second)
		if s := w.row(1); s.Back != 1 || s.Suspect+s.Forward+s.Open != 0 || w.mesh.Starved() != 0 {
			t.Errorf("%s, starved for %v", fates(s), w.mesh.Starved())
		}
	})
}

func TestOnWhichWayLargePacketsVanishIsFoundAndTold(t *testing.T) {
	const most = 1000 // of UDP payload
	for _, row := range []struct {
		name string
		path func(q *datagram.Datagram, size int) rune
		want report.Hole
	}{
		{"forward", func(_ *datagram.Datagram, size int) rune {
			if size > most {
				return 'f'
			}
			return '.'
		}, report.HoleForward},
		{"back", func(q *datagram.Datagram, _ int) rune {
			if q.Reply > most {
				return 'b'
			}
			return '.'
		}, report.HoleBack},
	} {
		inWorld(t, func(w *world) {
			w.tell("a", peer(1, -1))
			w.pass(20 * time.Second)
			w.set(func() { w.path = func(_ *fakeFlow, q *datagram.Datagram, size int) rune { return row.path(q, size) } })
			w.pass(30 * time.Second)
			w.update()
			w.pass(60 * time.Second)
			s := w.row(1)
			there, here := uint64(1500), uint64(1500)
			if row.want == report.HoleForward {
				there = most + 28
			} else {
				here = most + 28
			}
			near := func(got, want uint64) bool { return got <= want && got+10 >= want }
			if s.Hole != row.want || !near(s.There, there) || row.want == report.HoleBack && !near(s.Here, here) || s.Answered() != s.Sent {
				t.Errorf("%s: hole %d, there %d, here %d; %s", row.name, s.Hole, s.There, s.Here, fates(s))
			}
			w.paths('.')
			w.pass(30 * time.Second)
			if s := w.row(1); s.Hole != report.NoHole || s.There != 1500 || s.Here != 1500 {
				t.Errorf("%s: once it is over: hole %d, there %d, here %d", row.name, s.Hole, s.There, s.Here)
			}
		})
	}
}

func TestADeadPathHasNoHole(t *testing.T) {
	inWorld(t, func(w *world) {
		w.tell("a", peer(1, -1))
		w.pass(20 * time.Second)
		w.paths('f')
		w.pass(60 * time.Second)
		if s := w.row(1); s.Hole != report.NoHole {
			t.Errorf("hole %d", s.Hole)
		}
	})
}

func TestAnAgentThatStandsStillAfterAQuestionMakesNoPathSlow(t *testing.T) {
	inWorld(t, func(w *world) {
		w.tell("a", peer(1, -1))
		w.pass(20 * time.Second)
		w.set(func() {
			w.path = func(f *fakeFlow, _ *datagram.Datagram, size int) rune {
				if !f.whole && w.jump == 0 {
					w.jump = 200 * time.Millisecond
				}
				return '.'
			}
		})
		w.pass(5 * time.Second)
		if s := w.row(1); w.jump == 0 || s.Longest != 1000 || s.Answered() != s.Sent {
			t.Errorf("the longest took %d µs; %s", s.Longest, fates(s))
		}
	})
}
