package store_test

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/netchecker/netchecker/pkg/report"
	"github.com/netchecker/netchecker/server/fleet"
	"github.com/netchecker/netchecker/server/store"
	"github.com/netchecker/netchecker/test/etcdtest"
	"github.com/netchecker/netchecker/test/testmain"
)

func TestMain(m *testing.M) { testmain.Run(m) }

const soon = 40 * time.Second

// open opens a store and runs it until stop is called, or the test ends.
func open(t testing.TB, cfg store.Config) (s *store.Store, stop func()) {
	t.Helper()
	if cfg.Tree == "" {
		cfg.Tree = "netchecker"
	}
	s, err := store.Open(cfg)
	if err != nil {
		t.Fatalf("opening the store: %v", err)
	}
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
		case <-time.After(soon):
			t.Error("Run did not end")
		}
	})
	t.Cleanup(stop)
	return s, stop
}

// openOn opens a store on etcd that is usual, and waits until it is current.
func openOn(t testing.TB, etcd *etcdtest.Etcd, change ...func(*store.Config)) *store.Store {
	t.Helper()
	cfg := store.Config{Endpoints: []string{etcd.Endpoint}, PingTimeout: 2 * time.Second}
	for _, f := range change {
		f(&cfg)
	}
	s, _ := open(t, cfg)
	eventually(t, "the view is current", func() bool { return !s.ListeningSince().IsZero() })
	return s
}

func eventually(t testing.TB, what string, is func() bool) {
	t.Helper()
	for end := time.Now().Add(soon); !is(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("not within %v: %s", soon, what)
		}
	}
}

func pod(i int) fleet.Key { return fleet.Key{Namespace: "default", Name: fmt.Sprintf("pod-%d", i)} }

// value is a report that says uptime.
func value(key fleet.Key, uptime uint64) []byte {
	return report.AppendRecord(nil, &report.Record{
		Report:      report.Report{ReportInterval: 15, NodeName: "node", PodName: key.Name, Namespace: key.Namespace, Uptime: uptime},
		LastUpdated: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC),
	})
}

func put(t testing.TB, s *store.Store, key fleet.Key, uptime uint64) (revision int64) {
	t.Helper()
	revision, err := s.Put(t.Context(), key, value(key, uptime), time.Minute)
	if err != nil {
		t.Fatalf("putting %v: %v", key, err)
	}
	return revision
}

// read asks etcd itself.
func read(t testing.TB, client *clientv3.Client, key string) (value string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), soon)
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

func uptime(s *store.Store, key fleet.Key) uint64 {
	if r := s.Get(key); r != nil {
		return r.Uptime
	}
	return 0
}

// counters notes what it is told.
type counters struct {
	resume int64

	mu       sync.Mutex
	restored map[string]string
	reported []string
}

func (c *counters) ResumeAfter() int64 { return c.resume }

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
