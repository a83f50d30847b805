package intervals

import (
	"testing"
	"time"

	"github.com/netchecker/netchecker/pkg/report"
	"github.com/netchecker/netchecker/server/store"
)

func TestTheTimelineIsWhatAgentsSaidAndUnknownWhereTheyAreNotHeardAnyMore(t *testing.T) {
	info, bad := report.Info, report.Error
	silent := map[string]Presence{"a": {Listed: true, Silent: true}}
	left := map[string]Presence{"a": {Left: noon.Add(70 * s)}}
	for name, row := range map[string]struct {
		play func(w *world)
		want string
	}{
		"what is open is known up to the last word": {func(w *world) {
			w.message(a, 1, open(10*s, fold(1, info, 0, 0))).at(60 * s)
		}, "a new Info 0s-10s open"},
		"a report's word may be the last": {func(w *world) {
			w.message(a, 1, open(10*s, fold(1, info, 0, 0))).report(a, open(30*s, fold(1, info, 0, 0)))
		}, "a new Info 0s-30s open"},
		"an older word does not count": {func(w *world) {
			w.report(a, open(30*s, fold(1, info, 0, 0))).message(a, 1, open(10*s, fold(1, info, 0, 0))).report(a, open(20*s, fold(1, info, 0, 0)))
		}, "a new Info 0s-30s open"},
		"what is over takes the place of what is open": {func(w *world) {
			w.report(a, open(30*s, fold(1, info, 0, 0))).message(a, 1, report.Disruption{AsOf: 25 * s, Sealed: []report.Interval{fold(1, info, 0, 20*s)}, Open: []report.Interval{fold(2, bad, 20*s, 0)}})
		}, "a new Info 0s-20s"},
		"and the next is open": {func(w *world) {
			w.message(a, 1, report.Disruption{AsOf: 25 * s, Sealed: []report.Interval{fold(1, info, 0, 20*s)}, Open: []report.Interval{fold(2, bad, 20*s, 0)}})
		}, "a new Info 0s-20s; a new Error 20s-25s open"},
		"what ended is there before its message is": {func(w *world) {
			w.message(a, 1, open(22*s, fold(2, bad, 20*s, 0))).report(a, open(30*s, fold(3, info, 24*s, 0)))
		}, "a new Error 20s-24s; a new Info 24s-30s open"},
		"and once when its message is": {func(w *world) {
			w.message(a, 1, open(22*s, fold(2, bad, 20*s, 0))).report(a, open(30*s, fold(3, info, 24*s, 0)))
			w.message(a, 2, report.Disruption{AsOf: 28 * s, Sealed: []report.Interval{fold(2, bad, 20*s, 24*s)}, Open: []report.Interval{fold(3, info, 24*s, 0)}})
		}, "a new Error 20s-24s; a new Info 24s-30s open"},
		"a message that arrives twice is there once": {func(w *world) {
			d := sealed(25*s, fold(1, info, 0, 20*s))
			w.message(a, 1, d).message(a, 1, d)
		}, "a new Info 0s-20s"},
		"messages may come in any order": {func(w *world) {
			w.message(a, 2, sealed(45*s, fold(2, bad, 20*s, 40*s))).message(a, 1, sealed(25*s, fold(1, info, 0, 20*s)))
		}, "a new Info 0s-20s; a new Error 20s-40s"},
		"silence is unknown from the last word on": {func(w *world) {
			w.report(a, open(30*s, fold(1, info, 0, 0))).at(60 * s).lead(silent).at(90 * s)
		}, "a new Info 0s-30s; a new Unknown 30s-1m30s open"},
		"who is heard again has been heard": {func(w *world) {
			w.report(a, open(30*s, fold(1, info, 0, 0))).at(60*s).lead(silent).report(a, open(80*s, fold(1, info, 0, 0))).at(90 * s)
		}, "a new Info 0s-1m20s open"},
		"what arrives late takes the place of unknown": {func(w *world) {
			w.report(a, open(30*s, fold(1, info, 0, 0))).at(60 * s).lead(silent)
			w.message(a, 1, report.Disruption{AsOf: 80 * s, Sealed: []report.Interval{fold(1, info, 0, 40*s), fold(2, bad, 40*s, 50*s)}, Open: []report.Interval{fold(3, info, 50*s, 0)}})
		}, "a new Info 0s-40s; a new Error 40s-50s; a new Info 50s-1m20s open"},
		"unknown ends as the pod leaves": {func(w *world) {
			w.report(a, open(30*s, fold(1, info, 0, 0))).at(60 * s).lead(silent).at(75 * s).lead(left).at(90 * s)
		}, "a new Info 0s-30s; a new Unknown 30s-1m10s"},
		"and is not prolonged by one of its name that comes later": {func(w *world) {
			w.report(a, open(30*s, fold(1, info, 0, 0))).at(75*s).lead(left).at(110*s).report(a2, open(9*s, fold(1, info, 1*s, 0)))
		}, "a new Info 0s-30s; a new Unknown 30s-1m10s; a new Info 1m41s-1m49s open"},
		"so it does where nobody saw it leave": {func(w *world) {
			w.report(a, open(30*s, fold(1, info, 0, 0))).at(75 * s).lead(map[string]Presence{"a": {}}).at(90 * s)
		}, "a new Info 0s-30s; a new Unknown 30s-1m15s"},
		"who ended well left nothing open": {func(w *world) {
			w.message(a, 1, open(10*s, fold(1, info, 0, 0))).message(a, 2, sealed(40*s, fold(1, info, 0, 40*s))).at(75 * s).lead(left).at(90 * s)
		}, "a new Info 0s-40s"},
		"unknown ends as the pod's next life begins": {func(w *world) {
			w.report(a, open(30*s, fold(1, info, 0, 0))).at(110*s).report(a2, open(9*s, fold(1, info, 1*s, 0)))
		}, "a new Info 0s-30s; a new Unknown 30s-1m40s; a new Info 1m41s-1m49s open"},
		"also where it was silent in between": {func(w *world) {
			w.report(a, open(30*s, fold(1, info, 0, 0))).at(60 * s).lead(silent)
			w.at(110*s).report(a2, open(9*s, fold(1, info, 1*s, 0))).lead(nil)
		}, "a new Info 0s-30s; a new Unknown 30s-1m40s; a new Info 1m41s-1m49s open"},
		"blind, nobody is silent": {func(w *world) {
			w.report(a, open(30*s, fold(1, info, 0, 0))).at(90 * s)
			if err := w.h.Lead(w.t.Context(), w, DefaultLimits(), nil); err != nil {
				w.t.Error(err)
			}
		}, "a new Info 0s-30s open"},
		"a closing outlives the report, and servers": {func(w *world) {
			w.report(a, open(30*s, fold(1, info, 0, 0))).at(60 * s).lead(silent).restart()
			w.at(90 * s)
		}, "a new Info 0s-30s; a new Unknown 30s-1m30s open"},
		"a life that another followed is closed before its report is lost": {func(w *world) {
			w.report(a, open(30*s, fold(1, info, 0, 0))).at(110*s).report(a2, open(9*s, fold(1, info, 1*s, 0))).lead(nil).restart()
		}, "a new Info 0s-30s; a new Unknown 30s-1m40s"},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			row.play(w)
			w.wants(row.want)
			w.reload()
			w.wants(row.want)
		})
	}
}

