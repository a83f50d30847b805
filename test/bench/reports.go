package main

import (
	"context"
	"fmt"
	"strconv"
	"time"
)

const (
	// senders is how many connections send reports, and how many goroutines put.
	senders = 64
	// reporters is how many agents there are.
	reporters = 1000
	// steadyInterval is what agents say their report interval is where the
	// benchmark sends at a pace of its own: none becomes outdated by it.
	steadyInterval = 300
	// warmUp comes before the first round, and is not counted.
	warmUp = time.Second
)

// sides are what is compared in each round.
type sides struct{ reports, puts, noStore side }

// side does one thing as fast as it can for d, and returns how often per second.
type side func(ctx context.Context, d time.Duration) (float64, error)

func reportFigures() []figure {
	return []figure{
		{name: "Reports acknowledged, 64 connections", unit: "/s", moreBetter: true},
		{name: "Single puts into the same etcd, 64 goroutines", unit: "/s", moreBetter: true, control: true},
		{name: "Reports for each put", decimals: 2, moreBetter: true, target: &target{limit: 0.65, goal: 0.8}},
		{name: "Reports with storing left out", unit: "/s", moreBetter: true},
	}
}

// measureReports is the part "reports".
func measureReports(ctx context.Context, s *stage) ([]result, error) {
	trials, err := s.trials(func(b build) (trial, error) { return s.reportTrial(ctx, b) })
	if err != nil {
		return nil, err
	}
	return inTurn(ctx, reportFigures(), s.rounds, trials)
}

// reportTrial starts what one build's reports are measured with.
func (s *stage) reportTrial(ctx context.Context, b build) (trial, error) {
	sides, err := s.startSides(ctx, b)
	if err != nil {
		return nil, err
	}
	for _, warm := range []side{sides.reports, sides.puts, sides.noStore} {
		if _, err := warm(ctx, warmUp); err != nil {
			return nil, err
		}
	}
	return func(ctx context.Context, round int) ([]float64, error) {
		r, p, n, err := sides.round(ctx, round, s.loadFor)
		if err != nil {
			return nil, err
		}
		s.say("%s: %.0f reports/s, %.0f puts/s, ratio %.2f; without storing %.0f reports/s",
			b.of(fmt.Sprintf("round %d of %d", round+1, s.rounds)), r, p, r/p, n)
		return []float64{r, p, r / p, n}, nil
	}, nil
}

// round lets the sides take their turns, the first two in another order each time.
func (s sides) round(ctx context.Context, round int, d time.Duration) (reports, puts, noStore float64, err error) {
	turns := []func() error{
		func() (err error) { reports, err = s.reports(ctx, d); return err },
		func() (err error) { puts, err = s.puts(ctx, d); return err },
	}
	if round%2 == 1 {
		turns[0], turns[1] = turns[1], turns[0]
	}
	turns = append(turns, func() (err error) { noStore, err = s.noStore(ctx, d/2); return err })
	for _, turn := range turns {
		if err := turn(); err != nil {
			return 0, 0, 0, err
		}
	}
	return reports, puts, noStore, nil
}

// likeAServers has a program that keeps nothing collect its garbage about as often as a server
// does, whose records take tens of MiB: by default it would at each 4 MiB, a hundred times a
// second, and be measured by how many globals its libraries have.
var likeAServers = []string{"GOGC=1000"}

// startSides starts an etcd, b's server on it, the child that stores nothing, and
// the loads of all three.
func (s *stage) startSides(ctx context.Context, b build) (sides, error) {
	s.say("%s", b.of("Starting etcd, netchecker-server and its handlers without a store"))
	etcd, err := s.startEtcd(ctx)
	if err != nil {
		return sides{}, err
	}
	crew := crew(reporters)
	list, err := s.writeAgents(crew)
	if err != nil {
		return sides{}, err
	}
	srv, err := s.startServer(ctx, b, "-etcd-endpoints", etcd.Endpoint, "-agents-file", list)
	if err != nil {
		return sides{}, err
	}
	child, err := s.startListener(ctx, b.bench, likeAServers, pingPath, "-child", noStore, "-agents", strconv.Itoa(reporters))
	if err != nil {
		return sides{}, err
	}
	puts, err := s.newPuts(ctx, etcd, crew)
	if err != nil {
		return sides{}, err
	}
	return sides{s.newFlood(srv, crew), puts.flood, s.newFlood(child, crew)}, nil
}

// newFlood returns the side that reports to srv.
func (s *stage) newFlood(srv *server, crew []agent) side {
	l := newLoad(srv.addr, encode(crew, srv.addr, steadyInterval), senders, senders)
	s.onEnd(func() error { l.close(); return nil })
	return l.flood
}
