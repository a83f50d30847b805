// Package disruption finds out when backends were available, to a second: it asks each
// of them once a second over two kinds of connection, one that is new each time and one
// that is kept, and folds what comes of it into intervals.
//
// What is new connections' alone points at load balancers, connection tracking or DNS;
// what only some agents see, at their network. A sample's time is when it began, taken
// before anything was sent: a request that hangs until its deadline says that the
// backend was away from that much earlier on. That there was no disruption is an
// interval, too, and not the absence of any.
//
//	Sampling   which backends, as the server tells them
//	sampler    one backend over one kind of connection, a request each second (asker)
//	order      their outcomes in the order of their start
//	fold       intervals, of these
//	Ledger     what the server is to know of them, until it does
package disruption

import (
	"context"
	"hash/fnv"
	"maps"
	"reflect"
	"sync"
	"time"

	"github.com/golang/glog"

	"github.com/netchecker/netchecker/agent/diary"
	"github.com/netchecker/netchecker/pkg/backend"
	"github.com/netchecker/netchecker/pkg/report"
	"github.com/netchecker/netchecker/pkg/wait"
)

// connections are the kinds that each backend is sampled over.
var connections = [...]report.Connection{report.New, report.Reused}

// Observer is told what samplers see. Its methods are called by many goroutines at
// once.
type Observer interface {
	// Sampled is told each sample in its turn.
	Sampled(Target, Observation)
	// Withdrawn is told that a backend is not sampled any more.
	Withdrawn(backend string)
}

// Sampling samples the backends that the server tells, and is its subscriber to them.
// Make it with New.
type Sampling struct {
	place    Place
	clock    Clock
	ledger   *Ledger
	observer Observer

	mu      sync.Mutex
	version string
	wanted  []backend.Backend
	refused map[string]string // by backend, what samplers found out
	news    wait.Broadcast
	log     diary.Diary
}

// New returns a Sampling that samples nothing until Run, and nothing then that it was
// not told. The ledger's intervals are all from here.
func New(p Place, c Clock, l *Ledger, o Observer) *Sampling {
	return &Sampling{place: p, clock: c, ledger: l, observer: o, refused: map[string]string{}, log: diary.Diary{}}
}

// Version is that of the backends it was told; empty for none.
func (s *Sampling) Version() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.version
}

// Take takes the backends to sample from now on. What can't be read changes nothing,
// and is told in the log.
func (s *Sampling) Take(n report.News) {
	list, err := backend.Decode(n.Data)
	reason := ""
	if err != nil {
		reason = err.Error()
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if change, _ := s.log.Note("news", reason, time.Now()); change == diary.Fails {
		glog.Warningf("The backends that the server tells are not sampled: %v", err)
	}
	if err == nil {
		s.version, s.wanted = n.Version, list
		s.news.Send()
	}
}

// running is a backend that is sampled, or refused.
type running struct {
	backend backend.Backend
	end     context.CancelFunc
	over    sync.WaitGroup
}

// Run samples until ctx ends, and returns once all intervals are over and in the
// ledger.
func (s *Sampling) Run(ctx context.Context) {
	all := map[string]*running{}
	for {
		news := s.news.Next()
		wanted, refused := s.state()
		s.endRefused(all, refused)
		s.apply(ctx, all, wanted)
		select {
		case <-ctx.Done():
			s.apply(ctx, all, nil)
			return
		case <-news:
		}
	}
}

func (s *Sampling) state() (map[string]backend.Backend, map[string]string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	wanted := map[string]backend.Backend{}
	for _, b := range s.wanted {
		wanted[b.Name] = b
	}
	return wanted, maps.Clone(s.refused)
}

// apply ends what is not wanted any more, or otherwise, and begins what is wanted; the
// others go on undisturbed.
func (s *Sampling) apply(ctx context.Context, all map[string]*running, wanted map[string]backend.Backend) {
	var ending []*running
	for name, r := range all {
		if b, there := wanted[name]; !there || !reflect.DeepEqual(b, r.backend) {
			r.end()
			ending = append(ending, r)
			delete(all, name)
		}
	}
	for _, r := range ending {
		r.over.Wait()
		s.forget(r.backend.Name)
	}
	for name, b := range wanted {
		if all[name] == nil && ctx.Err() == nil {
			all[name] = s.start(ctx, b)
		}
	}
}

// forget leaves nothing of a backend but its history.
func (s *Sampling) forget(name string) {
	s.mu.Lock()
	delete(s.refused, name)
	for _, c := range connections {
		delete(s.log, Target{name, c}.String())
	}
	s.mu.Unlock()
	s.ledger.accept(name)
	s.observer.Withdrawn(name)
}

// start begins to sample b, unless it is refused.
func (s *Sampling) start(ctx context.Context, b backend.Backend) *running {
	ctx, end := context.WithCancel(ctx)
	r := &running{backend: b, end: end}
	var samplers []*sampler
	for _, c := range connections {
		a, err := newAsker(b, c, s.place)
		if err != nil {
			end()
			s.tellRefused(b.Name, err.Error())
			return r
		}
		t := Target{b.Name, c}
		samplers = append(samplers, newSampler(t, a, s.clock, s, phaseOf(t, b.Interval())))
	}
	glog.Infof("Backend %s is sampled every %v", b.Name, b.Interval())
	for _, sampler := range samplers {
		r.over.Go(func() { sampler.run(ctx) })
	}
	return r
}

// phases are how many there are in an interval. An agent that wakes for several samples at
// once takes less than half of the processor time of one that wakes for each.
const phases = 4

// phaseOf spreads the targets of an agent over the interval.
func phaseOf(t Target, interval time.Duration) time.Duration {
	h := fnv.New32a()
	_, _ = h.Write([]byte(t.Backend + "/" + string(t.Connection))) // never fails
	return time.Duration(h.Sum32()%phases) * interval / phases
}

// endRefused ends what samplers found that it must not be asked.
func (s *Sampling) endRefused(all map[string]*running, refused map[string]string) {
	for name, reason := range refused {
		r := all[name]
		if r == nil {
			continue // refused, and withdrawn meanwhile
		}
		r.end()
		r.over.Wait()
		s.mu.Lock()
		delete(s.refused, name)
		s.mu.Unlock()
		s.tellRefused(name, reason)
		s.observer.Withdrawn(name)
	}
}

func (s *Sampling) tellRefused(name, reason string) {
	glog.Warningf("Backend %s is not sampled: %s", name, reason)
	s.ledger.refuse(name, reason)
}

// fold implements sink.
func (s *Sampling) fold(t Target, over []report.Interval, open *report.Interval, asOf time.Duration) {
	s.ledger.fold(t, over, open, asOf)
	if open != nil {
		s.note(t, open)
	}
}

// note logs what is new with a target.
func (s *Sampling) note(t Target, open *report.Interval) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch change, out := s.log.Note(t.String(), open.Message, time.Now()); change {
	case diary.Fails:
		glog.Warningf("Fails: %s: %s", t, open.Message)
	case diary.Again:
		glog.Infof("Works again, after %v: %s", out.Round(time.Millisecond), t)
	}
}

// observe implements sink.
func (s *Sampling) observe(t Target, o Observation) { s.observer.Sampled(t, o) }

// refuse implements sink.
func (s *Sampling) refuse(t Target, reason string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.refused[t.Backend] = reason
	s.news.Send()
}
