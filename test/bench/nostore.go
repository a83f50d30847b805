package main

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"time"

	"github.com/netchecker/netchecker/pkg/serve"
	"github.com/netchecker/netchecker/server/api"
	"github.com/netchecker/netchecker/server/fleet"
	"github.com/netchecker/netchecker/server/intake"
	"github.com/netchecker/netchecker/server/judge"
	"github.com/netchecker/netchecker/server/metrics"
)

// serveWithoutStore serves reports by the server's own handlers, except that
// nothing is stored, until ctx ends.
func serveWithoutStore(ctx context.Context, endpoint string, agents int) error {
	m := metrics.New()
	srv := serve.New(serve.Config{
		Name: "API", Flag: "-endpoint", Addr: endpoint,
		Handler: api.New(api.Config{
			Taker:       intake.New(intake.Config{Store: forgetful{}, Pods: listOf(crew(agents)), TTL: 300 * time.Second, Now: time.Now}),
			Snapshots:   blind{},
			Observer:    m,
			MaxBody:     1 << 20,
			BodyWithin:  10 * time.Second,
			Unavailable: func(error) bool { return false },
			Health:      http.NotFoundHandler(),
			Ready:       http.NotFoundHandler(),
			Metrics:     http.NotFoundHandler(),
		}),
	})
	if err := srv.Run(ctx); err != nil {
		return fmt.Errorf("serving without a store: %w", err)
	}
	return nil
}

// forgetful is a store that acknowledges at once.
type forgetful struct{}

func (forgetful) Put(context.Context, fleet.Key, []byte, []byte, time.Duration) (int64, error) {
	return 1, nil
}
func (forgetful) Unlisted(fleet.Key) (int, bool) { return 0, false }

// blind knows nothing; nobody asks this server for a verdict.
type blind struct{}

func (blind) Snapshot() *judge.Snapshot {
	return &judge.Snapshot{Unknown: judge.Unknown{Cause: judge.StoreUnread}}
}

// fixed is a list of pods that never changes.
type fixed struct{ list *fleet.List }

func (f fixed) List() *fleet.List { return f.list }

func listOf(crew []agent) fixed {
	l := &fleet.List{Source: "the benchmark"}
	for _, a := range crew {
		l.Agents = append(l.Agents, fleet.Agent{Key: fleet.Key{Namespace: namespace, Name: a.name}, Node: a.node, Network: a.network})
	}
	slices.SortFunc(l.Agents, func(a, b fleet.Agent) int { return a.Key.Compare(b.Key) })
	return fixed{l}
}
