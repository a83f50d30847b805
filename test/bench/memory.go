package main

import (
	"context"
	"fmt"
	"net/http"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/netchecker/netchecker/test/etcdtest"
	"github.com/netchecker/netchecker/test/process"
)

const (
	// loadWorkers send the reports of many agents; each agent has a connection of its
	// own.
	loadWorkers = 100
	// agentInterval is the real agent's, in seconds.
	agentInterval = 5
	// sampleEvery is the time between two looks at the memory.
	sampleEvery = 500 * time.Millisecond
)

func memoryFigures(agents int) []figure {
	return []figure{
		{name: fmt.Sprintf("Server's memory with %d pods, peak", agents), unit: "MiB", target: &target{limit: 256, goal: 150}},
		{name: fmt.Sprintf("Server's memory with %d pods, median", agents), unit: "MiB"},
		{name: "Agent's memory, peak", unit: "MiB", decimals: 1, target: &target{limit: 16}},
		{name: "Agent's memory, median", unit: "MiB", decimals: 1},
	}
}

// measureMemory is the part "memory". One look at one build is long; two builds
// are looked at in turn, each time from their start.
func measureMemory(ctx context.Context, s *stage) ([]result, error) {
	crew := crew(s.podAgents)
	kubeconfig, err := s.startCluster(ctx, crew)
	if err != nil {
		return nil, err
	}
	trials, err := s.trials(func(b build) (trial, error) {
		etcd, err := s.startEtcd(ctx)
		return func(ctx context.Context, round int) (values []float64, err error) {
			err = s.scoped(func() (err error) {
				values, err = s.memoryRound(ctx, b, etcd, kubeconfig, round, crew)
				return err
			})
			return values, err
		}, err
	})
	if err != nil {
		return nil, err
	}
	rounds := 1
	if s.comparing() {
		rounds = s.rounds
	}
	return inTurn(ctx, memoryFigures(s.podAgents), rounds, trials)
}

// memoryRound starts a server and an agent, and looks at their memory.
func (s *stage) memoryRound(ctx context.Context, b build, etcd *etcdtest.Server, kubeconfig string, round int, crew []agent) ([]float64, error) {
	srv, err := s.startServer(ctx, b, "-etcd-endpoints", etcd.Endpoint, "-etcd-tree", fmt.Sprintf("round-%d", round), "-kubeconfig", kubeconfig)
	if err != nil {
		return nil, err
	}
	// A real agent reports for the first pod, the benchmark for the others.
	agent, err := s.startAgent(b, srv, crew[0], agentInterval, "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	l := newLoad(srv.addr, encode(crew[1:], srv.addr, s.interval), loadWorkers, s.connections())
	defer l.close()
	s.say("%s", b.of(fmt.Sprintf("%d agents report every %d s over connections of their own, for %v", s.podAgents, s.interval, s.scrapeFor)))
	seen, err := s.watch(ctx, srv, agent, l)
	if err != nil {
		return nil, err
	}
	s.say("%.0f reports/s came in; a scrape has %.1f MiB, compressed, and took %v at most; the server had %.0f MiB at most",
		float64(l.acked.Load())/s.scrapeFor.Seconds(), float64(seen.scrapes.bytes)/(1<<20), seen.scrapes.slowest.Round(time.Millisecond), seen.serverPeak)
	return seen.values(), s.sayMemory(ctx, srv)
}

// sayMemory prints what the server's own memory statistics say (Go's
// runtime.MemStats), in the end.
func (s *stage) sayMemory(ctx context.Context, srv *server) error {
	metrics, err := scrapeOnce(ctx, srv.addr)
	if err != nil {
		return err
	}
	var mib [6]float64
	for i, name := range [...]string{"heap_alloc", "heap_inuse", "heap_idle", "heap_released", "stack_inuse", "next_gc"} {
		bytes, err := gauge(metrics, "go_memstats_"+name+"_bytes")
		if err != nil {
			return err
		}
		mib[i] = bytes / (1 << 20)
	}
	s.say("The server's heap: %.0f MiB of objects in %.0f MiB, %.0f MiB idle of which %.0f are given back, next collection at %.0f MiB; stacks %.0f MiB",
		mib[0], mib[1], mib[2], mib[3], mib[5], mib[4])
	return nil
}

// connections is one for each agent, rounded up to what the workers can share out.
func (o options) connections() int {
	return (o.podAgents + loadWorkers - 1) / loadWorkers * loadWorkers
}

// memory is what was seen of it, in MiB.
type memory struct {
	server, agent         []float64
	serverPeak, agentPeak float64
	scrapes               scrapes
}

// values are those of memoryFigures.
func (m memory) values() []float64 {
	return []float64{m.serverPeak, median(m.server), m.agentPeak, median(m.agent)}
}

// watch looks at the memory while reports come in and the metrics are scraped. In
// the end all must be well.
func (s *stage) watch(ctx context.Context, srv *server, agent *process.Process, l *load) (memory, error) {
	over, cancel := context.WithTimeout(ctx, s.scrapeFor)
	defer cancel()
	var seen memory
	group, over := errgroup.WithContext(over)
	group.Go(func() error { return l.pace(over, float64(l.agents())/float64(s.interval)) })
	group.Go(func() (err error) {
		seen.scrapes, err = keepScraping(over, srv)
		return err
	})
	group.Go(func() error { return seen.sample(over, srv.PID(), agent.PID()) })
	if err := group.Wait(); err != nil {
		return memory{}, err
	}
	if err := ctx.Err(); err != nil {
		return memory{}, err
	}
	return seen, srv.answers(checkPath, http.StatusOK)
}

// sample looks at both processes until ctx ends.
func (m *memory) sample(ctx context.Context, server, agent int) (err error) {
	for due := time.Now(); sleepUntil(ctx, due); due = due.Add(sampleEvery) {
		var ofServer, ofAgent float64
		if ofServer, m.serverPeak, err = resident(server); err != nil {
			return err
		}
		if ofAgent, m.agentPeak, err = resident(agent); err != nil {
			return err
		}
		m.server, m.agent = append(m.server, ofServer), append(m.agent, ofAgent)
	}
	return nil
}
