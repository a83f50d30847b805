package mesh

import (
	"time"

	"github.com/netchecker/netchecker/pkg/report"
)

const (
	// dialEvery is how often a new TCP connection is made, and dialAgain after how long
	// once one was not well, until deadDials in a row were not.
	dialEvery, dialAgain = 5 * time.Second, time.Second
	deadDials            = 3
)

// dialOutcome is what a new TCP connection came to.
type dialOutcome int

const (
	dialWell dialOutcome = iota
	dialRefused
	dialLost
	dialMute
)

// dials says when to make a new TCP connection to a peer, and counts what came of it. It
// is pure.
type dials struct {
	due    time.Duration
	dialed uint64
	by     [dialMute + 1]uint64
	run    uint64
	sum    uint64 // in microseconds
}

// done notes what a connection that is over now came to, and how long it took. Suspect
// ones that were not well count for nothing.
//
//	outcome                              the next one
//	well                                 after 5 s
//	not well, the first or second        after 1 s
//	not well, the third in a row on      after 5 s: it is dead
//	not well, but suspect                after 1 s
func (d *dials) done(o dialOutcome, took, now time.Duration, suspect bool) {
	d.due = now + dialAgain
	if o != dialWell && suspect {
		return
	}
	d.dialed++
	d.by[o]++
	d.run++
	if o == dialWell {
		d.run = 0
		d.sum += uint64(took.Microseconds())
	}
	if o == dialWell || d.run >= deadDials {
		d.due = now + dialEvery
	}
}

// columns sets the columns of s that are about TCP connections.
func (d *dials) columns(s *report.Session) {
	s.Dialed, s.DialRefused, s.DialLost, s.DialMute = d.dialed, d.by[dialRefused], d.by[dialLost], d.by[dialMute]
	s.DialRun, s.Dials = d.run, d.sum
}
