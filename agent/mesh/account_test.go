package mesh

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/netchecker/netchecker/pkg/report"
)

func never(time.Duration) bool { return false }

// line is a peer that counts, and a path there and back that loses what it is told to.
type line struct {
	account  account
	now      time.Duration
	received uint32
	truth    report.Session
}

// pass sends a question, which is lost forward ('f'), back ('b'), refused ('r'), or
// answered at once ('.').
func (l *line) pass(what rune) {
	l.now += time.Second
	q := &question{sequence: l.account.next(), at: l.now}
	l.account.sent(q)
	l.truth.Sent++
	switch what {
	case 'f':
		l.truth.Forward++
	case 'b':
		l.received++
		l.truth.Back++
	case 'r':
		l.truth.Refused++
		l.account.refuse(q.sequence, l.now)
	case '.':
		l.received++
		l.account.answer(q.sequence, l.received, l.now+3*time.Millisecond, time.Millisecond)
	}
	l.look()
}

func (l *line) look() {
	l.account.miss(l.now, never)
	l.account.settle(l.now)
}

// fates are what became of a row's datagrams, in short.
func fates(s report.Session) string {
	return fmt.Sprintf("sent %d open %d forward %d back %d refused %d suspect %d",
		s.Sent, s.Open, s.Forward, s.Back, s.Refused, s.Suspect)
}

func (a *account) told(now time.Duration) (s report.Session) {
	a.columns(&s, now)
	return s
}

func TestWhereADatagramWasLostIsTold(t *testing.T) {
	for pattern, want := range map[string]string{
		"....":          "sent 4 open 0 forward 0 back 0 refused 0 suspect 0",
		".f.f":          "sent 4 open 1 forward 1 back 0 refused 0 suspect 0",
		"fff.":          "sent 4 open 0 forward 3 back 0 refused 0 suspect 0",
		"bbb.":          "sent 4 open 0 forward 0 back 3 refused 0 suspect 0",
		".fbffb.b.":     "sent 9 open 0 forward 3 back 3 refused 0 suspect 0",
		"..ffffffffff":  "sent 12 open 10 forward 0 back 0 refused 0 suspect 0",
		".ffffffffffb.": "sent 13 open 0 forward 10 back 1 refused 0 suspect 0",
		"..rrr":         "sent 5 open 0 forward 0 back 0 refused 3 suspect 0",
		".ffrff":        "sent 6 open 2 forward 0 back 0 refused 3 suspect 0",
		".rfb.":         "sent 5 open 0 forward 1 back 1 refused 1 suspect 0",
	} {
		var l line
		for _, what := range pattern {
			l.pass(what)
		}
		l.now += settled
		l.look()
		if got := fates(l.account.told(l.now)); got != want {
			t.Errorf("%s\ngot  %s\nwant %s", pattern, got, want)
		}
	}
}

func TestTheColumnsAreTheTruthWhateverIsLostOnWhichWay(t *testing.T) {
	for seed := range uint64(300) {
		random := rand.New(rand.NewPCG(seed, 1))
		forward, back := random.Float64(), random.Float64()
		var l line
		before := report.Session{}
		for range 1 + random.IntN(400) {
			what := '.'
			if random.Float64() < forward {
				what = 'f'
			} else if random.Float64() < back {
				what = 'b'
			}
			l.pass(what)
			now := l.account.told(l.now)
			if now.Sent < before.Sent || now.Forward < before.Forward || now.Back < before.Back {
				t.Fatalf("seed %d: %s after %s", seed, fates(now), fates(before))
			}
			before = now
		}
		l.pass('.')
		l.now += settled
		l.look()
		if got, want := fates(l.account.told(l.now)), fates(l.truth); got != want {
			t.Fatalf("seed %d: losing %.2f and %.2f\ngot  %s\nwant %s", seed, forward, back, got, want)
		}
		if n := len(l.account.flight); n != 0 {
			t.Fatalf("seed %d: %d questions are still kept", seed, n)
		}
	}
}

