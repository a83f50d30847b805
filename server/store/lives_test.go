package store_test

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"go.etcd.io/etcd/api/v3/mvccpb"
	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/netchecker/netchecker/pkg/report"
	"github.com/netchecker/netchecker/server/fleet"
	"github.com/netchecker/netchecker/server/store"
	"github.com/netchecker/netchecker/test/etcdtest"
	"github.com/netchecker/netchecker/test/eventually"
)

// lifeOf is what a report of that uptime says of its life, whose boot id is that number.
func lifeOf(uptime uint64) []byte {
	return report.AppendLife(nil, &report.Record{
		Report: report.Report{BootID: fmt.Sprintf("%016d", uptime), Mesh: &report.Mesh{AsOf: time.Second}},
		Booted: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC),
	})
}

// putAlive is put of a report with its life.
func putAlive(t testing.TB, s world, key fleet.Key, uptime uint64) (revision int64) {
	t.Helper()
	revision, err := s.Put(t.Context(), key, value(key, uptime), lifeOf(uptime), time.Minute)
	if err != nil {
		t.Fatalf("putting %v: %v", key, err)
	}
	return revision
}

// said is a record's uptime, and which boot id it is of.
func said(r *fleet.Record) string {
	switch {
	case r == nil:
		return "nothing"
	case r.BootID == "" && r.Mesh == nil && r.Booted.IsZero():
		return fmt.Sprintf("%d without a life", r.Uptime)
	case r.Mesh == nil || r.Booted.IsZero():
		return fmt.Sprintf("%d with half a life", r.Uptime)
	}
	return fmt.Sprintf("%d in the life %s", r.Uptime, strings.TrimLeft(r.BootID, "0"))
}

// is waits until a view says that of a pod.
func (w world) is(t *testing.T, key fleet.Key, want string) {
	t.Helper()
	eventually.Nil(t, func() error {
		if got := said(w.Get(key)); got != want {
			return fmt.Errorf("the view has of %v %s, want %s", key, got, want)
		}
		return nil
	})
}

// entry is what etcd has under a key, which has to be there.
func entry(t *testing.T, client *clientv3.Client, key string) *mvccpb.KeyValue {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), eventually.Patience)
	defer cancel()
	answer, err := client.Get(ctx, key)
	if err != nil || len(answer.Kvs) == 0 {
		t.Fatalf("reading %s: %v, %v", key, answer, err)
	}
	return answer.Kvs[0]
}

func TestAReportAndItsLifeAreWrittenTogetherAndExpireTogether(t *testing.T) {
	t.Parallel()
	etcd := etcdtest.Start(t)
	var mu sync.Mutex
	now, step := time.Now(), time.Duration(0)
	stepping := func(by time.Duration) { mu.Lock(); defer mu.Unlock(); step = by }
	s := openOn(t, etcd, func(c *setting) {
		c.LeaseBucket, c.PingTimeout = 2*time.Second, time.Hour
		c.Now = func() time.Time { mu.Lock(); defer mu.Unlock(); now = now.Add(step); return now }
	})
	client := etcd.Client(t)
	for name, key := range map[string]fleet.Key{"default/pod-1": pod(1), "_default/pod-1": fleet.UnlistedKey("default", "pod-1")} {
		stepping(2 * time.Second) // whoever asks twice for a lease gets another
		revision := putAlive(t, s, key, 7)
		stepping(0)
		its, life := entry(t, client, "netchecker/agents/"+name), entry(t, client, "netchecker/lives/"+name)
		if its.ModRevision != revision || life.ModRevision != revision || its.Lease == 0 || its.Lease != life.Lease {
			t.Errorf("the put was of revision %d, and etcd has\n%v\n%v", revision, its, life)
		}
		if string(its.Value) != string(value(key, 7)) || string(life.Value) != string(lifeOf(7)) {
			t.Errorf("etcd has %s and %s", its.Value, life.Value)
		}
		s.is(t, key, "7 in the life 7")
		if got := s.Get(key).Revision; got != revision {
			t.Errorf("the record is of revision %d, want %d", got, revision)
		}
		if _, err := client.Revoke(t.Context(), clientv3.LeaseID(its.Lease)); err != nil {
			t.Fatal(err)
		}
		s.is(t, key, "nothing")
		if got := read(t, client, "netchecker/lives/"+name); got != "" {
			t.Errorf("the life is still there: %s", got)
		}
	}
	// Of an agent that tells of none, one key is written, whatever is there.
	putAlive(t, s, pod(2), 1)
	if _, err := s.Put(t.Context(), pod(2), value(pod(2), 2), []byte{}, time.Minute); err != nil {
		t.Fatal(err)
	}
	if its, life := entry(t, client, "netchecker/agents/default/pod-2"), entry(t, client, "netchecker/lives/default/pod-2"); its.Version != 2 || life.Version != 1 {
		t.Errorf("etcd has\n%v\n%v", its, life)
	}
}

