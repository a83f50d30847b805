package reflector

import (
	"cmp"
	"slices"
	"time"

	"github.com/netchecker/netchecker/pkg/report"
)

const (
	// silentTimes is for how many times the usual a session has to be silent to be told.
	silentTimes = 3
	// unansweredTold is how many missing answers in a row are.
	unansweredTold = 3
	// The usual time between two questions is taken from what came, from leastUsual to
	// mostUsual; mostUsual of a session of which one came.
	leastUsual, mostUsual = time.Second, 2 * time.Second
)

// usual is the time between two questions of the session.
func (s *session) usual() time.Duration {
	asked := s.lastSeq - s.firstSeq
	if asked == 0 || int32(asked) < 0 {
		return mostUsual
	}
	return max(leastUsual, min(s.last.Sub(s.first)/time.Duration(asked), mostUsual))
}

// silent is for how long nothing has come that should have: 0 of a session that is as it
// should be, and of one of which all that was announced must have been sent by now, since
// its prober may well have ended it.
func (s *session) silent(now time.Time) time.Duration {
	silent := now.Sub(s.last)
	if silent <= silentTimes*s.usual() || s.over(now) {
		return 0
	}
	return silent
}

// over says whether all that was announced must have been sent.
func (s *session) over(now time.Time) bool {
	return s.more == 0 || now.Sub(s.last) > s.usual()*time.Duration(silentTimes+int(s.more))
}

// mute is how many answers in a row have not reached the prober, as far as that is known
// now.
func (s *session) mute(now time.Time) uint16 {
	if s.unanswered < unansweredTold || now.Sub(s.last) > silentTimes*s.usual() && s.silent(now) == 0 {
		return 0
	}
	return s.unanswered
}

// Heard returns what Reflector.Heard does. Where there is nothing to tell, there is not
// before somebody has been silent for long enough, or says that answers do not come.
func (b *Book) Heard(now time.Time) []report.Heard {
	b.mu.Lock()
	defer b.mu.Unlock()
	if now.Before(b.quiet) {
		return nil
	}
	if now.Sub(b.swept) >= sweepEvery {
		b.sweep(now)
	}
	b.quiet = now.Add(silentTimes * leastUsual)
	var all []report.Heard
	for from, s := range b.sessions {
		silent, unanswered := s.silent(now), s.mute(now)
		if now.Sub(s.last) > forgotten {
			continue
		}
		if !s.over(now) {
			b.quiet = earlier(b.quiet, s.last.Add(silentTimes*leastUsual))
		}
		if silent == 0 && unanswered == 0 || s.from == 0 || s.from > report.MaxID {
			continue
		}
		all = append(all, report.Heard{
			Peer: s.from, ID: uint64(from.Session), Six: from.Address.Addr().Is6(),
			Received: uint64(s.received), Silent: uint64(silent.Milliseconds()), Unanswered: uint64(unanswered),
		})
	}
	if len(all) > 0 {
		b.quiet = now
	}
	slices.SortFunc(all, func(x, y report.Heard) int {
		return cmp.Or(cmp.Compare(y.Silent, x.Silent), cmp.Compare(y.Unanswered, x.Unanswered),
			cmp.Compare(x.Peer, y.Peer), cmp.Compare(x.ID, y.ID))
	})
	return all[:min(len(all), report.MaxHeard)]
}

func earlier(a, b time.Time) time.Time {
	if b.Before(a) {
		return b
	}
	return a
}
