package tally

import (
	"bytes"
	"context"
	"fmt"
	"iter"
	"maps"
	"sync"
	"testing"
	"time"

	"github.com/netchecker/netchecker/server/fleet"
	"github.com/netchecker/netchecker/test/testmain"
)

func TestMain(m *testing.M) { testmain.Run(m) }

// clock is moved by hand.
type clock struct {
	mu sync.Mutex
	t  time.Time
}

func newClock() *clock { return &clock{t: time.Now()} }

func (c *clock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.t
}

func (c *clock) pass(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.t = c.t.Add(d)
}

func key(name string) fleet.Key { return fleet.Key{Namespace: "default", Name: name} }

func agents(labels map[string]string) iter.Seq2[fleet.Key, string] {
	return func(yield func(fleet.Key, string) bool) {
		for name, label := range labels {
			if !yield(key(name), label) {
				return
			}
		}
	}
}

var two = agents(map[string]string{"a": "n1-host_network", "b": "n2-private_network"})

// etcd keeps checkpoints.
type etcd struct {
	mu     sync.Mutex
	data   map[string][]byte
	err    error
	took   func() // nil: no time
	writes int
}

func (e *etcd) Save(_ context.Context, checkpoints map[string][]byte) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.err != nil {
		return e.err
	}
	e.writes++
	if e.took != nil {
		e.took()
	}
	maps.Copy(e.data, checkpoints)
	return nil
}

// save writes checkpoints to an etcd that takes them: all, or those that are urgent.
func save(t *testing.T, ta *Tally, db *etcd, all bool) {
	t.Helper()
	if err := ta.save(t.Context(), db, func(int) bool { return all }); err != nil {
		t.Error(err)
	}
}

// restart is a server that starts: checkpoints, then the events after them.
func (e *etcd) restart(c *clock, log []event) *Tally {
	t := New(c.now)
	for name, data := range e.data {
		t.Restore(name, data)
	}
	from := t.ResumeAfter()
	for _, ev := range log {
		if ev.revision > from {
			t.Reported(ev.key, ev.revision)
		}
	}
	return t
}

func wantCounts(t *testing.T, ta *Tally, who iter.Seq2[fleet.Key, string], want map[string]Counts) {
	t.Helper()
	if got := ta.Counts(who); !maps.Equal(got, want) {
		t.Errorf("counts %v, want %v", got, want)
	}
}

func TestReportsCountUnderTheirAgentsLabel(t *testing.T) {
	ta := New(newClock().now)
	ta.Reported(key("a"), 1)
	ta.Reported(key("b"), 2)
	ta.Reported(key("a"), 2)
	ta.Reported(key("stranger"), 3)
	wantCounts(t, ta, two, map[string]Counts{"n1-host_network": {2, 0}, "n2-private_network": {1, 0}})
}

func TestARestartLosesAndDoublesNothingWhereverTheCheckpointWas(t *testing.T) {
	// Reports come in transactions: several share a revision. The checkpoint is
	// written after each prefix of them, and the server restarts at the end.
	var log []event
	for rev := int64(10); rev < 20; rev++ {
		for i := range 3 {
			log = append(log, event{rev, key(fmt.Sprintf("p%d", (int(rev)+i)%5))})
		}
	}
	who := map[string]string{}
	for i := range 5 {
		who[fmt.Sprintf("p%d", i)] = fmt.Sprintf("n%d-host_network", i)
	}
	c := newClock()
	whole := New(c.now)
	for _, ev := range log {
		whole.Reported(ev.key, ev.revision)
	}
	want := whole.Counts(agents(who))
	for cut := range len(log) + 1 {
		for _, all := range []bool{true, false} {
			first, db := New(c.now), &etcd{data: map[string][]byte{}}
			for _, ev := range log[:cut] {
				first.Reported(ev.key, ev.revision)
			}
			save(t, first, db, true)
			for _, ev := range log[cut:] {
				first.Reported(ev.key, ev.revision)
			}
			first.hurry()
			save(t, first, db, all)
			wantCounts(t, db.restart(c, log), agents(who), want)
			if t.Failed() {
				t.Fatalf("with the checkpoint after %d reports", cut)
			}
		}
	}
}

func TestFollowersCountReportsAtOnceAndTakeErrorsFromTheCheckpoint(t *testing.T) {
	c, db := newClock(), &etcd{data: map[string][]byte{}}
	leader, follower := New(c.now), New(c.now)
	for rev := int64(1); rev <= 5; rev++ {
		leader.Reported(key("a"), rev)
		follower.Reported(key("a"), rev)
	}
	leader.look(Agents{Known: true, Labels: two, Failing: []Failing{{key("b"), "n2-private_network", time.Minute}}})
	save(t, leader, db, false)
	follower.Reported(key("a"), 6)
	for name, data := range db.data {
		follower.Restore(name, data)
	}
	leader.Reported(key("a"), 6)
	want := map[string]Counts{"n1-host_network": {6, 0}, "n2-private_network": {0, 1}}
	wantCounts(t, leader, two, want)
	wantCounts(t, follower, two, want)
}

