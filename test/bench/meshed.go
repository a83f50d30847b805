package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"runtime"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/netchecker/netchecker/server/mesh"
)

const (
	// meshedMost is what the mesh may take of a server's memory, in MiB, and planWithin how
	// many milliseconds a plan may take: with the agents of 10,000 nodes, the largest cluster.
	meshedMost, planWithin = 60, 50
	// atPing is how much longer the check may take than a ping; its p50 also so long as the
	// ping's upper quartile.
	atPing = 1.05
	// serverGC is the server's own GOGC, in per cent.
	serverGC = 50
	// zones are how many the nodes are in.
	zones = 3
)

func meshedFigures(nodes int) []figure {
	who := fmt.Sprintf(", %d nodes", nodes)
	return []figure{
		{name: "Making a plan" + who, unit: "ms", decimals: 2, target: &target{limit: planWithin}},
		{name: "Server's memory, agents that do not mesh" + who, unit: "MiB", decimals: 1},
		{name: "Server's memory more for agents that mesh" + who, unit: "MiB", decimals: 1, target: &target{limit: meshedMost}},
		{name: "Server's heap more for agents that mesh" + who, unit: "MiB", decimals: 1, target: &target{limit: meshedMost}},
		{name: "Server's CPU, agents that do not mesh" + who, unit: "ms/s", decimals: 0},
		{name: "Server's CPU, agents that mesh" + who, unit: "ms/s", decimals: 0},
		{name: "Ping, p50, agents that mesh" + who, unit: "ms", decimals: 3},
		{name: "Ping, p99, agents that mesh" + who, unit: "ms", decimals: 3},
		{name: "Ping, upper quartile by p50, agents that mesh" + who, decimals: 2},
		{name: "Check by ping, p50, agents that mesh" + who, decimals: 2},
		{name: "Check by ping, p99, agents that mesh" + who, decimals: 2, target: &target{limit: atPing}},
		{name: "Check by ping, p50, agents that do not mesh" + who, decimals: 2},
	}
}

// measureMeshed is the part "meshed".
func measureMeshed(ctx context.Context, s *stage) ([]result, error) {
	var all []result
	for _, nodes := range s.nodes {
		trials, err := s.trials(func(b build) (trial, error) {
			return func(ctx context.Context, round int) ([]float64, error) { return s.meshed(ctx, b, nodes, round) }, nil
		})
		if err != nil {
			return nil, err
		}
		results, err := inTurn(ctx, meshedFigures(nodes), min(s.rounds, backendRounds), trials)
		if err != nil {
			return nil, fmt.Errorf("with %d nodes: %w", nodes, err)
		}
		quartile, check := &results[8], &results[9]
		check.target = &target{limit: max(atPing, quartile.value())}
		all = append(all, results...)
	}
	return all, nil
}

// meshed are the values of meshedFigures: a server of agents that mesh, and one of as many
// that do not, the one first that was second in the last round.
func (s *stage) meshed(ctx context.Context, b build, nodes, round int) ([]float64, error) {
	var with, without hosting
	turns := []func() error{
		func() (err error) { without, err = s.hosts(ctx, b, alone(probing(crew(2*nodes)))); return err },
		func() (err error) { with, err = s.hosts(ctx, b, probing(crew(2*nodes))); return err },
	}
	if round%2 == 1 {
		turns[0], turns[1] = turns[1], turns[0]
	}
	for _, turn := range turns {
		if err := turn(); err != nil {
			return nil, err
		}
	}
	of := fmt.Sprintf("round %d: %d nodes, agents that", round+1, nodes)
	s.say("%s", b.of(fmt.Sprintf("%s do not mesh: %s", of, without)))
	s.say("%s", b.of(fmt.Sprintf("%s mesh: %s", of, with)))
	return []float64{
		milliseconds(planning(nodes)),
		without.memory, with.memory - without.memory, with.heap - without.heap, without.cpu, with.cpu,
		milliseconds(quantile(with.ping, 0.5)), milliseconds(quantile(with.ping, 0.99)),
		milliseconds(quantile(with.ping, 0.75)) / milliseconds(quantile(with.ping, 0.5)), with.byPing(0.5), with.byPing(0.99), without.byPing(0.5),
	}, nil
}

