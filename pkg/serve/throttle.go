package serve

import (
	"fmt"
	"strings"
	"sync"
	"time"
)

// A throttle lets through this many lines in this much time.
const (
	throttleLines  = 10
	throttlePeriod = 10 * time.Second
)

// throttle passes lines on to a log, a bounded number in a bounded time: what
// clients can cause must not fill a disk. The first line after a period in which
// some were held back says how many.
type throttle struct {
	now  func() time.Time
	sink func(line string)

	mu      sync.Mutex
	began   time.Time // of the current period
	passed  int
	dropped int
}

func newThrottle(now func() time.Time, sink func(string)) *throttle {
	return &throttle{now: now, sink: sink}
}

func (t *throttle) say(line string) {
	pass, dropped := t.admit()
	if dropped > 0 {
		t.sink(fmt.Sprintf("%d more lines like these were not written", dropped))
	}
	if pass {
		t.sink(line)
	}
}

// admit says whether a line may pass, and how many did not since that was told.
func (t *throttle) admit() (pass bool, dropped int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if now := t.now(); now.Sub(t.began) >= throttlePeriod {
		dropped = t.dropped
		t.began, t.passed, t.dropped = now, 0, 0
	}
	if t.passed == throttleLines {
		t.dropped++
		return false, 0
	}
	t.passed++
	return true, dropped
}

// Write makes a throttle the output of a log.Logger, which calls it once a line.
func (t *throttle) Write(p []byte) (int, error) {
	t.say(strings.TrimRight(string(p), "\n"))
	return len(p), nil
}
