package disruption

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/netchecker/netchecker/pkg/report"
)

// handClock is a clock that is set by hand.
type handClock struct{ now time.Duration }

func (c *handClock) Now() time.Duration                   { return c.now }
func (c *handClock) After(time.Duration) <-chan time.Time { return nil }

const second = time.Second

// newLedger has a clock that shows an hour.
func newLedger() (*Ledger, *handClock) {
	c := &handClock{time.Hour}
	return NewLedger(c, func() {}), c
}

func target(name string) Target { return Target{name, report.New} }

func open(l report.Level, message string, from time.Duration) *report.Interval {
	return &report.Interval{Level: l, Message: message, From: from}
}

func over(l report.Level, message string, from, to time.Duration) []report.Interval {
	return []report.Interval{{Level: l, Message: message, From: from, To: to}}
}

// numbered are intervals as "3 a Error refused 2-5".
func numbered(list []report.Interval, open bool) (all []string) {
	for _, i := range list {
		all = append(all, fmt.Sprint(i.ID, " ", i.Backend, " ", told(i, open)))
	}
	return all
}

// written is the next message, as the server reads it.
func written(t *testing.T, l *Ledger) report.Disruption {
	t.Helper()
	body := l.Write()
	if len(body) > report.MaxBody {
		t.Errorf("a body has %d bytes", len(body))
	}
	d, err := report.DecodeDisruption(body)
	if err != nil {
		t.Fatalf("%v: %s", err, body)
	}
	return d
}

func TestAnIntervalKeepsItsNumberFromItsOpeningOn(t *testing.T) {
	l, _ := newLedger()
	l.fold(target("a"), nil, open(report.Info, "", second), second)
	l.fold(target("b"), nil, open(report.Info, "", second), second)
	l.fold(target("a"), nil, open(report.Info, "", second), 2*second)
	l.fold(target("a"), over(report.Info, "", second, 3*second), open(report.Error, "refused", 3*second), 3*second)
	l.fold(target("b"), nil, open(report.Info, "", second), 4*second)
	d := written(t, l)
	if got, want := numbered(d.Sealed, false), []string{"1 a Info 1-3"}; !slices.Equal(got, want) {
		t.Errorf("sealed: %q, want %q", got, want)
	}
	if got, want := numbered(d.Open, true), []string{"2 b Info 1-", "3 a Error refused 3-"}; !slices.Equal(got, want) {
		t.Errorf("open: %q, want %q", got, want)
	}
	// Of two that are over at once, only the first was open before.
	l.fold(target("a"), append(over(report.Error, "flapping", 3*second, 4*second), over(report.Info, "", 4*second, 9*second)...), open(report.Error, "503", 9*second), 9*second)
	d = written(t, l)
	if got, want := numbered(d.Sealed, false), []string{"3 a Error flapping 3-4", "4 a Info 4-9"}; !slices.Equal(got, want) {
		t.Errorf("sealed: %q, want %q", got, want)
	}
	if got, want := numbered(d.Open, true), []string{"2 b Info 1-", "5 a Error 503 9-"}; !slices.Equal(got, want) {
		t.Errorf("open: %q, want %q", got, want)
	}
}

func TestOnlyWhatOpensEndsOrIsRefusedIsWorthAMessage(t *testing.T) {
	l, _ := newLedger()
	woken := 0
	l.wake = func() { woken++ }
	for _, row := range []struct {
		name string
		do   func()
		news bool
	}{
		{"an opening", func() { l.fold(target("a"), nil, open(report.Info, "", second), second) }, true},
		{"more of the same", func() { l.fold(target("a"), nil, open(report.Info, "", second), 2*second) }, false},
		{"another outcome of what is open", func() { l.fold(target("a"), nil, open(report.Error, "refused", second), 3*second) }, true},
		{"an end", func() { l.fold(target("a"), over(report.Error, "refused", second, 4*second), nil, 4*second) }, true},
		{"a refusal", func() { l.refuse("b", "leads to nobody") }, true},
		{"the end of that", func() { l.accept("b") }, true},
		{"the end of none", func() { l.accept("b") }, false},
	} {
		woken = 0
		row.do()
		if got := woken > 0; got != row.news || l.Waits() != row.news {
			t.Errorf("%s: woken %v, waits %v; want %v", row.name, got, l.Waits(), row.news)
		}
		if l.Waits() {
			written(t, l)
		}
	}
}

