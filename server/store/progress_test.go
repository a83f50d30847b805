package store

import (
	"context"
	"errors"
	"testing"
	"time"
)

func newTestFollower() *follower { return &follower{now: time.Now, moved: make(chan struct{})} }

// read makes f one that has read the tree at revision 10.
func (f *follower) read() {
	f.loaded, f.progress, f.events, f.floor = true, 10, 10, 9
}

func TestProgressIsNotBelievedBeforeTheEventsThatAreKnown(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name string
		do   func(f *follower)
		want int64
	}{
		{"nothing known", func(f *follower) { f.move(20, false) }, 20},
		{"a put whose event is missing", func(f *follower) { f.expect(15); f.move(20, false) }, 10},
		{"a put whose event came", func(f *follower) { f.expect(15); f.move(15, true); f.move(20, false) }, 20},
		{"an event alone", func(f *follower) { f.expect(15); f.move(12, true) }, 12},
		{"what goes back", func(f *follower) { f.move(5, true); f.move(6, false) }, 10},
		{"a later put", func(f *follower) { f.move(20, false); f.expect(25); f.move(30, false) }, 20},
	} {
		f := newTestFollower()
		f.read()
		test.do(f)
		if got := f.at(); got != test.want {
			t.Errorf("%s: at %d, want %d", test.name, got, test.want)
		}
	}
}

func TestReachSaysWhatIsMissing(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	f := newTestFollower()
	if err := f.reach(ctx, 1); !errors.Is(err, errNotRead) {
		t.Errorf("before anything was read: %v", err)
	}
	f.read()
	if err := f.reach(ctx, 10); err != nil {
		t.Errorf("what was read: %v", err)
	}
	const want = "etcd does not answer: its watch is at revision 10 and should be at 11"
	if err := f.reach(ctx, 11); err == nil || err.Error() != want {
		t.Errorf("what comes: %v, want %s", err, want)
	}
	broken := errors.New("broken")
	f.fail(broken)
	if err := f.reach(ctx, 11); !errors.Is(err, broken) {
		t.Errorf("with a failure: %v", err)
	}
}

func TestWatchThatTellsNothingIsStuck(t *testing.T) {
	t.Parallel()
	now := time.Now()
	f := newTestFollower()
	f.now = func() time.Time { return now }
	if got := f.stuckFor(now.Add(time.Minute)); got != 0 {
		t.Errorf("no watch has been stuck for %v", got)
	}
	ctx, cancel := context.WithCancel(context.Background())
	f.watching(ctx, cancel)
	now = now.Add(10 * time.Second)
	if got := f.stuckFor(now); got != 10*time.Second {
		t.Errorf("it has been stuck for %v, want 10s", got)
	}
	f.renew()
	if ctx.Err() == nil {
		t.Error("the watch was not ended")
	}
	f.move(3, false)
	if got := f.stuckFor(now); got != 0 {
		t.Errorf("a watch that told something has been stuck for %v", got)
	}
}
