// Package eventually waits, in tests, for what other goroutines and processes bring
// about. It asks often at first and, where that takes long, less often: a pause is a
// tenth of what was waited so far, from 2 to 200 ms.
package eventually

import (
	"errors"
	"time"
)

// Patience is how long what should be soon may take on a busy machine.
const Patience = 40 * time.Second

const least, most = 2 * time.Millisecond, 200 * time.Millisecond

// test is what this needs of a test.
type test interface {
	Helper()
	Fatalf(format string, args ...any)
}

// Nil returns once f returns nil. Where it does not within Patience, the test ends
// with the last error.
func Nil(t test, f func() error) {
	t.Helper()
	Within(t, Patience, f)
}

// True is Nil for what is true or false, and is described by what.
func True(t test, what string, is func() bool) {
	t.Helper()
	Nil(t, func() error {
		if !is() {
			return errors.New(what)
		}
		return nil
	})
}

// Within is Nil with a patience of its own.
func Within(t test, patience time.Duration, f func() error) {
	t.Helper()
	begun := time.Now()
	for {
		err := f()
		if err == nil {
			return
		}
		waited := time.Since(begun)
		if waited > patience {
			t.Fatalf("after %v not yet: %v", patience, err)
			return
		}
		time.Sleep(min(max(waited/10, least), most))
	}
}
