package store_test

import (
	"errors"
	"testing"

	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/netchecker/netchecker/test/etcdtest"
)

func TestOldRevisionsAreDroppedButThoseThatAreNeeded(t *testing.T) {
	etcd := etcdtest.Start(t)
	told := &counters{}
	s := openOn(t, etcd, func(c *setting) { c.counters = told })
	client := etcd.Client(t)
	first := put(t, s, pod(1), 1)
	kept := put(t, s, pod(1), 2)
	put(t, s, pod(1), 3)

	gone := func(revision int64) bool {
		_, err := client.Get(t.Context(), "netchecker/agents/default/pod-1", clientv3.WithRev(revision))
		return errors.Is(err, rpctypes.ErrCompacted)
	}
	compactor := s.NewCompactor()
	turn := func() {
		if err := compactor.Turn(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	// pass lets the view go on, in whose wake revisions are dropped a turn later.
	pass := func() (revision int64) {
		revision = put(t, s, pod(2), 1)
		if err := s.Await(t.Context(), revision); err != nil {
			t.Fatal(err)
		}
		turn()
		return revision
	}
	told.resume.Store(kept)
	pass()
	before := pass()
	if !gone(first) || gone(kept) {
		t.Errorf("gone is the first revision: %v, want true; and one that the counters need: %v, want false", gone(first), gone(kept))
	}
	told.resume.Store(0)
	pass()
	if !gone(kept) || gone(before) {
		t.Errorf("gone is the next one when nobody needs it: %v, want true; and the one of a turn ago: %v, want false", gone(kept), gone(before))
	}
	if got := read(t, client, "netchecker/agents/default/pod-1"); got != string(value(pod(1), 3)) {
		t.Errorf("what is left is %s", got)
	}
}
