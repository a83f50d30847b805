package main

import (
	"context"
	"fmt"
	"net/http"
	"strconv"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/netchecker/netchecker/test/process"
)

const (
	// memoryWorkers send the reports of the memory's agents; each agent has a
	// connection of its own.
	memoryWorkers = 100
	// agentInterval is the real agent's, in seconds.
	agentInterval = 5
	// sampleEvery is the time between two looks at the memory.
	sampleEvery = 500 * time.Millisecond
)

// measureMemory is the part "memory".
func measureMemory(ctx context.Context, s *stage) ([]figure, error) {
	crew := crew(s.podAgents)
	kubeconfig, err := s.startCluster(ctx, crew)
	if err != nil {
		return nil, err
	}
	etcd, err := s.startEtcd(ctx)
	if err != nil {
		return nil, err
	}
	srv, err := s.startServer(ctx, "-etcd-endpoints", etcd.Endpoint, "-kubeconfig", kubeconfig)
	if err != nil {
		return nil, err
	}
	// A real agent reports for the first pod, the benchmark for the others.
	agent, err := s.startAgent(srv, crew[0])
	if err != nil {
		return nil, err
	}
	l := newLoad(srv.addr, encode(crew[1:], srv.addr, s.interval), memoryWorkers, s.connections())
	defer l.close()
	s.say("%d agents report every %d s over connections of their own, for %v", s.podAgents, s.interval, s.scrapeFor)
	seen, err := s.watch(ctx, srv, agent, l)
	if err != nil {
		return nil, err
	}
	s.say("%.0f reports/s came in; a scrape has %.1f MiB, compressed, and took %v at most",
		float64(l.acked.Load())/s.scrapeFor.Seconds(), float64(seen.scrapes.bytes)/(1<<20), seen.scrapes.slowest.Round(time.Millisecond))
	if err := s.sayMemory(ctx, srv); err != nil {
		return nil, err
	}
	return seen.figures(s.podAgents), nil
}

// sayMemory prints what the server's own memory statistics say (Go's
// runtime.MemStats), in the end.
func (s *stage) sayMemory(ctx context.Context, srv *server) error {
	client := newScraper()
	defer client.CloseIdleConnections()
	metrics, err := scrape(ctx, client, srv, "identity")
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
func (s *stage) connections() int {
	return (s.podAgents - 1 + memoryWorkers - 1) / memoryWorkers * memoryWorkers
}

func (s *stage) startAgent(srv *server, a agent) (*process.Process, error) {
	return s.start(s.options.agent(), []string{"MY_POD_NAME=" + a.name, "MY_NODE_NAME=" + a.node, "MY_POD_NAMESPACE=" + namespace},
		"-logtostderr", "-serverendpoint", srv.addr, "-reportinterval", strconv.Itoa(agentInterval),
		"-network", string(a.network), "-listen", "127.0.0.1:0")
}

// memory is what was seen of it, in MiB.
type memory struct {
	server, agent         []float64
	serverPeak, agentPeak float64
	scrapes               scrapes
}

func (m memory) figures(agents int) []figure {
	return []figure{
		{name: fmt.Sprintf("Server's memory with %d pods, peak", agents), value: m.serverPeak, unit: "MiB", target: atMost(256, 150)},
		{name: fmt.Sprintf("Server's memory with %d pods, median", agents), value: median(m.server), unit: "MiB"},
		{name: "Agent's memory, peak", value: m.agentPeak, unit: "MiB", decimals: 1, target: atMost(16, 0)},
		{name: "Agent's memory, median", value: median(m.agent), unit: "MiB", decimals: 1},
	}
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
