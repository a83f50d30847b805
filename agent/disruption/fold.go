package disruption

import (
	"time"

	"github.com/netchecker/netchecker/pkg/report"
)

const (
	// A backend whose outcome changed more than mostChanges times within quiet is
	// flapping, until it has not changed for as long.
	mostChanges = 10
	quiet       = time.Minute
	// flapping is the message of an interval of such a backend.
	flapping = "flapping"
)

// Sample is what asking a backend once led to.
type Sample struct {
	// Start is when it began, taken before anything was sent, and End when its outcome
	// was known, on the agent's clock.
	Start, End time.Duration
	// Level is report.Info where the answer was the right one.
	Level report.Level
	// Message says what was wrong, in the same words as long as it is the same; empty
	// where all was well.
	Message string
	// Connected says that a connection was made for it, rather than one used that was
	// kept.
	Connected bool
}

// fold is what the samples of one backend over one kind of connection come to, in the
// order of their start: intervals that are over, and one that is open. It is pure.
//
//	sample            before it         what becomes of the intervals
//	ok                none              Info opens at its start
//	fails             none              Error opens at its start
//	fails             Info              Info ends, Error opens, both at its start
//	fails likewise    Error             goes on
//	fails otherwise   Error             ends, another opens, both at its start
//	ok                Error             ends, Info opens, both at its start
//	not asked         any other         ends, Warning opens, both at its start
//	the 11th change within 60 s         ends, Error "flapping" opens, both at its start
//	any               flapping          goes on, and counts its changes and the time failed
//	none changed for 60 s, flapping     ends at the last change, from where what it changed to goes on
//	after a gap       any               ends at the end of the sample before the gap, another opens at its start
//
// Intervals are half-open, [From, To). They have no identity here: the ledger gives it.
// A backend that flaps between answers and lookups that nobody answers did not fail, and
// its flapping is a Warning until it does.
type fold struct {
	// gap is the longest time between two samples' starts in which nothing is missing.
	gap time.Duration

	// open is nil before the first sample, and after close.
	open *report.Interval
	last Sample
	// changes are the times of the changes within quiet, while it does not flap.
	changes []time.Duration
	// changed is when a flapping backend changed last, and failed its Failed then.
	changed, failed time.Duration
	// disrupted is how long it failed altogether.
	disrupted time.Duration
}

// add takes the next sample and returns the intervals that are over by it.
func (f *fold) add(s Sample) (over []report.Interval) {
	if f.open != nil && s.Start-f.last.Start > f.gap {
		over = f.close()
	}
	if f.open == nil {
		f.begin(s, s.Start)
		return over
	}
	f.elapse(s.Start)
	if f.flaps() && s.Start-f.changed >= quiet {
		over = f.calm()
	}
	if s.Level != f.last.Level || s.Message != f.last.Message {
		over = append(over, f.change(s)...)
	}
	f.last = s
	return over
}

// close ends what is open with the last sample, and returns it.
func (f *fold) close() []report.Interval {
	if f.open == nil {
		return nil
	}
	f.elapse(f.last.End)
	over := f.end(f.last.End)
	f.open, f.changes = nil, nil
	return []report.Interval{over}
}

func (f *fold) flaps() bool { return f.open.Changes > 0 }

// begin opens an interval of what s led to.
func (f *fold) begin(s Sample, at time.Duration) {
	f.open, f.last = &report.Interval{Level: s.Level, Message: s.Message, From: at}, s
}

// end is the open interval, ended.
func (f *fold) end(at time.Duration) report.Interval {
	over := *f.open
	over.To = at
	return over
}

// elapse counts the time from the last sample to now.
func (f *fold) elapse(now time.Duration) {
	if f.last.Level != report.Error {
		return
	}
	f.disrupted += now - f.last.Start
	if f.flaps() {
		f.open.Failed += now - f.last.Start
	}
}

// change takes a sample that differs from the last one.
func (f *fold) change(s Sample) []report.Interval {
	if f.flaps() {
		f.open.Changes++
		f.changed, f.failed = s.Start, f.open.Failed
		if s.Level == report.Error {
			f.open.Level = report.Error
		}
		return nil
	}
	over := f.end(s.Start)
	f.open = &report.Interval{Level: s.Level, Message: s.Message, From: s.Start}
	if f.count(s.Start) > mostChanges {
		f.open.Message, f.open.Changes = flapping, 1
		f.changes, f.changed, f.failed = nil, s.Start, 0
		if f.open.Level = report.Warning; s.Level == report.Error || f.last.Level == report.Error {
			f.open.Level = report.Error
		}
	}
	return []report.Interval{over}
}

// count returns how many changes there were within quiet, with one at now.
func (f *fold) count(now time.Duration) int {
	for len(f.changes) > 0 && now-f.changes[0] >= quiet {
		f.changes = f.changes[1:]
	}
	f.changes = append(f.changes, now)
	return len(f.changes)
}

// calm ends the flapping with its last change. Where that was the one it began with,
// it was none.
func (f *fold) calm() (over []report.Interval) {
	if f.changed > f.open.From {
		f.open.Failed = f.failed
		over = []report.Interval{f.end(f.changed)}
	}
	f.begin(f.last, f.changed)
	return over
}
