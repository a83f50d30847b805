package store_test

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/netchecker/netchecker/pkg/wait"
	"github.com/netchecker/netchecker/test/etcdtest"
)

func TestOldRevisionsAreDroppedButThoseThatAreNeeded(t *testing.T) {
	etcd := etcdtest.Start(t)
	s := openOn(t, etcd)
	client := etcd.Client(t)
	first := put(t, s, pod(1), 1)
	kept := put(t, s, pod(1), 2)
	put(t, s, pod(1), 3)

	var needed atomic.Int64
	needed.Store(kept)
	ctx, cancel := context.WithCancel(t.Context())
	var loop sync.WaitGroup
	compactor := s.NewCompactor(needed.Load)
	loop.Go(func() {
		for wait.For(ctx, 50*time.Millisecond) {
			if err := compactor.Turn(ctx); err != nil && ctx.Err() == nil {
				t.Error(err)
			}
		}
	})
	defer loop.Wait()
	defer cancel()

	gone := func(revision int64) bool {
		_, err := client.Get(ctx, "netchecker/agents/default/pod-1", clientv3.WithRev(revision))
		return errors.Is(err, rpctypes.ErrCompacted)
	}
	eventually(t, "the first revision is gone", func() bool { put(t, s, pod(2), 1); return gone(first) })
	for range 5 {
		put(t, s, pod(2), 1)
		time.Sleep(50 * time.Millisecond)
	}
	if gone(kept) {
		t.Error("a revision that the counters need is gone")
	}
	needed.Store(0)
	eventually(t, "the next one is gone when nobody needs it", func() bool { put(t, s, pod(2), 1); return gone(kept) })
	if got := read(t, client, "netchecker/agents/default/pod-1"); got != string(value(pod(1), 3)) {
		t.Errorf("what is left is %s", got)
	}
}
