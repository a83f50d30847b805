package mesh

import (
	"errors"
	"time"

	"github.com/netchecker/netchecker/agent/probe"
	"github.com/netchecker/netchecker/pkg/datagram"
)

// dial makes a new TCP connection when it is due.
func (s *session) dial(now time.Duration) {
	if now < s.dials.due || s.dialing || s.gone {
		return
	}
	s.dialing = true
	q := *s.question(uint32(s.dials.dialed)+1, 0)
	q.Unanswered = 0
	s.core.ways.Exchange(s.address, &q, func(e probe.Exchanged, err error) { s.dialed(now, e, err) })
}

// dialed takes what came of a connection that was begun at a time.
func (s *session) dialed(begun time.Duration, e probe.Exchanged, err error) {
	s.dialing = false
	s.stir()
	now := s.core.cfg.Clock()
	o, counts := outcomeOf(e, err)
	switch {
	case errors.Is(err, probe.ErrForbidden):
		s.forbidden++
	case !counts:
		s.stuck++
	case s.state == active:
		s.dials.done(o, e.Took-min(e.Took, e.Answer.Took), now, s.core.starved.during(begun, now))
		s.hear(e.Answer.Kind)
		return
	}
	s.dials.due = now + dialAgain
}

// outcomeOf says what an exchange came to; counts is false where that is a matter of this
// host alone.
func outcomeOf(e probe.Exchanged, err error) (o dialOutcome, counts bool) {
	switch {
	case err == nil && e.Answer.Kind == datagram.NotMe, errors.Is(err, probe.ErrRefused):
		return dialRefused, true
	case err == nil:
		return dialWell, true
	case errors.Is(err, probe.ErrMute):
		return dialMute, true
	case errors.Is(err, probe.ErrUnanswered):
		return dialLost, true
	}
	return 0, false
}
