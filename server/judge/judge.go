// Package judge turns records, pods and nodes into one immutable Snapshot of facts
// that all readers share, so that the check, the metrics and the list of agents can
// never disagree, and a reader finds everything there already.
//
// A Snapshot is made when a report or the list of pods changed, and twice a
// second otherwise, because states change with time alone. It is never made more
// often than pays: the more a Snapshot costs, the longer the next one waits, up to
// half a second, so that an answered report is in the verdict within a second.
package judge

import (
	"context"
	"sync/atomic"
	"time"

	"github.com/netchecker/netchecker/server/findings"
	"github.com/netchecker/netchecker/server/fleet"
)

// Store is what the judge reads of the store. Its view may change between two
// calls.
type Store interface {
	Get(fleet.Key) *fleet.Record
	// EachUnlisted calls f with every record under an unlisted key.
	EachUnlisted(f func(*fleet.Record))
	// Freshness says how current the view is.
	Freshness() fleet.Freshness
	// Changed is closed when the view or its freshness changes after this call.
	Changed() <-chan struct{}
	// Trouble says in a few words why the view is not current, or "".
	Trouble() string
}

// Pods is what the judge reads of the list of pods.
type Pods interface {
	// List is nil where it was never read.
	List() *fleet.List
	// AsOf is when the list was last known to be current; zero: never.
	AsOf() time.Time
	// Changed is closed when the list changes after this call.
	Changed() <-chan struct{}
	// Trouble says in a few words why the list is not current, or "".
	Trouble() string
}

// Paths is what the judge reads of what agents tell of the paths between them.
type Paths interface {
	// Meshes says whether any agent of a list, whose newest records these are, tells of
	// paths.
	Meshes(list *fleet.List, records []*fleet.Record) bool
}

// Findings is what the judge reads of what is found broken.
type Findings interface {
	// Lasting are those that last, the most severe first.
	Lasting() []findings.Finding
	State() findings.State
}

// Config is what a Judge needs.
type Config struct {
	Store Store
	Pods  Pods
	// Paths and Findings are both nil where nobody looks for faults.
	Paths    Paths
	Findings Findings
	// FindingsFail says that critical findings fail the connectivity check.
	FindingsFail bool
	// BlindAfter is how old the store's view may be before nothing can be known.
	BlindAfter time.Duration
	// Grace is how long an agent may take to report for the first time.
	Grace time.Duration
	Now   func() time.Time
}

// Judge makes Snapshots. Its methods may be called by many goroutines.
type Judge struct {
	cfg  Config
	last atomic.Pointer[Snapshot]
	memo memory // only the goroutine that builds Snapshots uses it
}

// New returns a Judge whose Snapshot says that nothing is known yet.
func New(cfg Config) *Judge {
	j := &Judge{cfg: cfg}
	j.last.Store(j.build())
	return j
}

// Pace of the Snapshots.
const (
	shortest = 100 * time.Millisecond
	longest  = 500 * time.Millisecond
	// share is how many times its own cost a Snapshot lasts at the least.
	share = 20
)

// Run makes Snapshots until ctx ends. beat is called at each turn.
func (j *Judge) Run(ctx context.Context, beat func()) {
	for {
		// Taken before, so that no change falls between the look and the wait.
		store, pods := j.cfg.Store.Changed(), j.cfg.Pods.Changed()
		s := j.build()
		j.last.Store(s)
		beat()
		if !pause(ctx, min(max(shortest, share*s.Cost), longest), store, pods) {
			return
		}
	}
}

// pause waits for least, and then for a change, no longer than longest in all.
func pause(ctx context.Context, least time.Duration, store, pods <-chan struct{}) bool {
	first, last := time.NewTimer(least), time.NewTimer(longest)
	defer first.Stop()
	defer last.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-first.C:
	}
	select {
	case <-ctx.Done():
		return false
	case <-last.C:
	case <-store:
	case <-pods:
	}
	return true
}

// Snapshot returns the newest Snapshot; never nil. One that is older than it may
// be, because the loop stands still, says of itself that nothing can be known.
func (j *Judge) Snapshot() *Snapshot {
	s := j.last.Load()
	if age := j.cfg.Now().Sub(s.At); age > j.cfg.BlindAfter+longest {
		return s.blind(age)
	}
	return s
}
