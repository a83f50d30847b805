package mesh

import (
	"slices"
	"time"

	"github.com/netchecker/netchecker/pkg/report"
)

// Report is what a report says of the mesh.
func (c *Core) Report() *report.Mesh {
	now := c.cfg.Clock()
	told := c.state(now)
	ended, more := c.ended()
	running := c.rows(slices.Concat(c.sessions, more), now)
	over := c.rows(ended, now)
	for _, s := range ended {
		s.toldEnded = true
	}
	told.Sessions, told.Ended, told.Summed = report.SessionsOf(running...), report.SessionsOf(over...), report.SessionsOf(c.summed...)
	return told
}

// Settled notes that a report with m was accepted.
func (c *Core) Settled(told *report.Mesh) {
	if told == nil || told.Ended.Len() == 0 {
		return
	}
	known := map[uint32]bool{}
	for s := range told.Ended.All() {
		known[uint32(s.ID)] = true
	}
	c.retired = slices.DeleteFunc(c.retired, func(s *session) bool { return known[s.id] })
}

// state is what is told besides sessions.
func (c *Core) state(now time.Duration) *report.Mesh {
	told := &report.Mesh{AsOf: now, Starved: c.starved.total}
	told.Conntrack, told.ConntrackMax = c.host.Conntrack()
	if c.cfg.Mute != nil {
		told.Mute = c.cfg.Mute()
	}
	if c.cfg.Heard != nil {
		told.Heard = c.cfg.Heard()
	}
	if c.cfg.Shared != nil {
		told.Shared = c.cfg.Shared()
	}
	return told
}

// rows are those of sessions, which are told by that.
func (c *Core) rows(list []*session, now time.Duration) (rows []report.Session) {
	for _, s := range list {
		s.told = s.row(now)
		rows = append(rows, s.told)
	}
	return rows
}

// ended are those that are told to be over: all that were before, and the oldest of the
// others, as long as there is room. more are the others, which are told as if they ran.
func (c *Core) ended() (ended, more []*session) {
	room := report.MaxEnded
	for _, s := range c.retired {
		if s.toldEnded {
			room--
		}
	}
	for _, s := range c.retired {
		switch {
		case s.toldEnded:
			ended = append(ended, s)
		case room > 0:
			room--
			ended = append(ended, s)
		default:
			more = append(more, s)
		}
	}
	return ended, more
}

// sum sums those that there is no room for: first such that nobody was told of, then the
// oldest. What was told of one is not told again.
func (c *Core) sum() {
	for {
		_, more := c.ended()
		if len(c.sessions)+len(more) <= report.MaxSessions {
			return
		}
		i := slices.IndexFunc(c.retired, func(s *session) bool { return s.told.ID == 0 })
		i = max(i, 0)
		s := c.retired[i]
		c.retired = slices.Delete(c.retired, i, i+1)
		c.addUp(s.row(c.cfg.Clock()), s.told)
	}
}

// addUp adds what a row has more than what was told of it to the sum of its network and
// family.
func (c *Core) addUp(row, told report.Session) {
	i := slices.IndexFunc(c.summed, func(s report.Session) bool { return s.Host == row.Host && s.Six == row.Six })
	if i < 0 {
		i = len(c.summed)
		c.summed = append(c.summed, report.Session{Host: row.Host, Six: row.Six})
	}
	to := &c.summed[i]
	for _, c := range []struct {
		to        *uint64
		row, told uint64
	}{
		{&to.Sent, row.Sent, told.Sent}, {&to.Open, row.Open, told.Open}, {&to.Forward, row.Forward, told.Forward},
		{&to.Back, row.Back, told.Back}, {&to.Refused, row.Refused, told.Refused}, {&to.Suspect, row.Suspect, told.Suspect},
		{&to.RoundTrips, row.RoundTrips, told.RoundTrips}, {&to.Forbidden, row.Forbidden, told.Forbidden}, {&to.Stuck, row.Stuck, told.Stuck},
		{&to.Dialed, row.Dialed, told.Dialed}, {&to.DialRefused, row.DialRefused, told.DialRefused},
		{&to.DialLost, row.DialLost, told.DialLost}, {&to.DialMute, row.DialMute, told.DialMute}, {&to.Dials, row.Dials, told.Dials},
		{&to.Sized, row.Sized, told.Sized}, {&to.Resized, row.Resized, told.Resized},
	} {
		*c.to += c.row - min(c.row, c.told)
	}
	to.Longest = max(to.Longest, row.Longest)
	if row.Shortest > 0 && (to.Shortest == 0 || row.Shortest < to.Shortest) {
		to.Shortest = row.Shortest
	}
	// What was open as it was told may have been lost since.
	to.Sent = max(to.Sent, to.Open+to.Forward+to.Back+to.Refused+to.Suspect)
}

// Waits says whether there is an update to be written.
func (c *Core) Waits() bool {
	return c.woken
}

// Write is an update: all of the sessions that run, as they are now, those that look bad
// first where there is no room for all.
func (c *Core) Write() []byte {
	now := c.cfg.Clock()
	c.alarm.tell(now)
	c.woken = false
	told := c.state(now)
	list := slices.Clone(c.sessions)
	slices.SortStableFunc(list, func(a, b *session) int { return boolean(b.bad) - boolean(a.bad) })
	for n := len(list); ; n = n * 3 / 4 {
		rows := make([]report.Session, n)
		for i := range rows {
			rows[i] = list[i].row(now)
		}
		told.Sessions = report.SessionsOf(rows...)
		if body := report.AppendMesh(nil, told); len(body) <= report.MaxBody || n == 0 {
			c.rows(list[:n], now)
			return body
		}
	}
}

func boolean(is bool) int {
	if is {
		return 1
	}
	return 0
}

// Peer is what came of probing one agent in one address family, as far as sessions with
// it run.
type Peer struct {
	// Node is the agent's, and Host says that it is on that node's network.
	Node      string
	Host, Six bool
	// Session has the sums, of whichever sessions there are.
	Session report.Session
}

// Peers are those that are probed now.
func (c *Core) Peers() (peers []Peer) {
	now := c.cfg.Clock()
	for _, s := range c.sessions {
		row := s.row(now)
		i := slices.IndexFunc(peers, func(p Peer) bool { return p.Node == s.target.node && p.Host == row.Host && p.Six == row.Six })
		if i < 0 {
			peers = append(peers, Peer{s.target.node, row.Host, row.Six, row})
			continue
		}
		p := &peers[i].Session
		p.Sent, p.Open, p.Refused, p.Suspect = p.Sent+row.Sent, p.Open+row.Open, p.Refused+row.Refused, p.Suspect+row.Suspect
		p.Forward, p.Back, p.RoundTrips = p.Forward+row.Forward, p.Back+row.Back, p.RoundTrips+row.RoundTrips
		p.Hole = row.Hole
	}
	return peers
}

// Starved is for how long the agent could not run as it should, altogether.
func (c *Core) Starved() time.Duration {
	return c.starved.total
}
