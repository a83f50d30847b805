package disruption

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/netchecker/netchecker/pkg/backend"
	"github.com/netchecker/netchecker/pkg/report"
)

// Watcher is told what becomes of a backend. Its methods are called by one goroutine at
// a time.
type Watcher interface {
	// Changed gets the intervals that are over, and the one that has opened, nil where
	// none has.
	Changed(t Target, over []report.Interval, opened *report.Interval)
	Sampled(Target, Observation)
}

// Watch samples b until ctx ends. An error says that it can't be asked, or must not.
func Watch(ctx context.Context, b backend.Backend, p Place, c Clock, w Watcher) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	s := &watched{watcher: w, stop: cancel, open: map[Target]report.Interval{}}
	var samplers []*sampler
	for _, connection := range connections {
		a, err := newAsker(b, connection, p)
		if err != nil {
			return err
		}
		samplers = append(samplers, newSampler(Target{b.Name, connection}, a, c, s, 0))
	}
	var all sync.WaitGroup
	for _, sampler := range samplers {
		all.Go(func() { sampler.run(ctx) })
	}
	all.Wait()
	return s.refused
}

// watched hands on what is new.
type watched struct {
	watcher Watcher
	stop    context.CancelFunc

	mu      sync.Mutex
	open    map[Target]report.Interval
	refused error
}

func (s *watched) fold(t Target, over []report.Interval, open *report.Interval, _ time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	was, known := s.open[t]
	opened := open
	if open == nil {
		delete(s.open, t)
	} else if s.open[t] = *open; known && open.From == was.From && open.Message == was.Message {
		opened = nil
	}
	if len(over) > 0 || opened != nil {
		s.watcher.Changed(t, over, opened)
	}
}

func (s *watched) observe(t Target, o Observation) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.watcher.Sampled(t, o)
}

func (s *watched) refuse(_ Target, reason string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.refused = errors.New(reason)
	s.stop()
}
