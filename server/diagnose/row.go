package diagnose

import (
	"time"

	"github.com/netchecker/netchecker/pkg/report"
)

// class says which agents a session is between.
type class uint8

const (
	podPod class = iota
	hostHost
	podHost
	hostPod
	// between is how many there are between nodes.
	between
	// ownNode is between the agents of one node.
	ownNode = between
	classes = ownNode + 1
)

var classNames = [classes]string{"pod-to-pod", "host-to-host", "pod-to-host", "host-to-pod", "own-node"}

// String is the class's name in the API.
func (c class) String() string { return classNames[c] }

func classOf(prober, target *agent) class {
	switch {
	case prober.node == target.node:
		return ownNode
	case prober.host && target.host:
		return hostHost
	case prober.host:
		return hostPod
	case target.host:
		return podHost
	}
	return podPod
}

// told is what a session looks like by itself, as it was told last.
type told uint8

const (
	// unknown: too young, too little, or over.
	unknown told = iota
	// well: answered, and nothing is late.
	well
	// late: something is, but too little to call it dead.
	late
	// dead: five in a row and more are lost, and for long.
	dead
	// refused: somebody there said no.
	refused
	// still: all is silent but TCP connects: the agent that is probed does not run.
	still
)

// dial is what became of new TCP connections.
type dial uint8

const (
	undialed dial = iota
	dialWell
	dialLost
	dialMute
	dialRefused
)

const (
	// firstDiscarded is the part of a session's life that says nothing.
	firstDiscarded = 5 * time.Second
	// deadOpen are lost in a row of what is dead, and deadAfter is for how long nothing
	// was heard; sureAfter where new TCP connections do not show it yet, each of which is
	// known to have failed after 7 s.
	deadOpen             = 5
	deadAfter, sureAfter = 6000, 8000 // ms
	// flapsWithin is within what time what is dead twice, and answered after each, is lossy
	// rather than dead, in seconds.
	flapsWithin = 60
	// deadDials are as many new TCP connections in a row that fail.
	deadDials = 3
)

// ways are directions of a session, as seen from its prober.
type ways uint8

const (
	forward ways = 1 << iota
	back
)

// row is what is known of a session: what it looks like, and what it had counted as it
// was told last. There are hundreds of thousands, so it is small.
type row struct {
	target *agent // nil where the list does not have it
	// id is the session's; agents count them by 32 bits. began is on the agent's clock, in
	// seconds.
	id, began uint32
	// What was counted, modulo 1<<32 and 1<<16.
	sent, answered, forward, back   uint32
	forbidden, dialsLost, dialsMute uint16
	dialRun                         uint8
	dial                            dial // the newest
	// silent is for how long nothing had been heard, in milliseconds, as it was told.
	silent uint32
	// sick is since when there is a hole, nothing leaves, or new TCP connections fail, on the
	// agent's clock, in seconds.
	sick uint32
	// revived is when it was answered again after it was dead, on the agent's clock in
	// seconds; flapping says that this was so twice within flapsWithin.
	revived uint32
	// lost is when some were told to be lost last, on the agent's clock in seconds.
	lost uint32
	// passes is the largest packet that does, where there is a hole, in bytes.
	passes uint16
	// early are the questions that may have been lost as the session was young, or dead, since
	// some were open then: they do not count.
	early uint16

	class class
	told  told
	hole  ways
	six   bool
	// sized says that packets of full size passed, and barred that none leaves the host.
	// flows, that another source port works where this one is dead.
	sized, barred, flows bool
	// refusing says that new TCP connections fail though datagrams are well, and none was
	// lost since it was told before: what fails with these is part of the same.
	refusing bool
	flapping bool
	// here marks those that the newest telling has.
	here bool
}

// dead says that what is lost of it is so since it is dead, or seems to be.
func (r *row) dead() bool {
	return r.told == dead || r.told == still || r.told == late && r.silent >= troubled
}

// batch is what a session has counted more than before, by direction: lost and delivered.
// valid says that it is one, rather than the first that is known of a session.
type batch struct {
	lostForward, lostBack, delivered, cameThere uint32
	valid                                       bool
	// silent says that nothing was heard as the session was told the time before, so that what is
	// lost may be of that time; again, that it is not, and losses were told before.
	silent, again bool
}

