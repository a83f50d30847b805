package store_test

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/netchecker/netchecker/pkg/report"
	"github.com/netchecker/netchecker/server/fleet"
	"github.com/netchecker/netchecker/server/store"
	"github.com/netchecker/netchecker/test/etcdtest"
	"github.com/netchecker/netchecker/test/eventually"
	"github.com/netchecker/netchecker/test/testmain"
)

func TestMain(m *testing.M) { testmain.Run(m) }

// world is a store that keeps reports and counters, as the server has it.
type world struct {
	*store.Store
	*store.Reports
	checkpoints *store.Checkpoints
}

// setting is what a test may change of a world before it is opened.
type setting struct {
	store.Config
	counters store.Counters
	kinds    []*store.Kind
}

// open opens a store and runs it until stop is called, or the test ends.
func open(t testing.TB, cfg store.Config, change ...func(*setting)) (w world, stop func()) {
	t.Helper()
	set := setting{Config: cfg, counters: &counters{}}
	for _, f := range change {
		f(&set)
	}
	if set.Tree == "" {
		set.Tree = "netchecker"
	}
	w.Reports, w.checkpoints = store.NewReports(set.counters, time.Now), store.NewCheckpoints(set.counters)
	s, err := store.Open(set.Config, append(append(w.Reports.Kinds(), w.checkpoints.Kind()), set.kinds...)...)
	if err != nil {
		t.Fatalf("opening the store: %v", err)
	}
	w.Store = s
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx) }()
	stop = sync.OnceFunc(func() {
		cancel()
		select {
		case err := <-done:
			if err != nil {
				t.Errorf("Run ended with %v", err)
			}
		case <-time.After(eventually.Patience):
			t.Error("Run did not end")
		}
	})
	t.Cleanup(stop)
	return w, stop
}

// openOn opens a store on etcd that is usual, and waits until it is current.
func openOn(t testing.TB, etcd *etcdtest.Etcd, change ...func(*setting)) world {
	t.Helper()
	w, _ := open(t, store.Config{Endpoints: []string{etcd.Endpoint}, PingTimeout: 2 * time.Second}, change...)
	eventually.True(t, "the view is current", func() bool { return !w.listeningSince().IsZero() })
	return w
}

func (w world) listeningSince() time.Time { return w.Freshness().Since }

func (w world) asOf() time.Time { return w.Freshness().AsOf }

// has is how many of n pods the view has.
func (w world) has(n int) (found int) {
	for i := range n {
		if w.Get(pod(i)) != nil {
			found++
		}
	}
	return found
}

func pod(i int) fleet.Key { return fleet.Key{Namespace: "default", Name: fmt.Sprintf("pod-%d", i)} }

// value is a report that says uptime.
func value(key fleet.Key, uptime uint64) []byte {
	return report.AppendRecord(nil, &report.Record{
		Report:      report.Report{ReportInterval: 15, NodeName: "node", PodName: key.Name, Namespace: key.Namespace, Uptime: uptime},
		LastUpdated: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC),
	})
}

func put(t testing.TB, s world, key fleet.Key, uptime uint64) (revision int64) {
	t.Helper()
	revision, err := s.Put(t.Context(), key, value(key, uptime), nil, time.Minute)
	if err != nil {
		t.Fatalf("putting %v: %v", key, err)
	}
	return revision
}

// read asks etcd itself.
func read(t testing.TB, client *clientv3.Client, key string) (value string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), eventually.Patience)
	defer cancel()
	answer, err := client.Get(ctx, key)
	if err != nil {
		t.Fatalf("reading %s: %v", key, err)
	}
	if len(answer.Kvs) == 0 {
		return ""
	}
	return string(answer.Kvs[0].Value)
}

func uptime(s world, key fleet.Key) uint64 {
	if r := s.Get(key); r != nil {
		return r.Uptime
	}
	return 0
}

// counters notes what it is told.
type counters struct {
	resume atomic.Int64

	mu       sync.Mutex
	restored map[string]string
	reported []string
}

// resumingAfter are counters whose checkpoints have all up to revision.
func resumingAfter(revision int64) *counters {
	c := &counters{}
	c.resume.Store(revision)
	return c
}

func (c *counters) ResumeAfter() int64 { return c.resume.Load() }

func (c *counters) Restore(shard string, data []byte) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.restored == nil {
		c.restored = make(map[string]string)
	}
	if data == nil {
		delete(c.restored, shard)
		return
	}
	c.restored[shard] = string(data)
}

func (c *counters) Reported(key fleet.Key, revision int64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.reported = append(c.reported, fmt.Sprintf("%v@%d", key, revision))
}

func (c *counters) events() []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Clone(c.reported)
}

func (c *counters) shard(name string) string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.restored[name]
}

func at(key fleet.Key, revision int64) string { return fmt.Sprintf("%v@%d", key, revision) }
