package probe

import (
	"math/rand/v2"
	"testing"
	"time"

	"github.com/netchecker/netchecker/pkg/report"
)

// way is a way between two hosts: packets of more than Hole bytes vanish on it, and those
// of more than Route are known to be too large; 0 stands for no bound.
type way struct{ hole, route int }

func (w way) takes(size int) bool { return w.hole == 0 || size <= w.hole }

func (w way) knows(size int) bool { return w.route != 0 && size > w.route }

// sizing is a Sizing with its host, its peer, and the ways between them.
type sizing struct {
	*Sizing
	mtu         int // of the interface
	there, here way
	// mute peers answer nothing, small datagrams included, and those that are unsure do not
	// say how much the route back takes.
	mute, unsure bool
	void         bool

	now     time.Duration
	asked   []asked
	waiting []pending
}

type asked struct {
	at          time.Duration
	size, reply int
}

type pending struct {
	at time.Duration
	q  SizeQuestion
	o  SizeOutcome
}

const deadline = 2 * time.Second

func newSizing(mtu int) *sizing { return &sizing{Sizing: NewSizing(false, mtu, 0), mtu: mtu} }

// run goes on until the clock shows an end.
func (s *sizing) run(end time.Duration) {
	const tick = 100 * time.Millisecond
	for ; s.now < end; s.now += tick {
		var later []pending
		for _, p := range s.waiting {
			if p.at > s.now {
				later = append(later, p)
				continue
			}
			s.Done(p.q, p.o, s.now)
		}
		s.waiting = later
		if q, ok := s.Next(s.now, !s.mute); ok {
			size, reply := q.Size+28, q.Reply+28
			s.asked = append(s.asked, asked{s.now, size, reply})
			o, after := s.outcome(size, reply)
			s.waiting = append(s.waiting, pending{s.now + after, q, o})
		}
	}
}

func (s *sizing) outcome(size, reply int) (SizeOutcome, time.Duration) {
	const roundTrip = 100 * time.Millisecond
	switch {
	case s.void:
		return SizeOutcome{Fate: SizeVoid}, roundTrip
	case s.there.knows(size):
		return SizeOutcome{SizeTooLarge, s.there.route}, 0
	case s.mute || !s.there.takes(size):
		return SizeOutcome{Fate: SizeSilent}, deadline
	case s.here.knows(reply):
		if s.unsure {
			return SizeOutcome{Fate: SizeTooLargeBack}, roundTrip
		}
		return SizeOutcome{SizeTooLargeBack, s.here.route}, roundTrip
	case !s.here.takes(reply):
		return SizeOutcome{Fate: SizeSilent}, deadline
	}
	return SizeOutcome{Fate: SizePassed}, roundTrip
}

func (s *sizing) want(t *testing.T, when string, hole report.Hole, there, here int) {
	t.Helper()
	got := s.Result()
	near := func(got uint64, want int) bool { return int(got) <= want && int(got) > want-s.mtu/200 }
	if got.Hole != hole || !near(got.There, there) || !near(got.Here, here) {
		t.Errorf("%s, at %v: got %+v; want hole %d, there about %d, here about %d", when, s.now, got, hole, there, here)
	}
}

// within is when a size has been found at the latest, after its trouble began: the next
// question of full size, its silences, and those of the search.
const within = 90 * time.Second

func TestSizesAreFoundInEachDirection(t *testing.T) {
	for _, row := range []struct {
		name        string
		there, here way
		hole        report.Hole
		wantThere   int
		wantHere    int
	}{
		{"nothing is wrong", way{}, way{}, report.NoHole, 1500, 1500},
		{"large questions vanish", way{hole: 1400}, way{}, report.HoleForward, 1400, 1400},
		{"large answers vanish", way{}, way{hole: 1300}, report.HoleBack, 1500, 1300},
		{"both vanish, answers first", way{hole: 1400}, way{hole: 1300}, report.HoleBoth, 1400, 1300},
		{"both vanish, questions first, so that no more is seen", way{hole: 1300}, way{hole: 1400}, report.HoleForward, 1300, 1300},
		{"all vanish but the smallest", way{hole: 76}, way{}, report.HoleForward, 76, 76},
		{"all answers vanish but the smallest", way{}, way{hole: 76}, report.HoleBack, 1500, 76},
		{"the largest vanishes", way{hole: 1499}, way{}, report.HoleForward, 1499, 1499},
		{"the route there knows that it takes less", way{route: 1400}, way{}, report.NoHole, 1400, 1400},
		{"the route back knows that it takes less", way{}, way{route: 1400}, report.NoHole, 1500, 1400},
		{"it knows so, and takes less than it knows", way{}, way{hole: 1300, route: 1400}, report.HoleBack, 1500, 1300},
		{"a route there that knows, with a hole below", way{hole: 1300, route: 1400}, way{}, report.HoleForward, 1300, 1300},
	} {
		t.Run(row.name, func(t *testing.T) {
			s := newSizing(1500)
			s.there, s.here = row.there, row.here
			for end := within; end < 10*within; end += 7 * time.Second {
				s.run(end)
				s.want(t, "found", row.hole, row.wantThere, row.wantHere)
			}
			s.there, s.here = way{}, way{}
			s.SetMTU(1500)
			s.run(s.now + within)
			s.want(t, "healed", report.NoHole, 1500, 1500)
		})
	}
}

