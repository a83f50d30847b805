package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"time"
)

const (
	// reportRate is how many reports come in per second meanwhile.
	reportRate = 1000
	// silentShare of the agents, one in so many, becomes outdated.
	silentShare = 100
	// silentInterval is what these say their report interval is, in seconds, so that
	// they are outdated soon.
	silentInterval = 1
)

// measureCheck is the part "check". What a Snapshot costs by itself is measured in
// a program of its own, which other builds do not have; those show what it costs
// by the server's CPU.
func measureCheck(ctx context.Context, s *stage) ([]result, error) {
	var all []result
	for _, n := range s.sizes {
		err := s.scoped(func() error { // the next one should have the machine for itself
			results, err := s.checkAt(ctx, n)
			all = append(all, results...)
			return err
		})
		if err != nil {
			return nil, fmt.Errorf("with %d agents: %w", n, err)
		}
	}
	if s.comparing() {
		return all, nil
	}
	results, err := measureSnapshot(ctx, s)
	return append(all, results...), err
}

// subject is a server that expects a crew, which has reported.
type subject struct {
	build
	srv *server
	// load is that of the agents that go on reporting, silent the others.
	load   *load
	silent []agent
}

// checkAt measures with n agents.
func (s *stage) checkAt(ctx context.Context, n int) ([]result, error) {
	subjects, err := s.startSubjects(ctx, n)
	if err != nil {
		return nil, err
	}
	rest, err := s.restRounds(ctx, subjects, n)
	if err != nil {
		return nil, err
	}
	well, err := s.checkRounds(ctx, subjects, fmt.Sprintf("%d agents, all well", n), http.StatusOK)
	if err != nil {
		return nil, err
	}
	for _, sub := range subjects {
		if err := s.silence(ctx, sub); err != nil {
			return nil, err
		}
	}
	outdated, err := s.checkRounds(ctx, subjects, fmt.Sprintf("%d agents, 1%% outdated", n), http.StatusBadRequest)
	return slices.Concat(well, outdated, rest), err
}

// startSubjects starts a server of each build, on an etcd of its own, and lets n
// agents report to it once.
func (s *stage) startSubjects(ctx context.Context, n int) ([]*subject, error) {
	crew := crew(n)
	list, err := s.writeAgents(crew)
	if err != nil {
		return nil, err
	}
	var all []*subject
	for _, b := range s.builds {
		s.say("%s", b.of(fmt.Sprintf("%d agents: starting netchecker-server, and reporting for each agent once", n)))
		sub, err := s.startSubject(ctx, b, list, crew)
		if err != nil {
			return nil, err
		}
		all = append(all, sub)
	}
	return all, nil
}

func (s *stage) startSubject(ctx context.Context, b build, list string, crew []agent) (*subject, error) {
	etcd, err := s.startEtcd(ctx)
	if err != nil {
		return nil, err
	}
	srv, err := s.startServer(ctx, b, "-etcd-endpoints", etcd.Endpoint, "-agents-file", list)
	if err != nil {
		return nil, err
	}
	silent, steady := crew[:len(crew)/silentShare], crew[len(crew)/silentShare:]
	sub := &subject{build: b, srv: srv, silent: silent, load: newLoad(srv.addr, encode(steady, srv.addr, steadyInterval), senders, senders)}
	s.onEnd(func() error { sub.load.close(); return nil })
	if err := s.reportOnce(ctx, srv, silent, steadyInterval); err != nil {
		return nil, err
	}
	return sub, sub.load.once(ctx)
}

// silence lets the silent agents of sub say that they report often, and waits until
// they are outdated.
func (s *stage) silence(ctx context.Context, sub *subject) error {
	if err := s.reportOnce(ctx, sub.srv, sub.silent, silentInterval); err != nil {
		return err
	}
	return sub.settle(ctx, http.StatusBadRequest)
}

// settle waits until the check is answered with that status.
func (sub *subject) settle(ctx context.Context, status int) error {
	ctx, cancel := context.WithTimeout(ctx, readyWithin)
	defer cancel()
	return sub.srv.WaitUntil(ctx, func(context.Context) error { return sub.srv.answers(checkPath, status) })
}

// reportOnce sends one report for each of the crew.
func (s *stage) reportOnce(ctx context.Context, srv *server, crew []agent, interval int) error {
	l := newLoad(srv.addr, encode(crew, srv.addr, interval), senders, senders)
	defer l.close()
	return l.once(ctx)
}

// paced calls f while the reports of l come in at reportRate.
func (l *load) paced(ctx context.Context, f func() error) error {
	pacing, cancel := context.WithCancel(ctx)
	defer cancel()
	ended := make(chan error, 1)
	go func() { ended <- l.pace(pacing, reportRate) }()
	err := f()
	cancel()
	return errors.Join(err, <-ended)
}

// restRounds measures what a server takes of a processor while nobody reports and
// nobody asks, which is mostly what its Snapshots take.
func (s *stage) restRounds(ctx context.Context, subjects []*subject, n int) ([]result, error) {
	var trials []trial
	for _, sub := range subjects {
		if err := sub.settle(ctx, http.StatusOK); err != nil {
			return nil, err
		}
		trials = append(trials, func(ctx context.Context, _ int) ([]float64, error) {
			cpu, err := cpuDuring(sub.srv.PID(), func() error {
				sleepUntil(ctx, time.Now().Add(s.probeFor))
				return ctx.Err()
			})
			return []float64{cpu}, err
		})
	}
	figures := []figure{{name: fmt.Sprintf("Server's CPU at rest, %d agents", n), unit: "ms/s", decimals: 1}}
	return inTurn(ctx, figures, s.rounds, trials)
}
