package sender

import (
	"context"
	"net/http"
	"sync"
	"time"

	"github.com/netchecker/netchecker/agent/diary"
	"github.com/netchecker/netchecker/pkg/report"
	"github.com/netchecker/netchecker/pkg/wait"
)

// lastTry is what an Outbox has, when it ends, to send what waits.
const lastTry = time.Second

// Author writes messages as late as that can be done: when one can be sent, and no
// earlier one waits. Its methods are called by one goroutine at a time.
type Author interface {
	// Waits says whether there is something to write. What waits does so until it is
	// written.
	Waits() bool
	// Write returns the body of a message, a JSON object. It is called only where
	// something waits.
	Write() []byte
}

// OutboxConfig says what an Outbox keeps, where it sends it, and at which pace.
type OutboxConfig struct {
	Server *Server
	// URL is where messages are posted, at Server; its last element is their kind.
	URL string
	// Kind is what they are called in the log.
	Kind string
	// From is what each message says of its sender.
	From report.Message
	// Clock is the agent's monotonic clock, which each message tells as it is sent.
	Clock func() time.Duration

	// MaxCount and MaxBytes bound what is kept, in messages (1 at least) and in bytes
	// of their bodies.
	MaxCount, MaxBytes int
	// Deadline is for one attempt.
	Deadline time.Duration
	// FirstPause is the pause after the first failure. It doubles with each further
	// one, up to LongestPause.
	FirstPause, LongestPause time.Duration
	// Pace is the least time between two attempts, whatever they led to.
	Pace time.Duration
	// Spread is up to how long what is kept waits before it is sent, by chance. It is
	// asked each time; nil: nothing waits.
	Spread func() time.Duration

	// Detours says that messages may take them; see Server.Detour.
	Detours bool

	// Author has more messages; nil where all are given to Keep.
	Author Author
	// Subscribers get what replies tell; nil for nobody.
	Subscribers Subscribers
	// Observe is told how each attempt to send the message of that number ended, and
	// of each that was dropped. It is called by many goroutines at once.
	Observe func(number uint64, a Attempt)
}

// Outbox keeps messages of one kind until the server has acknowledged them, and
// sends them in the order of their numbers, the same body each time. Make it with
// NewOutbox.
type Outbox struct {
	cfg  OutboxConfig
	line line

	mu    sync.Mutex
	kept  []kept // in the order of their numbers
	bytes int    // of all their bodies
	last  uint64 // the number given last
	news  wait.Broadcast
}

type kept struct {
	number uint64
	body   []byte
}

// NewOutbox returns an Outbox that sends nothing until Run.
func NewOutbox(cfg OutboxConfig) *Outbox {
	o := &Outbox{cfg: cfg}
	o.line = line{
		server: cfg.Server, url: cfg.URL, source: o, what: "Messages (" + cfg.Kind + ")",
		deadline: cfg.Deadline, firstPause: cfg.FirstPause, longestPause: cfg.LongestPause,
		pace: cfg.Pace, spread: cfg.Spread, lastTry: lastTry, detours: cfg.Detours,
		outcome: outcomeOfMessage, subscribers: cfg.Subscribers, log: make(diary.Diary),
	}
	return o
}

// Keep takes over a message's body, a JSON object, and returns the number that it
// has from now on: 1 for the first. To stay within the bounds the oldest are
// dropped, or the new one where it alone exceeds them. Keep never waits.
func (o *Outbox) Keep(body []byte) uint64 {
	number, dropped := o.add(body)
	o.news.Send()
	for _, n := range dropped {
		o.cfg.Observe(n, Attempt{Outcome: Dropped, At: time.Now()})
	}
	return number
}

func (o *Outbox) add(body []byte) (number uint64, dropped []uint64) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.last++
	if len(body) > o.cfg.MaxBytes {
		return o.last, []uint64{o.last}
	}
	o.kept = append(o.kept, kept{o.last, body})
	o.bytes += len(body)
	for len(o.kept) > o.cfg.MaxCount || o.bytes > o.cfg.MaxBytes {
		dropped = append(dropped, o.kept[0].number)
		o.removeOldest()
	}
	return o.last, dropped
}

// Wake says that something waits at the Author. It never waits itself.
func (o *Outbox) Wake() { o.news.Send() }

// removeOldest is for callers that hold the lock.
func (o *Outbox) removeOldest() {
	o.bytes -= len(o.kept[0].body)
	o.kept[0].body = nil // the array lives on
	o.kept = o.kept[1:]
}

// Run sends what is kept until ctx ends, and then has a second to send what
// waits; the rest is lost. It is called once.
func (o *Outbox) Run(ctx context.Context) { o.line.run(ctx) }

func (o *Outbox) more() <-chan struct{} { return o.news.Next() }

func (o *Outbox) empty() bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	return len(o.kept) == 0 && (o.cfg.Author == nil || !o.cfg.Author.Waits())
}

func (o *Outbox) next() parcel {
	o.mu.Lock()
	defer o.mu.Unlock()
	if len(o.kept) == 0 {
		o.last++
		o.kept = append(o.kept, kept{o.last, o.cfg.Author.Write()})
		o.bytes += len(o.kept[0].body)
	}
	k := o.kept[0]
	return parcel{
		encode: func(_ report.Delivery, via report.Via) []byte {
			m := o.cfg.From
			m.Clock, m.Number, m.Via, m.Body = o.cfg.Clock(), k.number, via, k.body
			return report.AppendMessage(nil, &m)
		},
		settle: func(a Attempt) { o.settle(k.number, a) },
	}
}

// settle forgets a message that was accepted, or never will be.
func (o *Outbox) settle(number uint64, a Attempt) {
	if a.Outcome == Accepted || a.Outcome == Refused {
		o.forget(number)
	}
	o.cfg.Observe(number, a)
}

// forget also does where the message was dropped meanwhile.
func (o *Outbox) forget(number uint64) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if len(o.kept) > 0 && o.kept[0].number == number {
		o.removeOldest()
	}
}

// outcomeOfMessage says what a status code means for a message; 0 stands for no
// answer:
//
//	200                  accepted
//	400, 403, 409, 413   refused: it will never be accepted
//	404, 405             unsupported: by a server of another release, or an original one
//	any other            failed: a matter of time, or of an update
func outcomeOfMessage(code int) Outcome {
	switch code {
	case http.StatusOK:
		return Accepted
	case http.StatusBadRequest, http.StatusForbidden, http.StatusConflict, http.StatusRequestEntityTooLarge:
		return Refused
	case http.StatusNotFound, http.StatusMethodNotAllowed:
		return Unsupported
	}
	return Failed
}
