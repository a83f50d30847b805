package probe

import (
	"time"

	"github.com/netchecker/netchecker/pkg/report"
)

// begin begins a trial of a question and an answer of these sizes.
func (s *Sizing) begin(size, reply int) {
	s.trial = sizeTrial{number: s.trial.number + 1, size: size, reply: reply}
}

// watch goes back to looking every 10 s.
func (s *Sizing) watch() {
	s.step = sizeWatching
	s.begin(s.mtu, s.wanted())
}

// beginWatch begins a look, now.
func (s *Sizing) beginWatch(now time.Duration) {
	if now >= s.backTill && s.result.Hole == report.NoHole {
		s.back = 0 // it may have risen
	}
	s.begun = now
	s.begin(s.mtu, s.wanted())
}

// conclude takes the next step after a trial that passed, or failed.
func (s *Sizing) conclude(now time.Duration, passed bool) {
	switch s.step {
	case sizeWatching:
		s.watched(now, passed)
	case sizeDirecting:
		if passed {
			s.there, s.hole = s.mtu, report.HoleBack
			s.announce()
			s.search(now, sizeBackward, s.wanted())
			return
		}
		s.there, s.hole = s.floor(), report.HoleForward
		s.announce()
		s.search(now, sizeForward, s.mtu)
	case sizeForward, sizeBackward:
		s.halve(passed)
		s.searchOn(now)
	case sizeTurning:
		if passed {
			s.found(now, s.trial.reply)
			return
		}
		s.hole = report.HoleBoth
		s.announce()
		s.search(now, sizeBackward, s.trial.reply)
	}
}

// watched takes the step after a look at the full size.
func (s *Sizing) watched(now time.Duration, passed bool) {
	switch {
	case passed:
		s.result.There, s.result.Here = uint64(s.trial.size), uint64(s.trial.reply)
		s.result.Hole = report.NoHole
	case s.fails() > 1:
		s.step, s.due = sizeDirecting, now
		s.begin(s.mtu, s.floor())
		return
	}
	s.watch()
	s.due = max(now, s.begun+sizeEvery)
}

// announce tells of a hole on a way on which none was known, before its size is found, when
// only small packets are known to pass it. That one is over is told by found.
func (s *Sizing) announce() {
	if s.hole&^s.result.Hole == 0 { // of which HoleBoth has the bits of the other two
		return
	}
	s.result.There, s.result.Here, s.result.Hole = uint64(s.there), uint64(s.floor()), s.hole
}

// search begins to look for the largest packet that passes on one way, knowing one that
// does not.
func (s *Sizing) search(now time.Duration, step sizeStep, high int) {
	s.step, s.low, s.high, s.steps, s.failed = step, s.floor(), high, 0, false
	s.searchOn(now)
}

// halve notes what came of the size between.
func (s *Sizing) halve(passed bool) {
	s.steps++
	at := s.trial.size
	if s.step == sizeBackward {
		at = s.trial.reply
	}
	if passed {
		s.low = at
	} else {
		s.high, s.failed = at, true
	}
}

func (s *Sizing) searchOn(now time.Duration) {
	s.due = now
	if s.trial.asked > 0 {
		s.due = max(now, s.trial.last+sizeApart)
	}
	middle := (s.low + s.high) / 2
	over := s.steps == sizeSteps || middle == s.low
	switch {
	case s.step == sizeForward && !over:
		s.begin(middle, s.floor())
	case s.step == sizeForward && s.low > s.floor():
		s.there, s.step = s.low, sizeTurning
		s.begin(s.there, s.there)
	case s.step == sizeBackward && !over:
		s.begin(s.there, middle)
	default:
		s.found(now, s.low)
	}
}

// found ends a search, by which packets of there and of here bytes pass.
func (s *Sizing) found(now time.Duration, here int) {
	s.result.There, s.result.Here, s.result.Hole = uint64(s.there), uint64(here), s.hole
	s.again = now + sizeAnew
	s.watch()
	if s.due = now + sizeEvery; !s.failed {
		s.due = now + sizeApart // what was silent before it may pass by now
	}
}

// tooLarge: the route there knows that it takes less, so there is no hole in it.
func (s *Sizing) tooLarge(mtu int, now time.Duration) {
	s.heal()
	s.watch()
	s.due = now + sizeEvery
	if mtu > 0 && mtu < s.mtu {
		s.SetMTU(mtu)
		s.due = now + sizeApart
	}
}

// tooLargeBack: the question came, and the route back knows that it takes less.
func (s *Sizing) tooLargeBack(mtu int, now time.Duration) {
	s.result.There = uint64(max(s.trial.size, int(s.result.There)))
	s.heal()
	s.due = now + sizeEvery
	if mtu >= s.floor() && mtu < s.trial.reply {
		s.back, s.backTill = mtu, now+sizeAnew
		s.result.Here = min(s.result.Here, uint64(mtu))
		s.due = now + sizeApart
	}
	s.watch()
}
