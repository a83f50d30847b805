package probe

import (
	"time"

	"github.com/netchecker/netchecker/pkg/datagram"
	"github.com/netchecker/netchecker/pkg/report"
)

const (
	// sizeEvery is the time between two questions of full size, and sizeApart that between
	// those that are to find out more.
	sizeEvery = 10 * time.Second
	sizeApart = time.Second
	// sizeSettle is how long is waited after the last silence, so that it is known by then
	// whether small datagrams passed meanwhile.
	sizeSettle = 2 * time.Second
	// sizeLost is after how long a question whose outcome nobody tells is forgotten.
	sizeLost = 10 * time.Second
	// sizeAnew is after how long what was found out is looked at again: where the hole
	// is, and what the way back takes.
	sizeAnew = time.Minute
	// A first silence has sizeMore more questions follow. One of those of a search fails
	// after sizeFails silences.
	sizeMore, sizeFails = 3, 3
	// sizeSteps bounds the steps of a search on one way: what it finds is too small by at
	// most a 256th of the MTU.
	sizeSteps = 8
	// maxPacket is the largest IPv4 packet there is; IPv6 has larger ones where an MTU
	// lets it.
	maxPacket = 65535
)

// SizeQuestion is a question that shows whether a size passes.
type SizeQuestion struct {
	// Size is that of the question, and Reply the one that its answer should have: bytes
	// of UDP payload.
	Size, Reply int

	trial uint32
}

// SizeFate is what became of a SizeQuestion.
type SizeFate int

const (
	// SizePassed: the answer came as it was asked for.
	SizePassed SizeFate = iota
	// SizeSilent: nothing came in time.
	SizeSilent
	// SizeTooLarge: it is larger than the route there takes, as this host or a router says
	// (ErrTooLarge).
	SizeTooLarge
	// SizeTooLargeBack: it came, and its answer is larger than the route back takes, as the
	// peer says (datagram.TooLarge).
	SizeTooLargeBack
	// SizeVoid: it shows nothing. It was refused, or not by who was asked; or did not leave;
	// or the agent could not run as it should meanwhile.
	SizeVoid
)

// SizeOutcome is that of a SizeQuestion.
type SizeOutcome struct {
	Fate SizeFate
	// MTU is what the route there has now, as it was read again, where the question was
	// too large for it; and that of the route back, if the peer knows it, where the answer
	// was. It is 0 where it is unknown, and else.
	MTU int
}

// SizeResult is what is known of sizes, as report.Session has it: bytes of IP packets.
type SizeResult struct {
	MTU, Sized, Resized uint64
	There, Here         uint64
	Hole                report.Hole
}

// Sizing finds out how large packets can be between this host and a peer. It says what to
// ask and is told what came of it, and does nothing itself: its times are on any clock.
//
// Every 10 s it asks a question as large as the route takes, for an answer as large. At
// the first silence it asks three more a second apart. If those are silent too, while
// small datagrams pass, then there is a hole in the way for large ones, of which nobody
// tells; and it asks on, each up to three times, for the direction and the size:
//
//	large question, small answer passes       the hole is on the way back
//	it does not                               it is on the way there: the largest question
//	                                          that passes is searched by halving
//	that question, as large an answer passes  it is only there
//	it does not                               it is on both ways
//	on the way back                           the largest answer to such a question is
//	                                          searched likewise
//
// An answer can't be larger than its question, so a hole on the way back is seen up to the
// size that passes there. Where the route's MTU is known to be less, on either way, all is
// well. A hole is over when a question and an answer of full size pass.
//
// What is known to be silent is asked every 10 s, and searched again every minute.
type Sizing struct {
	overhead int // of IP and UDP
	mtu      int // of the route there
	back     int // of the route back, 0 where it has no lower one
	backTill time.Duration
	result   SizeResult

	due   time.Duration
	begun time.Duration // of the last question of full size, the first of its trial
	again time.Duration // when to search again
	step  sizeStep
	trial sizeTrial

	// The search: packets of low bytes passed and such of high did not. failed says that some did
	// not in this search.
	low, high, steps int
	failed           bool
	there            int // what passed on the way there
	hole             report.Hole
}

type sizeStep int

const (
	sizeWatching sizeStep = iota
	sizeDirecting
	sizeForward
	sizeTurning
	sizeBackward
)

// sizeTrial is a question that may be asked several times.
type sizeTrial struct {
	number        uint32
	size, reply   int // of packets
	asked, silent int
	failed        bool
	last          time.Duration
}

