package mesh

import (
	"slices"
	"time"

	"github.com/netchecker/netchecker/pkg/report"
)

// fate is what is known of a question.
type fate uint8

const (
	open fate = iota
	answered
	refused
)

// question is one small datagram that left.
type question struct {
	session  *session // whose it is, for those who look at all; nil in tests of one account
	sequence uint32
	at       time.Duration
	fate     fate
	// received is what the peer had counted, if it was answered.
	received uint32
	// missing says that no answer came in time, and alone that this was so of no other
	// right before it.
	missing, alone bool
	// suspect says that it was missed while the agent, or its host, was in trouble.
	suspect bool
}

// account is what became of the small datagrams of one session, a fold over what
// happened. The peer counts what it receives and tells it in each answer; so questions
// that were not answered, between two that were, are told apart:
//
//	                                        sequence   received there
//	answered                                       4   4
//	not answered                              5 to 9
//	answered                                      10   7
//
// Of those five, 7 - 4 - 1 = 2 came there, whose answers were lost on their way back;
// three were lost on their way forward. It is known when the second of the two is
// answered, and told once those before it had settled, so that what comes out of order is
// no loss and no column ever falls, but for what is open.
//
//	event                           what becomes of what was not answered before it
//	answered                        lost forward or back, as above
//	refused                         refused: who is there is not who was asked
//	nothing more                    stays open
//
// What is suspect is taken out of the losses: out of those on the way back first, which
// is where it stops that an agent does not read. Counts of the peer that make no sense,
// since a datagram came twice or out of order, never give more losses than questions, nor
// fewer than none. A peer that heard nothing for minutes counts from 1 again.
type account struct {
	row report.Session // the columns of small datagrams, but for what is open

	flight []*question // in the order of their sequence: the oldest that is not settled, and all after it
	// received is what the peer had counted at the last settled answer.
	received uint32
	// missed are those not answered since, and suspect how many of them are so.
	missed, suspect uint64
	// stranded are those not answered when the session paused, which stay open.
	stranded uint64
	// run is how many in a row are missing now.
	run int
	// timed is how many round trips were counted, and starved says whether the agent was so
	// from one time to another; nil for never.
	timed   uint64
	starved func(from, to time.Duration) bool
	// heard is when something was heard last, and first when something was sent first.
	heard, first time.Duration
}

// next is the sequence number of the next question.
func (a *account) next() uint32 { return uint32(a.row.Sent) + 1 }

// sent notes that q left, which has the next sequence number.
func (a *account) sent(q *question) {
	if a.row.Sent == 0 {
		a.first = q.at
	}
	a.row.Sent++
	a.flight = append(a.flight, q)
}

// answer notes that the answer to a question came at that time, with what the peer had
// counted and the time it took itself. It is false where no answer is waited for: it came
// twice, or far too late.
func (a *account) answer(sequence, received uint32, at, took time.Duration) bool {
	q := a.find(sequence)
	a.heard = max(a.heard, at)
	if q == nil || q.fate == answered || q.fate == refused && !a.shift(q) {
		return false
	}
	q.fate, q.received = answered, received
	a.time(max(0, at-q.at-took), a.starved != nil && a.starved(q.at, at))
	a.alive(q)
	return true
}

// time counts a round trip. Shortest is never 0, which stands for none. While the agent
// was starved it took as long as the others did at most: an agent that does not run between
// its question and the clock is no slow path.
func (a *account) time(roundTrip time.Duration, starved bool) {
	us := uint64(max(1, roundTrip.Microseconds()))
	if starved && a.timed > 0 {
		us = min(us, max(1, a.row.RoundTrips/a.timed))
	}
	a.timed++
	a.row.RoundTrips += us
	a.row.Longest = max(a.row.Longest, us)
	if a.row.Shortest == 0 || us < a.row.Shortest {
		a.row.Shortest = us
	}
}

// refuse notes that the question was refused; 0 stands for the newest that is open, as
// who sends an ICMP message does not say. It is false where there is none.
func (a *account) refuse(sequence uint32, at time.Duration) bool {
	a.heard = max(a.heard, at)
	q := a.find(sequence)
	if sequence == 0 {
		q = a.newestOpen()
	}
	if q == nil || q.fate != open {
		return false
	}
	q.fate = refused
	a.row.Refused++
	a.alive(q)
	return true
}

// shift has another question be the one that was refused, since q was not: which one an
// ICMP message was about is a guess. It is false where there is no other.
func (a *account) shift(q *question) bool {
	other := a.newestOpen()
	if other == nil {
		return false
	}
	q.fate, other.fate = open, refused
	return true
}

