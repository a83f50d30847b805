package disruption

import "time"

// Clock is the agent's monotonic clock, or a made-up one.
type Clock interface {
	// Now is the time since the agent's boot.
	Now() time.Duration
	// After returns a channel that gets a value once d has passed.
	After(d time.Duration) <-chan time.Time
}

// Monotonic is the Clock that shows what now does.
type Monotonic func() time.Duration

// Now implements Clock.
func (m Monotonic) Now() time.Duration { return m() }

// After implements Clock.
func (m Monotonic) After(d time.Duration) <-chan time.Time { return time.After(d) }
