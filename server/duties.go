package main

import (
	"context"
	"fmt"
	"time"

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
	duties := []leader.Duty{s.counting()}
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
