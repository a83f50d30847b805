package main

import (
	"context"
	"fmt"
	"time"

	"golang.org/x/sync/errgroup"
)

const (
	checkPath = "/api/v1/connectivity_check"
	pingPath  = "/api/v1/ping"

	// probers is how many connections ask, each for both paths in turn.
	probers = 4
	// probeEvery is between the beginnings of two turns of a prober. Probes have
	// a pace of their own, or they would measure how they wait for each other.
	probeEvery = 4 * time.Millisecond
)

// latencies are those of both paths in one round.
type latencies struct{ check, ping []time.Duration }

// probe asks for both paths in turn for d. The check should be answered with
// status.
func probe(ctx context.Context, addr string, status int, d time.Duration) (latencies, error) {
	var of [probers]latencies
	group, ctx := errgroup.WithContext(ctx)
	end := time.Now().Add(d)
	for i := range probers {
		group.Go(func() error {
			p := newProber(addr, status)
			defer p.conn.close()
			due := time.Now().Add(probeEvery * time.Duration(i) / probers)
			for turn := 0; due.Before(end) && sleepUntil(ctx, due); turn++ {
				if err := p.turn(turn); err != nil {
					return err
				}
				due = due.Add(probeEvery)
			}
			of[i] = p.latencies
			return ctx.Err()
		})
	}
	if err := group.Wait(); err != nil {
		return latencies{}, err
	}
	var all latencies
	for _, l := range of {
		all.check, all.ping = append(all.check, l.check...), append(all.ping, l.ping...)
	}
	return all, nil
}

// prober asks over one connection.
type prober struct {
	conn        *conn
	check, ping []byte
	status      int
	latencies   latencies
}

func newProber(addr string, status int) *prober {
	return &prober{conn: newConn(addr), check: get(addr, checkPath), ping: get(addr, pingPath), status: status}
}

// turn asks for both, the one first that was second the last time.
func (p *prober) turn(n int) error {
	if n%2 == 1 {
		if err := p.askPing(); err != nil {
			return err
		}
		return p.askCheck()
	}
	if err := p.askCheck(); err != nil {
		return err
	}
	return p.askPing()
}

func (p *prober) askCheck() error {
	took, err := p.ask(p.check, p.status)
	if err != nil {
		return fmt.Errorf("asking for the verdict: %w", err)
	}
	p.latencies.check = append(p.latencies.check, took)
	return nil
}

func (p *prober) askPing() error {
	took, err := p.ask(p.ping, 200)
	if err != nil {
		return fmt.Errorf("asking for a ping: %w", err)
	}
	p.latencies.ping = append(p.latencies.ping, took)
	return nil
}

func (p *prober) ask(request []byte, want int) (time.Duration, error) {
	began := time.Now()
	status, body, err := p.conn.do(request)
	took := time.Since(began)
	if err == nil && status != want {
		err = fmt.Errorf("the answer is %d, not %d: %.300s", status, want, body)
	}
	return took, err
}