// TestAReportIsJoinedOnlyWithTheLifeThatWasWrittenWithIt holds that servers that saw all
// of it and one that begins have the same.
func TestAReportIsJoinedOnlyWithTheLifeThatWasWrittenWithIt(t *testing.T) {
	t.Parallel()
	etcd := etcdtest.Start(t)
	a, b, client := openOn(t, etcd), openOn(t, etcd), etcd.Client(t)
	const its, life = "netchecker/agents/default/pod-0", "netchecker/lives/default/pod-0"
	write := func(ops ...clientv3.Op) {
		t.Helper()
		if _, err := client.Txn(t.Context()).Then(ops...).Commit(); err != nil {
			t.Fatal(err)
		}
	}
	for _, step := range []struct {
		name string
		do   func()
		want string
	}{
		{"with its life", func() { putAlive(t, a, pod(0), 1) }, "1 in the life 1"},
		{"by another server", func() { putAlive(t, b, pod(0), 2) }, "2 in the life 2"},
		{"by a server of an earlier release", func() { write(clientv3.OpPut(its, string(value(pod(0), 3)))) }, "3 without a life"},
		{"a life by itself", func() { write(clientv3.OpPut(life, string(lifeOf(4)))) }, "3 without a life"},
		{"of an earlier agent", func() { put(t, a, pod(0), 5) }, "5 without a life"},
		{"with its life again", func() { putAlive(t, b, pod(0), 6) }, "6 in the life 6"},
		{"with a life that can't be read", func() {
			write(clientv3.OpPut(life, `{"mesh":7}`), clientv3.OpPut(its, string(value(pod(0), 7))))
		}, "7 without a life"},
		{"beside the life of another pod", func() {
			write(clientv3.OpPut(life+"0", string(lifeOf(8))), clientv3.OpPut(its, string(value(pod(0), 8))))
		}, "8 without a life"},
		{"and once more", func() { putAlive(t, a, pod(0), 9) }, "9 in the life 9"},
	} {
		step.do()
		// A life by itself changes nothing that could be waited for.
		written := time.Now()
		for _, s := range []world{a, b} {
			eventually.True(t, "the view is current", func() bool { return s.asOf().After(written) })
			s.is(t, pod(0), step.want)
		}
		openOn(t, etcd).is(t, pod(0), step.want)
	}
}

func TestNoReaderSeesAReportWithoutItsLife(t *testing.T) {
	t.Parallel()
	const pods, rounds = 150, 20 // more than one transaction takes
	etcd := etcdtest.Start(t, etcdtest.UnsafeNoFsync())
	a, b := openOn(t, etcd), openOn(t, etcd)
	ctx, stop := context.WithCancel(t.Context())
	var readers, writers sync.WaitGroup
	for _, s := range []world{a, b} {
		readers.Go(func() {
			for ctx.Err() == nil {
				for i := range pods {
					if r := s.Get(pod(i)); r != nil && said(r) != fmt.Sprintf("%d in the life %d", r.Uptime, r.Uptime) {
						t.Errorf("of %v a reader saw %s", pod(i), said(r))
						return
					}
				}
			}
		})
	}
	for i := range pods {
		writers.Go(func() {
			for n := range uint64(rounds) {
				putAlive(t, []world{a, b}[n%2], pod(i), n+1)
			}
		})
	}
	writers.Wait()
	for _, s := range []world{a, b} {
		for i := range pods {
			s.is(t, pod(i), fmt.Sprintf("%d in the life %d", rounds, rounds))
		}
	}
	stop()
	readers.Wait()
}

// A watch that was behind tells what it missed in another way than one that is not; what
// was compacted away is read.
func TestLivesAreJoinedAfterAnOutage(t *testing.T) {
	t.Parallel()
	for name, compacts := range map[string]bool{"watched on": false, "read anew": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			etcd := etcdtest.Start(t)
			relay := newRelay(t, etcd.Endpoint)
			far, _ := open(t, store.Config{Endpoints: []string{relay.endpoint}, PingTimeout: ping})
			near := openOn(t, etcd)
			putAlive(t, near, pod(0), 1)
			putAlive(t, near, pod(1), 1)
			far.is(t, pod(0), "1 in the life 1")
			far.is(t, pod(1), "1 in the life 1")
			unchanged := far.Get(pod(0))

			relay.turn("http://127.0.0.1:1")
			putAlive(t, near, pod(1), 2)
			putAlive(t, near, pod(2), 2)
			if last := putAlive(t, near, pod(1), 3); compacts {
				compact(t, etcd, last)
			}
			relay.turn(etcd.Endpoint)
			far.is(t, pod(1), "3 in the life 3")
			far.is(t, pod(2), "2 in the life 2")
			if far.Get(pod(0)) != unchanged {
				t.Errorf("what did not change is another record: %s", said(far.Get(pod(0))))
			}
			putAlive(t, near, pod(0), 4)
			far.is(t, pod(0), "4 in the life 4")
		})
	}
}
