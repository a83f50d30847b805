package intervals

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/netchecker/netchecker/pkg/report"
)

var keyX = Key{"x", report.New, report.Pod}

// shown is the total of backend x over new connections from the pod network.
func (w *world) shown() time.Duration { return w.h.Totals().find(keyX).Shown }

func TestTotalsNeverFallWhateverBecomesOfTheIntervals(t *testing.T) {
	w := newWorld(t)
	w.at(30*s).message(a, 1, sealed(25*s, fold(1, report.Info, 0, 10*s), fold(2, report.Error, 10*s, 15*s))).lead(nil)
	for _, step := range []struct {
		name string
		do   func()
		want time.Duration
	}{
		{"a disruption that is over", func() {}, 5 * s},
		{"a restart", w.restart, 5 * s},
		{"one that lasts", func() {
			w.at(60*s).message(a, 2, open(50*s, fold(3, report.Error, 48*s, 0)))
		}, 7 * s},
		{"goes on", func() { w.at(70*s).report(a, open(60*s, fold(3, report.Error, 48*s, 0))) }, 17 * s},
		{"told late, at the same time", func() {
			other := a
			other.name = "other"
			w.message(other, 1, sealed(50*s, fold(1, report.Error, 14*s, 17*s)))
		}, 19 * s},
		{"its sampler is gone: unknown is not counted", func() { w.at(200 * s).lead(map[string]Presence{"a": {}}).at(300 * s) }, 19 * s},
		{"half a day later", func() { w.at(13 * time.Hour) }, 19 * s},
		{"a restart after it", w.restart, 19 * s},
		{"told after it, of before: it is too late", func() {
			w.message(a, 3, sealed(80*s, fold(4, report.Error, 70*s, 80*s)))
		}, 19 * s},
		{"a new one", func() {
			w.message(a2, 1, sealed(13*time.Hour, fold(1, report.Error, 12*time.Hour+30*time.Minute, 12*time.Hour+30*time.Minute+200*time.Millisecond)))
		}, 20 * s},
	} {
		step.do()
		w.lead(nil)
		if got := w.shown(); got != step.want {
			t.Fatalf("%s: %v, want %v", step.name, got, step.want)
		}
	}
}

func TestWhatIsDroppedToMakeRoomStaysCounted(t *testing.T) {
	w := newWorld(t)
	w.at(500 * s)
	limits := Limits{Intervals: 16 * 4, Bytes: 1 << 20}
	for i := range 10 {
		from := time.Duration(10*i) * s
		w.message(a, uint64(i+1), sealed(from+2*s, fold(uint64(i+1), report.Error, from, from+2*s)))
		if err := w.h.Lead(t.Context(), w, limits, nil); err != nil {
			t.Fatal(err)
		}
	}
	if got := w.h.Totals(); got.Dropped != 6 || w.shown() != 20*s {
		t.Errorf("%d are dropped and %v are counted, want 6 and 20s", got.Dropped, w.shown())
	}
	w.wants("a new Error 1m0s-1m2s; a new Error 1m10s-1m12s; a new Error 1m20s-1m22s; a new Error 1m30s-1m32s")
	w.restart()
	if got := w.h.Totals(); got.Dropped != 6 || w.shown() != 20*s {
		t.Errorf("after a restart %d are dropped and %v are counted, want 6 and 20s", got.Dropped, w.shown())
	}
}

func TestWhatIsDroppedIsCountedOnceAlsoWhileTheWatchIsBehind(t *testing.T) {
	w := newWorld(t)
	w.at(500 * s)
	for i := range 10 {
		from := time.Duration(10*i) * s
		w.message(a, uint64(i+1), sealed(from+2*s, fold(uint64(i+1), report.Error, from, from+2*s)))
	}
	w.behind = true
	for range 3 {
		w.at(600 * s)
		w.message(b, 1, sealed(300*s, fold(1, report.Error, 200*s, 201*s)))
		if err := w.h.Lead(t.Context(), w, Limits{Intervals: 16 * 4, Bytes: 1 << 20}, nil); err != nil {
			t.Fatal(err)
		}
	}
	if got := w.h.Totals(); got.Dropped != 6 || w.shown() != 20*s {
		t.Errorf("%d are dropped and %v are counted, want 6 and 20s", got.Dropped, w.shown())
	}
}