// reload reads all anew, as a server does whose watch fell behind.
func (w *world) reload() {
	put, done := w.h.Load(false)
	for key, value := range w.data {
		put(store.Entry{Key: key, Value: value})
	}
	done(2)
}

func TestAClosingIsWrittenOnce(t *testing.T) {
	w := newWorld(t)
	w.report(a, open(30*s, fold(1, report.Info, 0, 0)))
	silent := map[string]Presence{"a": {Listed: true, Silent: true}}
	w.lead(silent)
	before := w.writes
	w.at(60 * s).lead(silent)
	w.at(61 * s).lead(silent)
	if w.writes != before {
		t.Errorf("%d writes, want the %d of the first turn", w.writes, before)
	}
}

func TestTimesOfALifeAreContiguousHoweverLongItsMessagesTook(t *testing.T) {
	w := newWorld(t)
	late := a
	late.started = 90 * time.Millisecond // as it seems, because of the way
	w.message(a, 1, sealed(25*s, fold(1, report.Info, 0, 20*s))).
		message(late, 2, sealed(45*s, fold(2, report.Error, 20*s, 40*s)))
	w.wants("a new Info 0s-20s; a new Error 20s-40s")
	// A clock that jumped is another matter.
	jumped := a
	jumped.started = 10 * time.Minute
	w.message(jumped, 3, sealed(65*s, fold(3, report.Info, 40*s, 60*s)))
	w.wants("a new Info 0s-20s; a new Error 20s-40s; a new Info 10m40s-11m0s")
}

