package leader

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/netchecker/netchecker/server/store"
)

var errAway = errors.New("etcd is away")

// chronicle is what happened, and when since the test began.
type chronicle struct {
	began time.Time
	mu    sync.Mutex
	lines []string
}

func (d *chronicle) note(text string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.lines = append(d.lines, fmt.Sprintf("%v %s", time.Since(d.began), text))
}

func (d *chronicle) log(text ...any) { d.note("logged " + fmt.Sprint(text...)) }

func (d *chronicle) want(t *testing.T, lines ...string) {
	t.Helper()
	if !slices.Equal(d.lines, lines) {
		t.Errorf("what happened is\n%q\nwant\n%q", d.lines, lines)
	}
}

// reign lets a time pass in which duties are served.
func reign(t *testing.T, lasts time.Duration, duties ...Duty) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	var served sync.WaitGroup
	served.Go(func() { Serve(ctx, store.Fence{Key: "k", CreateRevision: 7}, duties...) })
	time.Sleep(lasts)
	synctest.Wait()
	cancel()
	served.Wait()
}

func TestEachDutyHasItsOwnPaceAndAllEndWithTheReign(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := chronicle{began: time.Now()}
		slow := Duty{Name: "slow", Every: 3 * time.Second, Do: func(ctx context.Context, _ store.Fence) error {
			d.note("slow begins")
			<-ctx.Done()
			d.note("slow ends")
			return ctx.Err()
		}}
		quick := Duty{
			Name: "quick", Every: 2 * time.Second, Offset: 500 * time.Millisecond,
			Do: func(_ context.Context, fence store.Fence) error {
				d.note("quick " + fence.Key)
				return nil
			},
			End: func(ctx context.Context, fence store.Fence) error {
				deadline, _ := ctx.Deadline()
				d.note(fmt.Sprintf("end of quick %s, %v, within %v", fence.Key, ctx.Err(), time.Until(deadline)))
				return nil
			},
		}
		reign(t, 7*time.Second, slow, quick)
		slices.Sort(d.lines)
		d.want(t, "2.5s quick k", "3s slow begins", "4.5s quick k", "6.5s quick k", "7s end of quick k, <nil>, within 2s", "7s slow ends")
	})
}

func TestATurnThatHangsIsEnded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := chronicle{began: time.Now()}
		hangs := func(name string, every time.Duration) Duty {
			return Duty{Name: name, Every: every, Do: func(ctx context.Context, _ store.Fence) error {
				<-ctx.Done()
				d.note(name)
				return ctx.Err()
			}}
		}
		reign(t, 3*time.Minute+time.Second, hangs("a minute's", time.Minute))
		d.want(t, "2m0s a minute's", "3m0s a minute's", "3m1s a minute's")
		d.lines, d.began = nil, time.Now()
		reign(t, 13*time.Second, hangs("a second's", time.Second))
		d.want(t, "11s a second's", "13s a second's")
	})
}

func TestFailuresAreLoggedAtFirstAndThenOnceAMinute(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := chronicle{began: time.Now()}
		duty := Duty{
			Name: "writing", Every: time.Second,
			Do: func(context.Context, store.Fence) error {
				if at := time.Since(d.began); at == 5*time.Second || at > 10*time.Second && at < 100*time.Second {
					return errAway
				}
				return nil
			},
			End: func(context.Context, store.Fence) error { return errAway },
		}
		ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
		defer cancel()
		duty.serve(ctx, store.Fence{}, d.log)
		d.want(t,
			"5s logged writing: etcd is away",
			"11s logged writing: etcd is away",
			"1m11s logged writing: failed 61 times: etcd is away",
			"1m40s logged writing: done again, after 89 failures",
			"2m0s logged writing, at the end of the reign: etcd is away",
		)
	})
}
