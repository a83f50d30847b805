package tally

import (
	"errors"
	"slices"
	"testing"
	"time"
)

func TestAFailureCountsOnceAtItsBeginningAndOncePerFurtherInterval(t *testing.T) {
	c := newClock()
	ta := New(c.now)
	failing := Agents{Known: true, Labels: two, Failing: []Failing{{key("a"), "n1-host_network", 15 * time.Second}}}
	well := Agents{Known: true, Labels: two}
	blind := Agents{Labels: two}
	for _, step := range []struct {
		name   string
		pass   time.Duration
		agents Agents
		want   uint64
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
		ta.look(step.agents)
		if got := ta.Counts(two)["n1-host_network"].Errors; got != step.want {
			t.Errorf("%s: %d errors, want %d", step.name, got, step.want)
		}
	}
}

func TestANewLeaderDoesNotCountTheBeginningOfAFailureAgain(t *testing.T) {
	c, db := newClock(), &etcd{data: map[string][]byte{}}
	failing := Agents{Known: true, Labels: two, Failing: []Failing{{key("a"), "n1-host_network", 15 * time.Second}}}
	first := New(c.now)
	first.look(failing)
	save(t, first, db, false)
	second := db.restart(c, nil)
	c.pass(time.Second)
	second.look(failing)
	wantCounts(t, second, two, map[string]Counts{"n1-host_network": {0, 1}})
	c.pass(15 * time.Second)
	second.look(failing)
	wantCounts(t, second, two, map[string]Counts{"n1-host_network": {0, 2}})
}

func TestNothingIsKeptForeverOfLabelsAndStrangersThatAreGone(t *testing.T) {
	c, db := newClock(), &etcd{data: map[string][]byte{}}
	ta := New(c.now)
	ta.Reported(key("a"), 1)
	ta.Reported(key("stranger"), 2)
	ta.Reported(key("b"), 3)
	ta.look(Agents{Known: true, Labels: two})
	save(t, ta, db, true)
	nobody := agents(nil)
	for range 5 {
		c.pass(forgetAfter/2 + time.Second)
		ta.look(Agents{Known: true, Labels: nobody})
		ta.Reported(key("tick"), ta.seen+1)
		save(t, ta, db, true)
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
	ta.look(Agents{Known: true, Labels: two, Failing: []Failing{{key("a"), "n1-host_network", time.Minute}}})
	if err := ta.save(t.Context(), db, func(int) bool { return false }); err != db.err {
		t.Fatalf("a failed write is %v", err)
	}
	db.err = nil
	save(t, ta, db, false)
	wantCounts(t, db.restart(c, nil), two, map[string]Counts{"n1-host_network": {0, 1}})
}

func TestTheLeaderWritesErrorsAtOnceAndAllElseEveryFiveSeconds(t *testing.T) {
	c, db := newClock(), &etcd{data: map[string][]byte{}}
	ta := New(c.now)
	well := Agents{Known: true, Labels: two}
	failing := Agents{Known: true, Labels: two, Failing: []Failing{{key("b"), "n2-private_network", time.Minute}}}
	ta.Reported(key("a"), 1)
	ta.Reported(key("a"), 2)
	revision := int64(2)
	for _, step := range []struct {
		name    string
		pass    time.Duration
		agents  Agents
		reports uint64 // of a, as stored
		errors  uint64 // of b
	}{
		{"the first turn writes all, but for the newest revision", 0, well, 2, 0},
		{"a report waits", time.Second, well, 2, 0},
		{"an error does not", time.Second, failing, 2, 1},
		{"after that each shard has a second of its own, and a's is the third", time.Second, well, 5, 1},
		{"reports wait", time.Second, well, 5, 1},
		{"and wait", 3 * time.Second, well, 5, 1},
		{"until five seconds are over", time.Second, well, 8, 1},
	} {
		c.pass(step.pass)
		revision++
		ta.Reported(key("a"), revision)
		turn(t, ta, step.agents, db)
		counts := db.restart(c, nil).Counts(two)
		if got := (Counts{counts["n1-host_network"].Reports, counts["n2-private_network"].Errors}); got != (Counts{step.reports, step.errors}) {
			t.Errorf("%s: %d reports and %d errors are stored, want %d, %d", step.name, got.Reports, got.Errors, step.reports, step.errors)
		}
	}
}

func TestWritingRestsTwentyTimesAsLongAsItTook(t *testing.T) {
	c := newClock()
	db := &etcd{data: map[string][]byte{}, took: func() { c.pass(200 * time.Millisecond) }}
	ta := New(c.now)
	failing := Agents{Known: true, Labels: two, Failing: []Failing{{key("b"), "n2-private_network", 500 * time.Millisecond}}}
	var writes []int
	for range 10 {
		turn(t, ta, failing, db)
		writes = append(writes, db.writes)
		c.pass(time.Second)
	}
	if want := []int{1, 1, 1, 1, 2, 2, 2, 2, 3, 3}; !slices.Equal(writes, want) {
		t.Errorf("after each second there were %v writes, want %v", writes, want)
	}
}

func TestTheLeaderWritesALastCheckpointWhenItResigns(t *testing.T) {
	c, db := newClock(), &etcd{data: map[string][]byte{}}
	ta := New(c.now)
	for rev := int64(1); rev <= 9; rev++ {
		ta.Reported(key("a"), rev)
	}
	if err := ta.Resign(t.Context(), db); err != nil {
		t.Fatal(err)
	}
	wantCounts(t, db.restart(c, []event{{9, key("a")}}), two, map[string]Counts{"n1-host_network": {9, 0}})
}

func TestAServerThatResignedTakesErrorsFromTheNextLeader(t *testing.T) {
	c, db := newClock(), &etcd{data: map[string][]byte{}}
	before, next := New(c.now), New(c.now)
	turn(t, before, Agents{Known: true, Labels: two}, db)
	if err := before.Resign(t.Context(), db); err != nil {
		t.Fatal(err)
	}
	turn(t, next, Agents{Known: true, Labels: two, Failing: []Failing{{key("b"), "n2-private_network", time.Minute}}}, db)
	for name, data := range db.data {
		before.Restore(name, data)
	}
	wantCounts(t, before, two, map[string]Counts{"n2-private_network": {0, 1}})
}
