package store_test

import (
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/netchecker/netchecker/server/fleet"
	"github.com/netchecker/netchecker/server/store"
	"github.com/netchecker/netchecker/test/etcdtest"
	"github.com/netchecker/netchecker/test/eventually"
)

func TestTwoStoresSeeEachOthersWrites(t *testing.T) {
	t.Parallel()
	twoStoresOn(t, etcdtest.Start(t))
}

// twoStoresOn is for any release of etcd.
func twoStoresOn(t *testing.T, etcd *etcdtest.Etcd) {
	t.Helper()
	a, b := openOn(t, etcd), openOn(t, etcd)
	put(t, a, pod(1), 1)
	put(t, b, pod(2), 2)
	for _, s := range []world{a, b} {
		eventually.True(t, "both views have both", func() bool { return uptime(s, pod(1)) == 1 && uptime(s, pod(2)) == 2 })
	}
	written := time.Now()
	eventually.True(t, "both views are current without further writes", func() bool {
		return a.asOf().After(written) && b.asOf().After(written)
	})
}

func TestViewHasAllThatWasWrittenBeforeItIsCurrent(t *testing.T) {
	t.Parallel()
	etcd := etcdtest.Start(t)
	a, b := openOn(t, etcd), openOn(t, etcd)
	for i := range 50 {
		put(t, a, pod(i), 1)
		written := time.Now()
		if i%10 != 0 {
			continue
		}
		eventually.True(t, "it is current", func() bool { return b.asOf().After(written) })
		if b.Get(pod(i)) == nil {
			t.Fatalf("current as of %v after %v was written, and without it", b.asOf().Sub(written), pod(i))
		}
	}
}

func TestViewIsReadInPages(t *testing.T) {
	t.Parallel()
	const pods = 2500
	etcd := etcdtest.Start(t, etcdtest.UnsafeNoFsync())
	a := openOn(t, etcd)
	var all sync.WaitGroup
	for worker := range 100 {
		all.Go(func() {
			for i := worker; i < pods; i += 100 {
				put(t, a, pod(i), 1)
			}
		})
	}
	all.Wait()
	if got := openOn(t, etcd).has(pods); got != pods {
		t.Errorf("the view has %d records, want %d", got, pods)
	}
}

func TestUnlistedReportsAreCountedApart(t *testing.T) {
	t.Parallel()
	s := openOn(t, etcdtest.Start(t))
	stranger := fleet.UnlistedKey("default", "stranger")
	put(t, s, pod(0), 1)
	put(t, s, stranger, 1)
	eventually.True(t, "the view has both", func() bool { return s.Get(pod(0)) != nil && s.Get(stranger) != nil })
	for key, want := range map[fleet.Key]bool{stranger: true, pod(0): false, fleet.UnlistedKey("", "stranger"): false} {
		if count, has := s.Unlisted(key); count != 1 || has != want {
			t.Errorf("Unlisted(%v) is %d, %v; want 1, %v", key, count, has, want)
		}
	}
	var keys []fleet.Key
	s.EachUnlisted(func(r *fleet.Record) { keys = append(keys, r.Key) })
	if !slices.Equal(keys, []fleet.Key{stranger}) {
		t.Errorf("EachUnlisted saw %v", keys)
	}
}

func TestValuesThatAreNoReportsAreIgnored(t *testing.T) {
	t.Parallel()
	etcd := etcdtest.Start(t)
	client := etcd.Client(t)
	foreign := map[string]string{
		"netchecker/agents/default/pod-1": "not JSON", "netchecker/agents/default/pod-2": `{"ips":1}`,
		"netchecker/agents/pod-3": string(value(pod(3), 1)), "netchecker/agents/a/b/c": "{}", "netchecker/agents/": "{}",
		"netchecker/else": "x", "netchecker2/agents/default/pod-4": string(value(pod(4), 1)),
	}
	write := func() {
		for key, v := range foreign {
			if _, err := client.Put(t.Context(), key, v); err != nil {
				t.Fatal(err)
			}
		}
	}
	write() // to be read
	s := openOn(t, etcd)
	put(t, s, pod(0), 1)
	write() // to be watched
	written := time.Now()
	eventually.True(t, "the view is current", func() bool { return s.asOf().After(written) })
	if s.Get(pod(0)) == nil || s.has(5) != 1 {
		t.Errorf("the view has %d records", s.has(5))
	}
	if _, err := client.Put(t.Context(), "netchecker/agents/default/pod-0", "overwritten"); err != nil {
		t.Fatal(err)
	}
	eventually.True(t, "a report that was overwritten is gone", func() bool { return s.Get(pod(0)) == nil })
}

func TestEveryReaderIsToldOfEachChange(t *testing.T) {
	t.Parallel()
	s := openOn(t, etcdtest.Start(t))
	var readers sync.WaitGroup
	defer readers.Wait()
	for range 3 {
		readers.Go(func() {
			for i := range 5 {
				for changed := s.Changed(); s.Get(pod(i)) == nil; changed = s.Changed() {
					select {
					case <-changed:
					case <-time.After(eventually.Patience):
						t.Error("no signal")
						return
					}
				}
			}
		})
	}
	for i := range 5 {
		put(t, s, pod(i), 1)
	}
}

