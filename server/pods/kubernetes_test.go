package pods

import (
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/netchecker/netchecker/pkg/report"
	"github.com/netchecker/netchecker/test/eventually"
)

// roles are those that manifests gave to servers so far.
var roles = []struct {
	name  string
	verbs []string
	mode  Mode
}{
	{"watching role", []string{"get", "list", "watch"}, Watching},
	{"Kubespray's get and list", []string{"get", "list"}, Polling},
	{"list only", []string{"list"}, Polling},
}

// withEachRole runs test for a Kubernetes that each of the roles runs.
func withEachRole(t *testing.T, test func(*testing.T, *fixture)) {
	t.Parallel()
	for _, r := range roles {
		t.Run(r.name, func(t *testing.T) {
			t.Parallel()
			f := follow(t, shared.For(t), rule("pods", r.verbs...))
			f.becomes(r.mode)
			test(t, f)
			f.becomes(r.mode)
		})
	}
}

func TestCreatedPodsAreListed(t *testing.T) {
	withEachRole(t, func(t *testing.T, f *fixture) {
		before := time.Now()
		f.create("pod", nil)
		f.create("host", func(p *corev1.Pod) { p.Spec.HostNetwork = true; p.Spec.NodeName = "n2" })
		f.create("unscheduled", func(p *corev1.Pod) { p.Spec.NodeName = "" })
		f.create("fourth", nil)
		f.create("fifth", nil)
		f.lists("pod", "host", "unscheduled", "fourth", "fifth")
		for name, want := range map[string]struct {
			node    string
			network report.Network
		}{
			"pod": {"n1", report.Pod}, "host": {"n2", report.Host}, "unscheduled": {"", report.Pod},
		} {
			a := f.agent(name)
			if a.Namespace != "default" || a.Node != want.node || a.Network != want.network || a.UID == "" {
				t.Errorf("%s is listed as %+v, want node %q and network %s", name, a, want.node, want.network)
			}
			if a.FirstSeen.Before(before) || a.FirstSeen.After(time.Now()) {
				t.Errorf("%s was first seen at %v", name, a.FirstSeen)
			}
		}
	})
}

func TestAddressesAreThoseOfTheStatus(t *testing.T) {
	withEachRole(t, func(t *testing.T, f *fixture) {
		p := f.create("a", nil)
		f.lists("a")
		seen := f.agent("a").FirstSeen
		want := []string{"10.1.2.3", "fd00::3"}
		f.setStatus(p, corev1.PodStatus{
			Phase: corev1.PodRunning, PodIP: want[0], PodIPs: []corev1.PodIP{{IP: want[0]}, {IP: want[1]}},
		})
		eventually.Nil(t, func() error {
			if got := f.agent("a").Addresses; !slices.Equal(got, want) {
				return fmt.Errorf("addresses %q, want %q", got, want)
			}
			return nil
		})
		if again := f.agent("a").FirstSeen; !again.Equal(seen) {
			t.Errorf("first seen at %v, and at %v after a change", seen, again)
		}
	})
}

func TestThePortOfTheMeshIsThatOfThePodsAnnotation(t *testing.T) {
	withEachRole(t, func(t *testing.T, f *fixture) {
		for name, port := range map[string]string{"meshes": "8083", "most": "65535", "beyond": "65536", "below": "-1", "words": "mesh"} {
			f.create(name, func(p *corev1.Pod) { p.Annotations = map[string]string{"netchecker/mesh-port": port, "other": "1"} })
		}
		f.create("none", func(*corev1.Pod) {})
		f.lists("below", "beyond", "meshes", "most", "none", "words")
		for name, want := range map[string]uint16{"meshes": 8083, "most": 65535, "beyond": 0, "below": 0, "words": 0, "none": 0} {
			if got := f.agent(name).MeshPort; got != want {
				t.Errorf("%s answers probes at the port %d, want %d", name, got, want)
			}
		}
	})
}

func TestDeletedPodsAreNotListed(t *testing.T) {
	withEachRole(t, func(t *testing.T, f *fixture) {
		p := f.create("gone", nil)
		f.create("stays", nil)
		f.lists("gone", "stays")
		f.delete(p)
		start := time.Now()
		f.lists("stays")
		if took := time.Since(start); took > 5*time.Second {
			t.Errorf("it was listed for %v more", took)
		}
	})
}

func TestEvictedPodsAreNotListed(t *testing.T) {
	withEachRole(t, func(t *testing.T, f *fixture) {
		p := f.create("evicted", nil)
		f.create("stays", nil)
		f.lists("evicted", "stays")
		f.setStatus(p, corev1.PodStatus{Phase: corev1.PodFailed, Reason: "Evicted"})
		f.lists("stays")
	})
}

func TestCompletedPodsAreNotListed(t *testing.T) {
	withEachRole(t, func(t *testing.T, f *fixture) {
		p := f.create("completed", nil)
		f.create("stays", nil)
		f.lists("completed", "stays")
		f.setStatus(p, corev1.PodStatus{Phase: corev1.PodSucceeded})
		f.lists("stays")
	})
}

func TestTerminatingPodsAreNotListed(t *testing.T) {
	withEachRole(t, func(t *testing.T, f *fixture) {
		p := f.create("terminating", nil)
		f.create("stays", nil)
		f.lists("terminating", "stays")
		pods := f.cluster.Client().CoreV1().Pods(p.Namespace)
		if err := pods.Delete(t.Context(), p.Name, metav1.DeleteOptions{}); err != nil {
			t.Fatal(err)
		}
		f.lists("stays")
		still, err := pods.Get(t.Context(), p.Name, metav1.GetOptions{})
		if err != nil || still.DeletionTimestamp == nil {
			t.Errorf("the pod should be terminating still: %+v, %v", still, err)
		}
	})
}

