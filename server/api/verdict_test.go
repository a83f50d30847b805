package api

import (
	"encoding/json"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/netchecker/netchecker/server/evaluate"
	"github.com/netchecker/netchecker/server/fleet"
	"github.com/netchecker/netchecker/server/judge"
)

// told is an agent and the state that it is in. One that reports was heard, unless it
// was only read, or neither.
type told struct {
	name  string
	state evaluate.State
	not   string // "heard", or "heard, but read"
}

// snapshotOf makes a Snapshot of agents in that order, which should be that of their
// names.
func snapshotOf(agents ...told) *judge.Snapshot {
	s := &judge.Snapshot{List: &fleet.List{Source: "a made-up list"}, Loaded: true}
	for _, a := range agents {
		s.List.Agents = append(s.List.Agents, fleet.Agent{Key: fleet.Key{Namespace: "default", Name: a.name}})
		s.Records = append(s.Records, nil)
		s.States = append(s.States, a.state)
		s.Summary.Add(evaluate.Evidence{Read: a.not == "heard, but read"}, a.state, a.state == evaluate.Reporting && a.not == "")
	}
	return s
}

// unknownBecause has no states.
func unknownBecause(u judge.Unknown) *judge.Snapshot {
	return &judge.Snapshot{List: &fleet.List{Source: "a made-up list"}, Loaded: true, Unknown: u}
}

func (a answer) String() string { return fmt.Sprintf("%d %s", a.status, a.body) }

const (
	wellOf  = `200 {"Message":"All %d pods successfully reported back to the server",%s}`
	failsOf = `400 {"Message":"Connectivity check fails. Reason: there are absent or outdated pods; look up the payload",%s}`
)

func TestTheCheckAnswersInTheContractsWords(t *testing.T) {
	const reporting, starting, outdated, absent, planned = evaluate.Reporting, evaluate.Starting, evaluate.Outdated, evaluate.Absent, evaluate.Planned
	well := func(n int, payload string) string { return fmt.Sprintf(wellOf, n, payload) }
	fails := func(payload string) string { return fmt.Sprintf(failsOf, payload) }
	stale := snapshotOf(told{name: "a"})
	stale.ListAge = 90 * time.Second
	for _, row := range []struct {
		name            string
		s               *judge.Snapshot
		strict, lenient string
	}{
		{"all report", snapshotOf(told{name: "a"}, told{name: "b"}), well(2, `"Absent":null,"Outdated":null`), ""},
		{"one is absent", snapshotOf(told{name: "p", state: absent}, told{name: "q"}), fails(`"Absent":["p"],"Outdated":null`), ""},
		{"one is outdated", snapshotOf(told{name: "p"}, told{name: "q", state: outdated}), fails(`"Absent":null,"Outdated":["q"]`), ""},
		{"one is starting", snapshotOf(told{name: "old"}, told{name: "young", state: starting}),
			fails(`"Absent":["young"],"Outdated":null,"Starting":["young"]`), well(1, `"Absent":null,"Outdated":null,"Starting":["young"]`)},
		{"absent and starting are listed together, in order", snapshotOf(told{name: "a", state: absent}, told{name: "b", state: starting}, told{name: "c", state: absent}, told{name: "well"}),
			fails(`"Absent":["a","b","c"],"Outdated":null,"Starting":["b"]`), fails(`"Absent":["a","c"],"Outdated":null,"Starting":["b"]`)},
		{"one is planned, and not counted", snapshotOf(told{name: "a"}, told{name: "b", state: planned}), well(1, `"Absent":null,"Outdated":null,"Planned":["b"]`), ""},
		{"the list is old", stale, well(1, `"Absent":null,"Outdated":null,"PodListAgeSeconds":90`), ""},
		{"all are reporting and one was heard", snapshotOf(told{name: "a"}, told{"b", reporting, "heard, but read"}), well(2, `"Absent":null,"Outdated":null`), ""},
	} {
		if row.lenient == "" {
			row.lenient = row.strict
		}
		a := word(row.s, 30*time.Second)
		if a.strict.String() != row.strict {
			t.Errorf("%s: answered %v\n    want %s", row.name, a.strict, row.strict)
		}
		if a.lenient.String() != row.lenient {
			t.Errorf("%s, starting=ok: answered %v\n    want %s", row.name, a.lenient, row.lenient)
		}
	}
}

