package mesh

import (
	"testing"
	"time"
)

func TestWhatLooksBad(t *testing.T) {
	for _, row := range []struct {
		looks looks
		want  bool
	}{
		{looks{}, false},
		{looks{run: 1}, false},
		{looks{run: 2}, true},
		{looks{unsent: 1}, false},
		{looks{unsent: 2}, true},
		{looks{lossy: true}, true},
		{looks{hole: true}, true},
		{looks{dials: 1}, true},
		{looks{dials: 3, refused: true}, false},
		{looks{refused: true}, false},
	} {
		if got := row.looks.bad(); got != row.want {
			t.Errorf("%+v: %t", row.looks, got)
		}
	}
}

// TestTheAlarmIsFarBeforeTheVerdict has losses in a pattern, one datagram a second.
func TestTheAlarmIsFarBeforeTheVerdict(t *testing.T) {
	for _, row := range []struct {
		name          string
		every         int // each so many-th is lost
		within, after int // seconds; after 0 stands for never
	}{
		{"5%", 20, 120, 20},
		{"2%", 50, 500, 50},
		{"1 in 1,000", 1000, 3000, 0},
	} {
		var l losses
		first := 0
		for i := 1; i <= row.within; i++ {
			if i%row.every == 0 {
				l.lost(seconds(i))
			} else {
				l.delivered(seconds(i))
			}
			if l.alarmed && first == 0 {
				first = i
			}
		}
		if (first > 0) != (row.after > 0) || first > 0 && first < row.after {
			t.Errorf("%s: alarmed after %d s", row.name, first)
		}
	}
}

func TestTheAlarmIsOverAMinuteAfterTheLastLoss(t *testing.T) {
	var l losses
	for i := range 5 {
		l.lost(seconds(i))
	}
	for i := 5; i < 64; i++ {
		if l.delivered(seconds(i)); !l.alarmed {
			t.Fatalf("over after %d s", i-4)
		}
	}
	if l.delivered(seconds(64)); l.alarmed || l.five != 0 || l.one != 0 {
		t.Errorf("after a minute: %+v", l)
	}
}

func TestUpdatesAreDueAtOnceAndThenNowAndThen(t *testing.T) {
	var a alarm
	at := func(now int, want bool, what string) {
		t.Helper()
		if got := a.due(seconds(now)); got != want {
			t.Errorf("at %d s, %s: %t", now, what, got)
		}
	}
	at(0, false, "nothing has happened")
	a.see(1, false)
	at(0, false, "all is well")
	a.see(1, true)
	at(10, true, "a session looks bad")
	a.tell(seconds(10))
	a.see(1, true)
	at(14, false, "told 4 s ago")
	at(15, true, "told 5 s ago")
	a.tell(seconds(15))
	a.see(2, true)
	at(16, true, "another looks bad")
	a.tell(seconds(16))
	a.see(1, false)
	at(17, true, "one is well again")
	a.tell(seconds(17))
	a.see(2, false)
	a.tell(seconds(18))
	at(1000, false, "all is well, and told")
	if len(a.bad) != 0 {
		t.Errorf("%v are still bad", a.bad)
	}
}

func TestLossesOfAllSessionsTogetherAlarmThoughNoneDoesAlone(t *testing.T) {
	inWorld(t, func(w *world) {
		for id := range uint64(8) {
			w.boots[peerAddress(id+1)] = id + 1
		}
		w.tell("a", peer(1, -1), peer(2, -1), peer(3, -1), peer(4, -1), peer(5, -1), peer(6, -1), peer(7, -1), peer(8, -1))
		w.pass(20 * time.Second)
		if w.mesh.Waits() {
			t.Fatal("there is an update though all is well")
		}
		for id := range uint64(3) { // one loss each, in different seconds
			w.loseOne(id + 1)
			w.pass(2 * time.Second)
		}
		w.pass(2 * time.Second)
		if !w.mesh.Waits() {
			t.Errorf("no update after three losses: %+v", w.mesh.core.losses)
		}
	})
}
