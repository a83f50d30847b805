package store_test

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/netchecker/netchecker/server/fleet"
	"github.com/netchecker/netchecker/server/store"
	"github.com/netchecker/netchecker/test/etcdtest"
	"github.com/netchecker/netchecker/test/eventually"
)

func TestPutIsInEtcdWhenItIsAnswered(t *testing.T) {
	t.Parallel()
	etcd := etcdtest.Start(t)
	s, client := openOn(t, etcd), etcd.Client(t)
	for _, test := range []struct {
		key  fleet.Key
		name string
	}{
		{fleet.Key{Namespace: "default", Name: "pod"}, "netchecker/agents/default/pod"},
		{fleet.Key{Name: "pod"}, "netchecker/agents/-/pod"},
		{fleet.UnlistedKey("default", "pod"), "netchecker/agents/_default/pod"},
		{fleet.UnlistedKey("", "pod"), "netchecker/agents/_/pod"},
	} {
		revision := put(t, s, test.key, 7)
		if got, want := read(t, client, test.name), string(value(test.key, 7)); got != want {
			t.Errorf("%s is %q, want %q", test.name, got, want)
		}
		eventually.True(t, "the view has it", func() bool { return s.Get(test.key) != nil })
		if r := s.Get(test.key); r.Revision != revision || r.Uptime != 7 || r.Read {
			t.Errorf("the view has %+v, want revision %d", r, revision)
		}
	}
}

func TestKeysThatCouldBeOthersAreRefused(t *testing.T) {
	t.Parallel()
	s, _ := open(t, store.Config{Endpoints: []string{"127.0.0.1:1"}})
	for _, key := range []fleet.Key{{}, {Namespace: "a/b", Name: "c"}, {Namespace: "a", Name: "b/c"}, {Namespace: "-", Name: "a"}, {Namespace: "a"}} {
		if _, err := s.Put(t.Context(), key, nil, nil, time.Minute); err == nil || errors.Is(err, store.ErrUnavailable) {
			t.Errorf("%+v: %v", key, err)
		}
	}
}

func TestConcurrentPutsAreAllKeptAndThoseOfOneKeyInOrder(t *testing.T) {
	t.Parallel()
	const callers, rounds = 200, 10
	etcd := etcdtest.Start(t)
	groups := &groups{}
	s := openOn(t, etcd, func(c *setting) { c.Observer = groups })
	var all sync.WaitGroup
	for i := range callers {
		all.Go(func() {
			var last int64
			for n := range uint64(rounds) {
				revision, err := s.Put(t.Context(), pod(i), value(pod(i), n+1), nil, time.Minute)
				if err != nil || revision <= last {
					t.Errorf("put %d of %v: revision %d after %d, %v", n, pod(i), revision, last, err)
				}
				last = revision
			}
		})
	}
	all.Wait()
	for i := range callers {
		eventually.True(t, "the view has the last put", func() bool { return uptime(s, pod(i)) == rounds })
	}
	ctx, cancel := context.WithTimeout(t.Context(), eventually.Patience)
	defer cancel()
	answer, err := etcd.Client(t).Get(ctx, "netchecker/agents/", clientv3.WithPrefix())
	if err != nil {
		t.Fatal(err)
	}
	kept := 0
	for _, kv := range answer.Kvs {
		if kv.Version == rounds {
			kept++
		}
	}
	if kept != callers {
		t.Errorf("%d keys were written %d times, want %d", kept, rounds, callers)
	}
	reports, transactions := groups.counts()
	if reports != callers*rounds || transactions > reports/4 {
		t.Errorf("%d reports were written in %d transactions", reports, transactions)
	}
}

func TestPutsOfOneKeyAreCommittedInTheOrderOfTheirCalls(t *testing.T) {
	t.Parallel()
	etcd := etcdtest.Start(t)
	s := openOn(t, etcd)
	etcd.Pause() // so that they wait for each other
	const puts = 20
	var all sync.WaitGroup
	revisions := make([]int64, puts)
	for i := range uint64(puts) {
		began := make(chan struct{})
		all.Go(func() {
			close(began)
			revision, err := s.Put(t.Context(), pod(0), value(pod(0), i), nil, time.Minute)
			if err != nil {
				t.Errorf("put %d: %v", i, err)
			}
			revisions[i] = revision
		})
		<-began
		time.Sleep(20 * time.Millisecond) // until it has called
	}
	etcd.Resume()
	all.Wait()
	for i := 1; i < puts; i++ {
		if revisions[i] <= revisions[i-1] {
			t.Fatalf("revisions are %v", revisions)
		}
	}
}

