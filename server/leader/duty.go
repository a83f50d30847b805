package leader

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/golang/glog"

	"github.com/netchecker/netchecker/pkg/wait"
	"github.com/netchecker/netchecker/server/store"
)

// Duty is something that one of several servers does alone, again and again. Its
// functions are called by one goroutine, which is that duty's own.
type Duty struct {
	// Name says in the log what is done: "writing the counters".
	Name string
	// Every is the time from one turn to the next. A turn that takes longer leaves out
	// those that it missed.
	Every time.Duration
	// Offset is by how much its turns come later, so that what takes long does not begin along
	// with all else.
	Offset time.Duration
	// Do is a turn, the first when Every and Offset have passed since the reign began. Its ctx ends
	// with the reign, and after turnWithin or Every, whichever is longer. What fails is
	// logged, and done again at the next turn.
	Do func(ctx context.Context, fence store.Fence) error
	// End is called once, when the reign is over, for what remains to be done; its ctx
	// ends after endWithin. Nil where nothing does.
	End func(ctx context.Context, fence store.Fence) error
}

const (
	turnWithin = 10 * time.Second
	endWithin  = 2 * time.Second
	// complainEvery is the time between two lines in the log of one duty that goes on
	// failing.
	complainEvery = time.Minute
)

// Serve does all duties, each at its own pace, until ctx ends, and returns when they
// have ended.
func Serve(ctx context.Context, fence store.Fence, duties ...Duty) {
	var all sync.WaitGroup
	for i := range duties {
		all.Go(func() { duties[i].serve(ctx, fence, glog.Warning) })
	}
	all.Wait()
}

func (d *Duty) serve(ctx context.Context, fence store.Fence, log func(...any)) {
	wait.For(ctx, d.Offset)
	ticker := time.NewTicker(d.Every)
	defer ticker.Stop()
	var failures failures
	for next(ctx, ticker.C) {
		err := d.turn(ctx, fence)
		if ctx.Err() != nil {
			break // what failed because the reign is over is of no interest
		}
		if line := failures.note(err, time.Now()); line != "" {
			log(d.Name + ": " + line)
		}
	}
	d.end(ctx, fence, log)
}

// next waits for a tick, and says whether the reign goes on.
func next(ctx context.Context, tick <-chan time.Time) bool {
	select {
	case <-ctx.Done():
	case <-tick:
	}
	return ctx.Err() == nil
}

func (d *Duty) turn(ctx context.Context, fence store.Fence) error {
	ctx, cancel := context.WithTimeout(ctx, max(turnWithin, d.Every))
	defer cancel()
	return d.Do(ctx, fence)
}

func (d *Duty) end(ctx context.Context, fence store.Fence, log func(...any)) {
	if d.End == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), endWithin)
	defer cancel()
	if err := d.End(ctx, fence); err != nil {
		log(fmt.Sprintf("%s, at the end of the reign: %v", d.Name, err))
	}
}

// failures are those of one duty in a row.
type failures struct {
	// many is how many there are, and told when that was last logged.
	many int
	told time.Time
}

// note takes in how a turn ended, and returns a line for the log where that is worth
// one: the first failure, then one in a while, and that it is over.
func (f *failures) note(err error, now time.Time) string {
	if err == nil {
		many := f.many
		*f = failures{}
		if many > 1 {
			return fmt.Sprintf("done again, after %d failures", many)
		}
		return ""
	}
	f.many++
	switch {
	case f.many == 1:
		f.told = now
		return err.Error()
	case now.Sub(f.told) >= complainEvery:
		f.told = now
		return fmt.Sprintf("failed %d times: %v", f.many, err)
	}
	return ""
}
