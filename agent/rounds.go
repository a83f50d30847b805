package main

import (
	"context"
	"math/rand/v2"
	"time"

	"github.com/netchecker/netchecker/agent/collect"
	"github.com/netchecker/netchecker/pkg/wait"
)

const (
	// earlyPause is the least time before an early round, and after it up to the next one
	// of the schedule; half of what it is at the most. Servers know what an agent reported
	// within a second or two.
	earlyPause = 5 * time.Second
	// mostEarly bounds the early rounds.
	mostEarly = 3
)

// rounds is the report loop.
type rounds struct {
	schedule schedule
	// early says whether another round soon is worth its while, as it may be right after
	// the start. It is asked before each.
	early func() bool
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
	if !r.one(ctx) || !r.hurry(ctx, start) {
		return
	}
	for n := 0; ; {
		n = r.schedule.next(n, time.Since(start))
		due := r.schedule.offset(n, 2*rand.Float64()-1)
		if !wait.For(ctx, due-time.Since(start)) || !r.one(ctx) {
			return
		}
	}
}

// hurry makes early rounds, besides those of the schedule, as long as they are worth their
// while and there is time for them. It is false where ctx ended.
func (r rounds) hurry(ctx context.Context, start time.Time) bool {
	next := r.schedule.offset(1, -1)
	for range mostEarly {
		pause := earlyPause + rand.N(earlyPause)
		if time.Since(start)+pause+earlyPause > next {
			break
		}
		if !wait.For(ctx, pause) {
			return false
		}
		if !r.early() {
			break
		}
		if !r.one(ctx) {
			return false
		}
	}
	return true
}

// one makes a round. It is false where ctx ended before it was over.
func (r rounds) one(ctx context.Context) bool {
	r.begun()
	began := time.Now()
	round := r.make(ctx)
	if ctx.Err() != nil {
		return false
	}
	r.done(round, time.Since(began))
	return true
}