func TestKeyIsGoneWithinItsTimeToLiveAndABucket(t *testing.T) {
	t.Parallel()
	etcd := etcdtest.Start(t)
	s := openOn(t, etcd, func(c *setting) { c.LeaseBucket = 2 * time.Second })
	const ttl = 3 * time.Second
	began := time.Now()
	if _, err := s.Put(t.Context(), pod(0), value(pod(0), 1), nil, ttl); err != nil {
		t.Fatal(err)
	}
	eventually.True(t, "the view has it", func() bool { return s.Get(pod(0)) != nil })
	eventually.True(t, "it is gone", func() bool { return s.Get(pod(0)) == nil })
	// Etcd counts whole seconds and looks twice a second.
	if lasted := time.Since(began); lasted < ttl || lasted > ttl+2*time.Second+3*time.Second {
		t.Errorf("it lasted %v", lasted)
	}
	if v := read(t, etcd.Client(t), "netchecker/agents/default/pod-0"); v != "" {
		t.Errorf("etcd has %q", v)
	}
}

func TestReportsShareLeases(t *testing.T) {
	t.Parallel()
	etcd := etcdtest.Start(t)
	s, client := openOn(t, etcd, func(c *setting) { c.LeaseBucket = time.Hour }), etcd.Client(t)
	for i := range 20 {
		put(t, s, pod(i), 1)
	}
	if leases, err := client.Leases(t.Context()); err != nil || len(leases.Leases) != 1 {
		t.Errorf("there are %v, %v", leases, err)
	}
}

func TestRevokedLeaseIsReplaced(t *testing.T) {
	t.Parallel()
	etcd := etcdtest.Start(t)
	s, client := openOn(t, etcd, func(c *setting) { c.LeaseBucket = time.Hour }), etcd.Client(t)
	put(t, s, pod(0), 1)
	leases, err := client.Leases(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := client.Revoke(t.Context(), leases.Leases[0].ID); err != nil {
		t.Fatal(err)
	}
	put(t, s, pod(0), 2)
	eventually.True(t, "the view has it", func() bool { return uptime(s, pod(0)) == 2 })
}

func TestGroupsFitIntoEtcdsLimits(t *testing.T) {
	t.Parallel()
	etcd := etcdtest.Start(t, etcdtest.Args("--max-txn-ops", "10", "--max-request-bytes", "65536"))
	s := openOn(t, etcd)
	large := func(key fleet.Key, bytes int) []byte {
		v := value(key, 1)
		return append(v, strings.Repeat(" ", bytes)...)
	}
	var all sync.WaitGroup
	for i := range 200 {
		all.Go(func() {
			size, want := 10<<10, error(nil)
			if i%50 == 0 {
				size, want = 100<<10, store.ErrTooLarge
			}
			if _, err := s.Put(t.Context(), pod(i), large(pod(i), size), nil, time.Minute); !errors.Is(err, want) {
				t.Errorf("%v of %d bytes: %v", pod(i), size, err)
			}
		})
	}
	all.Wait()
}

func TestPutThatWasGivenUpIsNotWritten(t *testing.T) {
	t.Parallel()
	etcd := etcdtest.Start(t)
	s := openOn(t, etcd)
	put(t, s, pod(0), 1)
	etcd.Pause()
	var all sync.WaitGroup
	for i := range 4 { // these occupy the writers
		all.Go(func() {
			_, _ = s.Put(t.Context(), pod(100+i), value(pod(100+i), 1), nil, time.Minute)
		})
		time.Sleep(10 * time.Millisecond)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if _, err := s.Put(ctx, pod(0), value(pod(0), 2), nil, time.Minute); !errors.Is(err, store.ErrUnavailable) || !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got error %v", err)
	}
	etcd.Resume()
	all.Wait()
	put(t, s, pod(1), 1)
	if answer, err := etcd.Client(t).Get(t.Context(), "netchecker/agents/default/pod-0"); err != nil {
		t.Fatal(err)
	} else if version := answer.Kvs[0].Version; version != 1 {
		t.Errorf("the key was written %d times", version)
	}
}

func TestTooManyPutsAreRefusedAtOnce(t *testing.T) {
	t.Parallel()
	etcd := etcdtest.Start(t)
	s := openOn(t, etcd)
	etcd.Pause()
	var all sync.WaitGroup
	var mu sync.Mutex
	busy := 0
	for i := range 5000 {
		all.Go(func() {
			began := time.Now()
			_, err := s.Put(t.Context(), pod(i), value(pod(i), 1), nil, time.Minute)
			if errors.Is(err, store.ErrBusy) && time.Since(began) < 2*time.Second {
				mu.Lock()
				defer mu.Unlock()
				busy++
			} else if !errors.Is(err, store.ErrUnavailable) {
				t.Errorf("%v: %v", pod(i), err)
			}
		})
	}
	all.Wait()
	if busy != 5000-4096 {
		t.Errorf("%d were refused", busy)
	}
	etcd.Resume()
	eventually.True(t, "puts work again", func() bool {
		_, err := s.Put(t.Context(), pod(0), value(pod(0), 2), nil, time.Minute)
		return err == nil
	})
}

// groups counts what an Observer is told.
type groups struct {
	mu                    sync.Mutex
	reports, transactions int
}

func (g *groups) Group(reports int, _ time.Duration, err error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if err == nil {
		g.reports += reports
		g.transactions++
	}
}

func (g *groups) counts() (reports, transactions int) {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.reports, g.transactions
}
