package store

import (
	"errors"
	"testing"
	"time"

	"github.com/netchecker/netchecker/server/fleet"
)

func TestListeningBeginsAnewAfterEachGap(t *testing.T) {
	t.Parallel()
	start := time.Now()
	now := start
	c := newCurrency(5*time.Second, func() time.Time { return now })
	if since, trouble := c.get().Since, c.trouble(); !since.IsZero() || trouble != "the reports have not been read from etcd yet" {
		t.Errorf("before anything was read: %v, %q", since, trouble)
	}
	for _, step := range []struct {
		what string
		// at is when it happens and asOf what is confirmed, in seconds; since is
		// what follows, negative for nothing.
		at, asOf, since float64
	}{
		{"the first confirmation", 1, 0.9, 1},
		{"the next", 2, 1.9, 1},
		{"one after a gap that is not too long", 7, 6.8, 1},
		{"one after a gap that is", 12, 11.9, 12},
		{"one that was asked for before this process was stopped for a minute", 72, 12.5, -1},
		{"the next", 73, 72.9, 73},
	} {
		now = start.Add(time.Duration(step.at * float64(time.Second)))
		c.confirm(start.Add(time.Duration(step.asOf * float64(time.Second))))
		want := time.Time{}
		if step.since >= 0 {
			want = start.Add(time.Duration(step.since * float64(time.Second)))
		}
		if got := c.get().Since; !got.Equal(want) {
			t.Errorf("%s: listening since %v, want %v", step.what, got.Sub(start), want.Sub(start))
		}
	}
}

func TestAShortGapIsNoSteadyListening(t *testing.T) {
	t.Parallel()
	start := time.Now()
	now := start
	c := newCurrency(20*time.Second, func() time.Time { return now })
	for _, step := range []struct{ at, since, steady time.Duration }{
		{1 * time.Second, 1 * time.Second, 1 * time.Second},
		{3 * time.Second, 1 * time.Second, 1 * time.Second},
		{9 * time.Second, 1 * time.Second, 9 * time.Second},
		{10 * time.Second, 1 * time.Second, 9 * time.Second},
		{40 * time.Second, 40 * time.Second, 40 * time.Second},
	} {
		now = start.Add(step.at)
		c.confirm(now)
		if got := c.get(); got.Since.Sub(start) != step.since || got.Unbroken.Sub(start) != step.steady {
			t.Errorf("after %v: since %v, steady %v; want %v, %v", step.at, got.Since.Sub(start), got.Unbroken.Sub(start), step.since, step.steady)
		}
	}
	c.lose(errors.New("another history"))
	if got := c.get(); got != (fleet.Freshness{}) {
		t.Errorf("after it was lost: %v", got)
	}
}

func TestTroubleIsToldOnlyWhileTheViewIsOld(t *testing.T) {
	t.Parallel()
	now := time.Now()
	c := newCurrency(5*time.Second, func() time.Time { return now })
	c.confirm(now)
	c.fail(errors.New("out"))
	now = now.Add(5 * time.Second)
	if got := c.trouble(); got != "" {
		t.Errorf("after 5 s: %q", got)
	}
	now = now.Add(time.Second)
	if got := c.trouble(); got != "out" {
		t.Errorf("after 6 s: %q", got)
	}
	c.confirm(now.Add(-5500 * time.Millisecond))
	if got := c.trouble(); got != "etcd does not answer: nothing heard for 5.5s" {
		t.Errorf("without an error: %q", got)
	}
}
