package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/netchecker/netchecker/test/etcdtest"
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

// measureCheck is the part "check".
func measureCheck(ctx context.Context, s *stage) ([]figure, error) {
	etcd, err := s.startEtcd(ctx)
	if err != nil {
		return nil, err
	}
	var all []figure
	for _, n := range s.sizes {
		figures, err := s.checkAt(ctx, etcd, n)
		if err != nil {
			return nil, fmt.Errorf("with %d agents: %w", n, err)
		}
		all = append(all, figures...)
	}
	if err := s.end(); err != nil { // the next one should have the machine for itself
		return nil, err
	}
	figures, err := measureSnapshot(ctx, s)
	return append(all, figures...), err
}

// checkAt measures with n agents.
func (s *stage) checkAt(ctx context.Context, etcd *etcdtest.Server, n int) ([]figure, error) {
	s.say("%d agents: starting netchecker-server, and reporting for each agent once", n)
	crew := crew(n)
	list, err := s.writeAgents(crew)
	if err != nil {
		return nil, err
	}
	srv, err := s.startServer(ctx, "-etcd-endpoints", etcd.Endpoint, "-etcd-tree", fmt.Sprintf("agents-%d", n), "-agents-file", list)
	if err != nil {
		return nil, err
	}
	figures, err := s.checkWith(ctx, srv, crew)
	if err != nil {
		return nil, err
	}
	return figures, srv.Stop(endWithin)
}

// checkWith measures with a server that was just started, and expects crew.
func (s *stage) checkWith(ctx context.Context, srv *server, crew []agent) (figures []figure, err error) {
	n := len(crew)
	silent, steady := crew[:n/silentShare], crew[n/silentShare:]
	if err := s.reportOnce(ctx, srv, silent, steadyInterval); err != nil {
		return nil, err
	}
	l := newLoad(srv.addr, encode(steady, srv.addr, steadyInterval), senders, senders)
	defer l.close()
	if err := l.once(ctx); err != nil {
		return nil, err
	}
	stop := s.startPacing(ctx, l)
	defer func() { err = errors.Join(err, stop()) }()

	well, err := s.checkRounds(ctx, srv, l, fmt.Sprintf("%d agents, all well", n), http.StatusOK)
	if err != nil {
		return nil, err
	}
	if err := s.reportOnce(ctx, srv, silent, silentInterval); err != nil {
		return nil, err
	}
	outdated, err := s.checkRounds(ctx, srv, l, fmt.Sprintf("%d agents, 1%% outdated", n), http.StatusBadRequest)
	if err != nil {
		return nil, err
	}
	cost, err := snapshotSeconds(ctx, srv)
	if err != nil {
		return nil, err
	}
	return append(append(well, outdated...), figure{
		name:  fmt.Sprintf("Making a Snapshot of %d agents under that load, elapsed", n),
		value: 1000 * cost, unit: "ms", decimals: 2, note: "the last one",
	}), nil
}

// reportOnce sends one report for each of the crew.
func (s *stage) reportOnce(ctx context.Context, srv *server, crew []agent, interval int) error {
	l := newLoad(srv.addr, encode(crew, srv.addr, interval), senders, senders)
	defer l.close()
	return l.once(ctx)
}

// startPacing sends the reports of l at reportRate until the function that it
// returns is called, whose error is that of the sending.
func (s *stage) startPacing(ctx context.Context, l *load) (stop func() error) {
	ctx, cancel := context.WithCancel(ctx)
	ended := make(chan error, 1)
	go func() { ended <- l.pace(ctx, reportRate) }()
	return func() error {
		cancel()
		return <-ended
	}
}

// checkRounds measures one cell: all rounds at one size and one verdict, of that
// status.
func (s *stage) checkRounds(ctx context.Context, srv *server, l *load, what string, status int) ([]figure, error) {
	settled, cancel := context.WithTimeout(ctx, readyWithin)
	defer cancel()
	if err := srv.WaitUntil(settled, func(context.Context) error { return srv.answers(checkPath, status) }); err != nil {
		return nil, err
	}
	var p50, p99 ratios
	acked, began, asked := l.acked.Load(), time.Now(), 0
	for range s.rounds {
		of, err := probe(ctx, srv.addr, status, s.probeFor)
		if err != nil {
			return nil, err
		}
		asked += len(of.check)
		p50.add(of, 0.5)
		p99.add(of, 0.99)
	}
	rate := float64(l.acked.Load()-acked) / time.Since(began).Seconds()
	s.say("%s: check p50 %.3f ms, p99 %.3f ms; ping p50 %.3f ms, p99 %.3f ms; %d of each, while %.0f reports/s came in",
		what, median(p50.check), median(p99.check), median(p50.ping), median(p99.ping), asked, rate)
	if rate < 0.98*reportRate {
		s.say("%s: fewer reports came in than the %d/s that were to be: the machine is too slow or too busy", what, reportRate)
	}
	return []figure{
		p50.figure("p50", what, 1.5),
		p99.figure("p99", what, 5),
	}, nil
}

// ratios holds one quantile of both paths in ms, round by round, and the check's
// in terms of the ping's.
type ratios struct{ check, ping, ratio []float64 }

func (r *ratios) add(of latencies, q float64) {
	check, ping := quantile(of.check, q), quantile(of.ping, q)
	r.check = append(r.check, milliseconds(check))
	r.ping = append(r.ping, milliseconds(ping))
	r.ratio = append(r.ratio, float64(check)/float64(ping))
}

func (r *ratios) figure(name, what string, limit float64) figure {
	return figure{
		name:  fmt.Sprintf("Check by ping, %s, %s", name, what),
		value: median(r.ratio), decimals: 2, target: atMost(limit, 0),
		note: fmt.Sprintf("%.3f ms by %.3f ms; %s", median(r.check), median(r.ping), rounded(r.ratio, 2)),
	}
}

func milliseconds(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }
