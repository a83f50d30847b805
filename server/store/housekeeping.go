package store

import (
	"context"
	"errors"
	"time"

	"github.com/golang/glog"
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

// KeepCompact drops old revisions until ctx ends, every so often: those that the
// view was past one turn ago, so that followers which are a little behind need not
// read everything anew, and none after the one that needed returns, where that is
// not 0. One of several servers should do it.
func (s *Store) KeepCompact(ctx context.Context, every time.Duration, needed func() int64) {
	ticker := time.NewTicker(every)
	defer ticker.Stop()
	before := s.Revision()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
		upTo := before
		before = s.Revision()
		if n := needed(); n > 0 {
			upTo = min(upTo, n)
		}
		if upTo <= 0 {
			continue
		}
		within, cancel := context.WithTimeout(ctx, every)
		if err := s.Compact(within, upTo); err != nil && ctx.Err() == nil {
			glog.Warningf("Old revisions stay: %v", err)
		}
		cancel()
	}
}
