package disruption

import (
	"errors"
	"fmt"
)

// wrong is an answer that is not the right one.
type wrong string

func (w wrong) Error() string { return string(w) }

// ownError is a reason of the agent's own.
type ownError struct {
	doing string
	err   error
}

func (e *ownError) Error() string { return e.doing + ": " + e.err.Error() }
func (e *ownError) Unwrap() error { return e.err }

// forbiddenError is an address that no agent may be aimed at.
type forbiddenError struct{ address, why string }

func (e *forbiddenError) Error() string {
	return fmt.Sprintf("leads to %s, %s, which no agent may be aimed at", e.address, e.why)
}

var errNoAuthority = errors.New("it has no certificate of an authority")
