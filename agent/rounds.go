package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/netchecker/netchecker/agent/collect"
)

// rounds is the report loop.
type rounds struct {
	schedule schedule
	// begun is called as each round begins.
	begun func()
	// make makes a round; it is over when ctx is, or soon after.
	make func(ctx context.Context) collect.Round
	// done gets each round and how long it took.
	done func(collect.Round, time.Duration)
}

// run makes rounds until ctx ends. A round that was under way then is dropped.
func (r rounds) run(ctx context.Context) {
	start := time.Now()
	for n := 0; ; {
		due := r.schedule.offset(n, 2*rand.Float64()-1)
		if !sleep(ctx, due-time.Since(start)) {
			return
		}
		r.begun()
		began := time.Now()
		round := r.make(ctx)
		if ctx.Err() != nil {
			return
		}
		r.done(round, time.Since(began))
		n = r.schedule.next(n, time.Since(start))
	}
}

// sleep returns false where ctx ended before.
func sleep(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
		return ctx.Err() == nil
	}
}

// diary knows what fails, so that the log tells when something begins to fail
// and when it is over, and not each round of it.
type diary map[string]bool

// changes returns a line for each thing that now fails and did not before, and
// for each that works again.
func (d diary) changes(findings []collect.Finding) (fails, works []string) {
	for _, f := range findings {
		switch failed := f.Err != nil; {
		case failed && !d[f.Name]:
			fails = append(fails, fmt.Sprintf("Fails: %s: %v", f.Name, f.Err))
		case !failed && d[f.Name]:
			works = append(works, "Works again: "+f.Name)
		}
		d[f.Name] = f.Err != nil
	}
	return fails, works
}
