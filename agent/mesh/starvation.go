package mesh

import (
	"slices"
	"time"
)

const (
	// late is how late the mesh's own timer may be before what it saw is suspect.
	late = 50 * time.Millisecond
	// expected is how long after a question left its answer is expected: if the agent was
	// starved at any time of that, then its silence is suspect. Most answers come far
	// sooner, and few far later.
	expected = 500 * time.Millisecond
	// remembered is for how long it is known when the agent was starved: longer than what
	// anybody asks about.
	remembered = 15 * time.Second
)

// stretch is a time in which the agent did not run as it should: [from, to].
type stretch struct{ from, to time.Duration }

// starvation is when the agent did not run as it should, as its own timer, the kernel's
// account of its cgroup and its sockets' overflows tell. It is pure. Whose answer was due
// then may be missing for that alone.
type starvation struct {
	stretches []stretch // in the order of their end, none of which overlap
	total     time.Duration
	next      time.Duration // when the timer is due, 0 where it does not run
	throttled time.Duration // of the cgroup, as of the last look
	looked    time.Duration
}

// woke notes that the agent woke now when it should have woken at due, and should again
// at next.
func (s *starvation) woke(due, now, next time.Duration) {
	if now-due > late {
		s.add(due, now)
	}
	s.next = next
}

// rest notes that the timer does not run any more.
func (s *starvation) rest() { s.next = 0 }

// cgroup notes for how long the agent's cgroup has been throttled altogether, as it is
// known now. When that was, since it was looked at last, is not known.
func (s *starvation) cgroup(throttled, now time.Duration) {
	if s.looked > 0 && throttled > s.throttled {
		s.suspect(s.looked, now)
		s.total += min(throttled-s.throttled, now-s.looked)
	}
	s.throttled, s.looked = throttled, now
}

// overflowed notes that a socket's buffer had no room for what came between two times.
func (s *starvation) overflowed(from, to time.Duration) { s.add(from, to) }

// add adds a stretch, and what it has of time that none has yet to the total.
func (s *starvation) add(from, to time.Duration) {
	if n := len(s.stretches); n > 0 {
		s.total += max(0, to-max(from, s.stretches[n-1].to))
	} else {
		s.total += to - from
	}
	s.suspect(from, to)
}

// suspect adds a stretch without any time. What is older than is remembered goes.
func (s *starvation) suspect(from, to time.Duration) {
	for n := len(s.stretches); n > 0 && s.stretches[n-1].to >= from; n-- {
		from, to = min(from, s.stretches[n-1].from), max(to, s.stretches[n-1].to)
		s.stretches = s.stretches[:n-1]
	}
	s.stretches = append(s.stretches, stretch{from, to})
	old := 0
	for old < len(s.stretches)-1 && s.stretches[old].to < to-remembered {
		old++
	}
	s.stretches = slices.Delete(s.stretches, 0, old)
}

// during says whether the agent was starved at any time from one to another, also where
// its timer has not run again since.
func (s *starvation) during(from, to time.Duration) bool {
	return s.next > 0 && to-s.next > late ||
		slices.ContainsFunc(s.stretches, func(t stretch) bool { return t.from <= to && from <= t.to })
}

// of says whether what was sent then may be missing for a reason of the agent's own.
func (s *starvation) of(sent time.Duration) bool { return s.during(sent, sent+expected) }
