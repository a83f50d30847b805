package reflector

import (
	"fmt"
	"math"
	"math/rand/v2"
	"net/netip"
	"reflect"
	"testing"
	"time"

	"github.com/netchecker/netchecker/pkg/datagram"
	"github.com/netchecker/netchecker/pkg/report"
)

// books is a book and a clock that is moved.
type books struct {
	*Book
	now time.Time
}

func newBooks() *books { return &books{NewBook(boot, time.Now()), time.Now()} }

// who is a source of that number.
func who(n int) Source {
	return Source{netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, byte(n >> 16), byte(n >> 8), byte(n)}), 4000), uint32(n)}
}

func (b *books) ask(from Source, q *datagram.Datagram) (datagram.Datagram, bool) {
	a, _, ok := b.Answer(from, q, b.now)
	return a, ok
}

// flood asks so often in each millisecond of a time, and returns how much was answered.
func (b *books) flood(lasts time.Duration, each int, ask func(i int) (Source, *datagram.Datagram)) (answered int) {
	for end, i := b.now.Add(lasts), 0; b.now.Before(end); b.now = b.now.Add(time.Millisecond) {
		for range each {
			if _, ok := b.ask(ask(i)); ok {
				answered++
			}
			i++
		}
	}
	return answered
}

func TestAnswersAreBounded(t *testing.T) {
	wrong := question(1)
	wrong.Boot++
	for _, row := range []struct {
		name string
		rate int
		ask  func(i int) (Source, *datagram.Datagram)
	}{
		{"one session", sessionRate, func(i int) (Source, *datagram.Datagram) { return who(1), question(uint32(i)) }},
		{"many sessions", totalRate, func(i int) (Source, *datagram.Datagram) { return who(i % 100), question(uint32(i)) }},
		{"those who don't know the boot id", notMeRate, func(i int) (Source, *datagram.Datagram) { return who(i), wrong }},
		{"sources that come but once", freshRate, func(i int) (Source, *datagram.Datagram) { return who(i), question(1) }},
	} {
		const seconds = 10
		got := newBooks().flood(seconds*time.Second, 20, row.ask)
		if most := row.rate * (seconds + 1); got > most || got < row.rate*seconds-1 {
			t.Errorf("%s: %d answers in %d s; want %d a second, and as many at once", row.name, got, seconds, row.rate)
		}
	}
}

func TestExchangesOverTCPAreBoundedWithTheRest(t *testing.T) {
	b := newBooks()
	wrong := question(1)
	wrong.Boot = 0
	answered, notMe := 0, 0
	for range totalRate {
		if a, ok := b.Once(question(1), b.now); ok && a.Kind == datagram.Answer {
			answered++
		}
		if a, ok := b.Once(wrong, b.now); ok && a.Kind == datagram.NotMe {
			notMe++
		}
	}
	if _, ok := b.ask(who(1), question(1)); ok || answered != totalRate/2 || notMe != totalRate/2 {
		t.Errorf("at one time %d answers, %d not me; over UDP one more: %v", answered, notMe, ok)
	}
}

// Else it would seem to some of them, as an agent is restarted, that something is lost.
func TestAllWhoProbedTheOneBeforeAreToldSo(t *testing.T) {
	b := newBooks()
	const probers = 34
	wrong := question(1)
	wrong.Boot++
	for i := range 10 * probers {
		b.now = b.now.Add(time.Second / probers)
		if a, ok := b.ask(who(i%probers), wrong); !ok || a.Kind != datagram.NotMe {
			t.Fatalf("question %d: %+v, %v", i, a, ok)
		}
	}
}

func TestWhatIsNotAnsweredIsCountedAllTheSame(t *testing.T) {
	b := newBooks()
	for i := range uint32(3 * sessionRate) {
		b.ask(who(1), question(i+1))
	}
	b.now = b.now.Add(time.Second)
	if a, ok := b.ask(who(1), question(99)); !ok || a.Received != 3*sessionRate+1 {
		t.Errorf("got %+v, %v", a, ok)
	}
}