func TestPodsOfOneNameInTwoNamespacesAreBothListed(t *testing.T) {
	withEachRole(t, func(t *testing.T, f *fixture) {
		f.create("twin", nil)
		f.create("twin", func(p *corev1.Pod) { p.Namespace = "kube-public" })
		l := f.lists("twin", "twin")
		for i, want := range []string{"default", "kube-public"} {
			if got := l.Agents[i].Namespace; got != want {
				t.Errorf("agent %d is in namespace %s, want %s", i, got, want)
			}
		}
	})
}

func TestPodThatComesAgainUnderItsNameIsNew(t *testing.T) {
	withEachRole(t, func(t *testing.T, f *fixture) {
		p := f.create("a", nil)
		f.lists("a")
		first := f.agent("a")
		f.delete(p)
		f.create("a", nil)
		eventually.Nil(t, func() error {
			found := f.List().Named(first.Name)
			if len(found) != 1 || found[0].UID == first.UID {
				return fmt.Errorf("listed are %+v, want another pod", found)
			}
			return nil
		})
		if again := f.agent("a"); !again.FirstSeen.After(first.FirstSeen) {
			t.Errorf("first seen at %v, the pod before it at %v", again.FirstSeen, first.FirstSeen)
		}
	})
}

func TestPodsWithOtherLabelsAreNotListed(t *testing.T) {
	withEachRole(t, func(t *testing.T, f *fixture) {
		f.create("other", func(p *corev1.Pod) { p.Labels["app"] = "other" })
		f.create("agent", nil)
		f.lists("agent")
	})
}

func TestListIsKnownToBeCurrentAgainAndAgain(t *testing.T) {
	withEachRole(t, func(t *testing.T, f *fixture) {
		last := f.AsOf()
		for range 3 {
			eventually.Nil(t, func() error {
				if now := f.AsOf(); !now.After(last) {
					return fmt.Errorf("the list is as of %v still", now)
				}
				return nil
			})
			last = f.AsOf()
		}
		if last.After(time.Now()) {
			t.Errorf("the list is as of %v, which is yet to come", last)
		}
	})
}

func TestChangesAreToldToAllWhoWait(t *testing.T) {
	withEachRole(t, func(t *testing.T, f *fixture) {
		f.create("a", nil)
		before := f.lists("a")
		var waiting sync.WaitGroup
		for range 3 {
			waiting.Go(func() {
				for {
					changed := f.Changed()
					if len(f.List().Agents) == 2 {
						return
					}
					select {
					case <-changed:
					case <-time.After(eventually.Patience):
						t.Error("nobody was told")
						return
					}
				}
			})
		}
		f.create("b", nil)
		waiting.Wait()
		if len(before.Agents) != 1 {
			t.Errorf("a list was changed: %+v", before)
		}
	})
}

func TestWhereNothingChangesNobodyIsTold(t *testing.T) {
	withEachRole(t, func(t *testing.T, f *fixture) {
		f.create("a", nil)
		before := f.lists("a")
		select {
		case <-f.Changed():
			t.Errorf("the list was %+v and is %+v", before, f.List())
		case <-time.After(4 * f.tuning.poll):
		}
	})
}

func TestEmptyClusterIsAListOfNobody(t *testing.T) {
	withEachRole(t, func(t *testing.T, f *fixture) {
		if err := f.Check(t.Context()); err != nil {
			t.Error(err)
		}
		if l := f.List(); len(l.Agents) != 0 {
			t.Errorf("listed are %+v", l.Agents)
		}
	})
}

func TestRoleThatMayNotListIsTold(t *testing.T) {
	t.Parallel()
	f := followAs(t, shared.For(t), "nobody", []rbacv1.PolicyRule{}...)
	want := `the pod list was never read: the API server forbids to list pods: pods is forbidden: User "nobody" cannot list resource "pods" in API group "" at the cluster scope; a ClusterRole and a ClusterRoleBinding should allow it`
	eventually.Nil(t, func() error {
		if err := f.Check(t.Context()); err == nil || err.Error() != want {
			return fmt.Errorf("Check says %v, want %s", err, want)
		}
		return nil
	})
	if f.List() != nil || !f.AsOf().IsZero() {
		t.Errorf("there is a list %+v as of %v", f.List(), f.AsOf())
	}
	f.cluster.Grant("nobody", rule("pods", "list"))
	f.lists()
	if err := f.Check(t.Context()); err != nil {
		t.Errorf("Check says %v after the role was put right", err)
	}
}

func TestWatchThatIsForbiddenMidRunBecomesPollingAndComesBack(t *testing.T) {
	t.Parallel()
	f := followAs(t, shared.For(t), "revoked", rule("pods", "list", "watch"))
	f.create("a", nil)
	f.lists("a")
	f.becomes(Watching)
	seen, asOf := f.agent("a").FirstSeen, f.AsOf()

	f.cluster.Grant("revoked", rule("pods", "list"))
	f.podFeed.state.openWatch().Interface.Stop() // kube-apiserver does so within 10 minutes
	f.becomes(Polling)
	f.create("b", nil)
	f.lists("a", "b")
	if !f.agent("a").FirstSeen.Equal(seen) || f.AsOf().Before(asOf) {
		t.Errorf("first seen at %v, then at %v; as of %v, then of %v", seen, f.agent("a").FirstSeen, asOf, f.AsOf())
	}

	f.cluster.Grant("revoked", rule("pods", "list", "watch"))
	f.becomes(Watching)
	f.create("c", nil)
	f.lists("a", "b", "c")
}