func TestWhatComesTwiceOrOutOfOrderIsNeitherLostNorCountedTwice(t *testing.T) {
	for seed := range uint64(300) {
		random := rand.New(rand.NewPCG(seed, 2))
		var a account
		lost, received := uint64(0), uint32(0)
		type answer struct{ sequence, received uint32 }
		var pending []answer
		now := time.Duration(0)
		for range 200 {
			now += time.Second
			q := &question{sequence: a.next(), at: now}
			a.sent(q)
			if random.IntN(10) == 0 {
				lost++
			} else {
				for range 1 + random.IntN(2) { // may be doubled on its way there
					received++
					pending = append(pending, answer{q.sequence, received})
				}
			}
			random.Shuffle(len(pending), func(i, j int) { pending[i], pending[j] = pending[j], pending[i] })
			for len(pending) > 3 {
				a.answer(pending[0].sequence, pending[0].received, now, 0)
				if random.IntN(2) == 0 { // and on its way back
					a.answer(pending[0].sequence, pending[0].received, now, 0)
				}
				pending = pending[1:]
			}
			a.settle(now)
		}
		for _, p := range pending {
			a.answer(p.sequence, p.received, now, 0)
		}
		a.settle(now + settled)
		// Those that waited longer than till they were settled are lost as well.
		s := a.told(now + settled)
		if parts := s.Open + s.Forward + s.Back; s.Sent != 200 || parts < lost || s.Answered() != 200-parts || parts > 200 {
			t.Fatalf("seed %d: lost %d of 200: %s", seed, lost, fates(s))
		}
	}
}

func TestSuspectLossesAreTakenOutOfTheOthers(t *testing.T) {
	for _, row := range []struct {
		lost, suspect string // of the questions after the first, in their order
		want          string
	}{
		{"ffbb", "nnnn", "sent 6 open 0 forward 2 back 2 refused 0 suspect 0"},
		{"ffbb", "nnyy", "sent 6 open 0 forward 2 back 0 refused 0 suspect 2"},
		{"ffbb", "yyyy", "sent 6 open 0 forward 0 back 0 refused 0 suspect 4"},
		{"fff", "yyn", "sent 5 open 0 forward 1 back 0 refused 0 suspect 2"},
		{"bbb", "ynn", "sent 5 open 0 forward 0 back 2 refused 0 suspect 1"},
	} {
		var l line
		l.pass('.')
		for i, what := range row.lost {
			l.pass(what)
			l.account.flight[len(l.account.flight)-1].suspect = row.suspect[i] == 'y'
		}
		l.account.miss(l.now, never) // keeps what is known only where its time is up
		l.pass('.')
		for i, q := range l.account.flight {
			if i < len(row.suspect) {
				q.suspect = row.suspect[i] == 'y'
			}
		}
		l.now += settled
		l.account.settle(l.now)
		if got := fates(l.account.told(l.now)); got != row.want {
			t.Errorf("%s, %s\ngot  %s\nwant %s", row.lost, row.suspect, got, row.want)
		}
	}
}

func TestAnAnswerThatComesLateIsNoLoss(t *testing.T) {
	var a account
	a.sent(&question{sequence: 1, at: 0})
	a.sent(&question{sequence: 2, at: time.Second})
	a.answer(2, 2, time.Second, 0)
	a.miss(4*time.Second, never)
	a.settle(4 * time.Second)
	if !a.answer(1, 1, 4500*time.Millisecond, 500*time.Millisecond) {
		t.Error("it does not count")
	}
	a.settle(time.Minute)
	s := a.told(time.Minute)
	if got, want := fates(s), "sent 2 open 0 forward 0 back 0 refused 0 suspect 0"; got != want || s.Longest != 4_000_000 {
		t.Errorf("got %s, the longest %d µs; want %s", got, s.Longest, want)
	}
}

func TestRoundTripsLeaveOutTheTimeThatThePeerTook(t *testing.T) {
	var a account
	for i, trip := range []time.Duration{5 * time.Millisecond, 2 * time.Millisecond, 9 * time.Millisecond, 0} {
		at := time.Duration(i) * time.Second
		a.sent(&question{sequence: a.next(), at: at})
		a.answer(uint32(i+1), uint32(i+1), at+trip+time.Duration(i)*time.Millisecond, time.Duration(i)*time.Millisecond)
	}
	if s := a.told(0); s.RoundTrips != 16_001 || s.Shortest != 1 || s.Longest != 9000 {
		t.Errorf("the sum is %d, between %d and %d", s.RoundTrips, s.Shortest, s.Longest)
	}
}

