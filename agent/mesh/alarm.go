package mesh

import "time"

const (
	// The sums are sequential tests of whether losses are more than there should be: of
	// 5%, and of 1%, against 0.1%. Each loss adds its logarithm of the likelihoods' ratio,
	// and each delivery takes its own away. The verdict is at 25; the alarm is far before.
	lossOfFive, deliveryOfFive = 3.91, 0.050
	lossOfOne, deliveryOfOne   = 2.30, 0.009
	alarming                   = 10
	// calm is after how long without a loss all is forgotten.
	calm = time.Minute
)

// losses says whether losses look worse than they should, for one session or for all of
// an agent. It is more easily alarmed than any verdict, since what it decides is only
// whether the server hears at once.
type losses struct {
	five, one float64
	last      time.Duration // of the losses
	alarmed   bool
}

// delivered notes an answer.
func (l *losses) delivered(now time.Duration) {
	l.five = max(0, l.five-deliveryOfFive)
	l.one = max(0, l.one-deliveryOfOne)
	l.pass(now)
}

// lost notes a loss that is not suspect.
func (l *losses) lost(now time.Duration) {
	l.pass(now)
	l.five += lossOfFive
	l.one += lossOfOne
	l.last = now
	l.alarmed = l.alarmed || l.five >= alarming || l.one >= alarming
}

// pass notes what time it is.
func (l *losses) pass(now time.Duration) {
	if now-l.last >= calm {
		*l = losses{last: l.last}
	}
}

// looks is what a session looks like, as far as it is for the alarm.
type looks struct {
	// lossy says that its losses alarm, and run is how many in a row are missing.
	lossy bool
	run   int
	// unsent is the run of datagrams that did not leave, in a session in which some did
	// before. Where none ever did, as over a family that this host does not have, there is
	// nothing new to tell.
	unsent int
	// refused says that its newest datagram was refused.
	refused bool
	// dials is the run of TCP connections that were not well, and hole whether large
	// packets vanish.
	dials uint64
	hole  bool
}

// bad says whether a session looks so that the server should hear at once:
//
//	two datagrams in a row are missing              yes
//	two datagrams in a row did not leave            yes
//	losses are more than they should be             yes
//	large packets vanish                            yes
//	a TCP connection was not well                   yes, but
//	  datagrams are refused, too                    no: the agent is gone, and the path well
func (l looks) bad() bool {
	return l.run >= doubted || l.unsent >= doubted || l.lossy || l.hole || l.dials > 0 && !l.refused
}

// alarm says when to send an update: at once when something begins to look bad, or is
// well again, and from time to time while anything is bad. It is pure.
type alarm struct {
	bad     map[uint64]bool // the sessions that are, by their number; and othersAlarm
	pending bool
	told    time.Duration
}

// What else can be bad is told by numbers that no session has.
const (
	allTogether uint64 = 1<<64 - 1 - iota
	byOthers
	byAll
)

// updateEvery is the time between two updates while anything is bad.
const updateEvery = 5 * time.Second

// see notes how one thing looks.
func (a *alarm) see(id uint64, bad bool) {
	if bad == a.bad[id] {
		return
	}
	a.pending = true
	if a.bad == nil {
		a.bad = map[uint64]bool{}
	}
	if a.bad[id] = bad; !bad {
		delete(a.bad, id)
	}
}

// due says whether there is something to tell now.
func (a *alarm) due(now time.Duration) bool {
	return a.pending || len(a.bad) > 0 && now-a.told >= updateEvery
}

// tell notes that all is told now.
func (a *alarm) tell(now time.Duration) { a.pending, a.told = false, now }
