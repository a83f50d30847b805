package store

import (
	"github.com/netchecker/netchecker/pkg/report"
	"github.com/netchecker/netchecker/server/fleet"
)

// lives is the Keeper of what reports say of their agents' lives, which the reports' own
// keys do not have: servers of earlier releases show those as they are. Each is written in
// one transaction with its report, before it, and is held here only until that report comes
// and is joined with it. So no reader ever sees a report without its life, nor with
// another's: one that was stored without is newer than the life that is there.
type lives struct {
	// Of the goroutine that calls Load and Apply:

	// held are those whose reports have not come yet: of the revision that the watch is
	// telling, or of all keys while they are read.
	held map[fleet.Key]life
	// telling is that revision.
	telling    int64
	complaints complaints
}

type life struct {
	report.Record
	revision int64
}

func newLives() *lives {
	return &lives{held: make(map[fleet.Key]life), complaints: make(complaints)}
}

// Load implements Keeper.
func (l *lives) Load(bool) (put func(Entry), done func(at int64)) {
	l.held = make(map[fleet.Key]life)
	return l.hold, func(int64) { l.held = make(map[fleet.Key]life) }
}

// Apply implements Keeper.
func (l *lives) Apply(e Entry) {
	if e.Revision != l.telling {
		clear(l.held)
		l.telling = e.Revision
	}
	l.hold(e)
}

// hold holds what can be read.
func (l *lives) hold(e Entry) {
	key, ok := reportOf(e.Key)
	if !ok || e.Value == nil {
		return
	}
	decoded, err := report.DecodeLife(e.Value)
	if err != nil {
		l.complaints.about("lives/"+e.Key, err)
		return
	}
	l.held[key] = life{decoded, e.Revision}
}

// join adds to the report that was written under key at that revision what was written
// of its life with it, if anything was.
func (l *lives) join(to *report.Record, key fleet.Key, revision int64) {
	if held, ok := l.held[key]; ok && held.revision == revision {
		to.Join(&held.Record)
		delete(l.held, key)
	}
}
