package judge

import (
	"context"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/netchecker/netchecker/server/fleet"
)

func TestASnapshotThatTheLoopDoesNotRenewIsNotBelieved(t *testing.T) {
	w := newWorld("a")
	w.hear(key("a"))
	j := w.judge()
	w.pass(20 * time.Second)
	s := j.Snapshot()
	wantTold(t, s, "cannot_know")
	if want := (Unknown{Cause: LoopStuck, For: 20 * time.Second}); s.Unknown != want || s.ListAge != 20*time.Second {
		t.Errorf("%+v with a list %v old, want %+v, 20s", s.Unknown, s.ListAge, want)
	}
}

// meddled is a store in which something happens while it is looked at.
type meddled struct {
	storeOf
	during func()
}

func (m meddled) EachUnlisted(f func(*fleet.Record)) {
	m.storeOf.EachUnlisted(f)
	m.during()
}

func TestRunShowsAChangeAtOnceAlsoOneThatComesWhileItLooks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld("a")
		report := func() {
			w.mu.Lock()
			w.hear(key("a"))
			w.mu.Unlock()
			w.changed.Send()
		}
		looks := 0
		during := func() {
			if looks++; looks == 2 { // the first of Run
				report()
			}
		}
		j := New(Config{Store: meddled{storeOf{w}, during}, Pods: podsOf{w}, BlindAfter: time.Hour, Grace: 2 * time.Minute, Now: time.Now})
		ctx, cancel := context.WithCancel(t.Context())
		beats := 0
		var wg sync.WaitGroup
		wg.Go(func() { j.Run(ctx, func() { beats++ }) })
		defer wg.Wait()
		defer cancel()
		wantShown := func(revision int64) {
			t.Helper()
			time.Sleep(shortest)
			synctest.Wait()
			if rec := j.Snapshot().Records[0]; rec == nil || rec.Revision != revision {
				t.Errorf("%v after change %d, shown is %+v", shortest, revision, rec)
			}
		}
		synctest.Wait()
		wantShown(1)
		report()
		wantShown(2)
		time.Sleep(10 * longest)
		synctest.Wait()
		if beats != 13 {
			t.Errorf("with nothing to show, the loop told %d beats, want one each %v", beats, longest)
		}
	})
}
