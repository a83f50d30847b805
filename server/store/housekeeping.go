package store

import (
	"context"
	"errors"
	"fmt"
)

// Passing says of an error of Put that it may pass, so that the record should be
// sent again.
func Passing(err error) bool {
	return errors.Is(err, ErrUnavailable) || errors.Is(err, ErrNoSpace) || errors.Is(err, ErrBusy)
}

// Await waits until the views have everything up to revision.
func (s *Store) Await(ctx context.Context, revision int64) error {
	return s.follower.reach(ctx, revision)
}

// Compactor drops old revisions. One of several servers should do it.
type Compactor struct {
	store *Store
	// before is the progress at the last turn.
	before int64
}

// NewCompactor returns one whose first turn drops nothing that the views have not
// passed yet.
func (s *Store) NewCompactor() *Compactor { return &Compactor{store: s, before: s.follower.at()} }

// Turn drops the revisions that the views were past one turn ago, so that followers
// which are a little behind need not read everything anew, and none that a Kind needs.
func (c *Compactor) Turn(ctx context.Context) error {
	upTo := c.before
	c.before = c.store.follower.at()
	if needed := c.store.needed(); needed > 0 {
		upTo = min(upTo, needed)
	}
	if upTo <= 0 {
		return nil
	}
	if err := c.store.etcd.compact(ctx, upTo, false); err != nil {
		return fmt.Errorf("compacting etcd at revision %d: %w", upTo, explain(err))
	}
	return nil
}

// needed is the revision after which the slowest of the readers needs all changes; 0
// where none does.
func (s *Store) needed() int64 {
	var lowest int64
	for _, k := range s.kinds {
		if k.Needs == nil {
			continue
		}
		if n := k.Needs(); n > 0 && (lowest == 0 || n < lowest) {
			lowest = n
		}
	}
	return lowest
}
