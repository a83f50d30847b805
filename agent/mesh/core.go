package mesh

import (
	"net/netip"
	"time"

	"github.com/golang/glog"

	"github.com/netchecker/netchecker/agent/diary"
	"github.com/netchecker/netchecker/agent/probe"
	"github.com/netchecker/netchecker/pkg/assignment"
	"github.com/netchecker/netchecker/pkg/datagram"
	"github.com/netchecker/netchecker/pkg/report"
)

const (
	// beat is how often the mesh looks at what is due. That what is due is done on a grid
	// takes less than half of the processor time of waking for each.
	beat = 50 * time.Millisecond
	// patience is how long an answer may take before its question counts as missing,
	// and before what is asked rarely counts as failed.
	patience = 2 * time.Second
	// settled is how long a question that was missed waits before it is told on which way
	// it was lost: an answer that came out of order has come by then, and the next one,
	// and it is known what else was lost in the same moment.
	settled = 5 * time.Second
	// dead is how many in a row have to be missing before a session is dead, and doubted
	// how many before it looks so.
	dead, doubted = 5, 2
	// forever is when that is due which waits for something to be heard.
	forever = 1<<63 - 1
)

// Patience is how long an exchange may take.
const Patience = patience

// Flow is the sending end of a UDP socket that is connected with one peer.
type Flow interface {
	// Send does not keep q.
	Send(q *datagram.Datagram, size int) error
	MTU() (int, error)
	Close() error
}

// Receiver takes what came over a Flow, or an error, at a time on the agent's clock.
type Receiver func(Flow, *probe.Arrival, time.Duration, error)

// Ways are how a Core reaches peers. None of them waits, or calls back before it returns;
// nor are any of what they call called by two goroutines at once, or while the Core is.
type Ways interface {
	// Open opens a flow; receive gets what comes over it until it is closed.
	Open(peer netip.AddrPort, o probe.FlowOptions, receive Receiver) (Flow, error)
	// Exchange makes a TCP connection that may take Patience, and calls done with what came
	// of it as probe.Exchange returns it.
	Exchange(peer netip.AddrPort, q *datagram.Datagram, done func(probe.Exchanged, error))
}

// Host is what a Core is told of its own: for how long the agent's cgroup was not allowed
// to run, altogether; and how many connections are tracked, and how many can be, 0 where
// that is not to be seen.
type Host interface {
	Throttled() time.Duration
	Conntrack() (count, most uint64)
}

// Config says what a Core has.
type Config struct {
	// Node is the name of the agent's own, empty where it is not known.
	Node string
	// Clock is the agent's monotonic clock.
	Clock func() time.Duration
	// AllowLoopback allows peers at loopback addresses.
	AllowLoopback bool
	// Mute is why the agent does not answer probes; empty while it does. It may be nil.
	Mute func() string
	// Heard are the sessions of others that are not as they should be; Shared is what all
	// agents share. Both may be nil.
	Heard  func() []report.Heard
	Shared func() []report.Shared
	// Told is called with what all share, as the server tells it; nil for nobody. It should
	// not wait.
	Told func(*assignment.Shared)
	// Wake is called when there is an update to be written. It should not wait, and not
	// call the Core, or the Mesh.
	Wake func()
}

// Core is all of a Mesh that decides, without goroutines, sockets and time that goes by:
// whoever has it says when to look, and hands over what comes. Make it with NewCore. One
// goroutine at a time may call it.
type Core struct {
	cfg  Config
	ways Ways
	host Host

	version string
	plan    plan
	changed bool // the plan was, since it was looked at
	looked  time.Duration
	log     diary.Diary

	lastID uint32
	// sessions run, or are draining; retired are over, in that order, until the server
	// knows that.
	sessions, retired []*session
	summed            []report.Session
	left              []target // those that said that they end
	// turn is when the plan is to be followed next though nobody changes it, and stale says
	// that sessions have begun, or are over, since that was looked at.
	turn  time.Duration
	stale bool
	// recent are the questions of the last seconds to other nodes, in their order, and
	// missed is when the newest was sent that is missing.
	recent  []*question
	missed  time.Duration
	asking  datagram.Datagram // the question that is sent now
	starved starvation
	losses  losses // of all sessions
	alarm   alarm
	woken   bool // by an alarm that is not told yet
}

// NewCore returns a Core that probes nobody whom it was not told.
func NewCore(c Config, w Ways, h Host) *Core {
	if c.Wake == nil {
		c.Wake = func() {}
	}
	if c.Told == nil {
		c.Told = func(*assignment.Shared) {}
	}
	return &Core{cfg: c, ways: w, host: h, log: diary.Diary{}, missed: -forever}
}

// Version is that of the newest news; empty for none.
func (c *Core) Version() string { return c.version }

// Take takes whom to probe. What can't be read changes nothing, is told in the log, and is
// not taken.
func (c *Core) Take(n report.News) (taken bool) {
	a, err := assignment.Decode(n.Data, c.cfg.AllowLoopback)
	if err == nil {
		err = c.plan.take(a, c.cfg.Clock())
	}
	reason := ""
	if err != nil {
		reason = err.Error()
	}
	if change, _ := c.log.Note("news", reason, time.Now()); change == diary.Fails {
		glog.Warningf("The peers that the server tells are not probed: %v", err)
	}
	if err != nil {
		return false
	}
	c.version, c.changed = n.Version, true
	if a.Shared != nil {
		c.cfg.Told(a.Shared)
	}
	return true
}

// Starving says whether the agent could not run as it should at any time from one to
// another, none of them long ago.
func (c *Core) Starving(from, to time.Duration) bool { return c.starved.during(from, to) }

// Busy says whether there is anything to do. Where there is not, Look need not be called
// until news are taken, and then anew: due now.
func (c *Core) Busy() bool {
	busy := len(c.plan.windows) > 0 || len(c.sessions) > 0
	if !busy {
		c.starved.rest()
	}
	return busy
}

// End ends all sessions, and closes their flows.
func (c *Core) End() {
	for _, s := range c.sessions {
		s.farewell()
		s.close()
	}
}
