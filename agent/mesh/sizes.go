package mesh

import (
	"errors"
	"slices"
	"time"

	"github.com/netchecker/netchecker/agent/probe"
	"github.com/netchecker/netchecker/pkg/datagram"
	"github.com/netchecker/netchecker/pkg/report"
)

// sizeShare is how much longer each family of a peer's waits between two questions of full
// size, for each other family: they are most of what is sent, and are shared like the small
// ones.
const sizeShare = 10 * time.Second

// sizes are the questions that show which sizes pass, over a socket of their own that
// fragments nothing.
type sizes struct {
	search *probe.Sizing // nil until small datagrams pass
	first  time.Duration
	flow   Flow
	number uint32
	asked  []sized
	// failed is when it could not be asked: not too often. rests is until when it need not
	// be, since all is well.
	failed, rests time.Duration
}

// sized is a question that has no outcome yet.
type sized struct {
	probe.SizeQuestion
	number uint32
	at     time.Duration
}

func (z *sizes) result() probe.SizeResult {
	if z.search == nil {
		return probe.SizeResult{}
	}
	return z.search.Result()
}

// size asks what is to be asked now, and gives up what was not answered.
func (s *session) size(now time.Duration) {
	z := &s.sizes
	s.giveUpSizes(now)
	if z.search == nil && (now < z.first || !s.well()) || z.search != nil && now < max(z.rests, z.search.Due()) || s.gone {
		return
	}
	if z.flow == nil && !s.openSizes(now) {
		return
	}
	s.readMTU()
	q, ok := z.search.Next(now, s.well())
	if !ok {
		return
	}
	z.number++
	asked := sized{q, z.number, now}
	d := s.question(z.number, 0)
	d.Reply, d.Unanswered = uint16(q.Reply), 0
	switch err := z.flow.Send(d, q.Size); {
	case err == nil:
		z.asked = append(z.asked, asked)
	case errors.Is(err, probe.ErrTooLarge):
		s.tooLarge(asked, now)
	default:
		z.search.Done(q, probe.SizeOutcome{Fate: probe.SizeVoid}, now)
	}
}

// sizeDue is when something is due about sizes. Whether small datagrams pass is known by
// what is heard.
func (s *session) sizeDue() time.Duration {
	z := &s.sizes
	at, ask := time.Duration(forever), z.first
	if len(z.asked) > 0 {
		at = z.asked[0].at + patience
	}
	if z.search != nil {
		ask = max(z.rests, z.search.Due())
	}
	if z.flow == nil && z.failed > 0 {
		ask = max(ask, z.failed+dialEvery)
	}
	if s.gone || z.search == nil && !s.well() {
		return at
	}
	return min(at, ask)
}

func (s *session) openSizes(now time.Duration) bool {
	z := &s.sizes
	if now < z.failed+dialEvery && z.failed > 0 {
		return false
	}
	flow, err := s.core.ways.Open(s.address, probe.FlowOptions{Unfragmented: true}, s.receiveSize)
	if err != nil {
		s.stuck++
		z.failed = now
		return false
	}
	z.flow = flow
	if z.search == nil {
		z.search = probe.NewSizing(s.six, 0, now)
	}
	return true
}

func (s *session) readMTU() {
	if mtu, err := s.sizes.flow.MTU(); err == nil {
		s.sizes.search.SetMTU(mtu)
	}
}

// tooLarge: this host, or a router, says that the route there takes less.
func (s *session) tooLarge(q sized, now time.Duration) {
	mtu, err := s.sizes.flow.MTU()
	if err != nil {
		mtu = 0
	}
	s.sizes.search.Done(q.SizeQuestion, probe.SizeOutcome{Fate: probe.SizeTooLarge, MTU: mtu}, now)
}

// giveUpSizes: what is not answered in time is silent, unless that may be the agent's own
// fault.
func (s *session) giveUpSizes(now time.Duration) {
	z := &s.sizes
	for len(z.asked) > 0 && now-z.asked[0].at >= patience {
		q := z.asked[0]
		z.asked = z.asked[1:]
		fate := probe.SizeSilent
		if s.refused || s.core.starved.of(q.at) {
			fate = probe.SizeVoid
		}
		z.search.Done(q.SizeQuestion, probe.SizeOutcome{Fate: fate}, now)
	}
}

// receiveSize takes what came over the flow that fragments nothing.
func (s *session) receiveSize(f Flow, a *probe.Arrival, at time.Duration, err error) {
	z := &s.sizes
	if f != z.flow {
		return
	}
	s.stir()
	if err != nil && !isAbout(err) {
		s.stuck++
		z.flow = nil
		return
	}
	q, ok := z.answered(a.Sequence)
	if !ok || a.Session != s.id {
		return
	}
	switch {
	case errors.Is(err, probe.ErrTooLarge):
		s.tooLarge(q, at)
	case errors.Is(err, probe.ErrUnreachable):
		z.asked = slices.Insert(z.asked, 0, q) // silence says the same
	case err != nil, a.Kind == datagram.NotMe, a.Boot != s.target.boot:
		z.search.Done(q.SizeQuestion, probe.SizeOutcome{Fate: probe.SizeVoid}, at)
	case a.Kind == datagram.TooLarge:
		z.search.Done(q.SizeQuestion, probe.SizeOutcome{Fate: probe.SizeTooLargeBack, MTU: int(a.Datagram.MTU)}, at)
	default:
		z.search.Done(q.SizeQuestion, probe.SizeOutcome{Fate: probe.SizePassed}, at)
		if z.result().Hole == report.NoHole {
			z.rests = z.search.Due() + time.Duration(s.target.families()-1)*sizeShare
		}
		s.hear(a.Kind)
	}
}

// answered takes out the question of that number.
func (z *sizes) answered(number uint32) (sized, bool) {
	i := slices.IndexFunc(z.asked, func(q sized) bool { return q.number == number })
	if i < 0 {
		return sized{}, false
	}
	q := z.asked[i]
	z.asked = slices.Delete(z.asked, i, i+1)
	return q, true
}
