package store

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"sync"
	"time"

	"github.com/golang/glog"
	"go.etcd.io/etcd/api/v3/mvccpb"
	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	clientv3 "go.etcd.io/etcd/client/v3"
	"google.golang.org/grpc/metadata"

	"github.com/netchecker/netchecker/pkg/wait"
)

// follower reads the tree into the Keepers of all kinds, and keeps them by a watch.
// It is the only one who writes them.
type follower struct {
	client *clientv3.Client
	etcd   etcd
	tree   tree
	kinds  []*Kind
	// changed is told of each change of a view.
	changed *wait.Broadcast
	now     func() time.Time

	// Of the goroutine of run:

	// loadedAt is the revision that all kinds were read at. Changes up to it are told
	// to Resumers only.
	loadedAt int64
	// lost says that etcd has another history than the one that was read, so that
	// the revisions known mean nothing.
	lost bool
	// watches is how many were begun.
	watches int

	mu sync.Mutex
	// loaded says that all kinds were read. The rest means nothing before.
	loaded  bool
	cluster uint64
	// progress: all that happened up to this revision was told.
	progress int64
	// events is the part of progress that events vouch for; a mere notification
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
		client: s.client, etcd: s.etcd, tree: s.tree, kinds: s.kinds, changed: &s.changed, now: s.cfg.Now,
		moved: make(chan struct{}),
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
		wait.For(ctx, longPause)
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
			wait.For(ctx, shortPause)
		}
	}
	return ctx.Err()
}

// compactedError says that the revisions before this one are gone.
type compactedError struct{ revision int64 }

func (e *compactedError) Error() string {
	return fmt.Sprintf("etcd dropped its revisions before %d", e.revision)
}

// skip goes on behind revisions that are gone. That is harmless where only Resumers
// needed them: the kinds were loaded at a later one.
func (f *follower) skip(compacted int64) error {
	next := min(compacted, f.loadedAt+1)
	if next < compacted || next <= f.at()+1 {
		glog.Warningf("The watch of etcd fell behind its compaction at revision %d; all is read anew.", compacted)
		return errReload
	}
	glog.Warningf("Reports between the revisions %d and %d were compacted away before they could be counted.", f.at(), next)
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
		f.tell(event)
	}
	f.move(response.Events[len(response.Events)-1].Kv.ModRevision, true)
	f.changed.Send()
}

// tell passes an event on to the kind that it is of, if there is one.
func (f *follower) tell(event *clientv3.Event) {
	k, key := f.kindOf(event.Kv.Key)
	if k == nil {
		return
	}
	if _, resumes := k.Keeper.(Resumer); !resumes && event.Kv.ModRevision <= f.loadedAt {
		return
	}
	e := Entry{Key: key, Revision: event.Kv.ModRevision, Created: event.Kv.CreateRevision}
	if event.Type == clientv3.EventTypePut {
		e.Value = valueOf(event.Kv)
	}
	k.Keeper.Apply(e)
}

// kindOf is the kind whose prefix key begins with, and what follows that.
func (f *follower) kindOf(key []byte) (*Kind, string) {
	for _, k := range f.kinds {
		if len(key) > len(k.prefix) && string(key[:len(k.prefix)]) == k.prefix {
			return k, string(key[len(k.prefix):])
		}
	}
	return nil, ""
}

// valueOf is never nil, which would stand for a deletion.
func valueOf(kv *mvccpb.KeyValue) []byte {
	if kv.Value == nil {
		return []byte{}
	}
	return kv.Value
}
