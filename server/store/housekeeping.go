package store

import (
	"context"
	"errors"
)

// Passing says of an error of Put that it may pass, so that the report should be
// sent again.
func Passing(err error) bool {
	return errors.Is(err, ErrUnavailable) || errors.Is(err, ErrNoSpace) || errors.Is(err, ErrBusy)
}

// Await waits until the view and the counters have everything up to revision.
func (s *Store) Await(ctx context.Context, revision int64) error {
	return s.follower.reach(ctx, revision)
}

// Compactor drops old revisions. One of several servers should do it.
type Compactor struct {
	store  *Store
	needed func() int64
	// before is the progress at the last turn.
	before int64
}

// NewCompactor returns one whose first turn drops nothing that the view has not
// passed yet, and none of whose turns what comes after the revision that needed
// returns, where that is not 0.
func (s *Store) NewCompactor(needed func() int64) *Compactor {
	return &Compactor{store: s, needed: needed, before: s.Revision()}
}

// Turn drops the revisions that the view was past one turn ago, so that followers
// which are a little behind need not read everything anew.
func (c *Compactor) Turn(ctx context.Context) error {
	upTo := c.before
	c.before = c.store.Revision()
	if n := c.needed(); n > 0 {
		upTo = min(upTo, n)
	}
	if upTo <= 0 {
		return nil
	}
	return c.store.Compact(ctx, upTo)
}
