// Package evaluate decides: which agents report, which fail, and what that
// makes of the whole. It is pure; the clock is a parameter.
//
// One agent's State follows from what is known of it (Evidence) and from how
// long the server has been able to listen (Listening). The first row that fits
// holds; i is the agent's own report interval. "Overdue" means that the last report
// that the server learned of, which may have left the store since, is more than 2i
// old; "never" that it learned of none.
//
//	last report                  the server has listened        the node   state
//	---------------------------  -----------------------------  ---------  --------------------
//	not overdue, and heard       any time                       any        Reporting
//	not overdue, but only read   any time                       any        Reporting, not fresh
//	not overdue when the         any time                       any        Reporting, not fresh
//	store was last heard
//	overdue                      unbroken for less than 2i      any        Reporting, not fresh
//	overdue or never             any time                       going (1)  Planned
//	overdue, and still stored    unbroken for 2i or more        stays      Outdated
//	overdue and gone, or never   less than the grace, or the    stays      Starting
//	                             pod is younger than that
//	overdue and gone, or never   otherwise                      stays      Absent
//
// (1) The agent was not failing yet when its node was marked for going, and has
// been silent for at most an hour.
//
// Ages are measured from when the server learned of a report, on its own
// monotonic clock, so that no wall clock can make an agent fail or look well. Of a
// report that was in the store already when the server read it, that says only that
// there was one: it is of any age, and its agent may be dead. Such an agent is given
// its two intervals to be heard, and is no sign of health meanwhile.
package evaluate

import (
	"time"

	"github.com/netchecker/netchecker/server/fleet"
)

// State is what an expected agent is in; always exactly one.
type State uint8

const (
	// Reporting: the newest report is at most two report intervals old.
	Reporting State = iota
	// Starting: no report yet, and it is too early to worry.
	Starting
	// Outdated: the newest report is older than that, and the server listened.
	Outdated
	// Absent: no report is stored, and it is not too early.
	Absent
	// Planned: silent because its node is going; fails nothing.
	Planned
	// States is how many there are.
	States
)

var stateNames = [States]string{"reporting", "starting", "outdated", "absent", "planned"}

// String is the state's name in metrics and in the API.
func (s State) String() string { return stateNames[s] }

// plannedFor is how long an agent may be silent because its node is going.
const plannedFor = time.Hour

// Evidence is what is known of one expected agent.
type Evidence struct {
	// Stored says that a report of it is in the store.
	Stored bool
	// Heard is when its newest report was learned of, also where that report has
	// meanwhile left the store. Zero: never heard.
	Heard time.Time
	// Read says that this report was in the store already when the server read it, and
	// so is of any age.
	Read bool
	// Interval is the time between two of its reports, as the newest one said.
	Interval time.Duration
	// FirstSeen is when its pod was first seen in the list.
	FirstSeen time.Time
	// GoingSince is when its node was marked for going. Zero: the node stays.
	GoingSince time.Time
}

// Listening is the server's own ability to hear.
type Listening struct {
	fleet.Freshness
	// Now is the moment that is judged.
	Now time.Time
	// Grace is how long an agent may take to report for the first time.
	Grace time.Duration
}

// StateOf judges one agent. Fresh says that it was heard within its two
// intervals, rather than being given the time to be heard.
func StateOf(e Evidence, l Listening) (s State, fresh bool) {
	s, fresh = stateOf(e, l)
	if s != Reporting && planned(e, l) {
		s = Planned
	}
	return s, fresh
}

func stateOf(e Evidence, l Listening) (s State, fresh bool) {
	patience := 2 * e.Interval
	heard := !e.Heard.IsZero()
	switch {
	case heard && l.Now.Sub(e.Heard) <= patience:
		return Reporting, !e.Read
	case heard && (l.AsOf.Sub(e.Heard) <= patience || l.Now.Sub(l.Unbroken) < patience):
		return Reporting, false
	case e.Stored:
		return Outdated, false
	case l.Now.Sub(later(e.FirstSeen, l.Since)) < l.Grace:
		return Starting, false
	}
	return Absent, false
}

// planned says whether a silent agent's node explains the silence.
func planned(e Evidence, l Listening) bool {
	if e.GoingSince.IsZero() {
		return false
	}
	failedAt := e.FirstSeen.Add(l.Grace)
	if !e.Heard.IsZero() {
		failedAt = e.Heard.Add(2 * e.Interval)
	}
	silentSince := later(later(e.FirstSeen, e.Heard), e.GoingSince)
	return !e.GoingSince.After(failedAt) && l.Now.Sub(silentSince) <= plannedFor
}

func later(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}