func TestAHoleIsToldAtOnceAndItsSizeThen(t *testing.T) {
	s := newSizing(9000)
	s.run(5 * time.Second)
	s.there.hole = 1500
	s.run(28 * time.Second)
	s.want(t, "before the search is over", report.HoleForward, 76, 76)
	s.run(within)
	s.want(t, "after it", report.HoleForward, 1500, 1500)
}

func TestAHoleThatIsOverByTheTimeItIsSearchedIsForgotten(t *testing.T) {
	s := newSizing(1500)
	s.run(15 * time.Second)
	s.there.hole = 1000
	for s.Result().Hole == report.NoHole && s.now < time.Minute {
		s.run(s.now + time.Second)
	}
	told := s.now
	s.there.hole = 0
	for s.Result().Hole != report.NoHole && s.now < time.Minute {
		s.run(s.now + time.Second)
	}
	if took := s.now - told; told == time.Minute || took > 12*time.Second {
		t.Errorf("told at %v, and forgotten %v after; want 12 s at most: the search and one question", told, took)
	}
}

func TestWhatIsWellIsAskedOnceIn10Seconds(t *testing.T) {
	s := newSizing(1500)
	s.run(25 * time.Second)
	want := []asked{{0, 1500, 1500}, {10 * time.Second, 1500, 1500}, {20 * time.Second, 1500, 1500}}
	if len(s.asked) != 3 || [3]asked(s.asked) != [3]asked(want) {
		t.Errorf("asked %v; want %v", s.asked, want)
	}
	if r := s.Result(); r.Sized != 3 || r.Resized != 0 || r.MTU != 1500 {
		t.Errorf("got %+v", r)
	}
}

func TestAFirstSilenceHasThreeMoreFollowASecondApart(t *testing.T) {
	s := newSizing(1500)
	s.there.hole = 1400
	s.run(6 * time.Second)
	var at []time.Duration
	for _, a := range s.asked {
		at = append(at, a.at)
	}
	if want := []time.Duration{0, 2 * time.Second, 3 * time.Second, 4 * time.Second}; len(at) != 4 || [4]time.Duration(at) != [4]time.Duration(want) {
		t.Errorf("asked at %v; want %v", at, want)
	}
	s.there.hole = 0
	s.asked = nil
	s.waiting = []pending{{s.now, s.waiting[0].q, SizeOutcome{Fate: SizePassed}}}
	s.run(9 * time.Second)
	s.want(t, "one of the three passes", report.NoHole, 1500, 1500)
	if len(s.asked) != 0 {
		t.Errorf("asked on: %v", s.asked)
	}
}

func TestASearchIsBounded(t *testing.T) {
	s := newSizing(1500)
	s.there.hole, s.here.hole = 1111, 777
	s.run(within)
	// The first four, the direction, 8 steps there, the turn, 8 steps back; each step up
	// to 3 times; then once in 10 s.
	if most := 4 + 3*(1+8+1+8) + 9; len(s.asked) > most {
		t.Errorf("asked %d times; want at most %d", len(s.asked), most)
	}
	for i, a := range s.asked[1:] {
		if a.at-s.asked[i].at < sizeApart {
			t.Errorf("asked at %v and at %v", s.asked[i].at, a.at)
		}
		if a.reply > a.size {
			t.Errorf("asked for an answer that is larger than its question: %+v", a)
		}
	}
	s.run(2 * within)
	s.asked = nil
	s.run(s.now + 10*time.Minute)
	if n := len(s.asked); n > 10*70 {
		t.Errorf("a hole that lasts takes %d questions in 10 minutes", n)
	}
}

