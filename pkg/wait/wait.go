// Package wait is how both binaries wait: for a while, and for news.
package wait

import (
	"context"
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