// meshing is how long it takes until all agents have reported and were told whom to probe,
// which is more than what is new of that later: they are members from the next epoch on. It
// is no longer than three times what is looked at then.
func (o options) meshing(lookedAt time.Duration) time.Duration {
	return min(mesh.Epoch+2*time.Duration(o.interval)*time.Second, 3*lookedAt)
}

// alone has each of the crew mesh no more, and say all else that it said.
func alone(crew []agent) []agent {
	for i := range crew {
		crew[i].rows = nil
	}
	return crew
}

// planning is how long a plan takes.
func planning(nodes int) time.Duration {
	members := make([]mesh.Member, nodes)
	for i := range members {
		members[i] = mesh.Member{Node: nodeName(i), Zone: zoneName(i)}
	}
	runtime.GC() // what others left is not the plan's
	began := time.Now()
	mesh.NewPlan(members)
	return time.Since(began)
}

// hosting is what agents cost a server: MiB of memory, and of heap after a collection, and
// milliseconds of a processor in each second, while it is asked.
type hosting struct {
	memory, heap, cpu float64
	latencies
}

func (h hosting) byPing(q float64) float64 {
	return milliseconds(quantile(h.check, q)) / milliseconds(quantile(h.ping, q))
}

func (h hosting) String() string {
	ms := func(list []time.Duration, q float64) float64 { return milliseconds(quantile(list, q)) }
	return fmt.Sprintf("%.1f MiB, of which %.1f MiB are heap, and %.0f ms/s; check p50 %.3f ms, p99 %.3f ms; ping p50 %.3f ms, quartiles %.3f and %.3f, p99 %.3f ms",
		h.memory, h.heap, h.cpu, ms(h.check, .5), ms(h.check, .99), ms(h.ping, .5), ms(h.ping, .25), ms(h.ping, .75), ms(h.ping, .99))
}

// hosts lets a crew report to a server of its own, and looks at that once all mesh that
// do.
func (s *stage) hosts(ctx context.Context, b build, crew []agent) (h hosting, err error) {
	err = s.scoped(func() error {
		etcd, err := s.startEtcd(ctx)
		if err != nil {
			return err
		}
		list, err := s.writeAgents(crew)
		if err != nil {
			return err
		}
		srv, err := s.startServer(ctx, b, "-etcd-endpoints", etcd.Endpoint, "-agents-file", list)
		if err != nil {
			return err
		}
		l := newLoad(srv.addr, encode(crew, srv.addr, s.interval), loadWorkers, loadWorkers)
		defer l.close()
		for _, c := range l.conns {
			c.reset = true // as agents end theirs
		}
		over, stop := context.WithCancel(ctx)
		defer stop()
		group, over := errgroup.WithContext(over)
		group.Go(func() error { return l.pace(over, float64(len(crew))/float64(s.interval)) })
		group.Go(func() error {
			defer stop()
			if !sleepUntil(over, time.Now().Add(s.meshing(s.meshedFor))) {
				return over.Err()
			}
			return h.look(over, srv, s.meshedFor)
		})
		if err := group.Wait(); err != nil {
			return errors.Join(ctx.Err(), err)
		}
		h.heap, err = heapOf(ctx, srv)
		return err
	})
	return h, err
}

// look looks at a server for that long, which answers that all is well.
func (h *hosting) look(ctx context.Context, srv *server, lasts time.Duration) (err error) {
	var seen []float64
	h.cpu, err = cpuDuring(srv.PID(), func() error {
		group, over := errgroup.WithContext(ctx)
		over, cancel := context.WithTimeout(over, lasts)
		defer cancel()
		group.Go(func() (err error) {
			h.latencies, err = probe(ctx, srv.addr, http.StatusOK, lasts)
			return err
		})
		group.Go(func() error {
			for due := time.Now(); sleepUntil(over, due); due = due.Add(sampleEvery) {
				now, _, err := resident(srv.PID())
				if err != nil {
					return err
				}
				seen = append(seen, now)
			}
			return nil
		})
		return group.Wait()
	})
	h.memory = median(seen)
	return err
}

// heapOf is what the server's last collection left, in MiB: the next one comes when that
// has grown by its GOGC.
func heapOf(ctx context.Context, srv *server) (float64, error) {
	metrics, err := scrapeOnce(ctx, srv.addr)
	if err != nil {
		return 0, err
	}
	next, err := gauge(metrics, "go_memstats_next_gc_bytes")
	return next / (1 + serverGC/100.0) / (1 << 20), err
}
