package health

import (
	"context"
	"fmt"
	"sync/atomic"
	"time"
)

// Pulse says whether a loop is still turning: the loop calls Beat each time
// round. It is made for liveness, so within should be far more than a healthy
// turn ever takes: what it finds is ended by a restart. Its methods may be called
// from many goroutines at once.
type Pulse struct {
	name   string
	within time.Duration
	now    func() time.Time
	last   atomic.Pointer[time.Time]
}

// NewPulse makes the pulse of the loop called name, which should beat at least
// once in within. Its making counts as the first beat. A nil now means time.Now;
// the readings should be monotonic, so that a jump of the wall clock restarts
// nothing.
func NewPulse(name string, within time.Duration, now func() time.Time) *Pulse {
	if now == nil {
		now = time.Now
	}
	p := &Pulse{name: name, within: within, now: now}
	p.Beat()
	return p
}

// Beat notes that the loop went round once more.
func (p *Pulse) Beat() {
	t := p.now()
	p.last.Store(&t)
}

// Check has the pulse's name and fails while the last beat is older than within.
func (p *Pulse) Check() Check {
	return Check{Name: p.name, Run: func(context.Context) error {
		silent := p.now().Sub(*p.last.Load())
		if silent > p.within {
			return fmt.Errorf("last went round %v ago, expected within %v", rounded(silent), p.within)
		}
		return nil
	}}
}