func TestAStarvedAgentMakesNoPathSlow(t *testing.T) {
	starved := false
	a := account{starved: func(time.Duration, time.Duration) bool { return starved }}
	for i, row := range []struct {
		trip    time.Duration
		starved bool
	}{{4 * time.Millisecond, true}, {2 * time.Millisecond, false}, {80 * time.Millisecond, true}, {time.Millisecond, true}} {
		at := time.Duration(i) * time.Second
		starved = row.starved
		a.sent(&question{sequence: a.next(), at: at})
		a.answer(uint32(i+1), uint32(i+1), at+row.trip, 0)
	}
	if s := a.told(0); s.RoundTrips != 4000+2000+3000+1000 || s.Shortest != 1000 || s.Longest != 4000 {
		t.Errorf("the sum is %d, between %d and %d", s.RoundTrips, s.Shortest, s.Longest)
	}
}

func TestAPeerThatForgotTheSessionCountsAnew(t *testing.T) {
	var l line
	for range 20 {
		l.pass('.')
	}
	for range 400 {
		l.pass('f')
	}
	l.received = 0
	l.pass('b')
	l.pass('.')
	l.now += settled
	l.look()
	if got, want := fates(l.account.told(l.now)), fates(l.truth); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

func TestTheRunIsOfThoseInARowThatAreMissingNow(t *testing.T) {
	for pattern, want := range map[string]int{
		"....": 0, ".fff": 1, ".fffff": 3, ".fffff.": 0, ".fffr": 0, "ffffffffff": 8,
	} {
		var l line
		for _, what := range pattern {
			l.pass(what)
		}
		if l.account.run != want {
			t.Errorf("%s: %d, want %d", pattern, l.account.run, want)
		}
	}
}

func TestOnlyTheFirstOfARowIsMissedAlone(t *testing.T) {
	var a account
	for i := range 3 {
		a.sent(&question{sequence: a.next(), at: time.Duration(i) * time.Second})
	}
	missing := a.miss(time.Minute, never)
	if len(missing) != 3 || !missing[0].alone || missing[1].alone || missing[2].alone {
		t.Errorf("got %d", len(missing))
	}
	if again := a.miss(time.Minute, never); len(again) != 0 {
		t.Errorf("%d are told twice", len(again))
	}
}

func TestAnICMPMessageIsAboutAQuestionThatIsNotAnswered(t *testing.T) {
	var a account
	a.sent(&question{sequence: 1, at: 0})
	a.sent(&question{sequence: 2, at: time.Second})
	if !a.refuse(0, time.Second) || !a.answer(2, 1, time.Second, 0) {
		t.Error("one of them does not count")
	}
	if a.refuse(0, time.Second) {
		t.Error("there is nothing left that could be refused")
	}
	if got, want := fates(a.told(time.Second)), "sent 2 open 0 forward 0 back 0 refused 1 suspect 0"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

func TestWhatWasNotAnsweredAsTheSessionStoppedStaysOpen(t *testing.T) {
	var l line
	for _, what := range ".f.ff" {
		l.pass(what)
	}
	l.account.stop()
	l.account.restart()
	l.received = 0
	l.pass('.')
	l.now += settled
	l.look()
	if got, want := fates(l.account.told(l.now)), "sent 6 open 2 forward 1 back 0 refused 0 suspect 0"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

func TestSilenceBeginsWithTheLastThatWasHeard(t *testing.T) {
	var l line
	l.pass('f')
	if s := l.account.told(l.now); s.Silent != 0 {
		t.Errorf("%d ms, though nothing is late", s.Silent)
	}
	for range 3 {
		l.pass('f')
	}
	if s := l.account.told(l.now); s.Silent != 3000 {
		t.Errorf("%d ms since the first was sent, want 3000", s.Silent)
	}
	l.pass('.')
	for range 9 {
		l.pass('f')
	}
	if s := l.account.told(l.now); s.Silent != 8997 {
		t.Errorf("%d ms, want 8997", s.Silent)
	}
}