func TestMoreThanATransactionTakesIsDroppedInSeveral(t *testing.T) {
	w := newWorld(t)
	w.at(9000 * s)
	for i := range 350 {
		from := time.Duration(10*i) * s
		w.message(a, uint64(i+1), sealed(from+2*s, fold(uint64(i+1), report.Error, from, from+2*s)))
	}
	if err := w.h.Lead(t.Context(), w, Limits{Intervals: 16 * 10, Bytes: 16 << 20}, nil); err != nil {
		t.Fatal(err)
	}
	if got := w.h.Totals(); got.Dropped != 340 || w.shown() != 700*s || w.writes != 4 {
		t.Errorf("%d are dropped and %v are counted, in %d writes; want 340 and 11m40s, in 4", got.Dropped, w.shown(), w.writes)
	}
	w.restart()
	if left := len(w.h.Between(noon, w.now)); left != 10 {
		t.Errorf("%d are left, want 10", left)
	}
}

func TestTheOldestAreDroppedOfWhoHasMoreThanHisShareAndThenOfAll(t *testing.T) {
	of := func(name string, newest time.Duration, intervals, bytes int) *chunk {
		return &chunk{of: &state{life: life{pod: agent{name: name}.pod().Key}}, number: uint64(newest/s) + 1, newest: noon.Add(newest), list: make([]Interval, intervals), bytes: bytes}
	}
	for name, row := range map[string]struct {
		chunks []*chunk
		limits Limits
		want   string
	}{
		"within the limits":               {[]*chunk{of("a", 1*s, 10, 10)}, Limits{160, 160}, ""},
		"one that is alone in its excess": {[]*chunk{of("a", 1*s, 6, 1), of("a", 3*s, 5, 1), of("a", 2*s, 5, 1), of("b", 0, 1, 1)}, Limits{160, 160}, "a 1s; "},
		"by bytes":                        {[]*chunk{of("a", 1*s, 1, 6), of("a", 2*s, 1, 5), of("b", 0, 1, 1)}, Limits{160, 160}, "a 1s; "},
		"the oldest of all": {func() (all []*chunk) {
			for i := range 20 {
				all = append(all, of(fmt.Sprint("p", i), time.Duration(i)*s, 10, 1))
			}
			return all
		}(), Limits{160, 160}, "p0 0s; p1 1s; p2 2s; p3 3s; "},
	} {
		got := ""
		for _, c := range excess(row.chunks, row.limits) {
			got += fmt.Sprintf("%s %v; ", c.of.pod.Name, c.newest.Sub(noon))
		}
		if got != row.want {
			t.Errorf("%s: dropped are %s, want %s", name, got, row.want)
		}
	}
}

func TestAFailedWriteIsMadeUpForLater(t *testing.T) {
	w := newWorld(t)
	w.at(30*s).message(a, 1, sealed(25*s, fold(2, report.Error, 10*s, 15*s)))
	w.err = errors.New("etcd is away")
	if err := w.h.Lead(t.Context(), w, DefaultLimits(), nil); !errors.Is(err, w.err) {
		t.Errorf("%v, want %v", err, w.err)
	}
	w.err = nil
	if w.lead(nil); w.shown() != 5*s {
		t.Errorf("%v are counted, want 5s", w.shown())
	}
}

func TestWithoutBackendsNothingIsWritten(t *testing.T) {
	w := newWorld(t)
	if w.lead(nil); len(w.data) > 0 {
		t.Errorf("%q is stored", w.data)
	}
}

func TestTotalsOfNoMoreKeysThanThereMayBe(t *testing.T) {
	var list []Interval
	for i := range maxTotals + 10 {
		one := piece(a, report.Error, 0, s)
		one.Backend = fmt.Sprintf("b%03d", i)
		list = append(list, one)
	}
	now := noon.Add(time.Minute)
	before := Totals{Horizon: noon.Add(-time.Hour), Of: []Total{{Key: Key{"b137", report.New, report.Pod}, Shown: 9 * s}}}
	got := before.next(sorted(list...), sorted(list...), now)
	if len(got.Of) != maxTotals || got.find(before.Of[0].Key).Shown != 9*s {
		t.Errorf("%d keys, of which the one that was there has %v", len(got.Of), got.find(before.Of[0].Key))
	}
	if got := got.next(timeline{}, timeline{}, now); len(got.Of) != 0 {
		t.Errorf("%d keys without any interval", len(got.Of))
	}
}
