// Package wait is how both binaries wait: for a while, for news, and for others.
package wait

import (
	"context"
	"iter"
	"runtime"
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

// yieldEvery is after how many rounds of a loop others are let run: after some tens of
// microseconds, for loops that take as many microseconds a round at most.
const yieldEvery = 16

// Yielding counts from 0 to n-1 for a loop over all agents, or as many of anything, and lets
// others run now and then that wait for a processor. Such a loop would keep one for as long as a
// hundredth of a second at a time, and on a machine of few processors all requests wait for it.
func Yielding(n int) iter.Seq[int] {
	return func(yield func(int) bool) {
		for i := range n {
			if !yield(i) {
				return
			}
			if i%yieldEvery == yieldEvery-1 {
				runtime.Gosched()
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