// NewSizing returns one for a route whose MTU is known to be mtu, over IPv6 or IPv4, whose
// first question is due at a time.
func NewSizing(six bool, mtu int, first time.Duration) *Sizing {
	s := &Sizing{overhead: 28, due: first}
	if six {
		s.overhead = 48
	}
	s.SetMTU(mtu)
	return s
}

// SetMTU says what the route's MTU is now; to be called now and then. Where it is another,
// all begins anew.
func (s *Sizing) SetMTU(mtu int) {
	mtu = min(mtu, maxPacket)
	if mtu == s.mtu {
		return
	}
	s.mtu = mtu
	s.result.MTU = uint64(max(0, mtu))
	s.heal()
	s.watch()
}

// heal forgets a hole. What has passed can't have been more than the MTU.
func (s *Sizing) heal() {
	s.result.Hole = report.NoHole
	s.result.There = min(s.result.There, s.result.MTU)
	s.result.Here = min(s.result.Here, s.result.MTU)
}

// Result is what is known.
func (s *Sizing) Result() SizeResult { return s.result }

// Due is when Next should be called next, as things stand: Done may make it sooner.
func (s *Sizing) Due() time.Duration { return s.due }

// Next returns what is to be asked now, if anything is. smallOK says that small datagrams
// pass: that those of the last seconds were answered, all of them. Where they do not, no
// silence means anything, and nothing is asked.
func (s *Sizing) Next(now time.Duration, smallOK bool) (q SizeQuestion, ok bool) {
	if now < s.due {
		return SizeQuestion{}, false
	}
	if !smallOK || s.mtu < s.floor() {
		s.begin(s.trial.size, s.trial.reply)
		s.due = now + sizeApart
		return SizeQuestion{}, false
	}
	if s.trial.failed {
		s.conclude(now, false)
		if now < s.due {
			return SizeQuestion{}, false
		}
	}
	if s.trial.asked >= s.limit() { // nobody told what became of it
		s.begin(s.trial.size, s.trial.reply)
	}
	if s.step == sizeWatching && s.trial.asked == 0 {
		s.beginWatch(now)
	}
	return s.ask(now), true
}

func (s *Sizing) ask(now time.Duration) SizeQuestion {
	t := &s.trial
	t.asked++
	t.last = now
	s.due = now + sizeApart
	if t.asked >= s.limit() {
		s.due = now + sizeLost
	}
	return SizeQuestion{Size: t.size - s.overhead, Reply: t.reply - s.overhead, trial: t.number}
}

// limit is how often the question of the trial may be asked as things stand.
func (s *Sizing) limit() int {
	if s.step == sizeWatching && s.trial.silent == 0 {
		return 1
	}
	return s.fails()
}

// fails is how many silences fail the trial.
func (s *Sizing) fails() int {
	switch {
	case s.step != sizeWatching:
		return sizeFails
	case s.result.Hole != report.NoHole && s.begun < s.again:
		return 1 // which tells nothing new
	}
	return 1 + sizeMore
}

// Done tells what came of a question that Next returned.
func (s *Sizing) Done(q SizeQuestion, o SizeOutcome, now time.Duration) {
	s.count(q, o)
	if q.trial != s.trial.number || s.trial.failed {
		return
	}
	switch o.Fate {
	case SizePassed:
		s.conclude(now, true)
	case SizeSilent:
		s.silence(now)
	case SizeTooLarge:
		s.tooLarge(o.MTU, now)
	case SizeTooLargeBack:
		s.tooLargeBack(o.MTU, now)
	case SizeVoid:
		s.begin(s.trial.size, s.trial.reply)
		s.due = now + sizeApart
		if s.step == sizeWatching {
			s.due = max(s.due, s.begun+sizeEvery)
		}
	}
}

// count counts what left and shows something.
func (s *Sizing) count(q SizeQuestion, o SizeOutcome) {
	switch {
	case o.Fate == SizeTooLarge, o.Fate == SizeVoid:
	case q.Size+s.overhead == s.mtu && q.Reply+s.overhead == s.wanted():
		s.result.Sized++
	default:
		s.result.Resized++
	}
}

func (s *Sizing) silence(now time.Duration) {
	t := &s.trial
	t.silent++
	switch {
	case t.silent >= s.fails():
		t.failed = true
		s.due = now
		if s.step == sizeWatching {
			s.due = now + sizeSettle
		}
	case t.asked < s.limit():
		s.due = min(s.due, max(now, t.last+sizeApart))
	}
}

// floor is the size of the smallest packets.
func (s *Sizing) floor() int { return datagram.Size + s.overhead }

// wanted is the size of the largest answer that should pass.
func (s *Sizing) wanted() int {
	if s.back != 0 {
		return min(s.mtu, s.back)
	}
	return s.mtu
}