func TestSessionsAreToldApartByWhereTheyComeFrom(t *testing.T) {
	b := newBooks()
	other := who(1)
	other.Address = netip.AddrPortFrom(other.Address.Addr(), 4001)
	for _, from := range []Source{who(1), who(2), other, {who(1).Address, 9}} {
		if a, ok := b.ask(from, question(1)); !ok || a.Received != 1 {
			t.Errorf("%v: %+v, %v", from, a, ok)
		}
	}
}

func TestASessionThatGoesOnIsNotPushedOutByOthers(t *testing.T) {
	b := newBooks()
	const seconds = 60
	for second := range uint32(seconds) {
		if a, ok := b.ask(who(1), question(second+1)); !ok || a.Received != second+1 {
			t.Fatalf("after %d s: %+v, %v", second, a, ok)
		}
		b.flood(time.Second, 2, func(i int) (Source, *datagram.Datagram) { return who(1000 + int(second)*2000 + i), question(1) })
		if len(b.sessions) > maxSessions {
			t.Fatalf("%d sessions", len(b.sessions))
		}
	}
	if len(b.sessions) != maxSessions {
		t.Errorf("%d sessions; the flood should have filled the book", len(b.sessions))
	}
}

func TestSessionsThatHaveBeenSilentForLongAreForgotten(t *testing.T) {
	b := newBooks()
	for i := range 100 {
		b.ask(who(i), question(1))
	}
	b.now = b.now.Add(forgotten)
	if b.Heard(b.now); len(b.sessions) != 100 {
		t.Errorf("%d sessions; want all 100", len(b.sessions))
	}
	b.now = b.now.Add(sweepEvery)
	if b.ask(who(1000), question(1)); len(b.sessions) != 1 {
		t.Errorf("%d sessions; want 1", len(b.sessions))
	}
}

func TestLeavingIsWorthItWhereThereIsASession(t *testing.T) {
	b := newBooks()
	if b.Leave(b.now) {
		t.Error("there is somebody to hear it")
	}
	b = newBooks()
	b.ask(who(1), question(1))
	if !b.Leave(b.now) {
		t.Error("there is nobody to hear it")
	}
	wrong := question(3)
	wrong.Boot++
	a, _ := b.ask(who(1), question(2))
	n, _ := b.ask(who(1), wrong)
	o, _ := b.Once(question(1), b.now)
	if a.Kind != datagram.Leaving || n.Kind != datagram.NotMe || o.Kind != datagram.Leaving {
		t.Errorf("kinds %d, %d, %d", a.Kind, n.Kind, o.Kind)
	}
}

func TestHeardTellsWhatIsNotAsItShouldBe(t *testing.T) {
	type came struct {
		at               time.Duration // since the first
		sequence         uint32
		more, unanswered uint16
	}
	everySecond := func(n int, more uint16) (all []came) {
		for i := range n {
			all = append(all, came{time.Duration(i) * time.Second, uint32(i + 1), more - uint16(i), 0})
		}
		return all
	}
	for _, row := range []struct {
		name               string
		came               []came
		after              time.Duration // since the last
		silent, unanswered uint64
		told               bool
	}{
		{"well", everySecond(5, 30), time.Second, 0, 0, false},
		{"well, for 3 s", everySecond(5, 30), 3 * time.Second, 0, 0, false},
		{"silent for longer", everySecond(5, 30), 3100 * time.Millisecond, 3100, 0, true},
		{"silent up to when the last can have come", everySecond(5, 30), 29 * time.Second, 29000, 0, true},
		{"over", everySecond(5, 30), 30 * time.Second, 0, 0, false},
		{"over as was announced", everySecond(5, 4), time.Hour, 0, 0, false},
		{"over soon, as was announced", everySecond(5, 4), 4 * time.Second, 0, 0, false},
		{"one came, of a rate that is not known", everySecond(1, 30), 6 * time.Second, 0, 0, false},
		{"one came, and none for long", everySecond(1, 30), 7 * time.Second, 7000, 0, true},
		{"slow by itself", []came{{0, 1, 30, 0}, {4 * time.Second, 3, 28, 0}}, 6 * time.Second, 0, 0, false},
		{"slow by itself, and silent", []came{{0, 1, 30, 0}, {4 * time.Second, 3, 28, 0}}, 6100 * time.Millisecond, 6100, 0, true},
		{"every second, though half are lost", []came{{0, 1, 30, 0}, {4 * time.Second, 5, 26, 0}}, 4 * time.Second, 4000, 0, true},
		{"two answers are missing", []came{{0, 1, 30, 2}}, 0, 0, 0, false},
		{"three are", []came{{0, 1, 30, 3}}, 0, 0, 3, true},
		{"they are, and it is silent", []came{{0, 1, 30, 3}}, 7 * time.Second, 7000, 3, true},
		{"they were, and it is over", []came{{0, 1, 2, 3}}, 20 * time.Second, 0, 0, false},
		{"they come again", []came{{0, 1, 30, 3}, {time.Second, 2, 29, 0}}, 0, 0, 0, false},
		{"one was overtaken", []came{{0, 2, 29, 0}, {0, 1, 30, 3}}, 0, 0, 0, false},
	} {
		b := newBooks()
		begun := b.now
		for _, c := range row.came {
			q := question(c.sequence)
			q.More, q.Unanswered = c.more, c.unanswered
			b.now = begun.Add(c.at)
			b.ask(who(1), q)
		}
		var want []report.Heard
		if row.told {
			want = []report.Heard{{Peer: 5, ID: 1, Received: uint64(len(row.came)), Silent: row.silent, Unanswered: row.unanswered}}
		}
		if got := b.Heard(b.now.Add(row.after)); len(got)+len(want) > 0 && !reflect.DeepEqual(got, want) {
			t.Errorf("%s: heard %+v; want %+v", row.name, got, want)
		}
	}
}

