package health

import (
	"context"
	"errors"
	"sync/atomic"
)

// Circuit says whether the process may be asked for its service, as an electric
// circuit does: closed is conducting. Its owner closes it once the listener is
// up and opens it when the shutdown begins. The zero value is open. Its methods
// may be called from many goroutines at once.
type Circuit struct {
	state atomic.Pointer[circuitState]
}

// circuitState is nil before the first Close or Open.
type circuitState struct {
	open error // why it is open; nil: closed
}

var errNotStarted = errors.New("not started yet")

// Close lets requests in.
func (c *Circuit) Close() { c.state.Store(&circuitState{}) }

// Open sends requests elsewhere; the reason is told to whoever asks.
func (c *Circuit) Open(reason string) { c.state.Store(&circuitState{open: errors.New(reason)}) }

// Check is named "serving" and fails while the circuit is open.
func (c *Circuit) Check() Check {
	return Check{Name: "serving", Run: func(context.Context) error {
		state := c.state.Load()
		if state == nil {
			return errNotStarted
		}
		return state.open
	}}
}
