package main

import (
	"context"
	"fmt"
	"time"
)

// checkRounds measures one cell: all rounds at one size and one state of the
// agents, of which the check tells by status.
func (s *stage) checkRounds(ctx context.Context, subjects []*subject, what string, status int) ([]result, error) {
	var cells []*cell
	var trials []trial
	for _, sub := range subjects {
		if err := sub.settle(ctx, status); err != nil {
			return nil, err
		}
		c := &cell{subject: sub, status: status, lasts: s.probeFor}
		cells, trials = append(cells, c), append(trials, c.round)
	}
	results, err := inTurn(ctx, checkFigures(what), s.rounds, trials)
	if err != nil {
		return nil, err
	}
	for _, c := range cells {
		s.say("%s: %s", c.of(what), c)
		if c.rate() < 0.98*reportRate {
			s.say("%s: fewer reports came in than the %d/s that were to be: the machine is too slow or too busy", c.of(what), reportRate)
		}
	}
	return results, nil
}

func checkFigures(what string) []figure {
	return []figure{
		{name: "Check by ping, p50, " + what, decimals: 2, target: &target{limit: 1.5}},
		{name: "Check by ping, p99, " + what, decimals: 2, target: &target{limit: 5}},
		{name: "Check, p50, " + what, unit: "ms", decimals: 3},
		{name: "Server's CPU under that load, " + what, unit: "ms/s", decimals: 0},
	}
}

// cell is what the rounds of one build have seen.
type cell struct {
	*subject
	status int
	lasts  time.Duration

	p50, p99 pairs
	asked    int
	acked    int64
	paced    time.Duration
}

// pairs holds one quantile of both paths in ms, round by round.
type pairs struct{ check, ping []float64 }

// add returns the check's quantile in ms, and in terms of the ping's.
func (p *pairs) add(of latencies, q float64) (check, byPing float64) {
	check, ping := milliseconds(quantile(of.check, q)), milliseconds(quantile(of.ping, q))
	p.check, p.ping = append(p.check, check), append(p.ping, ping)
	return check, check / ping
}

// round asks for both paths while reports come in.
func (c *cell) round(ctx context.Context, _ int) ([]float64, error) {
	var of latencies
	var cpu float64
	before, began := c.load.acked.Load(), time.Now()
	err := c.load.paced(ctx, func() (err error) {
		cpu, err = cpuDuring(c.srv.PID(), func() (err error) {
			of, err = probe(ctx, c.srv.addr, c.status, c.lasts)
			return err
		})
		return err
	})
	if err != nil {
		return nil, err
	}
	c.acked += c.load.acked.Load() - before
	c.paced += time.Since(began)
	c.asked += len(of.check)
	p50, p50ByPing := c.p50.add(of, 0.5)
	_, p99ByPing := c.p99.add(of, 0.99)
	return []float64{p50ByPing, p99ByPing, p50, cpu}, nil
}

// rate is how many reports came in per second.
func (c *cell) rate() float64 { return float64(c.acked) / c.paced.Seconds() }

func (c *cell) String() string {
	return fmt.Sprintf("check p50 %.3f ms, p99 %.3f ms; ping p50 %.3f ms, p99 %.3f ms; %d of each, while %.0f reports/s came in",
		median(c.p50.check), median(c.p99.check), median(c.p50.ping), median(c.p99.ping), c.asked, c.rate())
}

func milliseconds(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }
