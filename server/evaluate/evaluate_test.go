package evaluate

import (
	"testing"
	"time"

	"github.com/netchecker/netchecker/server/fleet"
)

const (
	s     = time.Second
	grace = 120 * s
)

var t0 = time.Now()

// ago is a moment before the one that is judged; never is the zero time.
func ago(d time.Duration) time.Time { return t0.Add(-d) }

func TestStateOfFollowsItsTruthTable(t *testing.T) {
	const i = 15 * s
	listening := func(asOf, since, unbroken time.Duration) Listening {
		return Listening{Freshness: fleet.Freshness{AsOf: ago(asOf), Since: ago(since), Unbroken: ago(unbroken)}, Now: t0, Grace: grace}
	}
	listened := func(d time.Duration) Listening { return listening(0, d, d) }
	gapEnded := func(d time.Duration) Listening { return listening(0, time.Hour, d) }
	silentFor := func(d time.Duration) Listening { return listening(d, time.Hour, time.Hour) }
	stored := func(age time.Duration) Evidence {
		return Evidence{Stored: true, Heard: ago(age), Interval: i, FirstSeen: ago(3 * time.Hour)}
	}
	silent := func(firstSeen time.Duration) Evidence { return Evidence{FirstSeen: ago(firstSeen)} }
	expired := func(age time.Duration) Evidence {
		e := stored(age)
		e.Stored = false
		return e
	}
	read := func(e Evidence) Evidence {
		e.Read = true
		return e
	}
	going := func(e Evidence, since time.Duration) Evidence {
		e.GoingSince = ago(since)
		return e
	}
	for _, row := range []struct {
		name   string
		e      Evidence
		listen Listening
		want   State
		fresh  bool
	}{
		{"a report just learned of", stored(0), listened(time.Hour), Reporting, true},
		{"a report exactly two intervals old", stored(2 * i), listened(time.Hour), Reporting, true},
		{"a report older than two intervals", stored(2*i + 1), listened(time.Hour), Outdated, false},
		{"an old report, and the server has listened for less than two intervals", stored(time.Hour), listened(2*i - 1), Reporting, false},
		{"an old report, and the server has listened for two intervals", stored(time.Hour), listened(2 * i), Outdated, false},
		{"no report from a pod younger than the grace", silent(grace - 1), listened(time.Hour), Starting, false},
		{"no report from a pod as old as the grace", silent(grace), listened(time.Hour), Absent, false},
		{"no report from an old pod while the server has just begun to listen", silent(time.Hour), listened(grace - 1), Starting, false},
		{"no report from an old pod after the server listened for the grace", silent(time.Hour), listened(grace), Absent, false},
		{"a report that left the store", expired(400 * s), listened(time.Hour), Absent, false},
		{"a report that left the store while the server could not listen", expired(400 * s), listened(2*i - 1), Reporting, false},
		{"the same, and the server has listened for two intervals", expired(400 * s), listened(2 * i), Starting, false},

		{"a report just learned of that somebody deleted", expired(i), listened(time.Hour), Reporting, true},
		{"an old report, and a short gap ended less than two intervals ago", stored(time.Hour), gapEnded(2*i - 1), Reporting, false},
		{"an old report, and a short gap ended two intervals ago", stored(time.Hour), gapEnded(2 * i), Outdated, false},
		{"a report that grew old while the store was silent", stored(50 * s), silentFor(40 * s), Reporting, false},
		{"a report that was old before the store fell silent", stored(80 * s), silentFor(40 * s), Outdated, false},
		{"no report from an old pod, and a short gap has just ended", silent(time.Hour), gapEnded(0), Absent, false},

		{"a report that was there when the server began", read(stored(0)), listened(0), Reporting, false},
		{"such a report read exactly two intervals ago", read(stored(2 * i)), listened(2 * i), Reporting, false},
		{"such a report read more than two intervals ago", read(stored(2*i + 1)), listened(2*i + 1), Outdated, false},
		{"the same, and the server has listened for a little less", read(stored(2*i + 1)), listened(2*i - 1), Reporting, false},
		{"such a report that left the store within two intervals", read(expired(2 * i)), listened(2 * i), Reporting, false},
		{"such a report that left the store later", read(expired(2*i + 1)), listened(2*i + 1), Starting, false},
		{"the same after the grace", read(expired(grace)), listened(grace), Absent, false},
		{"such a report, from a node that is going since", going(read(stored(3*i)), 3*i-1), listened(3 * i), Planned, false},

		{"reporting from a cordoned node", going(stored(i), time.Minute), listened(time.Hour), Reporting, true},
		{"silent since after its node was marked", going(stored(5*time.Minute), 6*time.Minute), listened(time.Hour), Planned, false},
		{"the same after its report left the store", going(expired(50*time.Minute), 51*time.Minute), listened(2 * time.Hour), Planned, false},
		{"silent for more than an hour since after its node was marked", going(expired(time.Hour+1), 61*time.Minute), listened(2 * time.Hour), Absent, false},
		{"marked after its last report but before it failed", going(stored(3*i), 2*i), listened(time.Hour), Planned, false},
		{"outdated already when its node was marked", going(stored(10*time.Minute), 5*time.Minute), listened(time.Hour), Outdated, false},
		{"absent already when its node was marked", going(silent(time.Hour), 5*time.Minute), listened(time.Hour), Absent, false},
		{"never heard, on a node that was going when the pod was first seen", going(silent(30*time.Minute), 30*time.Minute), listened(time.Hour), Planned, false},
		{"never heard for more than an hour on such a node", going(silent(61*time.Minute), 62*time.Minute), listened(2 * time.Hour), Absent, false},
	} {
		if got, fresh := StateOf(row.e, row.listen); got != row.want || fresh != row.fresh {
			t.Errorf("%s: %v (fresh %v), want %v (fresh %v)", row.name, got, fresh, row.want, row.fresh)
		}
	}
}

func TestVerdictNeedsSomebodyHeardAndNobodyToBlame(t *testing.T) {
	for _, row := range []struct {
		name       string
		summary    Summary
		strict     Verdict
		startingOK Verdict
	}{
		{"all report", Summary{Of: [States]int{Reporting: 6}, Fresh: 6}, OK, OK},
		{"one is outdated", Summary{Of: [States]int{Reporting: 5, Outdated: 1}, Fresh: 5}, Failing, Failing},
		{"one is absent", Summary{Of: [States]int{Reporting: 5, Absent: 1}, Fresh: 5}, Failing, Failing},
		{"all are absent", Summary{Of: [States]int{Absent: 6}}, Failing, Failing},
		{"one is starting", Summary{Of: [States]int{Reporting: 5, Starting: 1}, Fresh: 5}, Failing, OK},
		{"one is planned", Summary{Of: [States]int{Reporting: 5, Planned: 1}, Fresh: 5}, OK, OK},
		{"nobody was heard: all are starting", Summary{Of: [States]int{Starting: 6}}, Failing, CannotKnow},
		{"nobody was heard: all are planned", Summary{Of: [States]int{Planned: 6}}, CannotKnow, CannotKnow},
		{"nobody was heard since the server listens again", Summary{Of: [States]int{Reporting: 6}}, CannotKnow, CannotKnow},
		{"one was heard since the server listens again", Summary{Of: [States]int{Reporting: 6}, Fresh: 1}, OK, OK},
		{"nobody was heard since the start", Summary{Of: [States]int{Reporting: 6}, Read: 6}, CannotKnow, CannotKnow},
		{"one was heard since the start", Summary{Of: [States]int{Reporting: 6}, Fresh: 1, Read: 5}, OK, OK},
		{"nobody was heard since the start, and one is overdue", Summary{Of: [States]int{Reporting: 5, Outdated: 1}, Read: 5}, Failing, Failing},
		{"nobody is expected", Summary{}, CannotKnow, CannotKnow},
	} {
		if got := row.summary.Verdict(false); got != row.strict {
			t.Errorf("%s: %v, want %v", row.name, got, row.strict)
		}
		if got := row.summary.Verdict(true); got != row.startingOK {
			t.Errorf("%s, starting=ok: %v, want %v", row.name, got, row.startingOK)
		}
	}
}

func TestSummaryTellsWhoWasHeardFromWhoWasOnlyRead(t *testing.T) {
	var s Summary
	s.Add(Evidence{}, Reporting, true)
	s.Add(Evidence{Read: true}, Reporting, false)
	s.Add(Evidence{}, Reporting, false)
	s.Add(Evidence{Read: true}, Outdated, false)
	if want := (Summary{Of: [States]int{Reporting: 3, Outdated: 1}, Fresh: 1, Read: 1}); s != want {
		t.Errorf("%+v, want %+v", s, want)
	}
}
