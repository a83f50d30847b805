// Package sender gets what an agent has to tell to the server.
//
// All of it goes the same way, a line: one message at a time, each over a
// connection of its own and encoded as it is sent, tried again after pauses that
// grow and are never quite the same, so that a thousand agents do not come back at
// once. There are two uses of it. [Sender] has the reports: it holds at most one,
// the newest, since what was not sent when the next round is over is worth nothing
// any more. [Outbox] has messages that are numbered and may not be lost: it keeps
// them, within bounds, until the server has acknowledged them. Lines have their
// own deadlines and pauses, and none waits for another; what they share is the
// [Server], which knows the way.
package sender

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"time"

	"github.com/netchecker/netchecker/agent/diary"
	"github.com/netchecker/netchecker/pkg/report"
	"github.com/netchecker/netchecker/pkg/wait"
)

const (
	// longestDeadline and longestPause hold for long intervals; short ones bound
	// them further: half of an interval is what an attempt may take, so that of a
	// report that was due 1.1 intervals after the last one there is time for another
	// attempt before 2 intervals are over, when it is outdated.
	longestDeadline = 10 * time.Second
	longestPause    = 30 * time.Second
	firstPause      = time.Second
)

// Config says where to send reports, and how patiently.
type Config struct {
	Server *Server
	// URL is where reports are posted, at Server.
	URL string
	// Interval is the time between two reports.
	Interval time.Duration
	// FirstPause is the pause after the first failure; 0 stands for a second. It
	// doubles with each further one, up to the interval or 30 s.
	FirstPause time.Duration
	// Clock is the agent's monotonic clock, which each report tells as it is sent.
	Clock func() time.Duration
	// Subscribers get what replies tell; nil for nobody.
	Subscribers Subscribers
	// Observe is told how each attempt to send a report ended, and of each that was
	// dropped. It is called by many goroutines at once; nil for nobody.
	Observe func(*report.Report, Attempt)
}

// Sender posts reports. Make it with New.
type Sender struct {
	cfg  Config
	line line

	mu       sync.Mutex
	newest   *offer // nil where nothing waits
	sending  *offer // what is on its way: the newest, or one that was
	news     wait.Broadcast
	standing error // why the newest attempt was not accepted
}

// offer is a report that was offered.
type offer struct {
	report  *report.Report
	padding int
}

var errNothingSent = errors.New("no report has been sent yet")

// New returns a Sender that does nothing until Run.
func New(cfg Config) *Sender {
	if cfg.FirstPause == 0 {
		cfg.FirstPause = firstPause
	}
	if cfg.Observe == nil {
		cfg.Observe = func(*report.Report, Attempt) {}
	}
	s := &Sender{cfg: cfg, standing: errNothingSent}
	s.line = line{
		server: cfg.Server, url: cfg.URL, source: s, what: "Reports",
		deadline:   min(cfg.Interval/2, longestDeadline),
		firstPause: cfg.FirstPause, longestPause: min(cfg.Interval, longestPause),
		outcome: outcomeOfReport, subscribers: cfg.Subscribers, log: make(diary.Diary),
	}
	return s
}

// Offer hands over the newest report, which takes the place of one that is still
// waiting; padding is as for [report.Append]. It never waits. The report is not
// changed any more from then on: what is known at its sending only (clock,
// delivery, what is understood) is set in a copy.
func (s *Sender) Offer(r *report.Report, padding int) {
	s.mu.Lock()
	old := s.newest
	if old == s.sending {
		old = nil // is told when it is settled
	}
	s.newest = &offer{r, padding}
	s.mu.Unlock()
	s.news.Send()
	s.observeDrop(old)
}

func (s *Sender) observeDrop(o *offer) {
	if o != nil {
		s.cfg.Observe(o.report, Attempt{Outcome: Dropped, At: time.Now()})
	}
}

// Ready returns nil if the server accepted the last report that was sent to it,
// and else what is in the way.
func (s *Sender) Ready(context.Context) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.standing
}

// Run sends what it is offered until ctx ends. What is not sent then is lost. It
// is called once.
func (s *Sender) Run(ctx context.Context) { s.line.run(ctx) }

func (s *Sender) more() <-chan struct{} { return s.news.Next() }

func (s *Sender) empty() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.newest == nil
}

func (s *Sender) next() parcel {
	s.mu.Lock()
	defer s.mu.Unlock()
	o := s.newest
	s.sending = o
	return parcel{
		encode: func(d report.Delivery, _ report.Via) []byte { return s.encode(o, d) },
		settle: func(a Attempt) { s.settle(o, a) },
	}
}

func (s *Sender) encode(o *offer, d report.Delivery) []byte {
	r := *o.report
	r.Clock, r.Delivery, r.Understands = s.cfg.Clock(), d, s.cfg.Subscribers.understands()
	return report.Append(nil, &r, o.padding)
}

// settle keeps a report whose sending failed, unless there is a newer one.
func (s *Sender) settle(o *offer, a Attempt) {
	s.mu.Lock()
	s.sending = nil
	s.standing = nil
	if a.Err != nil {
		s.standing = fmt.Errorf("the last report did not get to %s: %w", s.cfg.URL, a.Err)
	}
	replaced := s.newest != o
	if !replaced && a.Outcome != Failed {
		s.newest = nil
	}
	s.mu.Unlock()
	s.cfg.Observe(o.report, a)
	if replaced && a.Outcome == Failed {
		s.observeDrop(o)
	}
}

// outcomeOfReport says what a status code means for a report; 0 stands for no
// answer:
//
//	200                     accepted: original servers answer nothing else
//	0, 408, 425, 429, 5xx   failed: a matter of time
//	any other               refused
func outcomeOfReport(code int) Outcome {
	switch {
	case code == http.StatusOK:
		return Accepted
	case code == 0, code == http.StatusRequestTimeout, code == http.StatusTooEarly,
		code == http.StatusTooManyRequests, code >= 500:
		return Failed
	}
	return Refused
}
