package store_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/netchecker/netchecker/server/store"
	"github.com/netchecker/netchecker/test/etcdtest"
	"github.com/netchecker/netchecker/test/eventually"
)

// notes is a third kind of record, as any further one would be added: a view of
// numbers by name, and its row.
type notes struct {
	*store.View[string, int]
	kind store.Kind
}

func newNotes() *notes {
	n := &notes{View: store.NewView(
		func(key string) (string, bool) { return key, !strings.Contains(key, "/") },
		func(_ string, e store.Entry) (int, error) { return strconv.Atoi(string(e.Value)) },
	)}
	n.kind = store.Kind{Name: "notes", Share: 48, Keeper: n}
	return n
}

// with adds a third kind to a world.
func with(n *notes) func(*setting) {
	return func(s *setting) { s.kinds = append(s.kinds, &n.kind) }
}

func (n *notes) put(t *testing.T, ops ...store.Op) (revision int64) {
	t.Helper()
	revision, err := n.kind.Put(t.Context(), ops...)
	if err != nil {
		t.Fatalf("putting %v: %v", ops, err)
	}
	return revision
}

// is waits until the view has these, and nothing else.
func (n *notes) is(t *testing.T, want ...int) {
	t.Helper()
	eventually.True(t, fmt.Sprintf("the view has %v", want), func() bool {
		all := n.All()
		slices.Sort(all)
		return slices.Equal(all, want)
	})
}

func note(key string, n int) store.Op { return store.Op{Key: key, Value: []byte(strconv.Itoa(n))} }

func TestAFurtherKindIsSeenByEveryServer(t *testing.T) {
	t.Parallel()
	etcd := etcdtest.Start(t)
	a, b := newNotes(), newNotes()
	server := openOn(t, etcd, with(a))
	openOn(t, etcd, with(b))
	a.put(t, note("one", 1), note("two", 2))
	b.put(t, note("three", 3))
	for _, n := range []*notes{a, b} {
		n.is(t, 1, 2, 3)
	}
	b.put(t, store.Op{Key: "one"}, note("two", 22), store.Op{Key: "never there"})
	a.put(t, note("no number", 0), store.Op{Key: "three", Value: []byte("x")})
	for _, n := range []*notes{a, b} {
		n.is(t, 0, 22)
	}
	// One that joins reads what the others were told.
	c := newNotes()
	openOn(t, etcd, with(c))
	c.is(t, 0, 22)
	// It is apart from the other kinds.
	if put(t, server, pod(1), 1); server.has(5) != 1 {
		eventually.True(t, "the report is there", func() bool { return server.has(5) == 1 })
	}
	c.is(t, 0, 22)
}

func TestTheOpsOfAPutAreCommittedTogether(t *testing.T) {
	t.Parallel()
	etcd := etcdtest.Start(t)
	n := newNotes()
	openOn(t, etcd, with(n))
	revision := n.put(t, note("a", 1), note("b", 2), note("c", 3))
	answer, err := etcd.Client(t).Get(t.Context(), "netchecker/notes/b")
	if err != nil || answer.Kvs[0].ModRevision != revision {
		t.Fatalf("b is of revision %v, want %d (%v)", answer.Kvs, revision, err)
	}
	large := store.Op{Key: "c", Value: make([]byte, 2<<20)}
	if _, err := n.kind.Put(t.Context(), note("a", 9), large); !errors.Is(err, store.ErrTooLarge) {
		t.Errorf("what etcd does not take: %v", err)
	}
	n.is(t, 1, 2, 3)
}

func TestTheFirstCopyStoredWins(t *testing.T) {
	t.Parallel()
	etcd := etcdtest.Start(t)
	n := newNotes()
	world := openOn(t, etcd, with(n))
	once := func(key string, n int) store.Op { o := note(key, n); o.Once = true; return o }
	n.put(t, once("a", 1))
	for range 3 {
		n.put(t, once("a", 2), once("b", 3))
	}
	n.is(t, 1, 3)
	// A copy that changes nothing makes no event, and must not be waited for.
	written := time.Now()
	n.put(t, once("a", 2))
	n.put(t, store.Op{Key: "never there"})
	eventually.True(t, "the view is current", func() bool { return world.asOf().After(written) })
	n.is(t, 1, 3)
}

