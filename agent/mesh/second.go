package mesh

import (
	"errors"
	"time"

	"github.com/netchecker/netchecker/agent/probe"
	"github.com/netchecker/netchecker/pkg/datagram"
	"github.com/netchecker/netchecker/pkg/report"
)

const (
	// secondTries are the datagrams that a dead session sends over a second source port
	// before that is dead, too; and secondAgain is after how long it tries another.
	secondTries = 3
	secondAgain = 30 * time.Second
)

// second is what a dead session finds out by another source port: whether all flows are
// dead, or only some, as where one of several links or one entry of a table is broken.
// What it sends does not count.
type second struct {
	flows report.Flows
	flow  Flow
	tries uint32
	due   time.Duration
}

// trySecond does what is due while the session is dead, and forgets all once it is not.
func (s *session) trySecond(now time.Duration) {
	t := &s.second
	if s.account.run < dead {
		s.endSecond()
		*t = second{}
		return
	}
	if now < t.due {
		return
	}
	switch {
	case t.flow == nil:
		t.tries = 0
		flow, err := s.core.ways.Open(s.address, probe.FlowOptions{}, s.receiveSecond)
		if err != nil {
			s.stuck++
			t.due = now + secondAgain
			return
		}
		t.flow = flow
	case t.tries == secondTries:
		t.flows = report.FlowsDead
		s.endSecond()
		t.due = now + secondAgain
		return
	}
	t.tries++
	t.due = now + pace
	if t.tries == secondTries {
		t.due = now + patience
	}
	q := s.question(t.tries, 0)
	q.Unanswered = 0
	_ = t.flow.Send(q, datagram.Size) // counts as if it were lost, which is what the session's own are, too
}

// receiveSecond takes what came over the second source port: whatever it is, there is a
// way there and back.
func (s *session) receiveSecond(f Flow, a *probe.Arrival, at time.Duration, err error) {
	t := &s.second
	if f != t.flow || errors.Is(err, probe.ErrUnreachable) || errors.Is(err, probe.ErrTooLarge) {
		return
	}
	if err != nil && !errors.Is(err, probe.ErrRefused) {
		t.flow = nil
		return
	}
	t.flows = report.FlowsSome
	s.endSecond()
	t.due = at + secondAgain
	if err == nil {
		s.hear(a.Kind)
	}
}

func (s *session) endSecond() {
	if s.second.flow != nil {
		_ = s.second.flow.Close() // of a UDP socket
		s.second.flow = nil
	}
}
