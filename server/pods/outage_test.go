package pods

import (
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/netchecker/netchecker/server/fleet"
	"github.com/netchecker/netchecker/test/eventually"
	"github.com/netchecker/netchecker/test/kubetest"
)

// keepsThrough holds that the fixture keeps its list, and tells how old that is,
// from an outage's start to its end. Meanwhile, the log says why in words that begin
// with reason.
func (f *fixture) keepsThrough(reason string, begin, end func()) {
	f.t.Helper()
	p, gone := f.create("before", nil), f.create("gone", nil)
	f.lists("before", "gone")
	f.delete(gone)
	list := f.lists("before")
	seen, left := f.agent("before").FirstSeen, list.Left

	begin()
	down := time.Now()
	eventually.Nil(f.t, func() error {
		want := "The list of pods is no longer current: " + reason
		if got := told(f.podFeed); !strings.HasPrefix(got, want) {
			return fmt.Errorf("logged was %q, want %s", got, want)
		}
		return nil
	})
	time.Sleep(3 * f.tuning.poll)
	if f.AsOf().After(down) {
		f.t.Errorf("the list is as of %v, the outage began at %v", f.AsOf(), down)
	}
	if f.List() != list {
		f.t.Errorf("the list became %+v", f.List())
	}
	if err := f.Check(f.t.Context()); err != nil {
		f.t.Errorf("Check says %v, though the list was read", err)
	}

	end()
	f.recovers(down)
	if now := f.List().Left; !reflect.DeepEqual(now, left) {
		f.t.Errorf("those who left were %+v, and are %+v after the outage", left, now)
	}
	f.create("after", nil)
	f.lists("before", "after")
	if now := f.agent("before").FirstSeen; !now.Equal(seen) {
		f.t.Errorf("first seen at %v, and at %v after the outage", seen, now)
	}
	f.delete(p)
	f.lists("after")
}

// recovers waits until the list is known to have been current after that time.
func (f *fixture) recovers(after time.Time) {
	f.t.Helper()
	eventually.Nil(f.t, func() error {
		if !current(f.podFeed) || !f.AsOf().After(after) {
			return fmt.Errorf("the list is as of %v (%s)", f.AsOf(), told(f.podFeed))
		}
		return nil
	})
}

func TestListOutlivesAnOutageOfTheAPIServer(t *testing.T) {
	t.Parallel()
	cluster := kubetest.Start(t)
	for _, r := range roles[:2] {
		t.Run(r.name, func(t *testing.T) {
			f := follow(t, cluster, rule("pods", r.verbs...))
			f.becomes(r.mode)
			t.Run("hanging", func(t *testing.T) {
				f.keepsThrough("the API server at "+cluster.URL+" did not answer within 2s", cluster.Pause, cluster.Resume)
			})
			f.delete(f.pod("after-"+f.app, nil))
			f.lists()
			t.Run("restarted", func(t *testing.T) {
				f.keepsThrough("the API server at "+cluster.URL+" can't be reached: ", cluster.Kill, cluster.Restart)
			})
			f.becomes(r.mode)
		})
	}
	t.Run("nodes that are going", func(t *testing.T) { goingOutlivesRestart(t, cluster) })
	t.Run("away from the start", func(t *testing.T) { startsWithout(t, cluster) })
}

func goingOutlivesRestart(t *testing.T, cluster *kubetest.Cluster) {
	f := follow(t, cluster, rule("pods", "list", "watch"), rule("nodes", "list", "watch"))
	f.create("a", nil)
	f.lists("a")
	before := f.going("n1", "deleted")
	cluster.Kill()
	down := time.Now()
	cluster.Restart()
	f.recovers(down)
	f.becomes(Watching)
	var after fleet.Node
	eventually.Nil(t, func() error {
		if !current(f.nodeFeed) {
			return errors.New(told(f.nodeFeed))
		}
		after = f.List().Nodes["n1"]
		return nil
	})
	if !reflect.DeepEqual(after, before) {
		t.Errorf("the node is %+v, and was %+v before the restart", after, before)
	}
}

func startsWithout(t *testing.T, cluster *kubetest.Cluster) {
	cluster.Kill()
	f := &fixture{t: t, cluster: cluster, app: "late"}
	f.start("admin-of-late", quick())
	want := "the pod list was never read: the API server at " + cluster.URL + " can't be reached: "
	eventually.Nil(t, func() error {
		if err := f.Check(t.Context()); err == nil || !strings.HasPrefix(err.Error(), want) {
			return fmt.Errorf("Check says %v, want %s", err, want)
		}
		return nil
	})
	if f.List() != nil || !f.AsOf().IsZero() {
		t.Errorf("there is a list %+v as of %v", f.List(), f.AsOf())
	}
	cluster.Restart()
	cluster.Grant("admin-of-late", rule("pods", "list", "watch"))
	f.lists()
}