func TestExpiredIntervalsAreGone(t *testing.T) {
	w := newWorld(t)
	w.message(a, 1, sealed(25*s, fold(1, report.Info, 0, 20*s))).message(a, 2, sealed(45*s, fold(2, report.Error, 20*s, 40*s)))
	w.wants("a new Info 0s-20s; a new Error 20s-40s")
	l := life{a.pod().Key, a.boot}
	w.apply(store.Op{Key: l.numbered(1)})
	w.wants("a new Error 20s-40s")
	if known := w.h.lives[l]; len(known.over) != 1 || known.load.intervals != 1 {
		t.Errorf("%d are held to be over, and %d to be stored; want one", len(known.over), known.load.intervals)
	}
	w.apply(store.Op{Key: l.numbered(2)}, store.Op{Key: l.key(openKey)})
	w.wants("")
	if len(w.h.lives)+len(w.h.pods) != 0 {
		t.Errorf("%d lives are known of %d pods", len(w.h.lives), len(w.h.pods))
	}
}

func TestWhatAReportToldOutlivesWhatIsStored(t *testing.T) {
	w := newWorld(t)
	w.message(a, 1, open(10*s, fold(1, report.Info, 0, 0))).report(a, open(30*s, fold(1, report.Info, 0, 0)))
	w.apply(store.Op{Key: life{a.pod().Key, a.boot}.key(openKey)})
	w.wants("a new Info 0s-30s open")
}

func TestAValueThatIsWrittenAnewTakesThePlaceOfTheOneBefore(t *testing.T) {
	w := newWorld(t)
	w.message(a, 1, sealed(25*s, fold(1, report.Info, 0, 20*s)))
	key := life{a.pod().Key, a.boot}.numbered(1)
	w.apply(store.Op{Key: key, Value: w.data[key]})
	w.wants("a new Info 0s-20s")
}

func TestALifeThatIsOnlyInMemoryIsForgotten(t *testing.T) {
	w := newWorld(t)
	w.report(a, open(30*s, fold(1, report.Info, 0, 0)))
	w.at(forgetAfter+s).h.Look(nil, nil)
	w.wants("")
}

func TestWhatCannotBeReadCountsAsNotThere(t *testing.T) {
	w := newWorld(t)
	l := life{a.pod().Key, a.boot}
	w.message(a, 1, sealed(25*s, fold(1, report.Info, 0, 20*s)))
	for _, key := range []string{"x", "a/b/c", "a/b/c/d/e", "default/a/" + a.boot + "/0", "default/a/" + a.boot + "/-1", l.numbered(7), totalsKey} {
		for _, value := range []string{"", "{", `{"booted":"x"}`, `{"body":{"as_of_ms":-1}}`, "null"} {
			w.apply(store.Op{Key: key, Value: []byte(value)})
		}
	}
	w.wants("a new Info 0s-20s")
}
