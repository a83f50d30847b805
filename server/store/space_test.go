package store_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/netchecker/netchecker/server/store"
	"github.com/netchecker/netchecker/test/etcdtest"
	"github.com/netchecker/netchecker/test/eventually"
)

const quota = 16 << 20

// fill writes one key until etcd takes no more.
func fill(t *testing.T, etcd *etcdtest.Etcd) {
	t.Helper()
	client := etcd.Client(t)
	for i := 0; ; i++ {
		_, err := client.Put(t.Context(), "filler", fmt.Sprint(i)+strings.Repeat("x", 1<<20))
		if err != nil && strings.Contains(err.Error(), "database space exceeded") {
			return
		}
		if err != nil {
			t.Fatal(err)
		}
	}
}

func TestOutOfSpaceIsToldWhereEtcdIsNotOurs(t *testing.T) {
	t.Parallel()
	etcd := etcdtest.Start(t, etcdtest.Quota(quota), etcdtest.UnsafeNoFsync())
	s := openOn(t, etcd)
	put(t, s, pod(0), 1)
	fill(t, etcd)
	if _, err := s.Put(t.Context(), pod(0), value(pod(0), 2), nil, time.Minute); !errors.Is(err, store.ErrNoSpace) {
		t.Errorf("put: %v", err)
	}
	const want = "etcd is out of space: it takes no writes until it is compacted and defragmented, and its NOSPACE alarm disarmed"
	if err := s.Check(t.Context()); err == nil || err.Error() != want {
		t.Errorf("check: %v, want %s", err, want)
	}
	if !s.OutOfSpace() || s.Trouble() != "" {
		t.Errorf("out of space: %v, want true; trouble: %q, want none", s.OutOfSpace(), s.Trouble())
	}

	heal(t, etcd)
	put(t, s, pod(0), 3)
	if err := s.Check(t.Context()); err != nil {
		t.Errorf("check: %v", err)
	}
	if s.OutOfSpace() {
		t.Error("it is still told to be out of space")
	}
}

// heal does what an operator would.
func heal(t *testing.T, etcd *etcdtest.Etcd) {
	t.Helper()
	client := etcd.Client(t)
	answer, err := client.Get(t.Context(), "filler")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := client.Compact(t.Context(), answer.Header.Revision, clientv3.WithCompactPhysical()); err != nil {
		t.Fatal(err)
	}
	if _, err := client.Defragment(t.Context(), etcd.Endpoint); err != nil {
		t.Fatal(err)
	}
	if _, err := client.AlarmDisarm(t.Context(), &clientv3.AlarmMember{}); err != nil {
		t.Fatal(err)
	}
}

func TestOutOfSpaceIsHealedWhereEtcdIsOurs(t *testing.T) {
	t.Parallel()
	etcd := etcdtest.Start(t, etcdtest.Quota(quota), etcdtest.UnsafeNoFsync())
	s := openOn(t, etcd, func(c *setting) { c.Own = true })
	put(t, s, pod(0), 1)
	fill(t, etcd)
	eventually.True(t, "puts work again", func() bool {
		_, err := s.Put(t.Context(), pod(0), value(pod(0), 2), nil, time.Minute)
		return err == nil
	})
	eventually.True(t, "etcd is well", func() bool { return s.Check(t.Context()) == nil })
	eventually.True(t, "the view has it", func() bool { return uptime(s, pod(0)) == 2 })
	status, err := etcd.Client(t).Status(t.Context(), etcd.Endpoint)
	if err != nil || status.DbSize > quota/2 {
		t.Errorf("the database still has %d bytes, %v", status.DbSize, err)
	}
}
