package main

import (
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http"
	"slices"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/netchecker/netchecker/pkg/report"
)

const (
	// spread is within what time agents send that something changed, after it did.
	spread = time.Second
	// longestRetry is an agent's longest pause after a failure.
	longestRetry = 30 * time.Second
	// settled is how long a made-up agent runs already, by its own clock.
	settled = time.Hour
)

// measureIntervals is the part "intervals": one backend fails for all agents at once,
// and is back a while later.
func measureIntervals(ctx context.Context, s *stage) ([]result, error) {
	of := fmt.Sprintf("%d agents", s.stormAgents)
	figures := []figure{
		{name: "Reports' p99, " + of + ", nothing happens", unit: "ms", decimals: 1},
		{name: fmt.Sprintf("Reports' p99 over the %v around a backend's failure, %s", s.stormFor, of), unit: "ms", decimals: 1},
		{name: "All intervals are stored after a backend's failure, " + of, unit: "s", decimals: 2},
		{name: "All intervals are stored after its return, " + of, unit: "s", decimals: 2},
		{name: "Share of messages that had to be sent again", decimals: 2},
	}
	trials, err := s.trials(func(b build) (trial, error) {
		return func(ctx context.Context, _ int) (values []float64, err error) {
			err = s.scoped(func() (err error) {
				values, err = s.storm(ctx, b)
				return err
			})
			return values, err
		}, nil
	})
	if err != nil {
		return nil, err
	}
	results, err := inTurn(ctx, figures, 1, trials)
	if err == nil {
		results[1].target = &target{limit: max(2*results[0].value(), 50)}
	}
	return results, err
}

// storm measures one build: reports for a while, and for as long with the backend's
// failure and return in it.
func (s *stage) storm(ctx context.Context, b build) ([]float64, error) {
	etcd, err := s.startEtcd(ctx)
	if err != nil {
		return nil, err
	}
	crew := crew(s.stormAgents)
	for i := range crew {
		crew[i].boot, crew[i].samples = fmt.Sprintf("%016x", i+1), true
	}
	list, err := s.writeAgents(crew)
	if err != nil {
		return nil, err
	}
	srv, err := s.startServer(ctx, b, "-etcd-endpoints", etcd.Endpoint, "-agents-file", list)
	if err != nil {
		return nil, err
	}
	reports := encode(crew, srv.addr, s.interval)
	var usual, around times
	if err := s.reportFor(ctx, srv, reports, s.stormFor, &usual, nothing); err != nil {
		return nil, err
	}
	s.say("%s", b.of(fmt.Sprintf("%d reports, p99 %.1f ms", len(usual.all), usual.p99())))
	var failure, back wave
	if err := s.reportFor(ctx, srv, reports, s.stormFor, &around, s.wave(srv, crew, 1, &failure)); err != nil {
		return nil, err
	}
	s.say("%s", b.of(fmt.Sprintf("a backend fails for all: all is stored after %v, %d were sent again; %d reports, p99 %.1f ms", failure.took, failure.again, len(around.all), around.p99())))
	if err := s.reportFor(ctx, srv, reports, s.stormFor, &times{}, s.wave(srv, crew, 2, &back)); err != nil {
		return nil, err
	}
	s.say("%s", b.of(fmt.Sprintf("it is back: all is stored after %v, %d were sent again", back.took, back.again)))
	again := float64(failure.again+back.again) / float64(2*len(crew))
	return []float64{usual.p99(), around.p99(), failure.took.Seconds(), back.took.Seconds(), again}, s.wantAllFailing(ctx, srv, len(crew))
}

// wave has all agents send the message of that number, a while into a storm.
func (s *stage) wave(srv *server, crew []agent, number int, w *wave) func(context.Context) error {
	return func(ctx context.Context) (err error) {
		if !sleepUntil(ctx, time.Now().Add(s.stormFor/6)) {
			return ctx.Err()
		}
		messages := make([][]byte, len(crew))
		for i, a := range crew {
			messages[i] = a.message(srv.addr, number)
		}
		*w, err = sendAll(ctx, srv.addr, messages, spread)
		return err
	}
}

// reportFor lets all agents report for that long, and until do has ended.
func (s *stage) reportFor(ctx context.Context, srv *server, reports *requests, lasts time.Duration, seen *times, do func(context.Context) error) error {
	l := newLoad(srv.addr, reports, loadWorkers, loadWorkers)
	defer l.close()
	for _, c := range l.conns {
		c.reset = true // as agents end theirs
	}
	l.took = seen.add
	group, ctx := errgroup.WithContext(ctx)
	over, stop := context.WithCancel(ctx)
	group.Go(func() error { return l.pace(over, float64(l.agents())/float64(s.interval)) })
	group.Go(func() error {
		defer stop()
		end := time.Now().Add(lasts)
		if err := do(ctx); err != nil {
			return err
		}
		if !sleepUntil(ctx, end) {
			return ctx.Err()
		}
		return nil
	})
	return group.Wait()
}

// nothing happens.
func nothing(context.Context) error { return nil }

// times are how long requests took.
type times struct {
	mu  sync.Mutex
	all []float64
}

func (t *times) add(d time.Duration) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.all = append(t.all, float64(d)/float64(time.Millisecond))
}

