// Package evaluate decides: which agents report, which fail, and what that
// makes of the whole. It is pure; the clock is a parameter.
//
// One agent's State follows from what is known of it (Evidence) and from how
// long the server has been able to listen (Ear). The first row that fits holds;
// i is the agent's own report interval. "Overdue" means that the last report that
// the server learned of, which may have left the store since, is more than 2i old;
// "never" that it learned of none.
//
//	last report                  the server has listened        the node   state
//	---------------------------  -----------------------------  ---------  --------------------
//	not overdue                  any time                       any        Reporting
//	not overdue when the         any time                       any        Reporting, not fresh
//	store was last heard
//	overdue                      steadily for less than 2i      any        Reporting, not fresh
//	overdue or never             any time                       going (1)  Planned
//	overdue, and still stored    steadily for 2i or more        stays      Outdated
//	overdue and gone, or never   less than the grace, or the    stays      Starting
//	                             pod is younger than that
//	overdue and gone, or never   otherwise                      stays      Absent
//
// (1) The agent was not failing yet when its node was marked for going, and has
// been silent for at most an hour.
//
// Ages are measured from when the server learned of a report, on its own
// monotonic clock, so that no wall clock can make an agent fail or look well.
package evaluate

import "time"

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
	// Interval is the time between two of its reports, as the newest one said.
	Interval time.Duration
	// FirstSeen is when its pod was first seen in the list.
	FirstSeen time.Time
	// GoingSince is when its node was marked for going. Zero: the node stays.
	GoingSince time.Time
}

// Ear is the server's own ability to hear.
type Ear struct {
	// Now is the moment that is judged.
	Now time.Time
	// AsOf is when the store was last known to have told everything.
	AsOf time.Time
	// Since is when the server last became able to listen.
	Since time.Time
	// Steady is since when it has listened without even a short gap, in which a
	// report may have been sent in vain.
	Steady time.Time
	// Grace is how long an agent may take to report for the first time.
	Grace time.Duration
}

// StateOf judges one agent. Fresh says that it was heard within its two
// intervals, rather than being given the time to be heard again.
func StateOf(e Evidence, ear Ear) (s State, fresh bool) {
	s, fresh = stateOf(e, ear)
	if s != Reporting && planned(e, ear) {
		s = Planned
	}
	return s, fresh
}

func stateOf(e Evidence, ear Ear) (s State, fresh bool) {
	patience := 2 * e.Interval
	heard := !e.Heard.IsZero()
	switch {
	case heard && ear.Now.Sub(e.Heard) <= patience:
		return Reporting, true
	case heard && (ear.AsOf.Sub(e.Heard) <= patience || ear.Now.Sub(ear.Steady) < patience):
		return Reporting, false
	case e.Stored:
		return Outdated, false
	case ear.Now.Sub(later(e.FirstSeen, ear.Since)) < ear.Grace:
		return Starting, false
	}
	return Absent, false
}

// planned says whether a silent agent's node explains the silence.
func planned(e Evidence, ear Ear) bool {
	if e.GoingSince.IsZero() {
		return false
	}
	failedAt := e.FirstSeen.Add(ear.Grace)
	if !e.Heard.IsZero() {
		failedAt = e.Heard.Add(2 * e.Interval)
	}
	silentSince := later(later(e.FirstSeen, e.Heard), e.GoingSince)
	return !e.GoingSince.After(failedAt) && ear.Now.Sub(silentSince) <= plannedFor
}

func later(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}

// Tally counts the agents of a cluster by state.
type Tally struct {
	Of [States]int
	// Fresh counts those of the Reporting that were heard in their time.
	Fresh int
}

// Add counts one agent.
func (t *Tally) Add(s State, fresh bool) {
	t.Of[s]++
	if fresh {
		t.Fresh++
	}
}

// Outcome is what a cluster's agents amount to.
type Outcome uint8

const (
	// OK: somebody reports, and nobody fails.
	OK Outcome = iota
	// Failing: somebody is absent or outdated.
	Failing
	// CannotKnow: nobody was heard and there is nobody to blame.
	CannotKnow
)

// String is the outcome's name in metrics.
func (o Outcome) String() string { return [...]string{"ok", "failing", "cannot_know"}[o] }

// Outcome sums up; startingOK says that agents which are Starting fail nothing.
func (t *Tally) Outcome(startingOK bool) Outcome {
	failing := t.Of[Outdated] + t.Of[Absent]
	if !startingOK {
		failing += t.Of[Starting]
	}
	switch {
	case failing > 0:
		return Failing
	case t.Fresh == 0:
		return CannotKnow
	}
	return OK
}