// alive ends the run of those that are missing, if q is newer than they.
func (a *account) alive(q *question) {
	newer := func(o *question) bool { return o.sequence > q.sequence && o.missing }
	if !slices.ContainsFunc(a.flight, newer) {
		a.run = 0
	}
}

func (a *account) find(sequence uint32) *question {
	i, there := slices.BinarySearchFunc(a.flight, sequence, func(q *question, s uint32) int {
		return int(int64(q.sequence) - int64(s))
	})
	if !there {
		return nil
	}
	return a.flight[i]
}

func (a *account) newestOpen() *question {
	for _, q := range slices.Backward(a.flight) {
		if q.fate == open {
			return q
		}
	}
	return nil
}

// miss returns those whose time is up by now, each once. suspect says whether what was
// sent then may be missing for a reason of the agent's own; they are not in the run.
func (a *account) miss(now time.Duration, suspect func(sent time.Duration) bool) (missing []*question) {
	before := a.missed > 0
	for i, q := range a.flight {
		if now-q.at < patience {
			break
		}
		if q.fate == open && !q.missing {
			q.missing, q.alone, q.suspect = true, !before, suspect(q.at)
			if !q.suspect && !heardOf(a.flight[i:]) {
				a.run++
			}
			missing = append(missing, q)
		}
		before = q.fate == open
	}
	return missing
}

// missesAfter says whether the question after q is missing, too.
func (a *account) missesAfter(q *question) bool {
	next := a.find(q.sequence + 1)
	return next != nil && next.fate == open && next.missing
}

// heardOf says whether anything was heard of any of them.
func heardOf(list []*question) bool {
	return slices.ContainsFunc(list, func(q *question) bool { return q.fate != open })
}

// settle counts what can be counted by now.
func (a *account) settle(now time.Duration) {
	n := 0
	for _, q := range a.flight {
		if q.fate == open && now-q.at < settled {
			break
		}
		a.count(q)
		n++
	}
	a.flight = slices.Delete(a.flight, 0, n)
}

// due is when the time of something is up: of the oldest that is open to settle, or of the
// first that is not missing yet to be.
func (a *account) due() time.Duration {
	at := time.Duration(forever)
	for i, q := range a.flight {
		switch {
		case q.fate != open:
		case !q.missing:
			return min(at, q.at+patience)
		case i == 0:
			at = q.at + settled
		}
	}
	return at
}

// stop counts all there is: nothing more will come. What is not answered then stays
// open.
func (a *account) stop() {
	for _, q := range a.flight {
		a.count(q)
	}
	a.stranded += a.missed
	a.flight, a.missed, a.suspect, a.run = nil, 0, 0, 0
}

// restart begins to count anew what the peer receives: it tells sessions by their ports.
func (a *account) restart() { a.received = 0 }

// count takes the next question in the order of their sequence.
func (a *account) count(q *question) {
	switch q.fate {
	case open:
		a.missed++
		if q.suspect {
			a.suspect++
		}
	case refused:
		a.row.Refused += a.missed
		a.missed, a.suspect = 0, 0
	case answered:
		a.split(q.received)
		a.received, a.missed, a.suspect = q.received, 0, 0
	}
}

// split tells those missed by where they were lost.
func (a *account) split(received uint32) {
	came := uint64(received) // it counted anew
	if received > a.received {
		came = uint64(received - a.received)
	}
	back := min(max(came, 1)-1, a.missed)
	forward := a.missed - back
	backSuspect := min(a.suspect, back)
	forwardSuspect := a.suspect - backSuspect
	a.row.Back += back - backSuspect
	a.row.Forward += forward - forwardSuspect
	a.row.Suspect += a.suspect
}

// columns sets the columns of s that are about small datagrams.
func (a *account) columns(s *report.Session, now time.Duration) {
	r := &a.row
	s.Sent, s.Forward, s.Back, s.Refused, s.Suspect = r.Sent, r.Forward, r.Back, r.Refused, r.Suspect
	s.RoundTrips, s.Shortest, s.Longest = r.RoundTrips, r.Shortest, r.Longest
	s.Open = a.stranded + a.missed
	late := a.missed > 0
	for _, q := range a.flight {
		if q.fate == open {
			s.Open++
		}
		late = q.fate == open && (late || q.missing)
	}
	if late {
		s.Silent = uint64(max(0, now-max(a.heard, a.first)).Milliseconds())
	}
}
