package disruption

import (
	"cmp"
	"slices"
	"sync"
	"time"

	"github.com/netchecker/netchecker/pkg/report"
)

const (
	// mostWaiting and mostBytes bound the intervals that wait for a message: 64 full
	// messages, and about what they have of bytes.
	mostWaiting = 64 * report.MaxSealed
	mostBytes   = 512 << 10
	// fixedBytes is about what an interval has on the wire besides its words.
	fixedBytes = 130
)

// Ledger keeps what the server is to know: the intervals that are open, those that are
// over until a message has them, and the backends that are refused. It gives intervals
// their numbers. Make it with NewLedger; its methods may be called by many goroutines
// at once.
//
// A message is written when it can be sent, not when something happens: whatever has
// happened meanwhile is in it.
type Ledger struct {
	clock Clock
	wake  func()

	mu      sync.Mutex
	lastID  uint64
	targets map[Target]*held
	waiting []report.Interval // in the order of their end
	bytes   int               // of those
	refused []report.Refusal
	dropped uint64
	// sent is how many intervals the message has that was written last.
	sent int
	// news says that something opened, ended or was refused since the last message.
	news bool
	// asOf is what was told last, and stale that something changed since.
	asOf  time.Duration
	stale bool
}

// held is what is open in a target, and up to when that is known.
type held struct {
	open report.Interval
	asOf time.Duration
}

// NewLedger returns one that calls wake when there is something new for a message.
func NewLedger(c Clock, wake func()) *Ledger {
	return &Ledger{clock: c, wake: wake, targets: map[Target]*held{}}
}

// fold takes what a target's samples have come to.
func (l *Ledger) fold(t Target, over []report.Interval, open *report.Interval, asOf time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, i := range over {
		l.seal(t, i)
	}
	if open != nil {
		l.hold(t, *open, asOf)
	}
}

// seal keeps an interval that is over for a message: the one that was open, or one that
// was over as soon as it was known.
func (l *Ledger) seal(t Target, i report.Interval) {
	if was := l.targets[t]; was != nil {
		i.ID = was.open.ID
		delete(l.targets, t)
	} else {
		i.ID = l.nextID()
	}
	i.Backend, i.Connection = t.Backend, t.Connection
	l.waiting = append(l.waiting, i)
	l.bytes += size(&i)
	for len(l.waiting) > mostWaiting || l.bytes > mostBytes {
		l.take(1)
		l.dropped++
	}
	l.tell()
}

// hold notes what is open, which may be what was so before.
func (l *Ledger) hold(t Target, i report.Interval, asOf time.Duration) {
	was := l.targets[t]
	if was == nil {
		was = &held{open: report.Interval{ID: l.nextID()}}
		l.targets[t] = was
		l.tell()
	} else if was.open.Level != i.Level || was.open.Message != i.Message {
		l.tell()
	}
	i.ID, i.Backend, i.Connection = was.open.ID, t.Backend, t.Connection
	was.open, was.asOf = i, asOf
	l.stale = true
}

func (l *Ledger) nextID() uint64 {
	l.lastID++
	return l.lastID
}

// tell wakes who sends, who asks us in his own time.
func (l *Ledger) tell() {
	l.news, l.stale = true, true
	l.wake()
}

// take forgets the oldest n of those that wait.
func (l *Ledger) take(n int) {
	for i := range l.waiting[:n] {
		l.bytes -= size(&l.waiting[i])
	}
	if l.waiting = slices.Delete(l.waiting, 0, n); len(l.waiting) == 0 {
		l.waiting = nil // an outage may have made its array large
	}
}

func size(i *report.Interval) int { return fixedBytes + len(i.Backend) + len(i.Message) }

// refuse notes why a backend is not sampled; accept that it may be.
func (l *Ledger) refuse(backend, reason string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.refused = append(l.refused, report.Refusal{Backend: backend, Reason: short(reason, report.MaxText)})
	slices.SortFunc(l.refused, func(a, b report.Refusal) int { return cmp.Compare(a.Backend, b.Backend) })
	l.tell()
}

func (l *Ledger) accept(backend string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	before := len(l.refused)
	l.refused = slices.DeleteFunc(l.refused, func(r report.Refusal) bool { return r.Backend == backend })
	if len(l.refused) != before {
		l.tell()
	}
}

// Report is what a report says of it: nil where nothing is sampled.
func (l *Ledger) Report() *report.Disruption {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.targets) == 0 && len(l.refused) == 0 {
		return nil
	}
	return l.state(nil)
}

// Waits says whether there is something to write a message of.
func (l *Ledger) Waits() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.news || len(l.waiting) > 0
}

// Write returns the body of a message, with the oldest intervals of those that wait, as
// many as it has room for. They are its sender's from then on.
func (l *Ledger) Write() []byte {
	l.mu.Lock()
	defer l.mu.Unlock()
	n := min(len(l.waiting), report.MaxSealed)
	body := report.AppendDisruption(nil, l.state(l.waiting[:n]))
	for len(body) > report.MaxBody && n > 0 {
		n = n * 3 / 4
		body = report.AppendDisruption(nil, l.state(l.waiting[:n]))
	}
	l.take(n)
	l.sent, l.news = n, false
	return body
}

// Lost notes that the message that was written last will never be taken in.
func (l *Ledger) Lost() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.dropped += uint64(l.sent)
	l.sent = 0
}

// state is what is known now, with these of the intervals that are over.
func (l *Ledger) state(sealed []report.Interval) *report.Disruption {
	d := &report.Disruption{Sealed: slices.Clone(sealed), Refused: slices.Clone(l.refused), Dropped: l.dropped}
	for _, h := range l.targets {
		d.Open = append(d.Open, h.open)
	}
	slices.SortFunc(d.Open, func(a, b report.Interval) int { return cmp.Compare(a.ID, b.ID) })
	d.AsOf = l.known(sealed)
	return d
}

// known is up to when what is open is known to hold: up to the earliest of the targets'
// last words, yet not before anything that is told. It never goes back, and where
// something has changed it goes on: the server takes the later of two for the truth, and
// none that is ahead of our clock.
func (l *Ledger) known(sealed []report.Interval) time.Duration {
	now := l.clock.Now()
	asOf := now
	for _, h := range l.targets {
		asOf = min(asOf, h.asOf)
	}
	for _, h := range l.targets {
		asOf = max(asOf, h.open.From+h.open.Failed)
	}
	for i := range sealed {
		asOf = max(asOf, sealed[i].To)
	}
	least := l.asOf
	if l.stale {
		least += time.Millisecond // what the wire can tell
	}
	l.asOf, l.stale = min(max(asOf, least), now), false
	return l.asOf
}
