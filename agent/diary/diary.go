// Package diary decides what is worth a line in the log: that something begins to
// fail, that it fails for another reason, and that it is over; not each time of
// it. The words are the caller's.
package diary

import "time"

// Change is what is new with a thing.
type Change int

const (
	// Same is nothing new.
	Same Change = iota
	// Well is the first word of a thing, and a good one.
	Well
	// Fails is a failure that begins, or goes on for another reason.
	Fails
	// Again is the end of a failure.
	Again
)

// Diary knows of each thing, by its name, how it was the last time. Make it with
// make; it is for one goroutine.
type Diary map[string]state

type state struct {
	reason string
	since  time.Time // of the failure; zero where all is well
}

// Note notes how the thing of that name is: reason is empty where it is well, and
// the same text for as long as it fails for the same reason. With Again comes how
// long it failed.
func (d Diary) Note(name, reason string, now time.Time) (Change, time.Duration) {
	last, known := d[name]
	if known && reason == last.reason {
		return Same, 0
	}
	since := last.since
	if since.IsZero() {
		since = now
	}
	if reason == "" {
		since = time.Time{}
	}
	d[name] = state{reason, since}
	switch {
	case reason != "":
		return Fails, 0
	case known:
		return Again, now.Sub(last.since)
	}
	return Well, 0
}
