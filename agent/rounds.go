package main

import (
	"context"
	"math/rand/v2"
	"time"

	"github.com/netchecker/netchecker/agent/collect"
	"github.com/netchecker/netchecker/pkg/wait"
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
		if !wait.For(ctx, due-time.Since(start)) {
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
