package mesh

import (
	"fmt"
	"hash/fnv"
	"net/netip"
	"time"

	"github.com/netchecker/netchecker/pkg/datagram"
	"github.com/netchecker/netchecker/pkg/report"
)

const (
	// pace is the time between two small datagrams to one peer, whatever the number of
	// its families, and refusedPace if the last one was refused: a responder tells no more
	// than ten in a second that it is not the one who was asked for.
	pace, refusedPace = time.Second, 5 * time.Second
	// goesOn is what is said to follow where no end is known.
	goesOn = 1<<16 - 1
)

// state is where a session is in its life.
type state int

const (
	// active sessions ask.
	active state = iota
	// draining ones wait for the last answers.
	draining
	// over ones do neither, and have no sockets.
	over
)

// session is what probes one target in one address family. It is not safe for use by
// many goroutines at once.
type session struct {
	core    *Core
	id      uint32
	target  target
	six     bool
	address netip.AddrPort
	own     bool // on the agent's own node
	begun   time.Duration

	state state
	// next is when to look at it again, unless something is heard before.
	next time.Duration
	// until is when the session ends, 0 if that is not known; drained when a draining
	// one is over; kept since when a failing one is kept beyond its end.
	until, drained, kept time.Duration
	base                 string // of the plan that wanted it last
	// left says that the target said it ends, and bad that the session looks so.
	left, bad bool
	// toldEnded says that some report told that the session is over, and told is what any
	// told of it last.
	toldEnded bool
	told      report.Session

	account account
	losses  losses
	flow    Flow
	due     time.Duration
	// announced says that more was said to follow; refused, that the newest was refused,
	// and gone, by somebody else than the target.
	announced, refused, gone bool
	forbidden, stuck         uint64
	unsent                   int           // in a row, up to now
	arrived                  time.Duration // of the last datagram
	overflowed               uint32
	// silent is for how long nothing had been heard as the session was over.
	silent uint64

	dials   dials
	dialing bool

	sizes  sizes
	second second
}

func (c *Core) newSession(t target, six bool, address netip.AddrPort, now time.Duration) *session {
	c.lastID++
	s := &session{core: c, id: c.lastID, target: t, six: six, address: address, own: t.node == c.cfg.Node, begun: now}
	s.account.starved = c.starved.during
	s.wake(now)
	return s
}

// wake begins, or goes on after it was over. What is asked is spread by the target.
func (s *session) wake(now time.Duration) {
	s.state, s.toldEnded = active, false
	s.stir()
	every := s.every()
	s.due = now + s.phase("datagram", pace)
	if s.six && every > pace {
		s.due += pace
	}
	s.dials.due = now + s.phase("dial", dialEvery)
	s.sizes.first = now + pace + s.phase("size", 2*pace)
}

// phase is a part of interval, on the grid, that differs between pairs of agents.
func (s *session) phase(what string, interval time.Duration) time.Duration {
	h := fnv.New32a()
	_, _ = fmt.Fprint(h, what, s.core.plan.self, " ", s.target.id) // never fails
	return time.Duration(h.Sum32()) % (interval / beat) * beat
}

// every is the time between two small datagrams.
func (s *session) every() time.Duration {
	if s.refused {
		return refusedPace
	}
	return pace * time.Duration(s.target.families())
}

// stir has the session looked at: something has come that may have more to be done.
func (s *session) stir() { s.next = 0 }

// look does all that is due.
func (s *session) look(now time.Duration) {
	for _, q := range s.account.miss(now, s.core.starved.of) {
		s.core.missed = max(s.core.missed, q.at)
		if !q.suspect {
			s.core.lost(s, now)
		}
	}
	s.account.settle(now)
	switch {
	case s.state == draining && now >= s.drained:
		s.finish()
	case s.state == active:
		s.ask(now)
		s.dial(now)
		s.size(now)
		s.trySecond(now)
	}
}

// soonest is when something is due again, right after all was done that is.
func (s *session) soonest() time.Duration {
	at := s.account.due()
	switch s.state {
	case draining:
		return min(at, s.drained)
	case over:
		return forever
	}
	if s.until == 0 || s.kept > 0 || s.due < s.until {
		at = min(at, s.due)
	}
	if !s.dialing && !s.gone {
		at = min(at, s.dials.due)
	}
	if s.account.run >= dead {
		at = min(at, s.second.due)
	}
	return min(at, s.sizeDue())
}

// looks is what the session looks like.
func (s *session) looks() looks {
	return looks{
		lossy: s.losses.alarmed, run: s.account.run, unsent: s.unsent, refused: s.refused,
		dials: s.dials.run, hole: s.sizes.result().Hole != report.NoHole,
	}
}

// stop has the session ask no more.
func (s *session) stop(now time.Duration) {
	if s.state != active {
		return
	}
	s.farewell()
	s.state, s.drained = draining, now+patience
	s.stir()
}

// farewell tells the target that no more will follow, if that is not what it was told
// last. It does not count.
func (s *session) farewell() {
	if s.announced && s.flow != nil && !s.left {
		_ = s.flow.Send(s.question(s.account.next(), 0), datagram.Size) // its loss is only noticed there
	}
	s.announced = false
}

// finish closes what is open, and counts what can be counted.
func (s *session) finish() {
	now := s.core.cfg.Clock()
	s.silent = s.row(now).Silent
	s.account.stop()
	s.sizes.asked = nil
	s.close()
	s.state, s.bad, s.kept = over, false, 0
	s.core.stale = true
}

// close closes its sockets, whose readers end.
func (s *session) close() {
	for _, f := range []*Flow{&s.flow, &s.sizes.flow, &s.second.flow} {
		if *f != nil {
			_ = (*f).Close() // of a UDP socket
			*f = nil
		}
	}
}

// row is what a report tells of it.
func (s *session) row(now time.Duration) report.Session {
	r := report.Session{
		ID: uint64(s.id), Peer: s.target.id, Host: s.target.host, Six: s.six, Began: uint64(s.begun.Milliseconds()),
		Forbidden: s.forbidden, Stuck: s.stuck, Flows: s.second.flows,
	}
	s.account.columns(&r, now)
	if s.state == over {
		r.Silent = s.silent
	}
	s.dials.columns(&r)
	z := s.sizes.result()
	r.MTU, r.Sized, r.Resized, r.There, r.Here, r.Hole = z.MTU, z.Sized, z.Resized, z.There, z.Here, z.Hole
	return r
}
