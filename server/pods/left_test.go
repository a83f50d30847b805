package pods

import (
	"context"
	"fmt"
	"reflect"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/netchecker/netchecker/server/fleet"
	"github.com/netchecker/netchecker/test/eventually"
)

func TestPodsThatLeftAreKnownForTwoMinutesHoweverTheyLeft(t *testing.T) {
	withEachRole(t, func(t *testing.T, f *fixture) {
		f.create("stays", nil)
		ways := map[string]func(*corev1.Pod){
			"completed": func(p *corev1.Pod) { f.setStatus(p, corev1.PodStatus{Phase: corev1.PodSucceeded}) },
			"deleted":   f.delete,
			"evicted":   func(p *corev1.Pod) { f.setStatus(p, corev1.PodStatus{Phase: corev1.PodFailed, Reason: "Evicted"}) },
			"ending": func(p *corev1.Pod) {
				must(t, f.cluster.Client().CoreV1().Pods(p.Namespace).Delete(t.Context(), p.Name, metav1.DeleteOptions{}))
			},
		}
		pods := map[string]*corev1.Pod{}
		for name := range ways {
			pods[name] = f.create(name, nil)
		}
		f.lists("stays", "completed", "deleted", "evicted", "ending")
		agents, before := f.List().Agents, time.Now()
		for name, leave := range ways {
			leave(pods[name])
		}
		f.lists("stays")
		left := f.left("completed", "deleted", "evicted", "ending")
		for i, l := range left {
			if !reflect.DeepEqual(l.Agent, agents[i]) || l.Since.Before(before) || l.Since.After(time.Now()) {
				t.Errorf("%+v left at %v, and was %+v", l.Agent, l.Since, agents[i])
			}
		}

		f.pass(fleet.LeftFor - eventually.Patience)
		f.delete(pods["ending"]) // which is no news of it
		f.create("second", nil)
		f.lists("stays", "second")
		if now := f.List().Left; !reflect.DeepEqual(now, left) {
			t.Errorf("those who left were %+v, and are %+v", left, now)
		}
		f.pass(eventually.Patience)
		f.create("third", nil)
		f.lists("stays", "second", "third")
		f.left()
	})
}

func TestPodThatWasNeverExpectedHasNotLeft(t *testing.T) {
	withEachRole(t, func(t *testing.T, f *fixture) {
		p := f.create("ended", func(p *corev1.Pod) { p.Labels["app"] = "other" })
		f.setStatus(p, corev1.PodStatus{Phase: corev1.PodSucceeded})
		pods := f.cluster.Client().CoreV1().Pods(p.Namespace)
		p, err := pods.Get(t.Context(), p.Name, metav1.GetOptions{})
		must(t, err)
		p.Labels["app"] = f.app
		_, err = pods.Update(t.Context(), p, metav1.UpdateOptions{})
		must(t, err)
		f.create("a", nil)
		f.lists("a")
		f.delete(p)
		f.create("b", nil)
		f.lists("a", "b")
		f.left()
	})
}

func TestPodThatIsExpectedAgainHasNotLeft(t *testing.T) {
	withEachRole(t, func(t *testing.T, f *fixture) {
		relabel := func(app string) {
			pods := f.cluster.Client().CoreV1().Pods("default")
			p, err := pods.Get(t.Context(), "a-"+f.app, metav1.GetOptions{})
			must(t, err)
			p.Labels["app"] = app
			_, err = pods.Update(t.Context(), p, metav1.UpdateOptions{})
			must(t, err)
		}
		f.create("a", nil)
		f.lists("a")
		relabel("other")
		f.lists()
		f.left("a")
		relabel(f.app)
		f.lists("a")
		f.left()
	})
}

// offline is a Kubernetes whose tables a test fills itself.
func offline(now func() time.Time) *Kubernetes {
	k := &Kubernetes{tuning: quick(), dirty: make(chan struct{}, 1)}
	k.tuning.now = now
	k.pods, k.nodes = newPodTable(now, k.touch), newNodeTable(k.touch)
	k.podFeed = newFeed(resource{name: "pods"}, k.pods, k.tuning, k.touch)
	return k
}

func TestPodsThatLeftAreForgottenByTimeAlone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := offline(time.Now)
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		var lists atomic.Int64
		changed := k.Changed()
		go func() {
			for ctx.Err() == nil {
				select {
				case <-changed:
					lists.Add(1)
					changed = k.Changed()
				case <-ctx.Done():
				}
			}
		}()
		go k.publish(ctx)
		a, b := running("n", "a", "1"), running("n", "b", "1")
		must(t, k.pods.Replace([]any{a, b}, ""))
		time.Sleep(time.Second) // what is taken in while it is told makes one List or two
		synctest.Wait()
		before := lists.Load()
		expect := func(made int64, left int) {
			t.Helper()
			synctest.Wait()
			if lists.Load()-before != made || len(k.List().Left) != left {
				t.Errorf("%d lists were made, of which the last has %+v left; want %d and %d", lists.Load()-before, k.List().Left, made, left)
			}
		}
		time.Sleep(time.Hour)
		expect(0, 0)
		must(t, k.pods.Delete(a))
		expect(1, 1)
		time.Sleep(time.Minute)
		must(t, k.pods.Delete(b))
		expect(2, 2)
		time.Sleep(time.Minute - time.Nanosecond)
		expect(2, 2)
		time.Sleep(time.Nanosecond)
		expect(3, 1)
		time.Sleep(time.Minute)
		expect(4, 0)
		time.Sleep(time.Hour)
		expect(4, 0)
	})
}

func TestOfThoseWhoLeftTheLastFiftyThousandAreKnown(t *testing.T) {
	const half = maxLeft / 2
	start := time.Now()
	var was []fleet.Left
	leave := func(prefix string, after time.Duration) {
		var c change
		for i := range half {
			c.went = append(c.went, fleet.Agent{Key: fleet.Key{Name: fmt.Sprintf("%s-%05d", prefix, i)}})
		}
		was = left(was, c, start.Add(after))
	}
	leave("b", 0)
	leave("a", time.Second)
	leave("c", 2*time.Second)
	if len(was) != maxLeft || was[0].Name != "a-00000" || was[half].Name != "c-00000" {
		t.Errorf("known are %d, from %v by %v to %v", len(was), was[0].Key, was[half].Key, was[len(was)-1].Key)
	}
}
