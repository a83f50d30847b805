package evaluate

// Summary counts the agents of a cluster by state.
type Summary struct {
	Of [States]int
	// Fresh counts those of the Reporting that were heard in their time.
	Fresh int
	// Read counts those of the Reporting of whom no more is known than that the store
	// had a report of theirs when the server read it.
	Read int
}

// Add counts one agent.
func (s *Summary) Add(e Evidence, state State, fresh bool) {
	s.Of[state]++
	switch {
	case fresh:
		s.Fresh++
	case state == Reporting && e.Read:
		s.Read++
	}
}

// Verdict is what a cluster's agents amount to.
type Verdict uint8

const (
	// OK: somebody reports, and nobody fails.
	OK Verdict = iota
	// Failing: somebody is absent or outdated.
	Failing
	// CannotKnow: nobody was heard and there is nobody to blame.
	CannotKnow
)

// String is the verdict's name in metrics.
func (v Verdict) String() string { return [...]string{"ok", "failing", "cannot_know"}[v] }

// Verdict sums up; startingOK says that agents which are Starting fail nothing.
func (s *Summary) Verdict(startingOK bool) Verdict {
	failing := s.Of[Outdated] + s.Of[Absent]
	if !startingOK {
		failing += s.Of[Starting]
	}
	switch {
	case failing > 0:
		return Failing
	case s.Fresh == 0:
		return CannotKnow
	}
	return OK
}
