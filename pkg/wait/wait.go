// Package wait is how both binaries wait: for a while, for news, and for others.
package wait

import (
	"context"
	"iter"
	"sync"
	"time"
)

// For waits for d, and returns false where ctx ended before or ends with it. A d of
// 0 or less only asks ctx.
func For(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
		return ctx.Err() == nil
	}
}

const (
	// restEvery is after how many rounds of a loop it rests: after some tenths of a millisecond,
	// for loops that take a few microseconds a round.
	restEvery = 64
	// moment is how long Rest takes at least.
	moment = 200 * time.Microsecond
)

// Rest gives the processor to others for a moment, be they of this process or of another one.
func Rest() { time.Sleep(moment) }

// Resting counts from 0 to n-1 for a loop over all agents, or as many of anything, which calls
// rest now and then; nil for none. In a large cluster such a loop would keep a processor for as
// long as a tenth of a second, and on a machine of few of them all requests wait for it, and
// the store as well.
func Resting(n int, rest func()) iter.Seq[int] {
	return func(yield func(int) bool) {
		for i := range n {
			if !yield(i) {
				return
			}
			if rest != nil && i%restEvery == restEvery-1 {
				rest()
			}
		}
	}
}

// Broadcast tells any number of waiting goroutines that something changed. The
// zero value is ready to use, by many goroutines at once.
//
// Whoever waits takes the channel first, then looks at what may have changed, and
// then waits for the channel to be closed: so no change is missed.
type Broadcast struct {
	mu sync.Mutex
	c  chan struct{}
}

// Next is closed by the Send that follows this call.
func (b *Broadcast) Next() <-chan struct{} {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.c == nil {
		b.c = make(chan struct{})
	}
	return b.c
}

// Send wakes all who wait. It costs little where nobody does.
func (b *Broadcast) Send() {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.c != nil {
		close(b.c)
		b.c = nil
	}
}