func TestCannotKnowIsNeitherJSONNorHealth(t *testing.T) {
	const reporting = evaluate.Reporting
	for _, row := range []struct {
		name string
		s    *judge.Snapshot
		want string
	}{
		{"etcd was never read", unknownBecause(judge.Unknown{Cause: judge.StoreUnread, Trouble: "connection refused"}), "the reports in etcd were never read: connection refused"},
		{"etcd is silent for longer than -ping-timeout", unknownBecause(judge.Unknown{Cause: judge.StoreSilent, For: 12*time.Second + 1, Trouble: "no answer"}), "etcd has not answered for 12s: no answer"},
		{"etcd is back", unknownBecause(judge.Unknown{Cause: judge.StoreJustBack}), "etcd has only just answered again"},
		{"the pod list was never read", unknownBecause(judge.Unknown{Cause: judge.ListUnread, Trouble: "forbidden"}), "the list of agent pods was never read: forbidden"},
		{"no agent pod exists", unknownBecause(judge.Unknown{Cause: judge.NobodyExpected}), "no agent pod exists, so nobody can report (a made-up list)"},
		{"the judge hangs", unknownBecause(judge.Unknown{Cause: judge.LoopStuck, For: 20 * time.Second}), "the newest verdict is 20s old, because the server's own loop stands still"},
		{"nobody was heard since the server listens again", snapshotOf(told{"a", reporting, "heard"}), "no agent was heard since the server began to listen, and it is too early to blame any"},
		{"nobody was heard since the start", snapshotOf(told{"a", reporting, "heard, but read"}, told{"b", reporting, "heard, but read"}),
			"nobody was heard since the start; 2 reports are known from before it, and within two report intervals it will be known who still reports"},
		{"nobody was heard since the start, and one pod's node is going", snapshotOf(told{"a", reporting, "heard, but read"}, told{name: "b", state: evaluate.Planned}),
			"nobody was heard since the start; 1 report is known from before it, and within two report intervals it will be known who still reports"},
		{"some were heard before an outage, others never", snapshotOf(told{"a", reporting, "heard, but read"}, told{"b", reporting, "heard"}),
			"no agent was heard since the server began to listen, and it is too early to blame any"},
	} {
		a := word(row.s, time.Minute)
		want := "503 Error occurred while checking the agents. Details: " + row.want
		if a.strict.String() != want || a.lenient.String() != want || json.Valid(a.strict.body) {
			t.Errorf("%s: answered %v, with starting=ok %v\n    want %s", row.name, a.strict, a.lenient, want)
		}
	}
}

func TestASnapshotIsWordedOnceHoweverManyAsk(t *testing.T) {
	a := &answerer{staleAfter: time.Minute}
	first, second := snapshotOf(told{name: "a"}), snapshotOf(told{name: "a"}, told{name: "b"})
	for _, s := range []*judge.Snapshot{first, second} {
		var got [50]*answers
		var wg sync.WaitGroup
		a.wording.Lock() // for all to come before it is worded
		for i := range got {
			wg.Go(func() { got[i] = a.to(s) })
		}
		time.Sleep(10 * time.Millisecond)
		a.wording.Unlock()
		wg.Wait()
		for _, g := range got {
			if g != got[0] || g.of != s {
				t.Fatal("one Snapshot has several answers, or those of another")
			}
		}
	}
	if allocs := testing.AllocsPerRun(100, func() { a.to(second) }); allocs != 0 {
		t.Errorf("asking again takes %v allocations", allocs)
	}
	if got := a.to(first).strict.String(); !strings.Contains(got, "All 1 pods") {
		t.Errorf("who comes with the Snapshot before gets %s", got)
	}
}

func BenchmarkCheck(b *testing.B) {
	agents := make([]told, 100_000)
	for i := range agents {
		agents[i].name = fmt.Sprintf("netchecker-agent-%06d", i)
		if i%100 == 0 {
			agents[i].state = evaluate.Outdated
		}
	}
	s := snapshotOf(agents...)
	b.Run("worded", func(b *testing.B) {
		for b.Loop() {
			word(s, time.Minute)
		}
	})
	b.Run("asked", func(b *testing.B) {
		a := &answerer{staleAfter: time.Minute}
		b.RunParallel(func(pb *testing.PB) {
			for pb.Next() {
				a.to(s)
			}
		})
	})
}
