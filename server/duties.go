package main

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/netchecker/netchecker/server/backends"
	"github.com/netchecker/netchecker/server/diagnose"
	"github.com/netchecker/netchecker/server/evaluate"
	"github.com/netchecker/netchecker/server/events"
	"github.com/netchecker/netchecker/server/findings"
	"github.com/netchecker/netchecker/server/fleet"
	"github.com/netchecker/netchecker/server/intervals"
	"github.com/netchecker/netchecker/server/judge"
	"github.com/netchecker/netchecker/server/leader"
	"github.com/netchecker/netchecker/server/store"
	"github.com/netchecker/netchecker/server/tally"
)

// compactEvery is the time between two compactions, and so about how long old
// revisions are kept.
const compactEvery = time.Minute

// lead does what only one of several servers does.
func (s *server) lead(ctx context.Context, fence store.Fence) error {
	if err := s.store.Await(ctx, fence.CreateRevision); err != nil {
		return fmt.Errorf("reading what the last leader wrote: %w", err)
	}
	leader.Serve(ctx, fence, s.duties()...)
	return nil
}

// duties are those of one reign.
func (s *server) duties() []leader.Duty {
	duties := []leader.Duty{s.counting(), s.keepingHistory(), s.lookingForFaults()}
	if s.recipient != nil {
		duties = append(duties, s.announcing())
	}
	if s.opts.EtcdCompact {
		duties = append(duties, s.compacting())
	}
	return duties
}

// counting counts the agents' errors, and writes the counters.
func (s *server) counting() leader.Duty {
	return leader.Duty{
		Name:  "Writing the counters",
		Every: tally.LookEvery,
		Do: func(ctx context.Context, fence store.Fence) error {
			return s.tally.Lead(ctx, countable(s.judge.Snapshot()), fenced{s.checkpoints, fence})
		},
		End: func(ctx context.Context, fence store.Fence) error {
			return s.tally.Resign(ctx, fenced{s.checkpoints, fence})
		},
	}
}

// keepingHistory closes, bounds and sums up what is known of backends.
func (s *server) keepingHistory() leader.Duty {
	return leader.Duty{
		Name:  "Keeping the intervals of backends",
		Every: intervals.LookEvery,
		Do: func(ctx context.Context, fence store.Fence) error {
			return s.history.Lead(ctx, fencedKind{s.history.Kept(), fence}, intervals.DefaultLimits(), presence(s.judge.Snapshot()))
		},
	}
}

// presence says of each pod how it is; nil while nothing can be known.
func presence(snap *judge.Snapshot) func(fleet.Key) intervals.Presence {
	if !snap.Known() {
		return nil
	}
	agents, left := snap.List.Agents, snap.List.Left
	return func(pod fleet.Key) intervals.Presence {
		if i, listed := slices.BinarySearchFunc(agents, pod, func(a fleet.Agent, k fleet.Key) int { return a.Key.Compare(k) }); listed {
			state := snap.States[i]
			return intervals.Presence{Listed: true, Silent: state != evaluate.Reporting && state != evaluate.Starting}
		}
		if i, lately := slices.BinarySearchFunc(left, pod, func(l fleet.Left, k fleet.Key) int { return l.Key.Compare(k) }); lately {
			return intervals.Presence{Left: left[i].Since}
		}
		return intervals.Presence{}
	}
}

// fencedKind saves while the fence stands.
type fencedKind struct {
	kind  *store.Kind
	fence store.Fence
}

func (f fencedKind) Save(ctx context.Context, ops ...store.Op) error {
	return f.kind.Save(ctx, f.fence, ops...)
}

// lookingForFaults names what is broken, of what agents tell of paths and of what they share.
func (s *server) lookingForFaults() leader.Duty {
	reign := findings.NewReign(findings.Config{
		Kept: s.findings, Paths: s.paths, Every: s.planner.SharedEvery, Left: s.facts.NameServerLeft, Now: time.Now,
		Homes: func(list *fleet.List) map[diagnose.Thing][]string {
			return findings.Homes(list, s.facts.Shared(), s.facts.NameServerNodes())
		},
	})
	return leader.Duty{
		Name:   "Looking for faults",
		Every:  findings.LookEvery,
		Offset: findings.LookEvery / 2, // of a large cluster, it takes as long as writing the counters
		Do: func(ctx context.Context, fence store.Fence) error {
			return reign.Turn(ctx, fencedKind{s.findings.Kind(), fence}, sight(s.judge.Snapshot()))
		},
	}
}

// sight is what can be seen of the agents: nothing while nobody is heard, too.
func sight(snap *judge.Snapshot) findings.Sight {
	if snap.Verdict(true) == evaluate.CannotKnow {
		return findings.Sight{Blind: true}
	}
	return findings.Sight{List: snap.List, States: snap.States, Records: snap.Records}
}

// announcing tells of disruption, and of what is found broken, in Events.
func (s *server) announcing() leader.Duty {
	announcer := events.NewAnnouncer(events.Config{
		Kept: s.events, Intervals: s.lately, Refusals: s.refusals, Findings: s.findings.All, Sender: s.recipient, Now: time.Now,
	})
	return leader.Duty{Name: "Telling of disruption and findings in Events", Every: events.Every, Do: announcer.Turn}
}

// lately are the intervals that Events may still be about.
func (s *server) lately() []intervals.Interval {
	now := time.Now()
	return s.history.Between(now.Add(-events.Horizon), now)
}

// refusals are the backends that are not sampled, by all or by some, and why.
func (s *server) refusals() []backends.Refusal {
	_, records := s.judge.Snapshot().Sampling()
	return backends.Refusals(s.backends.Refused(), s.backends.Sampled(), records)
}

// compacting drops the old revisions of etcd.
func (s *server) compacting() leader.Duty {
	compactor := s.store.NewCompactor()
	return leader.Duty{
		Name:  "Dropping old revisions of etcd",
		Every: compactEvery,
		Do:    func(ctx context.Context, _ store.Fence) error { return compactor.Turn(ctx) },
	}
}

// countable is what the counters need of a Snapshot.
func countable(snap *judge.Snapshot) tally.Agents {
	agents := tally.Agents{Known: snap.Known(), Labels: snap.Keys(), Failing: make([]tally.Failing, len(snap.Failing))}
	for i, f := range snap.Failing {
		agents.Failing[i] = tally.Failing{Key: snap.List.Agents[f.Agent].Key, Label: snap.Labels[f.Agent], Interval: f.Interval}
	}
	return agents
}

// fenced saves counters while the fence stands.
type fenced struct {
	checkpoints *store.Checkpoints
	fence       store.Fence
}

func (f fenced) Save(ctx context.Context, checkpoints map[string][]byte) error {
	return f.checkpoints.Save(ctx, f.fence, checkpoints)
}
