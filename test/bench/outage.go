package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/netchecker/netchecker/test/etcdtest"
	"github.com/netchecker/netchecker/test/process"
)

const (
	// requestsTotal is the server's counter of requests, by route and code.
	requestsTotal = "netchecker_http_requests_total"
	// longestPause is that of an agent, where its interval is not shorter.
	longestPause = 30 * time.Second
)

// away is a way in which etcd can be away.
type away struct {
	name       string
	begin, end func(ctx context.Context, etcd *etcdtest.Server) error
}

func ways() []away {
	return []away{
		{
			name:  "down",
			begin: func(_ context.Context, etcd *etcdtest.Server) error { return etcd.Kill() },
			end:   func(ctx context.Context, etcd *etcdtest.Server) error { return etcd.Restart(ctx) },
		}, {
			name:  "frozen",
			begin: func(_ context.Context, etcd *etcdtest.Server) error { return etcd.Pause() },
			end:   func(_ context.Context, etcd *etcdtest.Server) error { return etcd.Resume() },
		},
	}
}

// measureOutage is the part "outage". Each build meets each outage once.
func measureOutage(ctx context.Context, s *stage) ([]result, error) {
	var figures []figure
	// Agents are back within their longest pause and a second.
	limit := min(time.Duration(s.interval)*time.Second, longestPause) + time.Second
	for _, w := range ways() {
		figures = append(figures,
			figure{name: fmt.Sprintf("Reports sent while etcd is %s, %d agents", w.name, s.outageAgents), unit: "/s", decimals: 1},
			figure{name: fmt.Sprintf("All %d agents are back after etcd was %s", s.outageAgents, w.name), unit: "s", decimals: 1, target: &target{limit: limit.Seconds()}})
	}
	trials, err := s.trials(func(b build) (trial, error) {
		return func(ctx context.Context, _ int) (values []float64, err error) {
			err = s.scoped(func() (err error) {
				values, err = s.outages(ctx, b)
				return err
			})
			return values, err
		}, nil
	})
	if err != nil {
		return nil, err
	}
	return inTurn(ctx, figures, 1, trials)
}

// outages lets real agents meet etcd's absence in each way.
func (s *stage) outages(ctx context.Context, b build) ([]float64, error) {
	etcd, err := s.startEtcd(ctx)
	if err != nil {
		return nil, err
	}
	crew := crew(s.outageAgents)
	list, err := s.writeAgents(crew)
	if err != nil {
		return nil, err
	}
	srv, err := s.startServer(ctx, b, "-etcd-endpoints", etcd.Endpoint, "-agents-file", list)
	if err != nil {
		return nil, err
	}
	s.say("%s", b.of(fmt.Sprintf("Starting %d agents, which report every %d s", len(crew), s.interval)))
	crowd, err := s.startCrowd(ctx, b, srv, crew)
	if err != nil {
		return nil, err
	}
	var values []float64
	for _, w := range ways() {
		rate, back, err := s.outage(ctx, b, w, etcd, crowd)
		if err != nil {
			return nil, fmt.Errorf("etcd %s: %w", w.name, err)
		}
		values = append(values, rate, back.Seconds())
	}
	return values, nil
}

// outage is one absence of etcd: how many reports came in per second while it
// lasted, and how long after its end the last agent had one accepted.
func (s *stage) outage(ctx context.Context, b build, w away, etcd *etcdtest.Server, c *crowd) (rate float64, back time.Duration, err error) {
	// Agents that started together or were cut off together need a while to be spread
	// over their interval again.
	usual, err := c.rate(ctx, time.Duration(s.interval)*time.Second)
	if err != nil {
		return 0, 0, err
	}
	if err := w.begin(ctx, etcd); err != nil {
		return 0, 0, err
	}
	s.say("%s", b.of(fmt.Sprintf("etcd is %s for %v; so far, %.1f reports/s came in", w.name, s.outageFor, usual)))
	rate, err = c.rate(ctx, s.outageFor)
	ending := time.Now() // what was accepted later was so after the outage
	if err := errors.Join(err, w.end(ctx, etcd)); err != nil {
		return 0, 0, err
	}
	s.say("%s", b.of(fmt.Sprintf("etcd is there again; while it was not, %.1f reports/s came in", rate)))
	back, err = c.back(ctx, ending, time.Now(), 2*time.Duration(s.interval)*time.Second+longestPause)
	if err != nil {
		return 0, 0, err
	}
	s.say("%s", b.of(fmt.Sprintf("all are back after %v", back.Round(100*time.Millisecond))))
	return rate, back, nil
}

