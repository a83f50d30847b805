package mesh

import (
	"errors"
	"time"

	"github.com/netchecker/netchecker/agent/probe"
	"github.com/netchecker/netchecker/pkg/datagram"
)

// ask sends the next small datagram when it is due.
func (s *session) ask(now time.Duration) {
	if now < s.due || s.until > 0 && s.kept == 0 && now >= s.until {
		return
	}
	every := s.every()
	s.due += ((now-s.due)/every + 1) * every // what was missed is not made up for
	if s.flow == nil && !s.open() {
		return
	}
	// Others may have been asked since now, and an agent that hardly runs takes its time.
	q := &question{session: s, sequence: s.account.next(), at: s.core.cfg.Clock()}
	more := s.more(now)
	if err := s.flow.Send(s.question(q.sequence, more), datagram.Size); err != nil {
		s.fail(err)
		return
	}
	s.account.sent(q)
	s.announced, s.unsent = more > 0, 0
	s.core.remember(q)
}

// fail notes a datagram that did not leave.
func (s *session) fail(err error) {
	if errors.Is(err, probe.ErrForbidden) {
		s.forbidden++
	} else {
		s.stuck++
	}
	if s.account.row.Sent > 0 {
		s.unsent++
	}
}

// open opens the session's own flow.
func (s *session) open() bool {
	flow, err := s.core.ways.Open(s.address, probe.FlowOptions{}, s.receive)
	if err != nil {
		s.fail(err)
		return false
	}
	s.flow, s.overflowed = flow, 0
	s.account.restart()
	return true
}

// more is how many questions will follow.
func (s *session) more(now time.Duration) uint16 {
	if s.until == 0 || s.kept > 0 {
		return goesOn
	}
	return uint16(min(goesOn, max(0, (s.until-now-1)/s.every())))
}

// question is the one of a number; it is good until the next one is made.
func (s *session) question(sequence uint32, more uint16) *datagram.Datagram {
	s.core.asking = datagram.Datagram{
		Kind: datagram.Question, Reply: datagram.Size, Session: s.id, Sequence: sequence,
		Boot: s.target.boot, From: s.core.plan.self, More: more, Unanswered: uint16(min(s.account.run, 1<<16-1)),
	}
	return &s.core.asking
}

// receive takes what came over the session's own flow.
func (s *session) receive(f Flow, a *probe.Arrival, at time.Duration, err error) {
	if f != s.flow {
		return
	}
	s.stir()
	switch {
	case errors.Is(err, probe.ErrRefused):
		if s.account.refuse(a.Sequence, at) {
			s.refused = true
		}
	case errors.Is(err, probe.ErrUnreachable), errors.Is(err, probe.ErrTooLarge):
		// Silence says the same.
	case err != nil:
		s.stuck++
		s.flow = nil
	case a.Session == s.id:
		s.overflow(a.Overflowed, at)
		s.take(a, at)
	}
}

// overflow notes how many datagrams found no room.
func (s *session) overflow(n uint32, at time.Duration) {
	if n != s.overflowed {
		s.core.starved.overflowed(max(s.arrived, s.begun), at)
	}
	s.overflowed, s.arrived = n, at
}

func (s *session) take(a *probe.Arrival, at time.Duration) {
	switch {
	case a.Kind == datagram.NotMe:
		if s.account.refuse(a.Sequence, at) {
			s.refused, s.gone = true, true
		}
	case a.Boot != s.target.boot:
	case s.account.answer(a.Sequence, a.Received, at, a.Took):
		if s.refused {
			s.due = min(s.due, at+s.phase("datagram", pace))
		}
		s.refused, s.gone = false, false
		s.core.delivered(s, at)
		s.hear(a.Kind)
	}
}

// hear ends the session where the target says that it ends itself: from then on its
// silence is none.
func (s *session) hear(k datagram.Kind) {
	if k == datagram.Leaving && !s.left {
		s.left = true
		s.core.leave(s.target)
		s.stop(s.core.cfg.Clock())
	}
}

// well says whether small datagrams pass.
func (s *session) well() bool {
	a := &s.account
	if a.run > 0 || a.missed > 0 || s.refused || a.row.RoundTrips == 0 {
		return false
	}
	for _, q := range a.flight {
		if q.fate == open && q.missing {
			return false
		}
	}
	return true
}