// update takes in what is told of the session now, at asOf on its agent's clock. fresh says
// that the row has counted nothing yet.
func (r *row) update(s *report.Session, asOf time.Duration, fresh bool) batch {
	answered, forwardLost, backLost := uint32(s.Answered()), uint32(s.Forward), uint32(s.Back)
	b := batch{
		lostForward: forwardLost - r.forward, lostBack: backLost - r.back, delivered: answered - r.answered,
		silent: r.silent > 0,
		valid:  s.Answered() >= uint64(r.answered) && s.Forward >= uint64(r.forward) && s.Back >= uint64(r.back),
	}
	b.lostForward, b.lostBack = r.pardon(b.lostForward), r.pardon(b.lostBack)
	b.cameThere = b.delivered + b.lostBack
	wasDead := r.dead()
	wasWell := r.told == well && b.lostForward == 0 && b.lostBack == 0
	r.look(s, asOf, fresh)
	r.sicken(s, wasWell, asOf)
	if now := uint32(asOf / time.Second); wasDead && !r.dead() {
		r.flapping = r.revived > 0 && now-r.revived < flapsWithin
		if r.revived = now; !r.flapping {
			r.early = uint16(min(s.Open, 1<<16-1))
		}
	}
	r.sent, r.answered, r.forward, r.back = uint32(s.Sent), answered, forwardLost, backLost
	r.forbidden, r.dialsLost, r.dialsMute = uint16(s.Forbidden), uint16(s.DialLost), uint16(s.DialMute)
	r.silent = uint32(min(s.Silent, 1<<32-1))
	return b
}

// pardon takes from losses those of the session's first seconds.
func (r *row) pardon(lost uint32) uint32 {
	n := min(lost, uint32(r.early))
	r.early -= uint16(n)
	return lost - n
}

// look says what the session looks like, before what it counted is noted.
func (r *row) look(s *report.Session, asOf time.Duration, fresh bool) {
	answered := uint32(s.Answered()) - r.answered
	r.dialed(s, fresh)
	r.flows = s.Flows == report.FlowsSome
	r.hole, r.passes = ways(s.Hole), packetSize(s.MTU)
	r.sized = s.MTU > 0 && s.There == s.MTU && s.Here == s.MTU
	if s.Hole != report.NoHole {
		r.passes = packetSize(min(s.There, s.Here))
	}
	unsent := uint16(s.Forbidden) - r.forbidden
	r.barred = !fresh && uint32(s.Sent) == r.sent && (unsent > 0 || r.barred && asOf > 0)
	young := asOf < time.Duration(s.Began)*time.Millisecond+firstDiscarded
	switch {
	case young:
		r.told, r.early = unknown, deadOpen*uint16(min(s.Open, 1))
	case r.barred && s.Answered() > 0:
		r.told = dead
	case s.Silent >= deadAfter && s.Open >= deadOpen:
		r.told = r.silence(s)
	case s.Silent > 0:
		r.told = late
	case answered > 0:
		r.told = well
	case s.Refused > 0:
		r.told = refused
	case s.Answered() == 0:
		r.told = unknown
	}
}

// packetSize is one as an IP packet may have; what agents tell may be more.
func packetSize(n uint64) uint16 { return uint16(min(n, 1<<16-1)) }

// sicken notes since when new TCP connections fail, nothing leaves the host, or there is a
// hole.
func (r *row) sicken(s *report.Session, wasWell bool, asOf time.Duration) {
	lost := uint16(s.DialLost) != r.dialsLost
	r.refusing = r.told == well && wasWell && r.dial == dialLost && (lost || r.refusing)
	switch {
	case r.hole == 0 && s.DialRun == 0 && !r.barred:
		r.sick = 0
	case r.sick == 0:
		r.sick = uint32(asOf / time.Second)
	}
}

// silence is what a session is whose datagrams are not answered.
func (r *row) silence(s *report.Session) told {
	switch {
	case r.dial == dialMute:
		return still
	case r.dial == dialRefused:
		return refused
	case r.dial == dialLost, s.Silent >= sureAfter:
		return dead
	}
	return late
}

// dialed notes what became of new TCP connections.
func (r *row) dialed(s *report.Session, fresh bool) {
	lost, mute := uint16(s.DialLost)-r.dialsLost, uint16(s.DialMute)-r.dialsMute
	if fresh {
		lost, mute = uint16(min(s.DialRun, s.DialLost)), uint16(min(s.DialRun, s.DialMute))
	}
	r.dialRun = uint8(min(s.DialRun, 255))
	switch {
	case s.Dialed == 0:
		r.dial = undialed
	case s.DialRun == 0:
		r.dial = dialWell
	case mute > 0 && lost == 0:
		r.dial = dialMute
	case lost > 0:
		r.dial = dialLost
	case r.dial == dialWell || r.dial == undialed:
		r.dial = dialRefused
	}
}
