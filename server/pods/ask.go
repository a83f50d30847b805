package pods

import (
	"context"
	"sync"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/tools/cache"
)

// list asks for one page. The answer is never older than the question, and so
// AsOf can be told from it: that takes no resourceVersion, which would allow the
// API server to answer from a cache that lags, and to ignore the page's size.
func (f *feed) list(ctx context.Context, o metav1.ListOptions) (runtime.Object, error) {
	if o.Continue == "" {
		f.state.listing(f.tuning.now())
	}
	o.ResourceVersion, o.ResourceVersionMatch = "", ""
	within, cancel := context.WithTimeout(ctx, f.tuning.request)
	defer cancel()
	page, err := f.resource.list(within, o)
	if err != nil {
		return nil, f.failed(ctx, verbList, err)
	}
	return page, nil
}

// watch opens a watch. The deadline is for its first answer; then it lasts as
// long as the API server lets it.
func (f *feed) watch(ctx context.Context, o metav1.ListOptions) (watch.Interface, error) {
	within, cancel := context.WithCancelCause(ctx)
	late := time.AfterFunc(f.tuning.request, func() { cancel(context.DeadlineExceeded) })
	w, err := f.resource.watch(within, o)
	if err == nil && !late.Stop() {
		w.Stop()
		err = context.DeadlineExceeded
	}
	if err != nil {
		late.Stop()
		if cause := context.Cause(within); cause != nil {
			err = cause
		}
		cancel(nil)
		return nil, f.failed(ctx, verbWatch, err)
	}
	open := &openWatch{Interface: w}
	open.ended = sync.OnceFunc(func() {
		f.state.closed(open)
		cancel(nil)
	})
	f.state.opened(open)
	return open, nil
}

// ping asks for what is cheap, with the right to list.
func (f *feed) ping(ctx context.Context) error {
	within, cancel := context.WithTimeout(ctx, f.tuning.request)
	defer cancel()
	if err := f.resource.ping(within); err != nil {
		return f.failed(ctx, verbList, err)
	}
	return nil
}

// failed puts err in words, and in the state; unless it is ours, as ctx ended.
// That watching is forbidden is nothing that has to be put right.
func (f *feed) failed(ctx context.Context, verb string, err error) error {
	told := &requestError{verb: verb, what: f.resource.name, host: f.resource.host, within: f.tuning.request, err: err}
	if ctx.Err() == nil && !refused(told, verbWatch) {
		f.state.failed(told)
	}
	return told
}

// listWatch is the feed as a reflector asks it. It has the objects listed and not
// streamed, so that both ways of following them begin by the same request.
type listWatch struct {
	feed    *feed
	watched bool // a watch was opened
}

func (l *listWatch) ListWithContext(ctx context.Context, o metav1.ListOptions) (runtime.Object, error) {
	return l.feed.list(ctx, o)
}

func (l *listWatch) WatchWithContext(ctx context.Context, o metav1.ListOptions) (watch.Interface, error) {
	w, err := l.feed.watch(ctx, o)
	l.watched = l.watched || err == nil
	return w, err
}

// List is what client-go's older interface asks for, and never calls.
func (l *listWatch) List(o metav1.ListOptions) (runtime.Object, error) {
	return l.ListWithContext(context.Background(), o)
}

// Watch is what client-go's older interface asks for, and never calls.
func (l *listWatch) Watch(o metav1.ListOptions) (watch.Interface, error) {
	return l.WatchWithContext(context.Background(), o)
}

// IsWatchListSemanticsUnSupported tells the reflector to list.
func (l *listWatch) IsWatchListSemanticsUnSupported() bool { return true }

// feedStore tells the state of each list that was taken in.
type feedStore struct {
	cache.ReflectorStore
	state *state
}

func (s feedStore) Replace(objs []any, version string) error {
	if err := s.ReflectorStore.Replace(objs, version); err != nil {
		return err
	}
	s.state.listed()
	return nil
}
