package judge

import (
	"testing"
	"time"

	"github.com/netchecker/netchecker/server/fleet"
)

// restarted is the same world as a server sees it that has just started: it reads
// what is stored, and sees all pods for the first time.
func (w *world) restarted() *world {
	r := newWorld()
	r.t, r.currentAt, r.since, r.revision = w.t, w.t, w.t, w.revision
	for k, rec := range w.records {
		read := *rec
		read.Learned, read.Read = r.t, true
		r.records[k] = &read
	}
	r.list, r.listAsOf = &fleet.List{Source: w.list.Source}, r.t
	for _, a := range w.list.Agents {
		a.FirstSeen = r.t
		r.list.Agents = append(r.list.Agents, a)
	}
	return r
}

// everyMinute is an agent that reports less often than the others, every minute.
func (w *world) everyMinute(k fleet.Key) {
	w.hear(k)
	w.records[k].ReportInterval = 60
}

func TestAfterAStartWithAllAgentsDeadNothingIsKnownUntilTheirTwoIntervalsAreOver(t *testing.T) {
	before := newWorld("quick", "slow")
	before.hear(key("quick"))
	before.everyMinute(key("slow"))
	before.pass(10 * time.Minute)
	w := before.restarted()
	j := w.judge()
	for _, step := range []struct {
		pass time.Duration
		want string
		read int
	}{
		{0, "cannot_know; quick reporting; slow reporting", 2},
		{30 * time.Second, "cannot_know; quick reporting; slow reporting", 2},
		{1, "failing; quick outdated; slow reporting", 1},
		{90 * time.Second, "failing; quick outdated; slow outdated", 0},
	} {
		w.pass(step.pass)
		s := anew(j)
		wantTold(t, s, step.want)
		if s.Summary.Read != step.read {
			t.Errorf("%d are reporting only because they were read, want %d", s.Summary.Read, step.read)
		}
	}
}

func TestAfterAStartWithAllAgentsDeadButOneTheOthersHaveTheirTwoIntervals(t *testing.T) {
	before := newWorld("alive", "dead", "slow")
	before.hear(key("alive"))
	before.hear(key("dead"))
	before.everyMinute(key("slow"))
	before.pass(10 * time.Minute)
	w := before.restarted()
	j := w.judge()
	wantTold(t, anew(j), "cannot_know; alive reporting; dead reporting; slow reporting")
	for _, step := range []struct {
		pass time.Duration
		want string
	}{
		{time.Second, "ok; alive reporting; dead reporting; slow reporting"},
		{29 * time.Second, "ok; alive reporting; dead reporting; slow reporting"},
		{1, "failing; alive reporting; dead outdated; slow reporting"},
		{90 * time.Second, "failing; alive reporting; dead outdated; slow outdated"},
	} {
		w.pass(step.pass)
		w.hear(key("alive"))
		wantTold(t, anew(j), step.want)
	}
}

func TestTwoServersThatStartAgree(t *testing.T) {
	before := newWorld("alive", "dead")
	before.hear(key("alive"))
	before.hear(key("dead"))
	one, two := before.restarted(), before.restarted()
	first, second := one.judge(), two.judge()
	for i := range 200 {
		for _, w := range []*world{one, two} {
			w.pass(250 * time.Millisecond)
			if i >= 4 {
				w.hear(key("alive"))
			}
		}
		if a, b := told(anew(first)), told(anew(second)); a != b {
			t.Fatalf("after %d looks one tells %q, the other %q", i, a, b)
		}
	}
	wantTold(t, first.Snapshot(), "failing; alive reporting; dead outdated")
}

func TestWhatWasOnlyReadIsNeverHeardThroughBeingRemembered(t *testing.T) {
	before := newWorld("a")
	before.hear(key("a"))
	w := before.restarted()
	j := w.judge()
	wantTold(t, anew(j), "cannot_know; a reporting")
	delete(w.records, key("a")) // its time in the store is up
	w.pass(30 * time.Second)
	wantTold(t, anew(j), "cannot_know; a reporting")
	w.pass(1)
	wantTold(t, anew(j), "failing, or cannot_know; a starting")
}

func TestWhoWasHeardStaysHeardWhereTheStoreIsReadAgain(t *testing.T) {
	w := newWorld("a", "b")
	w.hear(key("a"))
	w.hear(key("b"))
	j := w.judge()
	wantTold(t, anew(j), "ok; a reporting; b reporting")
	// b's report came while the store was read again: it may be of any age.
	w.pass(time.Second)
	w.hear(key("b"))
	w.records[key("b")].Read = true
	s := anew(j)
	wantTold(t, s, "ok; a reporting; b reporting")
	if s.Summary.Fresh != 1 || s.Summary.Read != 1 {
		t.Errorf("%d fresh and %d read, want one each", s.Summary.Fresh, s.Summary.Read)
	}
}