func TestTheNextPodOfTheSameKindGoesOnCounting(t *testing.T) {
	c, db := newClock(), &etcd{data: map[string][]byte{}}
	ta := New(c.now)
	ta.Reported(key("old"), 1)
	ta.Reported(key("old"), 2)
	ta.Reported(key("other"), 3)
	old := agents(map[string]string{"old": "n1-host_network"})
	ta.look(Agents{Known: true, Labels: old})
	c.pass(time.Second)

	gone := agents(map[string]string{"new": "n1-host_network"})
	ta.look(Agents{Known: true, Labels: gone})
	wantCounts(t, ta, gone, map[string]Counts{"n1-host_network": {2, 0}})
	save(t, ta, db, true) // lets the old pod's events go
	c.pass(time.Second)
	ta.look(Agents{Known: true, Labels: gone})
	ta.Reported(key("new"), 4)
	save(t, ta, db, true)
	wantCounts(t, ta, gone, map[string]Counts{"n1-host_network": {3, 0}})
	wantCounts(t, db.restart(c, []event{{4, key("new")}}), gone, map[string]Counts{"n1-host_network": {3, 0}})
	if _, there := ta.shards[shardOf(key("old"))].entries[key("old")]; there {
		t.Error("the old pod still has an entry of its own")
	}
}

func TestACheckpointThatCannotBeReadChangesNothing(t *testing.T) {
	ta := New(newClock().now)
	ta.Reported(key("a"), 1)
	a := shardName(shardOf(key("a")))
	ta.Restore(a, []byte("{"))
	ta.Restore("no shard", []byte("{}"))
	wantCounts(t, ta, two, map[string]Counts{"n1-host_network": {1, 0}})
}

func TestCountsStayWhereTheStoreBeginsANewHistory(t *testing.T) {
	c, db := newClock(), &etcd{data: map[string][]byte{}}
	ta := New(c.now)
	ta.setLeading(true)
	for rev := int64(1000); rev < 1005; rev++ {
		ta.Reported(key("a"), rev)
	}
	save(t, ta, db, true)
	for i := range shards {
		ta.Restore(shardName(i), nil)
	}
	ta.Reported(key("a"), 3)
	wantCounts(t, ta, two, map[string]Counts{"n1-host_network": {6, 0}})
	save(t, ta, db, true)
	wantCounts(t, db.restart(c, []event{{3, key("a")}}), two, map[string]Counts{"n1-host_network": {6, 0}})
}

// turn is the leader's.
func turn(t *testing.T, ta *Tally, agents Agents, db *etcd) {
	t.Helper()
	if err := ta.Lead(t.Context(), agents, db); err != nil {
		t.Error(err)
	}
}

func TestReadingTheCountersChangesNothing(t *testing.T) {
	c, db := newClock(), &etcd{data: map[string][]byte{}}
	ta := New(c.now)
	ta.Reported(key("a"), 1)
	before := agents(map[string]string{"a": "n1-host_network"})
	ta.look(Agents{Known: true, Labels: before})
	ta.Reported(key("b"), 2)
	// a has moved, and b has come, since the leader looked.
	moved := agents(map[string]string{"a": "n9-host_network", "b": "n2-private_network"})
	stored, _ := ta.encode(shardOf(key("a")), 2)
	for range 2 {
		wantCounts(t, ta, moved, map[string]Counts{"n1-host_network": {}, "n9-host_network": {1, 0}, "n2-private_network": {1, 0}})
	}
	wantCounts(t, ta, before, map[string]Counts{"n1-host_network": {1, 0}})
	if again, _ := ta.encode(shardOf(key("a")), 2); !bytes.Equal(stored, again) {
		t.Errorf("being read made\n%s\nof\n%s", again, stored)
	}
	// Nor does it keep the labels of pods that are gone.
	c.pass(forgetAfter + time.Second)
	ta.Counts(moved)
	save(t, ta, db, true)
	ta.look(Agents{Known: true, Labels: agents(nil)})
	c.pass(forgetAfter + time.Second)
	ta.Counts(moved)
	ta.look(Agents{Known: true, Labels: agents(nil)})
	wantCounts(t, ta, moved, map[string]Counts{})
}

func TestManyMayReportAndReadWhileTheLeaderWrites(t *testing.T) {
	db := &etcd{data: map[string][]byte{}}
	ta := New(time.Now)
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	wg.Go(func() {
		for ctx.Err() == nil {
			turn(t, ta, Agents{Known: true, Labels: two}, db)
			save(t, ta, db, true)
		}
	})
	wg.Go(func() {
		for rev := int64(1); rev <= 5000; rev++ {
			ta.Reported(key("a"), rev)
		}
		cancel()
	})
	wg.Go(func() {
		for ctx.Err() == nil {
			ta.Counts(two)
		}
	})
	wg.Wait()
	wantCounts(t, ta, two, map[string]Counts{"n1-host_network": {5000, 0}})
}

func BenchmarkCounts(b *testing.B) {
	ta, labels := New(time.Now), map[string]string{}
	for i := range 20_000 {
		name := fmt.Sprintf("netchecker-agent-%05d", i)
		ta.Reported(key(name), int64(i+1))
		labels[name] = fmt.Sprintf("node-%05d-private_network", i)
	}
	ta.look(Agents{Known: true, Labels: agents(labels)})
	for b.Loop() {
		ta.Counts(agents(labels))
	}
}
