package mesh

import (
	"slices"
	"time"

	"github.com/netchecker/netchecker/pkg/report"
)

const (
	// lookEvery is how often is looked at what changes slowly: the plan, hiccups, and what
	// others tell; and cgroupEvery at the cgroup's account.
	lookEvery, cgroupEvery = 500 * time.Millisecond, time.Second
	// keptNodes bounds the nodes whose sessions are kept since they fail, and keptElsewhere
	// is for how long they are where the server now tells of another membership, in which
	// they may not be any more.
	keptNodes     = 8
	keptElsewhere = 10 * time.Minute
)

// key tells sessions that run from others.
type key struct {
	target target
	six    bool
}

func (s *session) key() key { return key{s.target, s.six} }

// Look does all that is due now, which it was told to do at due, and returns when it should
// be called again: 20 times a second, so that it sees by that how late the agent is.
func (c *Core) Look(due time.Duration) time.Duration {
	now := c.cfg.Clock()
	next := (now/beat + 1) * beat
	c.starved.woke(due, now, next)
	if now-c.starved.looked >= cgroupEvery {
		c.starved.cgroup(c.host.Throttled(), now)
	}
	if c.changed || now-c.looked >= lookEvery {
		if c.changed || now >= c.turn {
			c.changed = false
			c.follow(now)
		}
		c.looked = now
		c.judge(now)
		c.listen()
	}
	for _, s := range c.sessions {
		if now >= s.next {
			s.look(now)
			c.see(s)
			s.next = s.soonest()
		}
	}
	if c.stale {
		c.stale = false
		c.retire()
	}
	c.alarm.see(allTogether, c.losses.alarmed)
	if c.alarm.due(now) && !c.woken {
		c.woken = true
		c.cfg.Wake()
	}
	return next
}

// see notes how a session looks.
func (c *Core) see(s *session) {
	s.bad = s.state == active && s.looks().bad()
	c.alarm.see(uint64(s.id), s.bad)
}

// listen notes what others say.
func (c *Core) listen() {
	c.alarm.see(byOthers, c.cfg.Heard != nil && len(c.cfg.Heard()) > 0)
	c.alarm.see(byAll, c.cfg.Shared != nil && slices.ContainsFunc(c.cfg.Shared(), func(s report.Shared) bool { return s.Run > 0 }))
}

// lost notes a loss, and delivered an answer, for the alarm.
func (c *Core) lost(s *session, now time.Duration) {
	s.losses.lost(now)
	c.losses.lost(now)
}

func (c *Core) delivered(s *session, now time.Duration) {
	s.losses.delivered(now)
	c.losses.delivered(now)
}

// follow has those sessions run that the plan wants, and others end.
func (c *Core) follow(now time.Duration) {
	wanted := c.wanted(now)
	c.turn = c.plan.turn(now)
	for _, s := range c.sessions {
		i := slices.IndexFunc(wanted, func(w want) bool { return w.key == s.key() })
		switch {
		case i >= 0:
			c.goOn(s, wanted[i].until, now)
			wanted = slices.Delete(wanted, i, i+1)
		case s.state != active:
		case c.keeps(s, now):
			c.turn = now
		default:
			s.stop(now)
		}
	}
	for _, w := range wanted {
		if !c.begin(w, now) {
			c.turn = now
		}
	}
}

// want is a session that the plan wants, and until when, 0 for no end.
type want struct {
	key
	until time.Duration
}

// wanted are those that the plan wants now: of targets that did not say that they end.
func (c *Core) wanted(now time.Duration) (all []want) {
	for _, w := range c.plan.wanted(now) {
		for _, six := range []bool{false, true} {
			if _, ok := w.target.address(six); ok && !c.hasLeft(w.target) {
				all = append(all, want{key{w.target, six}, w.to})
			}
		}
	}
	return all
}

// hasLeft says whether a target said, over whichever family, that it ends.
func (c *Core) hasLeft(t target) bool { return slices.Contains(c.left, t) }

// leave notes that a target said so. As much is remembered as could matter.
func (c *Core) leave(t target) {
	c.left = append(c.left, t)
	c.left = c.left[max(0, len(c.left)-mostWindows):]
	c.changed = true
}

func (c *Core) goOn(s *session, until, now time.Duration) {
	s.until, s.kept, s.base = until, 0, c.plan.base
	s.stir()
	if s.state == draining {
		s.wake(now)
	}
}

// keeps says whether a session is kept beyond its end, since it fails.
func (c *Core) keeps(s *session, now time.Duration) bool {
	other := slices.ContainsFunc(c.plan.windows, func(w window) bool { return w.target.id == s.target.id && w.target != s.target })
	if !s.bad || other || c.hasLeft(s.target) {
		return false
	}
	if s.kept == 0 {
		if !c.hasRoomToKeep(s.target.node) {
			return false
		}
		s.kept = now
		s.stir()
	}
	return s.base == c.plan.base || now-s.kept < keptElsewhere
}

func (c *Core) hasRoomToKeep(node string) bool {
	nodes := map[string]bool{}
	for _, s := range c.sessions {
		if s.kept > 0 {
			nodes[s.target.node] = true
		}
	}
	return nodes[node] || len(nodes) < keptNodes
}

// begin begins a session, or goes on with one that was over before any report told so:
// where the server is away, the same targets come again and again. It is false where there
// is no room.
func (c *Core) begin(w want, now time.Duration) bool {
	i := slices.IndexFunc(c.retired, func(s *session) bool { return s.key() == w.key && !s.toldEnded })
	var s *session
	switch {
	case i >= 0:
		s = c.retired[i]
		c.retired = slices.Delete(c.retired, i, i+1)
		s.wake(now)
	case len(c.sessions) >= report.MaxSessions/2+report.MaxSessions/4:
		return false
	default:
		address, _ := w.target.address(w.six)
		s = c.newSession(w.target, w.six, address, now)
	}
	s.until, s.base = w.until, c.plan.base
	c.sessions, c.stale = append(c.sessions, s), true
	return true
}

// retire keeps what is over until the server knows of it.
func (c *Core) retire() {
	c.sessions = slices.DeleteFunc(c.sessions, func(s *session) bool {
		if s.state != over {
			return false
		}
		c.retired = append(c.retired, s)
		return true
	})
	c.sum()
}

// remember keeps a question for hiccups to be seen: of those to other nodes, since what is
// on the own one does not share its way.
func (c *Core) remember(q *question) {
	if !q.session.own {
		c.recent = append(c.recent, q)
	}
}

// judge marks what was lost by hiccups of this host, once all is known of what was sent
// around it, and before it counts.
func (c *Core) judge(now time.Duration) {
	old := 0
	for old < len(c.recent) && now-c.recent[old].at > settled+2*hiccupTakes {
		old++
	}
	c.recent = c.recent[old:]
	if now-c.missed > settled+2*hiccupTakes {
		return // none of them is missing
	}
	var samples []sample
	for _, q := range c.recent {
		if now-q.at < patience+beat {
			break
		}
		samples = append(samples, sample{q.at, q.session.target.node, q.fate == open, q.alone && !q.session.account.missesAfter(q)})
	}
	for _, i := range hiccups(samples) {
		if q := c.recent[i]; now-q.at >= settled-2*lookEvery {
			q.suspect = true
		}
	}
}