// p99 is in milliseconds.
func (t *times) p99() float64 {
	t.mu.Lock()
	defer t.mu.Unlock()
	return quantile(t.all, 0.99)
}

// wave is how long it took until all agents had a message acknowledged, and how many
// had to be sent again.
type wave struct {
	took  time.Duration
	again int64
}

// sendAll sends messages of as many agents, each at a moment of its own within that time
// and until it is acknowledged. None has anything running before its moment comes: beginning
// thousands at once would hold up what is measured, which agents on machines of their own do not.
func sendAll(ctx context.Context, addr string, messages [][]byte, within time.Duration) (wave, error) {
	var mu sync.Mutex
	var w wave
	moments := make([]time.Duration, len(messages))
	for i := range moments {
		moments[i] = time.Duration(rand.Int64N(int64(within)))
	}
	slices.Sort(moments)
	began := time.Now()
	group, ctx := errgroup.WithContext(ctx)
	for i, message := range messages {
		if !sleepUntil(ctx, began.Add(moments[i])) {
			group.Go(ctx.Err)
			break
		}
		group.Go(func() error {
			again, err := tell(ctx, addr, message, time.Now(), within)
			mu.Lock()
			defer mu.Unlock()
			w.again += again
			return err
		})
	}
	err := group.Wait()
	w.took = time.Since(began).Round(time.Millisecond)
	return w, err
}

// tell sends a message at due, and again as agents do, until it is acknowledged: with
// growing pauses, or as the server asks, and then at a moment within the spread.
func tell(ctx context.Context, addr string, message []byte, due time.Time, spread time.Duration) (again int64, err error) {
	for pause := time.Second; sleepUntil(ctx, due); pause = min(2*pause, longestRetry) {
		c := newConn(addr)
		c.reset = true
		status, body, err := c.do(message)
		c.close()
		switch {
		case err != nil:
			return again, fmt.Errorf("sending a message: %w", err)
		case status == http.StatusOK:
			return again, nil
		case status != http.StatusServiceUnavailable && status != http.StatusTooManyRequests:
			return again, fmt.Errorf("a message was answered %d: %s", status, body)
		}
		again++
		least := max(pause/2, c.retryAfter)
		due = time.Now().Add(least + time.Duration(rand.Int64N(int64(max(pause-least, time.Second)+spread))))
	}
	return again, ctx.Err()
}

// folds are a's intervals of one backend over both kinds of connection, of which those
// that are over are numbered from first on.
func folds(first uint64, level report.Level, message string, from, to time.Duration) []report.Interval {
	var both []report.Interval
	for i, c := range []report.Connection{report.New, report.Reused} {
		both = append(both, report.Interval{ID: first + uint64(i), Backend: "kube-api", Connection: c, Level: level, Message: message, From: from, To: to})
	}
	return both
}

// message is a's of that number, as a request: the first that the backend fails, the
// second that it is back.
func (a agent) message(addr string, number int) []byte {
	const refused = "connecting: connection refused"
	d := report.Disruption{AsOf: settled + time.Second, Sealed: folds(1, report.Info, "", 0, settled), Open: folds(3, report.Error, refused, settled, 0)}
	if number == 2 {
		d = report.Disruption{AsOf: settled + 6*time.Second, Sealed: folds(3, report.Error, refused, settled, settled+5*time.Second), Open: folds(5, report.Info, "", settled+5*time.Second, 0)}
	}
	return a.posted(addr, report.IntervalsKind, number, report.AppendDisruption(nil, &d))
}

// posted is a message of a's, as a request.
func (a agent) posted(addr, kind string, number int, body []byte) []byte {
	body = report.AppendMessage(nil, &report.Message{
		PodName: a.name, NodeName: a.node, Namespace: namespace, BootID: a.boot, Clock: settled + 10*time.Second,
		Number: uint64(number), Body: body,
	})
	head := fmt.Appendf(nil, "POST /api/v1/agents/%s/%s HTTP/1.1\r\nHost: %s\r\nContent-Length: %d\r\nContent-Type: application/json\r\n\r\n", a.name, kind, addr, len(body))
	return append(head, body...)
}

// wantAllFailing asks the server whether it knows of every agent that it saw the
// backend fail, over both kinds of connection, and how long that answer takes.
func (s *stage) wantAllFailing(ctx context.Context, srv *server, agents int) error {
	ctx, cancel := context.WithTimeout(ctx, answerWithin)
	defer cancel()
	return srv.WaitUntil(ctx, func(context.Context) error {
		c := newConn(srv.addr)
		defer c.close()
		began := time.Now()
		status, body, err := c.do(get(srv.addr, "/api/v1/disruption?from=-2h"))
		if err != nil || status != http.StatusOK {
			return fmt.Errorf("asking for the disruption: %d, %w", status, err)
		}
		var answer struct {
			Backends []struct {
				Failing int `json:"failing_samplers"`
			} `json:"backends"`
		}
		if err := json.Unmarshal(body, &answer); err != nil {
			return fmt.Errorf("reading %.300s: %w", body, err)
		}
		failing := 0
		for _, b := range answer.Backends {
			failing += b.Failing
		}
		if failing != 2*agents {
			return fmt.Errorf("the server knows of %d samplers that saw the failure, want %d", failing, 2*agents)
		}
		s.say("The server sums that up in %v", time.Since(began).Round(100*time.Microsecond))
		return nil
	})
}
