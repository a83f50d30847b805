package store

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"sync"
	"time"

	"github.com/golang/glog"
	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	clientv3 "go.etcd.io/etcd/client/v3"
	"google.golang.org/grpc/metadata"

	"github.com/netchecker/netchecker/server/fleet"
)

// follower reads the tree into the view and the counters, and keeps both by a
// watch. It is the only one who writes them.
type follower struct {
	client   *clientv3.Client
	etcd     etcd
	tree     tree
	view     *view
	counters Counters
	now      func() time.Time

	// Of the goroutine of run:

	// loadedAt is the revision that the view was read at. Events up to it are told
	// to the counters only.
	loadedAt int64
	// reported is the revision up to which the counters know all reports.
	reported   int64
	shards     map[string]bool
	complaints map[string]bool
	// lost says that etcd has another history than the one that was read, so that
	// the revisions known mean nothing.
	lost bool
	// watches is how many were begun.
	watches int

	mu sync.Mutex
	// loaded says that the view was read. The rest means nothing before.
	loaded  bool
	cluster uint64
	// position: all that happened up to this revision was told.
	position int64
	// events is the part of position that events vouch for; a mere confirmation
	// of progress does not count before they have reached floor.
	events, floor int64
	// moved is closed, and made anew, when any of these changed.
	moved chan struct{}
	// watch is the context of the watch that runs, nil where none does, and stop
	// ends it, or the attempt to begin it.
	watch context.Context
	stop  context.CancelFunc
	// heard is when the watch was begun, or last told anything.
	heard time.Time
	// reload says that etcd was found to have another history.
	reload bool
	// err is why the last attempt to load or to watch failed; nil once one works.
	err error
}

func newFollower(s *Store) *follower {
	return &follower{
		client: s.client, etcd: s.etcd, tree: s.tree, view: s.view, counters: s.cfg.Counters, now: s.cfg.Now,
		complaints: make(map[string]bool), moved: make(chan struct{}),
	}
}

// Pauses between attempts.
const (
	shortPause = 100 * time.Millisecond
	longPause  = time.Second
)

// errReload says that the watch can't go on where it was.
var errReload = errors.New("the tree has to be read anew")

// run loads and watches until ctx ends.
func (f *follower) run(ctx context.Context) {
	for ctx.Err() == nil {
		err := f.load(ctx)
		if err == nil {
			err = f.follow(ctx)
		}
		if ctx.Err() != nil {
			return
		}
		f.fail(err)
		if !errors.Is(err, errReload) {
			glog.V(1).Infof("Reading the reports from etcd failed and is tried again: %v", err)
		}
		pause(ctx, longPause)
	}
}

// follow watches, again and again, as long as nothing was missed in between.
func (f *follower) follow(ctx context.Context) error {
	for ctx.Err() == nil {
		if f.mustReload() {
			return errReload
		}
		err := f.watchFrom(ctx, f.at()+1)
		var compacted *compactedError
		switch {
		case errors.As(err, &compacted):
			if err := f.skip(compacted.revision); err != nil {
				return err
			}
		case ctx.Err() == nil:
			f.fail(err)
			glog.V(1).Infof("The watch of etcd ended and is begun again: %v", err)
			pause(ctx, shortPause)
		}
	}
	return ctx.Err()
}

// compactedError says that the revisions before this one are gone.
type compactedError struct{ revision int64 }

func (e *compactedError) Error() string {
	return fmt.Sprintf("etcd dropped its revisions before %d", e.revision)
}

// skip goes on behind revisions that are gone. That is harmless where only the
// counters needed them: the view was loaded at a later one.
func (f *follower) skip(compacted int64) error {
	next := min(compacted, f.loadedAt+1)
	if next < compacted || next <= f.at()+1 {
		glog.Warningf("The watch of etcd fell behind its compaction at revision %d; all is read anew.", compacted)
		return errReload
	}
	glog.Warningf("Reports between the revisions %d and %d were compacted away before they could be counted.", f.at(), next)
	f.reported = max(f.reported, next-1)
	f.move(next-1, true)
	return nil
}

// watchFrom watches from that revision until the watch ends, and returns why.
func (f *follower) watchFrom(ctx context.Context, revision int64) error {
	// The metadata gives each watch a stream of its own, so that what got stuck
	// is left behind.
	f.watches++
	ctx = metadata.AppendToOutgoingContext(clientv3.WithRequireLeader(ctx), "netchecker-watch", strconv.Itoa(f.watches))
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	f.attempting(cancel)
	defer f.attempting(nil)
	// This waits until etcd has agreed, or ctx ends.
	responses := f.client.Watch(ctx, string(f.tree), clientv3.WithPrefix(), clientv3.WithRev(revision))
	f.watching(ctx, cancel)
	for response := range responses {
		if response.CompactRevision > 0 {
			return &compactedError{response.CompactRevision}
		}
		if err := response.Err(); err != nil {
			if is(err, rpctypes.ErrCompacted) {
				return errReload
			}
			return explain(err)
		}
		f.apply(&response)
	}
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("watching etcd: %w", err)
	}
	return errors.New("etcd closed the watch")
}

// apply takes one answer of the watch over: whole revisions, in their order.
func (f *follower) apply(response *clientv3.WatchResponse) {
	if response.IsProgressNotify() {
		f.move(response.Header.GetRevision(), false)
		return
	}
	if len(response.Events) == 0 {
		return
	}
	for _, event := range response.Events {
		if key, ok := f.tree.agent(event.Kv.Key); ok {
			f.applyReport(key, event)
		} else if shard, ok := f.tree.shard(event.Kv.Key); ok {
			f.applyCheckpoint(shard, event)
		}
	}
	last := response.Events[len(response.Events)-1].Kv.ModRevision
	f.reported = max(f.reported, last)
	f.move(last, true)
	f.view.changed.Send()
}

func (f *follower) applyReport(key fleet.Key, event *clientv3.Event) {
	revision := event.Kv.ModRevision
	put := event.Type == clientv3.EventTypePut
	if revision > f.loadedAt {
		if r := f.decoded(event, put); r != nil {
			f.view.set(r)
		} else {
			f.view.remove(key)
		}
	}
	if put && revision > f.reported {
		f.counters.Reported(key, revision)
	}
}

func (f *follower) decoded(event *clientv3.Event, put bool) *fleet.Record {
	if !put {
		return nil
	}
	return f.record(event.Kv, false)
}

func (f *follower) applyCheckpoint(shard string, event *clientv3.Event) {
	if event.Kv.ModRevision <= f.loadedAt {
		return
	}
	if event.Type != clientv3.EventTypePut {
		delete(f.shards, shard)
		f.counters.Restore(shard, nil)
		return
	}
	f.shards[shard] = true
	f.counters.Restore(shard, event.Kv.Value)
}

// pause waits for d, or until ctx ends.
func pause(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}
