package main

import (
	"testing"
	"time"

	"github.com/netchecker/netchecker/server/evaluate"
	"github.com/netchecker/netchecker/server/fleet"
	"github.com/netchecker/netchecker/server/intervals"
	"github.com/netchecker/netchecker/server/judge"
)

func TestWhoIsSilentOrGoneAndWhoIsOnlyNew(t *testing.T) {
	key := func(name string) fleet.Key { return fleet.Key{Namespace: "default", Name: name} }
	gone := time.Now()
	snap := &judge.Snapshot{
		List:   &fleet.List{Left: []fleet.Left{{Agent: fleet.Agent{Key: key("left")}, Since: gone}}},
		States: []evaluate.State{evaluate.Reporting, evaluate.Starting, evaluate.Outdated, evaluate.Absent, evaluate.Planned},
	}
	for _, name := range []string{"a", "b", "c", "d", "e"} {
		snap.List.Agents = append(snap.List.Agents, fleet.Agent{Key: key(name)})
	}
	how := presence(snap)
	for name, want := range map[string]intervals.Presence{
		"a": {Listed: true}, "b": {Listed: true},
		"c": {Listed: true, Silent: true}, "d": {Listed: true, Silent: true}, "e": {Listed: true, Silent: true},
		"left": {Left: gone}, "unheard-of": {},
	} {
		if got := how(key(name)); got != want {
			t.Errorf("%s: %+v, want %+v", name, got, want)
		}
	}
	snap.Unknown = judge.Unknown{Cause: judge.StoreSilent}
	if presence(snap) != nil {
		t.Error("something is said of pods although nothing can be known")
	}
}

func TestFaultsAreLookedForWhileSomebodyIsHeard(t *testing.T) {
	snap := &judge.Snapshot{List: &fleet.List{}, States: []evaluate.State{evaluate.Reporting}, Records: []*fleet.Record{nil}}
	if got := sight(snap); !got.Blind {
		t.Errorf("of whom nobody was heard %+v is seen", got)
	}
	snap.Summary.Add(evaluate.Evidence{}, evaluate.Reporting, true)
	if got := sight(snap); got.Blind || got.List != snap.List || len(got.States) != 1 || len(got.Records) != 1 {
		t.Errorf("%+v is seen", got)
	}
	snap.Unknown = judge.Unknown{Cause: judge.StoreSilent}
	if got := sight(snap); !got.Blind {
		t.Errorf("while etcd is silent %+v is seen", got)
	}
}
