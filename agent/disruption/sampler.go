package disruption

import (
	"context"
	"sync"
	"time"

	"github.com/netchecker/netchecker/pkg/report"
)

const (
	// missed is how many intervals may pass between two samples before the time between
	// them is one that nobody looked at.
	missed = 3
	// stall is how late the sampler may be for a sample before what fails meanwhile
	// says more of the agent, which stood still, than of the backend.
	stall = time.Second
)

// Target is one backend over one kind of connection.
type Target struct {
	Backend    string
	Connection report.Connection
}

func (t Target) String() string {
	return "backend " + t.Backend + ", connection " + string(t.Connection)
}

// Observation is a sample as its turn came.
type Observation struct {
	Sample
	// Disrupted is how much longer the target is known to have failed by it.
	Disrupted time.Duration
}

// sink gets what a sampler's samples come to. Its methods are called by many goroutines
// at once, those of one target in order.
type sink interface {
	// fold tells what is over and what is open, nil after the last sample, as of the
	// start of that sample. What is open goes on to belong to the caller.
	fold(t Target, over []report.Interval, open *report.Interval, asOf time.Duration)
	observe(Target, Observation)
	// refuse tells, at most once, that the backend must not be asked any more.
	refuse(t Target, reason string)
}

// sampler samples one target. Each request runs by itself, so that a slow one does not
// delay the next; what they lead to takes its turn in the order of their start.
type sampler struct {
	target   Target
	asker    *asker
	clock    Clock
	sink     sink
	interval time.Duration
	// phase is how long the first sample waits, so that not all are due at once.
	phase time.Duration

	fold  fold
	order order
	most  int // samples under way at a time
	// doubted are the samples, by their number, in whose time the agent stood still, all
	// those below.
	doubted  uint64
	requests sync.WaitGroup
	results  chan result
}

type result struct {
	number uint64
	sample Sample
	outcome
	// cut says that it failed for our own end.
	cut bool
}

func newSampler(t Target, a *asker, c Clock, s sink, phase time.Duration) *sampler {
	interval, most := a.backend.Interval(), int(a.backend.Timeout()/a.backend.Interval())+1
	return &sampler{
		target: t, asker: a, clock: c, sink: s, interval: interval, phase: phase,
		fold: fold{gap: missed * interval}, most: most,
		results: make(chan result, most), // has room for all, so that no request waits for us
	}
}

// run samples until ctx ends. What is under way then is no outage: it counts for
// nothing where it fails.
func (s *sampler) run(ctx context.Context) {
	defer s.asker.close()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	due := s.clock.Now() + s.phase
	tick := s.clock.After(s.phase)
	for ctx.Err() == nil {
		select {
		case <-ctx.Done():
		case <-tick:
			s.doubt(due)
			s.begin(ctx)
			due = s.following(due)
			tick = s.clock.After(due - s.clock.Now())
		case r := <-s.results:
			s.doubt(due)
			if r.refused != "" {
				s.sink.refuse(s.target, r.refused)
				cancel()
			}
			s.take(r)
		}
	}
	s.finish()
}

// following is when the next sample is due: those whose time has gone by are left out.
func (s *sampler) following(due time.Duration) time.Duration {
	late := max(0, s.clock.Now()-due)
	return due + (late/s.interval+1)*s.interval
}

// doubt marks what is under way where a sample was due long ago.
func (s *sampler) doubt(due time.Duration) {
	if s.clock.Now()-due > stall {
		s.doubted = s.order.begun
	}
}

func (s *sampler) begin(ctx context.Context) {
	if s.order.waiting() >= s.most {
		return
	}
	n, start := s.order.begin(), s.clock.Now()
	s.requests.Go(func() {
		o := s.asker.ask(ctx, n)
		s.results <- result{
			number: n, outcome: o, cut: ctx.Err() != nil && o.level != report.Info,
			sample: Sample{Start: start, End: s.clock.Now(), Level: o.level, Message: o.message, Connected: o.connected},
		}
	})
}

// take lets those samples take their turn that can now.
func (s *sampler) take(r result) {
	sample := &r.sample
	if r.cut || r.refused != "" || r.level != report.Info && r.number < s.doubted {
		sample = nil
	}
	for _, next := range s.order.end(r.number, sample) {
		before := s.fold.disrupted
		over := s.fold.add(next)
		s.sink.fold(s.target, over, s.fold.open, next.Start)
		s.sink.observe(s.target, Observation{next, s.fold.disrupted - before})
	}
}

// finish waits for the requests that were cut, and ends what is open.
func (s *sampler) finish() {
	s.requests.Wait()
	close(s.results)
	for r := range s.results {
		s.take(r)
	}
	asOf := s.fold.last.End
	s.sink.fold(s.target, s.fold.close(), nil, asOf)
}
