package tally

import (
	"context"
	"errors"
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
	mu   sync.Mutex
	data map[string][]byte
	err  error
}

func (e *etcd) Save(_ context.Context, checkpoints map[string][]byte) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.err != nil {
		return e.err
	}
	maps.Copy(e.data, checkpoints)
	return nil
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
			first.save(t.Context(), db, true)
			for _, ev := range log[cut:] {
				first.Reported(ev.key, ev.revision)
			}
			first.hurry()
			first.save(t.Context(), db, all)
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
	leader.look(Verdict{Known: true, Agents: two, Failing: []Failing{{key("b"), "n2-private_network", time.Minute}}})
	leader.save(t.Context(), db, false)
	follower.Reported(key("a"), 6)
	for name, data := range db.data {
		follower.Restore(name, data)
	}
	leader.Reported(key("a"), 6)
	want := map[string]Counts{"n1-host_network": {6, 0}, "n2-private_network": {0, 1}}
	wantCounts(t, leader, two, want)
	wantCounts(t, follower, two, want)
}

func TestAFailureCountsOnceAtItsBeginningAndOncePerFurtherInterval(t *testing.T) {
	c := newClock()
	ta := New(c.now)
	failing := Verdict{Known: true, Agents: two, Failing: []Failing{{key("a"), "n1-host_network", 15 * time.Second}}}
	well := Verdict{Known: true, Agents: two}
	blind := Verdict{Agents: two}
	for _, step := range []struct {
		name    string
		pass    time.Duration
		verdict Verdict
		want    uint64
	}{
		{"well", time.Second, well, 0},
		{"it begins to fail", time.Second, failing, 1},
		{"still within the interval", 14 * time.Second, failing, 1},
		{"one interval later", time.Second, failing, 2},
		{"two intervals later", 15 * time.Second, failing, 3},
		{"blind", time.Hour, blind, 3},
		{"seen again: it still fails, and nothing is made up for", time.Second, failing, 3},
		{"one interval after that", 15 * time.Second, failing, 4},
		{"well again", time.Second, well, 4},
		{"well for long", time.Hour, well, 4},
		{"it fails anew", time.Second, failing, 5},
	} {
		c.pass(step.pass)
		ta.look(step.verdict)
		if got := ta.Counts(two)["n1-host_network"].Errors; got != step.want {
			t.Errorf("%s: %d errors, want %d", step.name, got, step.want)
		}
	}
}

func TestANewLeaderDoesNotCountTheBeginningOfAFailureAgain(t *testing.T) {
	c, db := newClock(), &etcd{data: map[string][]byte{}}
	failing := Verdict{Known: true, Agents: two, Failing: []Failing{{key("a"), "n1-host_network", 15 * time.Second}}}
	first := New(c.now)
	first.look(failing)
	first.save(t.Context(), db, false)
	second := db.restart(c, nil)
	c.pass(time.Second)
	second.look(failing)
	wantCounts(t, second, two, map[string]Counts{"n1-host_network": {0, 1}})
	c.pass(15 * time.Second)
	second.look(failing)
	wantCounts(t, second, two, map[string]Counts{"n1-host_network": {0, 2}})
}

func TestTheNextPodOfTheSameKindGoesOnCounting(t *testing.T) {
	c, db := newClock(), &etcd{data: map[string][]byte{}}
	ta := New(c.now)
	ta.Reported(key("old"), 1)
	ta.Reported(key("old"), 2)
	ta.Reported(key("other"), 3)
	old := agents(map[string]string{"old": "n1-host_network"})
	ta.look(Verdict{Known: true, Agents: old})
	c.pass(time.Second)

	gone := agents(map[string]string{"new": "n1-host_network"})
	ta.look(Verdict{Known: true, Agents: gone})
	wantCounts(t, ta, gone, map[string]Counts{"n1-host_network": {2, 0}})
	ta.save(t.Context(), db, true) // lets the old pod's events go
	c.pass(time.Second)
	ta.look(Verdict{Known: true, Agents: gone})
	ta.Reported(key("new"), 4)
	ta.save(t.Context(), db, true)
	wantCounts(t, ta, gone, map[string]Counts{"n1-host_network": {3, 0}})
	wantCounts(t, db.restart(c, []event{{4, key("new")}}), gone, map[string]Counts{"n1-host_network": {3, 0}})
	if _, there := ta.shards[shardOf(key("old"))].entries[key("old")]; there {
		t.Error("the old pod still has an entry of its own")
	}
}

func TestNothingIsKeptForeverOfLabelsAndStrangersThatAreGone(t *testing.T) {
	c, db := newClock(), &etcd{data: map[string][]byte{}}
	ta := New(c.now)
	ta.Reported(key("a"), 1)
	ta.Reported(key("stranger"), 2)
	ta.Reported(key("b"), 3)
	ta.look(Verdict{Known: true, Agents: two})
	ta.save(t.Context(), db, true)
	nobody := agents(nil)
	for range 5 {
		c.pass(forgetAfter/2 + time.Second)
		ta.look(Verdict{Known: true, Agents: nobody})
		ta.Reported(key("tick"), ta.seen+1)
		ta.save(t.Context(), db, true)
	}
	for i := range ta.shards {
		for k := range ta.shards[i].entries {
			if k != key("tick") {
				t.Errorf("an entry of %v is still there", k)
			}
		}
		for label := range ta.shards[i].retired {
			t.Errorf("the label %s is still there", label)
		}
	}
}

func TestCheckpointsThatCouldNotBeWrittenAreWrittenLater(t *testing.T) {
	c, db := newClock(), &etcd{data: map[string][]byte{}, err: errors.New("etcd is away")}
	ta := New(c.now)
	ta.look(Verdict{Known: true, Agents: two, Failing: []Failing{{key("a"), "n1-host_network", time.Minute}}})
	if ta.save(t.Context(), db, false) {
		t.Fatal("a failed write counts as written")
	}
	db.err = nil
	ta.save(t.Context(), db, false)
	wantCounts(t, db.restart(c, nil), two, map[string]Counts{"n1-host_network": {0, 1}})
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
	ta.save(t.Context(), db, true)
	for i := range shards {
		ta.Restore(shardName(i), nil)
	}
	ta.Reported(key("a"), 3)
	wantCounts(t, ta, two, map[string]Counts{"n1-host_network": {6, 0}})
	ta.save(t.Context(), db, true)
	wantCounts(t, db.restart(c, []event{{3, key("a")}}), two, map[string]Counts{"n1-host_network": {6, 0}})
}

// fixed is a judge with one verdict.
type fixed Verdict

func (f fixed) Verdict() Verdict { return Verdict(f) }

func TestTheLeaderWritesALastCheckpointWhenItEnds(t *testing.T) {
	c, db := newClock(), &etcd{data: map[string][]byte{}}
	ta := New(c.now)
	for rev := int64(1); rev <= 9; rev++ {
		ta.Reported(key("a"), rev)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		ta.Lead(ctx, fixed{Known: true, Agents: two}, db, Pace{Look: time.Hour})
	}()
	cancel()
	<-done
	wantCounts(t, db.restart(c, []event{{9, key("a")}}), two, map[string]Counts{"n1-host_network": {9, 0}})
}

func TestManyMayReportAndReadWhileTheLeaderWrites(t *testing.T) {
	db := &etcd{data: map[string][]byte{}}
	ta := New(time.Now)
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	wg.Go(func() {
		ta.Lead(ctx, fixed{Known: true, Agents: two}, db, Pace{Look: time.Millisecond, Write: 2 * time.Millisecond})
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
