package main

import (
	"context"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/netchecker/netchecker/agent/collect"
	"github.com/netchecker/netchecker/agent/disruption"
	"github.com/netchecker/netchecker/agent/responder"
	"github.com/netchecker/netchecker/agent/sender"
	"github.com/netchecker/netchecker/pkg/report"
)

const (
	// Messages of intervals are spread over a second, since all agents may see the
	// same, and no two of an agent come sooner than 5 s.
	intervalsSpread = time.Second
	intervalsPace   = 5 * time.Second
	// intervalsDeadline and the pauses are those of one that hangs or fails.
	intervalsDeadline     = 10 * time.Second
	intervalsFirstPause   = time.Second
	intervalsLongestPause = 30 * time.Second
)

// backends is the sampling of backends, and the way of what it finds to the server.
type backends struct {
	sampling *disruption.Sampling
	ledger   *disruption.Ledger
	outbox   *sender.Outbox
}

func newBackends(s Settings, m Machine, self collect.Self, boot collect.Boot, server *sender.Server, metrics *responder.Metrics) *backends {
	b := &backends{}
	clock := disruption.Monotonic(boot.Clock)
	b.ledger = disruption.NewLedger(clock, func() { b.outbox.Wake() })
	b.sampling = disruption.New(disruption.Place{
		NodeIP: m.Getenv("MY_NODE_IP"), Server: s.ServerEndpoint, AllowLoopback: s.AllowLoopback,
		Names: m.Names, Read: disruption.Folder(s.BackendFiles),
	}, clock, b.ledger, sampled{metrics})
	b.outbox = sender.NewOutbox(sender.OutboxConfig{
		Server: server,
		URL:    pathAt(s.ServerEndpoint, "/api/v1/agents/"+self.PodName+"/"+report.IntervalsKind),
		Kind:   report.IntervalsKind,
		From:   report.Message{PodName: self.PodName, NodeName: self.NodeName, Namespace: self.Namespace, UID: self.UID, BootID: boot.ID},
		Clock:  boot.Clock,
		Author: b.ledger, MaxCount: 1, MaxBytes: report.MaxBody,
		Deadline: intervalsDeadline, FirstPause: intervalsFirstPause, LongestPause: intervalsLongestPause,
		Pace: intervalsPace, Spread: func() time.Duration { return intervalsSpread }, Detours: true,
		Observe: func(_ uint64, a sender.Attempt) {
			if a.Outcome == sender.Refused {
				b.ledger.Lost()
			}
		},
	})
	return b
}

// run samples until ctx ends, and then sends what became of that.
func (b *backends) run(ctx context.Context) error {
	sending, end := context.WithCancel(context.WithoutCancel(ctx))
	defer end()
	var group errgroup.Group
	group.Go(func() error { b.outbox.Run(sending); return nil })
	b.sampling.Run(ctx)
	end()
	return group.Wait()
}

// sampled counts samples in the agent's metrics.
type sampled struct{ metrics *responder.Metrics }

// Sampled implements disruption.Observer.
func (s sampled) Sampled(t disruption.Target, o disruption.Observation) {
	outcome := map[report.Level]responder.Outcome{
		report.Info: responder.Good, report.Error: responder.Failed, report.Warning: responder.NotAsked,
	}[o.Level]
	s.metrics.Sampled(t.Backend, string(t.Connection), outcome, o.Connected, o.Disrupted)
}

// Withdrawn implements disruption.Observer.
func (s sampled) Withdrawn(backend string) { s.metrics.Withdrawn(backend) }
