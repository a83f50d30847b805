package main

import (
	"context"
	"fmt"
	"net/http"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"
)

// load sends the reports of a crew. The agents are shared out among workers, who
// each send for their own, one after another.
type load struct {
	requests *requests
	// conns are the workers' connections, one each, or the agents'. The agent at
	// index i uses the one at i modulo their number, which is a multiple of workers.
	conns   []*conn
	workers int
	acked   atomic.Int64
	// took is told how long each report took until it was acknowledged; nil: nobody is.
	took func(time.Duration)
}

// newLoad sends to addr over that many connections.
func newLoad(addr string, rs *requests, workers, conns int) *load {
	l := &load{requests: rs, workers: workers}
	for range conns {
		l.conns = append(l.conns, newConn(addr))
	}
	return l
}

func (l *load) close() {
	for _, c := range l.conns {
		c.close()
	}
}

// agents is how many there are.
func (l *load) agents() int { return len(l.requests.heads) }

// each runs work for all workers at once.
func (l *load) each(ctx context.Context, work func(ctx context.Context, w *worker) error) error {
	group, ctx := errgroup.WithContext(ctx)
	for i := range l.workers {
		group.Go(func() error { return work(ctx, &worker{load: l, first: i, next: i}) })
	}
	return group.Wait()
}

// worker sends the reports of the agents at first, first+workers, and so on.
type worker struct {
	*load
	first, next int
	request     []byte
}

// send sends the next agent's report. Anything but 200 is an error: a figure that
// counts what failed would be worth nothing.
func (w *worker) send() error {
	i := w.next
	if w.next += w.workers; w.next >= w.agents() {
		w.next = w.first
	}
	return w.sendFor(i)
}

func (w *worker) sendFor(i int) error {
	w.request = w.requests.appendTo(w.request[:0], i)
	began := time.Now()
	status, body, err := w.conns[i%len(w.conns)].do(w.request)
	if err != nil {
		return fmt.Errorf("sending a report: %w", err)
	}
	if status != http.StatusOK {
		return fmt.Errorf("a report was answered %d: %s", status, body)
	}
	w.acked.Add(1)
	w.requests.hear(i, body)
	if w.took != nil {
		w.took(time.Since(began))
	}
	return nil
}

// flood sends as fast as the server answers, for d, and returns how many reports
// were acknowledged per second.
func (l *load) flood(ctx context.Context, d time.Duration) (perSecond float64, err error) {
	before, began := l.acked.Load(), time.Now()
	end := began.Add(d)
	err = l.each(ctx, func(ctx context.Context, w *worker) error {
		for time.Now().Before(end) && ctx.Err() == nil {
			if err := w.send(); err != nil {
				return err
			}
		}
		return ctx.Err()
	})
	return float64(l.acked.Load()-before) / time.Since(began).Seconds(), err
}

// once sends one report for each agent.
func (l *load) once(ctx context.Context) error {
	return l.each(ctx, func(ctx context.Context, w *worker) error {
		for i := w.first; i < w.agents() && ctx.Err() == nil; i += w.workers {
			if err := w.sendFor(i); err != nil {
				return err
			}
		}
		return ctx.Err()
	})
}

// pace sends rate reports per second until ctx ends, at moments that do not depend
// on when the server answers: what is late is sent as soon as it can be. A ctx that
// ends is no error.
func (l *load) pace(ctx context.Context, rate float64) error {
	began := time.Now()
	every := time.Duration(float64(l.workers) / rate * float64(time.Second))
	return l.each(ctx, func(ctx context.Context, w *worker) error {
		due := began.Add(every * time.Duration(w.first) / time.Duration(l.workers))
		for ; sleepUntil(ctx, due); due = due.Add(every) {
			if err := w.send(); err != nil {
				return err
			}
		}
		return nil
	})
}

// sleepUntil returns true at t, or false when ctx ended before.
func sleepUntil(ctx context.Context, t time.Time) bool {
	wait := time.Until(t)
	if wait <= 0 {
		return ctx.Err() == nil
	}
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}
