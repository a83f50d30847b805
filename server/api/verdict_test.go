package api

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/netchecker/netchecker/server/diagnose"
	"github.com/netchecker/netchecker/server/evaluate"
	"github.com/netchecker/netchecker/server/findings"
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
		for _, s := range []*judge.Snapshot{row.s, meshes(*row.s)} {
			a := word(s, 30*time.Second)
			for l, want := range map[leniency]string{{}: row.strict, {findings: true}: row.strict, {starting: true}: row.lenient, {true, true}: row.lenient} {
				if got := a.to(l).String(); got != want {
					t.Errorf("%s, %+v, agents mesh: %t: answered %s\n    want %s", row.name, l, s.Meshes, got, want)
				}
			}
		}
	}
}

// meshes is the same where agents mesh, and critical findings would fail the check.
func meshes(s judge.Snapshot, found ...findings.Finding) *judge.Snapshot {
	s.Meshes, s.FindingsFail, s.Findings = true, true, found
	return &s
}

// says is a finding in a few words.
func says(severity diagnose.Severity, sentence string) findings.Finding {
	return findings.Finding{Held: diagnose.Held{Finding: diagnose.Finding{Severity: severity}}, Sentence: sentence}
}

func TestTheCheckTellsWhatIsBrokenAndFailsByWhatIsCriticalWhereItShould(t *testing.T) {
	const starting, outdated = evaluate.Starting, evaluate.Outdated
	const nobody, alone = `"Absent":null,"Outdated":null`, `400 {"Message":"Connectivity check fails. Reason: %s; look up the payload",%s}`
	dead, hole, lossy, starved := says(diagnose.Critical, `n2: dead "now"`), says(diagnose.Critical, "n3: hole"), says(diagnose.Warning, "n1: lossy"), says(diagnose.Info, "n4: starved")
	unless := func(s *judge.Snapshot) *judge.Snapshot { s.FindingsFail = false; return s }
	well, young, silent := *snapshotOf(told{name: "a"}), *snapshotOf(told{name: "a"}, told{name: "b", state: starting}), *snapshotOf(told{name: "a"}, told{name: "b", state: outdated})
	crowded := meshes(well, slices.Repeat([]findings.Finding{lossy}, 25)...)
	crowded.LeftOut = 3
	for _, row := range []struct {
		name string
		s    *judge.Snapshot
		// As it is asked without parameters, and with findings=ok; young agents may start.
		want, lenient string
	}{
		{"two are critical", meshes(well, dead, hole, lossy, starved),
			fmt.Sprintf(alone, "2 critical findings", nobody+`,"Findings":["n2: dead \"now\"","n3: hole","n1: lossy","n4: starved"]`),
			fmt.Sprintf(wellOf, 1, nobody+`,"Findings":["n2: dead \"now\"","n3: hole","n1: lossy","n4: starved"]`)},
		{"one is critical", meshes(well, hole), fmt.Sprintf(alone, "1 critical finding", nobody+`,"Findings":["n3: hole"]`), fmt.Sprintf(wellOf, 1, nobody+`,"Findings":["n3: hole"]`)},
		{"critical ones fail nothing", unless(meshes(well, hole)), fmt.Sprintf(wellOf, 1, nobody+`,"Findings":["n3: hole"]`), ""},
		{"none is critical", meshes(well, lossy), fmt.Sprintf(wellOf, 1, nobody+`,"Findings":["n1: lossy"]`), ""},
		{"an agent fails it as well", meshes(silent, hole), fmt.Sprintf(failsOf, `"Absent":null,"Outdated":["b"],"Findings":["n3: hole"]`), ""},
		{"an agent is starting", meshes(young, hole),
			fmt.Sprintf(alone, "1 critical finding", nobody+`,"Starting":["b"],"Findings":["n3: hole"]`), fmt.Sprintf(wellOf, 1, nobody+`,"Starting":["b"],"Findings":["n3: hole"]`)},
		{"there are many", crowded, fmt.Sprintf(wellOf, 1, nobody+`,"Findings":[`+strings.Repeat(`"n1: lossy",`, mostSentences)+`"and 8 more"]`), ""},
	} {
		if row.lenient == "" {
			row.lenient = row.want
		}
		a := word(row.s, time.Minute)
		for l, want := range map[leniency]string{{starting: true}: row.want, {starting: true, findings: true}: row.lenient} {
			if got := a.to(l).String(); got != want {
				t.Errorf("%s, %+v: answered %s\n    want %s", row.name, l, got, want)
			}
		}
	}
	// Without starting=ok agents that start fail it first.
	want := fmt.Sprintf(failsOf, `"Absent":["b"],"Outdated":null,"Starting":["b"],"Findings":["n3: hole"]`)
	for _, l := range []leniency{{}, {findings: true}} {
		if got := word(meshes(young, hole), time.Minute).to(l).String(); got != want {
			t.Errorf("%+v, and an agent is starting: answered %s\n    want %s", l, got, want)
		}
	}
}

func TestTheCheckIsTextForPeople(t *testing.T) {
	all := snapshotOf(told{name: "a", state: evaluate.Absent}, told{name: "b", state: evaluate.Outdated}, told{name: "c", state: evaluate.Outdated},
		told{name: "d", state: evaluate.Planned}, told{name: "e", state: evaluate.Starting}, told{name: "f"})
	all.ListAge = 90 * time.Second
	for _, row := range []struct {
		s    *judge.Snapshot
		l    leniency
		want string
	}{
		{snapshotOf(told{name: "a"}), leniency{}, "All 1 pods successfully reported back to the server"},
		{meshes(*snapshotOf(told{name: "a"}), says(diagnose.Critical, "n3: hole"), says(diagnose.Info, "n4: starved")), leniency{},
			"Connectivity check fails. Reason: 1 critical finding; look up the payload\nn3: hole\nn4: starved"},
		{all, leniency{}, notWell + "\nAbsent: a, e\nOutdated: b, c\nStarting: e\nPlanned: d\nThe list of agent pods is 1m30s old"},
		{all, leniency{starting: true}, notWell + "\nAbsent: a\nOutdated: b, c\nStarting: e\nPlanned: d\nThe list of agent pods is 1m30s old"},
	} {
		if got := string(word(row.s, time.Minute).to(row.l).text()); got != row.want {
			t.Errorf("told is\n%s\nwant\n%s", got, row.want)
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
		want := "503 Error occurred while checking the agents. Details: " + row.want
		for _, s := range []*judge.Snapshot{row.s, meshes(*row.s, says(diagnose.Critical, "n3: hole"))} {
			a := word(s, time.Minute)
			for _, l := range []leniency{{}, {starting: true}, {findings: true}, {true, true}} {
				if got := a.to(l); got.String() != want || json.Valid(got.body) {
					t.Errorf("%s, %+v: answered %v\n    want %s", row.name, l, got, want)
				}
			}
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
	if allocs := testing.AllocsPerRun(100, func() { a.to(second).to(leniency{}) }); allocs != 0 {
		t.Errorf("asking again takes %v allocations", allocs)
	}
	if got := a.to(first).to(leniency{}).String(); !strings.Contains(got, "All 1 pods") {
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