func TestReportsAreReplayedToTheCountersOnce(t *testing.T) {
	t.Parallel()
	etcd := etcdtest.Start(t)
	a := openOn(t, etcd)
	var events []string
	var third int64
	for i := range uint64(6) {
		revision := put(t, a, pod(int(i%2)), i+1)
		events = append(events, at(pod(int(i%2)), revision))
		if i == 2 {
			third = revision
		}
	}
	for _, test := range []struct {
		name   string
		resume int64
		from   int // in events; negative: none of them
	}{
		{"no checkpoint yet", 0, 0},
		{"from a checkpoint", third, 3},
		{"from the beginning", 1, 0},
		{"a checkpoint that is ahead", 1 << 40, -1},
	} {
		t.Run(test.name, func(t *testing.T) {
			var want []string
			if test.from >= 0 {
				want = slices.Clone(events[test.from:])
			}
			told := resumingAfter(test.resume)
			b := openOn(t, etcd, func(c *setting) { c.counters = told })
			if got := told.events(); !slices.Equal(got, want) {
				t.Fatalf("when the view was current, the counters had been told %v, want %v", got, want)
			}
			next := at(pod(5), put(t, b, pod(5), 1))
			events, want = append(events, next), append(want, next)
			eventually.True(t, "the counters are told of the next", func() bool { return slices.Equal(told.events(), want) })
		})
	}
}

func TestReportsAreCountedOnceAcrossOutageAndCompaction(t *testing.T) {
	t.Parallel()
	etcd := etcdtest.Start(t)
	relay := newRelay(t, etcd.Endpoint)
	told := resumingAfter(1)
	far, _ := open(t, store.Config{Endpoints: []string{relay.endpoint}, PingTimeout: ping}, func(c *setting) { c.counters = told })
	near := openOn(t, etcd)
	var want []string
	want = append(want, at(pod(0), put(t, near, pod(0), 1)), at(pod(1), put(t, near, pod(1), 1)))
	eventually.True(t, "the counters are told", func() bool { return slices.Equal(told.events(), want) })
	eventually.True(t, "it listens", func() bool { return !far.listeningSince().IsZero() })
	learned := far.Get(pod(0)).Learned

	relay.turn("http://127.0.0.1:1")
	put(t, near, pod(1), 2) // compacted away before it is seen
	last := put(t, near, pod(2), 1)
	compact(t, etcd, last)
	relay.turn(etcd.Endpoint)

	want = append(want, at(pod(2), last))
	eventually.True(t, "the view has it", func() bool { return uptime(far, pod(1)) == 2 && far.Get(pod(2)) != nil })
	eventually.True(t, "the counters are told of what is left", func() bool { return slices.Equal(told.events(), want) })
	if !far.Get(pod(0)).Learned.Equal(learned) {
		t.Error("a record that did not change was learned anew")
	}
	want = append(want, at(pod(3), put(t, near, pod(3), 1)))
	eventually.True(t, "the counters are told of the next", func() bool { return slices.Equal(told.events(), want) })
}

// compact drops the revisions before that one.
func compact(t *testing.T, etcd *etcdtest.Etcd, revision int64) {
	t.Helper()
	if _, err := etcd.Client(t).Compact(t.Context(), revision); err != nil {
		t.Fatal(err)
	}
}

func TestCompactionBelowTheReplayCostsOnlyWhatWasCompacted(t *testing.T) {
	t.Parallel()
	etcd := etcdtest.Start(t)
	a := openOn(t, etcd)
	put(t, a, pod(0), 1)
	middle := put(t, a, pod(0), 2)
	last := put(t, a, pod(1), 1)
	compact(t, etcd, middle)
	told := resumingAfter(1)
	b := openOn(t, etcd, func(c *setting) { c.counters = told })
	if want := []string{at(pod(0), middle), at(pod(1), last)}; !slices.Equal(told.events(), want) {
		t.Errorf("the counters were told %v, want %v", told.events(), want)
	}
	if got := b.has(5); got != 2 {
		t.Errorf("the view has %d records", got)
	}
}

func TestCheckpointsOfTheLeaderReachTheOthers(t *testing.T) {
	t.Parallel()
	etcd := etcdtest.Start(t)
	a, told := openOn(t, etcd), &counters{}
	openOn(t, etcd, func(c *setting) { c.counters = told })
	fence := lead(t, etcd)
	if err := a.checkpoints.Save(t.Context(), fence, map[string][]byte{"0": []byte("zero"), "1": []byte("one")}); err != nil {
		t.Fatal(err)
	}
	eventually.True(t, "the other is told", func() bool { return told.shard("0") == "zero" && told.shard("1") == "one" })
	if err := a.checkpoints.Save(t.Context(), fence, map[string][]byte{"0": nil}); err != nil {
		t.Fatal(err)
	}
	eventually.True(t, "the other is told that it was deleted", func() bool { return told.shard("0") == "" })

	later := &counters{}
	openOn(t, etcd, func(c *setting) { c.counters = later })
	if later.shard("0") != "" || later.shard("1") != "one" {
		t.Errorf("a later one restored %v", later.restored)
	}
	if err := a.checkpoints.Save(t.Context(), store.Fence{}, nil); !errors.Is(err, store.ErrNotLeader) {
		t.Errorf("without a fence: %v", err)
	}
}

func TestManyLargeCheckpointsFitIntoEtcdsLimits(t *testing.T) {
	t.Parallel()
	etcd := etcdtest.Start(t)
	client := etcd.Client(t)
	s := openOn(t, etcd)
	shards := make(map[string][]byte)
	for i := range 300 {
		shards[fmt.Sprint(i)] = make([]byte, 8<<10)
	}
	shards["large"] = make([]byte, 1<<20)
	if err := s.checkpoints.Save(t.Context(), lead(t, etcd), shards); err != nil {
		t.Fatal(err)
	}
	answer, err := client.Get(t.Context(), "netchecker/counters/", clientv3.WithPrefix(), clientv3.WithCountOnly())
	if err != nil || answer.Count != int64(len(shards)) {
		t.Errorf("%d were written, %v", answer.Count, err)
	}
}