// TestNothingIsOverheardWhereNobodyLooks holds what is told against what is found by looking
// at all sessions each time.
func TestNothingIsOverheardWhereNobodyLooks(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	b := newBooks()
	told, quiet := 0, 0
	for second := range 2000 {
		for i := range 20 {
			b.now = b.now.Add(50 * time.Millisecond)
			if random.IntN(10) == 0 || second/100%2 == 0 && random.IntN(100) == 0 { // half of the time many are silent
				continue
			}
			q := question(uint32(second + 1))
			q.More = uint16(random.IntN(8))
			if q.Unanswered = 0; random.IntN(200) == 0 {
				q.Unanswered = 4
			}
			if second/100%2 == 0 || random.IntN(4) == 0 {
				b.ask(who(i+1), q)
			}
			if i%10 > 0 {
				continue
			}
			got := b.Heard(b.now)
			if b.quiet.After(b.now) {
				quiet++
			}
			b.quiet = time.Time{}
			if want := b.Heard(b.now); !reflect.DeepEqual(got, want) {
				t.Fatalf("after %d s: heard %+v; want %+v", second, got, want)
			}
			told += len(got)
		}
	}
	if told < 100 || quiet < 100 {
		t.Errorf("%d were told, and for %d times nobody looked again", told, quiet)
	}
}

func TestTheWorstAreHeardFirstAndNotTooMany(t *testing.T) {
	b := newBooks()
	for i := range 3 * report.MaxHeard {
		q := question(1)
		q.From, q.Unanswered = uint64(i+1), uint16(i)
		if b.ask(who(i+1), q); i == 10 {
			q.More = 100 // and is silent
			b.now = b.now.Add(time.Second)
			b.ask(who(i+1), q)
			b.now = b.now.Add(5 * time.Second)
		}
		b.now = b.now.Add(10 * time.Millisecond)
	}
	for _, from := range []uint64{0, report.MaxID + 1} { // of whom nobody can be told
		q := question(1)
		q.From, q.Unanswered = from, math.MaxUint16
		b.ask(Source{netip.MustParseAddrPort("10.9.9.9:1"), uint32(from)}, q)
	}
	var got []string
	for _, h := range b.Heard(b.now)[:3] {
		got = append(got, fmt.Sprint(h.Peer, " ", h.Silent > 0, " ", h.Unanswered))
	}
	if want := []string{"11 true 10", "192 false 191", "191 false 190"}; !reflect.DeepEqual(got, want) || len(b.Heard(b.now)) != report.MaxHeard {
		t.Errorf("heard %v first, %d in all; want %v, %d", got, len(b.Heard(b.now)), want, report.MaxHeard)
	}
}
