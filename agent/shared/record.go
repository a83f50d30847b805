package shared

import (
	"time"

	"github.com/netchecker/netchecker/pkg/report"
)

const (
	// again is after how long is asked once more what was not well, until deadRun in a
	// row were not.
	again   = time.Second
	deadRun = 3
)

// fate is what a question came to.
type fate int

const (
	well fate = iota
	lost
	refused
	wrong
)

// Outcome is that, and why it was not well.
type Outcome struct {
	fate    fate
	message string
}

// record is what came of one question so far. It is pure.
type record struct {
	row report.Shared
	due time.Duration
}

// done notes an outcome that is known now.
//
//	outcome                              counts                 the next one
//	well                                 asked, its time        as usual
//	not well, the first or second        asked, why             after 1 s
//	not well, the third in a row on      asked, why: it is dead as usual
//	not well, while the agent starved    asked, suspect         after 1 s
func (r *record) done(o Outcome, took, every, now time.Duration, suspect bool) {
	r.row.Asked++
	if o.fate != well && suspect {
		r.row.Suspect++
		r.due = now + again
		return
	}
	switch o.fate {
	case well:
		r.row.RoundTrips += uint64(took.Microseconds())
	case lost:
		r.row.Lost++
	case refused:
		r.row.Refused++
	case wrong:
		r.row.Wrong++
	}
	r.row.Run++
	r.row.Message = o.message
	if o.fate == well {
		r.row.Run, r.row.Message = 0, ""
	}
	r.due = now + every
	if r.row.Run > 0 && r.row.Run < deadRun {
		r.due = now + again
	}
}
