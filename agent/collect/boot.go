package collect

import (
	"crypto/rand"
	"encoding/hex"
	"time"
)

// Boot is one life of the agent: from its start to its end. The times and the
// numbers that it tells are counted since then.
type Boot struct {
	// ID tells it from the agent's other lives and from all other agents: 16
	// hexadecimal digits, drawn at random. It is told to the server and shown to
	// nobody, and so it belongs in no log.
	ID    string
	began time.Time
}

// NewBoot begins a life.
func NewBoot() Boot {
	var id [8]byte
	_, _ = rand.Read(id[:]) // never fails
	return Boot{hex.EncodeToString(id[:]), time.Now()}
}

// Clock is the time since the life began, on the monotonic clock: whatever is done
// to the wall clock, it goes on.
func (b Boot) Clock() time.Duration { return time.Since(b.began) }