func TestWhatIsKeptForGoodHasNoLeaseAndWhatIsKeptForADayFewOfThem(t *testing.T) {
	t.Parallel()
	etcd := etcdtest.Start(t)
	n := newNotes()
	var mu sync.Mutex
	now := time.Now()
	openOn(t, etcd, with(n), func(s *setting) {
		s.Now = func() time.Time { mu.Lock(); defer mu.Unlock(); return now }
	})
	n.put(t, note("for good", 1))
	client := etcd.Client(t)
	leases := func() int {
		answer, err := client.Leases(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		return len(answer.Leases)
	}
	if got := leases(); got != 0 {
		t.Errorf("there are %d leases, want none", got)
	}
	for range 24 * 60 { // a day, minute by minute
		mu.Lock()
		now = now.Add(time.Minute)
		mu.Unlock()
		o := note("for a day", 2)
		o.TTL = 24 * time.Hour
		n.put(t, o)
	}
	if got := leases(); got < 16 || got > 40 {
		t.Errorf("a day of keys that are kept for a day took %d leases, want about 22", got)
	}
}

func TestOnlyTheLeaderSavesAndItSavesAnyKind(t *testing.T) {
	t.Parallel()
	etcd := etcdtest.Start(t)
	a, b := newNotes(), newNotes()
	openOn(t, etcd, with(a))
	openOn(t, etcd, with(b))
	fence := lead(t, etcd)
	var ops []store.Op
	var want []int
	for i := range 300 {
		ops, want = append(ops, note(fmt.Sprint("note-", i), i)), append(want, i)
	}
	if err := a.kind.Save(t.Context(), fence, ops...); err != nil {
		t.Fatal(err)
	}
	b.is(t, want...)
	for name, f := range map[string]store.Fence{
		"none": {}, "of another key": {Key: "netchecker/leader/y", CreateRevision: fence.CreateRevision},
		"of an earlier reign": {Key: fence.Key, CreateRevision: fence.CreateRevision - 1},
	} {
		if err := a.kind.Save(t.Context(), f, store.Op{Key: "note-0"}); !errors.Is(err, store.ErrNotLeader) {
			t.Errorf("fence %s: %v", name, err)
		}
	}
	b.is(t, want...)
}

// lead makes a leader's key in etcd, and returns its fence.
func lead(t *testing.T, etcd *etcdtest.Etcd) store.Fence {
	t.Helper()
	answer, err := etcd.Client(t).Put(t.Context(), "netchecker/leader/x", "me")
	if err != nil {
		t.Fatal(err)
	}
	return store.Fence{Key: "netchecker/leader/x", CreateRevision: answer.Header.Revision}
}

// latencies are how long puts of reports take, one after the other for each of some
// callers, while they are measured for a time.
func latencies(t *testing.T, w world, long time.Duration) (sorted []time.Duration) {
	t.Helper()
	const callers = 16
	ctx, cancel := context.WithTimeout(t.Context(), long)
	defer cancel()
	took := make([][]time.Duration, callers)
	var all sync.WaitGroup
	for i := range callers {
		all.Go(func() {
			for ctx.Err() == nil {
				began := time.Now()
				if _, err := w.Put(t.Context(), pod(i), value(pod(i), 1), nil, time.Minute); err != nil {
					t.Errorf("a report: %v", err)
					return
				}
				took[i] = append(took[i], time.Since(began))
			}
		})
	}
	all.Wait()
	sorted = slices.Concat(took...)
	slices.Sort(sorted)
	return sorted
}

func p99(sorted []time.Duration) time.Duration { return sorted[len(sorted)*99/100] }

// flood puts notes of 1 KiB, as many at a time as the kind may have waiting and more,
// until stop, and says how many were written and how many were refused.
func (n *notes) flood(t *testing.T) (stop func() (written, refused int)) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	var all sync.WaitGroup
	var mu sync.Mutex
	var written, refused int
	for i := range 72 {
		all.Go(func() {
			for ctx.Err() == nil {
				_, err := n.kind.Put(ctx, store.Op{Key: fmt.Sprint("f", i), Value: []byte(strings.Repeat("0", 1<<10)), TTL: time.Minute})
				mu.Lock()
				if err == nil {
					written++
				} else if errors.Is(err, store.ErrBusy) {
					refused++
				}
				mu.Unlock()
				if err != nil {
					time.Sleep(50 * time.Millisecond)
				}
			}
		})
	}
	return func() (int, int) {
		cancel()
		all.Wait()
		return written, refused
	}
}

func TestAFloodOfOneKindKeepsNoReportWaiting(t *testing.T) {
	etcd := etcdtest.Start(t)
	n := newNotes()
	w := openOn(t, etcd, with(n))
	// In turn, and the best of the rounds with the flood: the machine may have other work,
	// which makes a round worse and never better.
	var alone, beside []time.Duration
	written, refused := 0, 0
	for range 3 {
		alone = append(alone, p99(latencies(t, w, 2*time.Second)))
		stop := n.flood(t)
		beside = append(beside, p99(latencies(t, w, 2*time.Second)))
		wrote, busy := stop()
		written, refused = written+wrote, refused+busy
	}
	slices.Sort(alone)
	slices.Sort(beside)
	t.Logf("p99 of a report's put: %v alone, %v beside a flood of another kind, of which %d were written and %d refused", alone, beside, written, refused)
	if most := max(2*alone[1], 50*time.Millisecond); beside[0] > most {
		t.Errorf("p99 beside the flood is %v, want at most %v", beside[0], most)
	}
	if written == 0 || refused == 0 {
		t.Error("the flood was none: it should have been more than the kind's share")
	}
}
