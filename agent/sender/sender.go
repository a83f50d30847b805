// Package sender gets reports to the server. It holds at most one report, the
// newest: what was not sent when the next round is over is worth nothing any
// more. While the server can't be reached it tries again after pauses that grow
// and are never quite the same, so that a thousand agents do not come back at
// once; a report that the server refuses as wrong is not sent again.
package sender

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/http"
	"sync"
	"time"

	"github.com/golang/glog"
)

const (
	// longestDeadline and longestPause hold for long intervals; short ones bound
	// them further.
	longestDeadline = 10 * time.Second
	longestPause    = 30 * time.Second
	firstPause      = time.Second
)

// Config says where to send, and how patiently. The zero value of all but URL
// and Interval has a meaning.
type Config struct {
	// URL is where reports are posted.
	URL string
	// Interval is the time between two reports.
	Interval time.Duration
	// Resolver looks the server up; nil stands for the system's.
	Resolver *net.Resolver
	// FirstPause is the pause after the first failure; 0 stands for a second. It
	// doubles with each further one, up to the interval or 30 s.
	FirstPause time.Duration
	// Observe is told how each attempt ended, by one goroutine; nil for nobody.
	Observe func(Outcome, time.Time)
}

// Sender posts reports. Make it with New.
type Sender struct {
	cfg  Config
	kept slot

	mu       sync.Mutex
	standing error // why the newest attempt was not accepted
}

var errNothingSent = errors.New("no report has been sent yet")

// New returns a Sender that does nothing until Run.
func New(cfg Config) *Sender {
	if cfg.FirstPause == 0 {
		cfg.FirstPause = firstPause
	}
	if cfg.Observe == nil {
		cfg.Observe = func(Outcome, time.Time) {}
	}
	return &Sender{cfg: cfg, kept: slot{filled: make(chan struct{}, 1)}, standing: errNothingSent}
}

// Offer hands over the newest report, encoded; it takes the place of one that is
// still waiting. It never waits. The bytes belong to the Sender from then on.
func (s *Sender) Offer(body []byte) { s.kept.put(body) }

// Ready returns nil if the server accepted the last report that was sent to it,
// and else what is in the way.
func (s *Sender) Ready(context.Context) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.standing
}

// Run sends what it is offered until ctx ends. What is not sent then is lost. It
// is called once.
func (s *Sender) Run(ctx context.Context) {
	client := newClient(ctx, s.cfg.Resolver, s.deadline())
	defer client.CloseIdleConnections()
	var log diary
	failures := 0
	for s.kept.wait(ctx) {
		for body := s.kept.take(); body != nil; body = s.kept.take() {
			a := post(ctx, client, s.cfg.URL, body, s.deadline())
			if ctx.Err() != nil {
				return
			}
			s.note(a, &log)
			if a.outcome != Failed {
				failures = 0
				continue
			}
			failures++
			s.kept.giveBack(body)
			if !sleep(ctx, s.pause(a, failures)) {
				return
			}
		}
	}
}

// note tells everybody who wants to know how an attempt ended.
func (s *Sender) note(a attempt, log *diary) {
	s.mu.Lock()
	s.standing = a.err
	if a.err != nil {
		s.standing = fmt.Errorf("the last report did not get to %s: %w", s.cfg.URL, a.err)
	}
	s.mu.Unlock()
	now := time.Now()
	s.cfg.Observe(a.outcome, now)
	if line := log.entry(a, s.cfg.URL, now); line == "" {
		glog.V(2).Infof("Report to %s: %s", s.cfg.URL, a)
	} else if a.outcome == Accepted {
		glog.Info(line)
	} else {
		glog.Warning(line)
	}
}

func (s *Sender) deadline() time.Duration { return min(s.cfg.Interval, longestDeadline) }

// pause is how long to wait after so many failures one after the other.
func (s *Sender) pause(a attempt, failures int) time.Duration {
	if a.retryAfter > 0 { // a little more, so that not all who were told come at once
		spread := time.Duration(rand.Float64() * float64(s.cfg.FirstPause))
		return min(a.retryAfter+spread, s.cfg.Interval)
	}
	return pauseAfter(failures, s.cfg.FirstPause, min(s.cfg.Interval, longestPause), rand.Float64())
}

// pauseAfter is how long to wait after so many failures in a row (1 for the first):
// first, doubled with each further one, at most longest, and of that, by noise
// from [0, 1), between a half and the whole.
func pauseAfter(failures int, first, longest time.Duration, noise float64) time.Duration {
	d := first
	for range failures - 1 {
		if d >= longest {
			break
		}
		d *= 2
	}
	d = min(d, longest)
	return d/2 + time.Duration(noise*float64(d)/2)
}

// sleep returns false where ctx ended before.
func sleep(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
		return true
	}
}

// newClient returns a client that keeps one connection for the next report. It
// uses no proxy: the server is to be reached by the path that pods use. Dials
// end with ctx, and after a deadline of their own, since http.Transport lets them
// outlive their request.
func newClient(ctx context.Context, r *net.Resolver, deadline time.Duration) *http.Client {
	// A little earlier than the request's own deadline: the error then says which
	// step hung, the lookup or the connection.
	dialer := net.Dialer{Resolver: r, Timeout: deadline * 9 / 10}
	return &http.Client{
		Transport: &http.Transport{
			DialContext: func(_ context.Context, network, address string) (net.Conn, error) {
				return dialer.DialContext(ctx, network, address)
			},
			MaxIdleConns:           1,
			IdleConnTimeout:        90 * time.Second,
			DisableCompression:     true,
			MaxResponseHeaderBytes: 64 << 10,
		},
		// A POST that is redirected becomes a GET, whose 200 would mean nothing.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}
