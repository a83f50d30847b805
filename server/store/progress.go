package store

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// This file has what others ask of the follower while it runs.

// at is the revision up to which all was told.
func (f *follower) at() int64 {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.progress
}

// move notes that all was told up to revision, by events or by a confirmation of
// progress alone.
func (f *follower) move(revision int64, events bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if events {
		f.events = max(f.events, revision)
	}
	if f.events >= f.floor || revision <= f.events {
		f.progress = max(f.progress, revision)
	}
	f.err, f.heard = nil, f.now()
	f.wake()
}

// expect notes that an event of this revision is on its way.
func (f *follower) expect(revision int64) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.floor = max(f.floor, revision)
}

// wake is called with f.mu held.
func (f *follower) wake() {
	close(f.moved)
	f.moved = make(chan struct{})
}

func (f *follower) fail(err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.err = err
}

// attempting notes that there is no watch, and what ends the attempt to begin one;
// nil where there is none.
func (f *follower) attempting(stop context.CancelFunc) {
	var none context.Context
	f.watching(none, stop)
}

// watching notes the watch that has begun, and what ends it.
func (f *follower) watching(watch context.Context, stop context.CancelFunc) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.watch, f.stop, f.heard = watch, stop, f.now()
	f.wake()
}

// stuckFor is how long the watch has told nothing, or has been waited for.
func (f *follower) stuckFor(now time.Time) time.Duration {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.stop == nil {
		return 0
	}
	return now.Sub(f.heard)
}

// renew ends the watch that runs, for another to begin.
func (f *follower) renew() {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.stop != nil {
		f.stop()
	}
}

// wentBack is told that etcd has another history than the one that was read, and
// has all read anew.
func (f *follower) wentBack() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.reload, f.loaded = true, false
	if f.stop != nil {
		f.stop()
	}
}

// mustReload says whether wentBack was called since load began.
func (f *follower) mustReload() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.reload
}

func (f *follower) takeReload() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	reload := f.reload
	f.reload = false
	return reload
}

// known is the cluster that was read and the progress in its history; ok is
// false where nothing was read yet.
func (f *follower) known() (cluster uint64, progress int64, ok bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.cluster, f.progress, f.loaded
}

// progressEvery is how often the watch is asked where it is. Etcd leaves a
// question unanswered while the watch is behind.
const progressEvery = 200 * time.Millisecond

var errNotRead = errors.New("the reports have not been read from etcd yet")

// reach waits until all was told up to revision. The error says what is missing.
func (f *follower) reach(ctx context.Context, revision int64) error {
	ticker := time.NewTicker(progressEvery)
	defer ticker.Stop()
	asked := context.Context(nil)
	for {
		f.mu.Lock()
		done := f.loaded && f.progress >= revision
		moved, watch := f.moved, f.watch
		f.mu.Unlock()
		if done {
			return nil
		}
		if watch != nil && watch != asked {
			asked = watch
			f.ask(ctx, watch)
		}
		select {
		case <-moved:
		case <-ticker.C:
			asked = nil
		case <-ctx.Done():
			return f.missing(revision)
		}
	}
}

// ask requests a confirmation of progress. Where that fails, the watch is ending.
func (f *follower) ask(ctx, watch context.Context) {
	if watch.Err() != nil {
		return
	}
	watch, cancel := context.WithTimeout(watch, progressEvery)
	defer cancel()
	defer context.AfterFunc(ctx, cancel)()
	_ = f.client.RequestProgress(watch)
}

func (f *follower) missing(revision int64) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	switch {
	case f.err != nil:
		return f.err
	case !f.loaded:
		return errNotRead
	}
	return fmt.Errorf("%w: its watch is at revision %d and should be at %d", ErrUnavailable, f.progress, revision)
}