func TestOpenIntervalsAreKnownToHoldUpToTheEarliestLastWord(t *testing.T) {
	l, c := newLedger()
	if l.Report() != nil {
		t.Error("a report says something of nothing")
	}
	for _, row := range []struct {
		name string
		do   func()
		want time.Duration
	}{
		{"one target", func() { l.fold(target("a"), nil, open(report.Info, "", second), 5*second) }, 5 * second},
		{"one that hangs", func() { l.fold(target("b"), nil, open(report.Info, "", second), 7*second) }, 5*second + time.Millisecond},
		{"nothing new", func() {}, 5*second + time.Millisecond},
		{"both have spoken", func() {
			l.fold(target("a"), nil, open(report.Info, "", second), 9*second)
			l.fold(target("b"), nil, open(report.Info, "", second), 8*second)
		}, 8 * second},
		{"yet not before one that has opened", func() {
			l.fold(target("a"), over(report.Info, "", second, 10*second), open(report.Error, "refused", 10*second), 10*second)
		}, 10 * second},
		{"nor before what a flapping one has failed", func() {
			i := open(report.Error, flapping, 11*second)
			i.Changes, i.Failed = 3, 2*second
			l.fold(target("a"), over(report.Error, "refused", 10*second, 11*second), i, 14*second)
		}, 13 * second},
		{"nor is it ahead of the clock", func() { l.refuse("d", "leads to nobody"); c.now = 13 * second }, 13 * second},
		{"of none it is now", func() {
			l.fold(target("a"), over(report.Error, flapping, 11*second, 15*second), nil, 15*second)
			l.fold(target("b"), over(report.Info, "", second, 15*second), nil, 15*second)
			l.refuse("c", "leads to nobody")
			c.now = 20 * second
		}, 20 * second},
	} {
		row.do()
		if got := l.Report().AsOf; got != row.want {
			t.Errorf("%s: as of %v, want %v", row.name, got, row.want)
		}
	}
}

func TestWhatIsOverGoesInChunksThatHaveRoomAndInOrder(t *testing.T) {
	l, _ := newLedger()
	for n := range 16 { // as much as can be open at a time
		for _, c := range connections {
			name := fmt.Sprintf("%02d-%s", n, strings.Repeat("x", 60))
			l.fold(Target{name, c}, nil, open(report.Error, strings.Repeat(`"`, longestMessage), second), second)
		}
	}
	const all = 200
	for n := range all {
		at := time.Duration(n) * second
		l.fold(target("short"), over(report.Error, strings.Repeat("é", n/4), at, at+second), nil, at)
	}
	seen, messages := 0, 0
	for ; l.Waits(); messages++ {
		d := written(t, l)
		if len(d.Open) != 32 || d.Dropped != 0 || len(d.Sealed) == 0 {
			t.Fatalf("message %d has %d open and %d sealed, %d dropped", messages+1, len(d.Open), len(d.Sealed), d.Dropped)
		}
		for _, i := range d.Sealed {
			if i.From != time.Duration(seen)*second {
				t.Fatalf("%v comes as the %dth", i.From, seen+1)
			}
			seen++
		}
	}
	if seen != all || messages > all/2 {
		t.Errorf("%d of %d in %d messages", seen, all, messages)
	}
}

func TestAFullMessageHas64(t *testing.T) {
	l, _ := newLedger()
	for n := range 100 {
		at := time.Duration(n) * second
		l.fold(target("a"), over(report.Error, "refused", at, at+second), nil, at)
	}
	if first, second := len(written(t, l).Sealed), len(written(t, l).Sealed); first != report.MaxSealed || second != 36 {
		t.Errorf("%d and %d", first, second)
	}
}

func TestWhatNobodyTakesInIsDroppedTheOldestFirstAndCounted(t *testing.T) {
	l, _ := newLedger()
	message := strings.Repeat("x", 115)
	each := fixedBytes + len("a") + len(message)
	most := mostBytes / each
	for n := range most + 10 {
		at := time.Duration(n) * second
		l.fold(target("a"), over(report.Error, message, at, at+second), nil, at)
	}
	d := written(t, l)
	if d.Dropped != 10 || d.Sealed[0].From != 10*second {
		t.Errorf("%d dropped, the first is of %v", d.Dropped, d.Sealed[0].From)
	}
	l.Lost()
	if got := written(t, l).Dropped; got != uint64(10+len(d.Sealed)) {
		t.Errorf("%d dropped with a message of %d that was refused", got, len(d.Sealed))
	}
	for l.Waits() {
		written(t, l)
	}
	if l.bytes != 0 || l.waiting != nil {
		t.Errorf("%d bytes are left of nothing", l.bytes)
	}
	for n := range mostWaiting + 1 {
		at := time.Duration(n) * second
		l.fold(target("a"), over(report.Info, "", at, at+second), nil, at)
	}
	if got := written(t, l).Dropped; got <= uint64(10+len(d.Sealed)) {
		t.Errorf("%d dropped; more than %d were waiting", got, mostWaiting)
	}
}