// crowd is real agents, with where each serves its metrics.
type crowd struct {
	srv   *server
	addrs []string
}

// startCrowd starts an agent for each of the crew, and returns when all have
// reported.
func (s *stage) startCrowd(ctx context.Context, b build, srv *server, crew []agent) (*crowd, error) {
	c, taken := &crowd{srv: srv}, map[string]bool{}
	for _, a := range crew {
		addr, err := freeAddress(taken)
		if err != nil {
			return nil, err
		}
		if _, err := s.startAgent(b, srv, a, s.interval, addr); err != nil {
			return nil, err
		}
		c.addrs = append(c.addrs, addr)
	}
	ctx, cancel := context.WithTimeout(ctx, readyWithin+2*time.Duration(s.interval)*time.Second)
	defer cancel()
	return c, srv.WaitUntil(ctx, func(context.Context) error { return srv.answers(checkPath, http.StatusOK) })
}

// freeAddress is one that was not taken yet, and on which nobody listens.
func freeAddress(taken map[string]bool) (string, error) {
	for {
		port, err := process.FreePort()
		if err != nil {
			return "", err
		}
		if addr := fmt.Sprintf("127.0.0.1:%d", port); !taken[addr] {
			taken[addr] = true
			return addr, nil
		}
	}
}

// rate is how many reports per second the server answers for d, whatever it says.
func (c *crowd) rate(ctx context.Context, d time.Duration) (perSecond float64, err error) {
	before, err := c.reports(ctx)
	if err != nil {
		return 0, err
	}
	began := time.Now()
	if !sleepUntil(ctx, began.Add(d)) {
		return 0, ctx.Err()
	}
	after, err := c.reports(ctx)
	return (after - before) / time.Since(began).Seconds(), err
}

func (c *crowd) reports(ctx context.Context) (float64, error) {
	metrics, err := scrapeOnce(ctx, c.srv.addr)
	if err != nil {
		return 0, err
	}
	return sum(metrics, requestsTotal, `route="report"`)
}

// back waits until each agent had a report accepted since the outage was ending,
// and returns how long after its end the last one's was.
func (c *crowd) back(ctx context.Context, ending, ended time.Time, within time.Duration) (last time.Duration, err error) {
	missing, end := c.addrs, ended.Add(within)
	for due := time.Now(); len(missing) > 0; due = due.Add(time.Second) {
		if time.Now().After(end) {
			return 0, fmt.Errorf("%d of %d agents are not back after %v", len(missing), len(c.addrs), within)
		}
		if !sleepUntil(ctx, due) {
			return 0, ctx.Err()
		}
		var still []string
		for _, addr := range missing {
			accepted, err := lastAccepted(ctx, addr)
			if err != nil {
				return 0, err
			}
			if accepted.After(ending) {
				last = max(last, accepted.Sub(ended))
			} else {
				still = append(still, addr)
			}
		}
		missing = still
	}
	return last, nil
}

// lastAccepted is when the agent that serves at addr last had a report accepted, as
// it says itself, to a millisecond.
func lastAccepted(ctx context.Context, addr string) (time.Time, error) {
	metrics, err := scrapeOnce(ctx, addr)
	if err != nil {
		return time.Time{}, fmt.Errorf("asking the agent at %s: %w", addr, err)
	}
	at, err := gauge(metrics, "netchecker_agent_report_last_success_timestamp_seconds")
	return time.UnixMilli(int64(at * 1000)), err
}
