package pods

import (
	"context"
	"fmt"
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	kubewait "k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/client-go/tools/cache"
	"k8s.io/client-go/tools/pager"

	"github.com/netchecker/netchecker/pkg/wait"
)

// feed keeps a store in step with one kind of object, in whichever way the role
// allows. All it does towards the API server goes through list, watch and ping,
// which keep state true.
//
//	list allowed   watch allowed   what run does
//	yes            yes             watches, by client-go's reflector
//	yes            no              polls, and tries the watch again now and then
//	no             –               tries again, ever more rarely
type feed struct {
	resource resource
	store    cache.ReflectorStore
	state    *state
	tuning   tuning
	// forget, where there is one, empties the store when listing stays forbidden.
	// It marks a feed that one can do without, which is retried rarely.
	forget func()
}

// newFeed makes a feed into store; changed is called when its Mode changes.
func newFeed(r resource, store cache.ReflectorStore, t tuning, changed func()) *feed {
	return &feed{
		resource: r, store: store, tuning: t,
		state: newState(r.name, t.poll, changed),
	}
}

// patience is how long a feed waits before it tries again.
type patience struct {
	// retry is for what failed, rewatch and relist for what was forbidden.
	retry, rewatch, relist kubewait.Backoff
	// refused is since when listing has been forbidden; zero while it is not.
	refused time.Time
}

func (f *feed) newPatience() *patience {
	return &patience{
		retry:   f.backoff(f.tuning.retry, f.tuning.poll),
		rewatch: f.backoff(f.tuning.poll, f.tuning.refused),
		relist:  f.backoff(f.tuning.retry, f.tuning.refused),
	}
}

// backoff has pauses that double from first to longest, with some chance.
func (f *feed) backoff(first, longest time.Duration) kubewait.Backoff {
	const doublings = 20
	return kubewait.Backoff{Duration: first, Factor: 2, Jitter: 0.2, Steps: doublings, Cap: longest}
}

// run feeds the store until ctx ends.
func (f *feed) run(ctx context.Context) {
	p := f.newPatience()
	for ctx.Err() == nil {
		start := f.tuning.now()
		watched, err := f.follow(ctx)
		if watched && f.tuning.now().Sub(start) > f.tuning.poll {
			p = f.newPatience()
		}
		f.rest(ctx, p, err)
	}
}

// rest does what there is to do until following is tried again, after it ended by
// err.
func (f *feed) rest(ctx context.Context, p *patience, err error) {
	if !refused(err, verbList) {
		p.refused = time.Time{}
	} else if p.refused.IsZero() {
		p.refused = f.tuning.now()
		p.relist = f.backoff(f.tuning.retry, f.tuning.refused)
	}
	switch {
	case refused(err, verbWatch):
		f.poll(ctx, p.rewatch.Step())
	case refused(err, verbList) && f.forget != nil:
		if f.tuning.now().Sub(p.refused) >= f.tuning.believe {
			f.forget()
		}
		wait.For(ctx, p.relist.Step())
	default:
		wait.For(ctx, p.retry.Step())
	}
}

// follow lists, then watches until that ends or can't go on, and says whether a
// watch was open at all. The error is that of a list or watch which the API
// server did not answer well; nil if a watch ended otherwise.
func (f *feed) follow(ctx context.Context) (watched bool, err error) {
	ctx, cancel := context.WithCancel(ctx)
	var beats sync.WaitGroup
	defer beats.Wait()
	defer cancel()
	beats.Go(func() { f.beat(ctx) })

	lw := &listWatch{feed: f}
	again := f.backoff(f.tuning.retry, f.tuning.poll)
	r := cache.NewReflectorWithOptions(lw, f.resource.example, feedStore{f.store, f.state},
		cache.ReflectorOptions{Name: f.resource.name, Backoff: &again})
	r.WatchListPageSize = f.tuning.page
	err = r.ListAndWatchWithContext(ctx)
	return lw.watched, err
}

// beat asks the API server for something cheap every tuning.poll. An answer
// while the watch is open says that the watch has missed nothing: one that hangs
// does so with the connection that both share.
func (f *feed) beat(ctx context.Context) {
	for wait.For(ctx, f.tuning.poll) {
		w, start := f.state.openWatch(), f.tuning.now()
		if w != nil && f.ping(ctx) == nil {
			f.state.beaten(w, start)
		}
	}
}

// poll lists every tuning.poll, for about as long as given. It returns early
// when listing is forbidden.
func (f *feed) poll(ctx context.Context, long time.Duration) {
	f.state.enter(Polling)
	until := time.NewTimer(long)
	defer until.Stop()
	tick := time.NewTicker(f.tuning.poll)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-until.C:
			return
		case <-tick.C:
			if err := f.read(ctx); refused(err, verbList) {
				return
			}
		}
	}
}

// read lists everything once. What failed is in the feed's state.
func (f *feed) read(ctx context.Context) error {
	pages := pager.New(f.list)
	pages.PageSize = f.tuning.page
	all, _, err := pages.ListWithAlloc(ctx, metav1.ListOptions{})
	if err != nil {
		return err
	}
	var objs []any
	err = meta.EachListItem(all, func(o runtime.Object) error {
		objs = append(objs, o)
		return nil
	})
	if err != nil {
		return fmt.Errorf("reading the list of %s: %w", f.resource.name, err)
	}
	return feedStore{f.store, f.state}.Replace(objs, "")
}