func TestSilenceMeansNothingWhereSmallOnesAreSilentToo(t *testing.T) {
	s := newSizing(1500)
	s.run(5 * time.Second)
	s.mute = true
	s.run(5 * time.Minute)
	s.want(t, "silent", report.NoHole, 1500, 1500)
	if len(s.asked) != 1 {
		t.Errorf("asked %d times", len(s.asked))
	}
	s.mute = false
	s.run(s.now + 12*time.Second)
	s.want(t, "well again", report.NoHole, 1500, 1500)
	if len(s.asked) < 2 {
		t.Error("it is not asked any more")
	}
}

func TestAPathThatDiesAtAnyMomentOfASearchIsNoOtherHole(t *testing.T) {
	for dies := time.Second; dies < 60*time.Second; dies += 300 * time.Millisecond {
		s := newSizing(1500)
		s.here.hole = 1300
		s.run(dies)
		before := s.Result().Hole
		s.there.hole = 1 // all vanish; that small ones do so is known 3 s later
		s.run(dies + 3*time.Second)
		s.mute = true
		s.run(dies + 30*time.Second)
		s.there.hole, s.mute = 0, false
		if before == report.NoHole && s.Result().Hole != report.NoHole && s.Result().Hole != report.HoleBack {
			t.Errorf("a path that died at %v: %+v", dies, s.Result())
		}
		s.run(s.now + within + sizeAnew)
		s.want(t, "alive again", report.HoleBack, 1500, 1300)
	}
}

func TestWhatShowsNothingIsAskedAgain(t *testing.T) {
	s := newSizing(1500)
	s.here.hole = 1300
	s.void = true
	s.run(time.Minute)
	s.want(t, "void", report.NoHole, 0, 0)
	if n := len(s.asked); n < 6 || n > 7 {
		t.Errorf("asked %d times in a minute", n)
	}
	s.void = false
	s.run(time.Minute + within)
	s.want(t, "found", report.HoleBack, 1500, 1300)
}

func TestAQuestionOfWhichNobodyTellsIsForgotten(t *testing.T) {
	s := newSizing(1500)
	if _, ok := s.Next(0, true); !ok {
		t.Fatal("nothing is asked")
	}
	s.run(time.Minute)
	s.want(t, "later", report.NoHole, 1500, 1500)
}

func TestARouteBackThatIsNotKnownIsNoHole(t *testing.T) {
	s := newSizing(1500)
	s.here.route, s.unsure = 1400, true
	s.run(within)
	if r := s.Result(); r.Hole != report.NoHole || r.There != 1500 || len(s.asked) > 9 {
		t.Errorf("got %+v after %d questions", r, len(s.asked))
	}
}

func TestARouteThatTakesMoreThanBeforeIsSeen(t *testing.T) {
	s := newSizing(1500)
	s.here.route = 1400
	s.run(30 * time.Second)
	s.want(t, "before", report.NoHole, 1500, 1400)
	s.here.route = 0
	s.run(30*time.Second + sizeAnew + sizeEvery)
	s.want(t, "after", report.NoHole, 1500, 1500)
	s.SetMTU(9000)
	s.mtu = 9000
	s.run(s.now + 2*sizeEvery)
	s.want(t, "with larger frames", report.NoHole, 9000, 9000)
}

// Of all ways there are, what Sizing says is true.
func TestWhateverTheWaysTakeItIsFound(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	for range 300 {
		mtu := []int{1280, 1450, 1500, 9000}[random.IntN(4)]
		s := newSizing(mtu)
		some := func() int {
			if random.IntN(2) == 0 {
				return 0
			}
			return 76 + random.IntN(mtu-76)
		}
		s.there.hole, s.here.hole = some(), some()
		s.run(within)
		there, here, hole := mtu, mtu, report.NoHole
		if s.there.hole != 0 {
			there, here, hole = s.there.hole, s.there.hole, report.HoleForward
		}
		// What passes there is known but for a 256th, so an answer can be that much smaller.
		if h := s.here.hole; h != 0 && h < int(s.Result().There) {
			here = h
			hole |= report.HoleBack
		}
		s.want(t, "in the end", hole, there, here)
	}
}

func TestOverIPv6HeadersAreLarger(t *testing.T) {
	q, ok := NewSizing(true, 1500, 0).Next(0, true)
	if !ok || q.Size != 1452 || q.Reply != 1452 {
		t.Errorf("asks %+v, %v", q, ok)
	}
	if q, ok := NewSizing(false, 65536, 0).Next(0, true); !ok || q.Size != 65507 {
		t.Errorf("asks %+v, %v", q, ok)
	}
	if q, ok := NewSizing(false, 0, 0).Next(0, true); ok {
		t.Errorf("asks %+v though it knows no MTU", q)
	}
}
