package pods

import (
	"context"
	"flag"
	"fmt"
	"os"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/netchecker/netchecker/server/fleet"
	"github.com/netchecker/netchecker/test/eventually"
	"github.com/netchecker/netchecker/test/kubetest"
)

// shared is the cluster of all tests that do not stop it. Each test has pods with
// an app label of its own.
var shared *kubetest.Server

func TestMain(m *testing.M) {
	if err := flag.Set("logtostderr", "true"); err != nil {
		panic(err)
	}
	status := kubetest.Main(func(s *kubetest.Server) int {
		shared = s
		return m.Run()
	})
	glogs := goleak.IgnoreAnyFunction("github.com/golang/glog.(*fileSink).flushDaemon")
	if err := goleak.Find(glogs); err != nil && status == 0 {
		fmt.Fprintln(os.Stderr, err)
		status = 1
	}
	os.Exit(status)
}

// quick lets things happen at once; a page is so small that every list has some.
func quick() tuning {
	return tuning{
		now: time.Now, page: 2, request: 2 * time.Second, poll: 150 * time.Millisecond, retry: 20 * time.Millisecond,
		refused: 300 * time.Millisecond, believe: time.Minute, rebuild: 10 * time.Millisecond,
	}
}

func rule(resource string, verbs ...string) rbacv1.PolicyRule {
	return rbacv1.PolicyRule{APIGroups: []string{""}, Resources: []string{resource}, Verbs: verbs}
}

// fixture is one test's part of a cluster, and a Kubernetes that reads it.
type fixture struct {
	*Kubernetes
	t       *testing.T
	cluster *kubetest.Cluster
	app     string
	// ahead is how far its clock is ahead of time.Now.
	ahead atomic.Int64
}

func (f *fixture) now() time.Time { return time.Now().Add(time.Duration(f.ahead.Load())) }

// pass moves its clock.
func (f *fixture) pass(d time.Duration) { f.ahead.Add(int64(d)) }

// apps counts the fixtures, and their users.
var apps atomic.Int64

// follow runs a Kubernetes for a user of its own that may do what rules say.
func follow(t *testing.T, cluster *kubetest.Cluster, rules ...rbacv1.PolicyRule) *fixture {
	t.Helper()
	return followAs(t, cluster, fmt.Sprintf("user-%d", apps.Add(1)), rules...)
}

// followAs runs a Kubernetes for that user.
func followAs(t *testing.T, cluster *kubetest.Cluster, user string, rules ...rbacv1.PolicyRule) *fixture {
	t.Helper()
	cluster.Grant(user, rules...)
	f := &fixture{t: t, cluster: cluster, app: fmt.Sprintf("app-%d", apps.Add(1))}
	f.start(user, quick())
	return f
}

func (f *fixture) start(user string, tune tuning) {
	f.t.Helper()
	tune.selector, tune.now = "app="+f.app, f.now
	k, err := newKubernetes(f.cluster.Kubeconfig(user), tune)
	if err != nil {
		f.t.Fatal(err)
	}
	f.Kubernetes = k
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- k.Run(ctx) }()
	f.t.Cleanup(func() {
		cancel()
		select {
		case err := <-ended:
			if err != nil {
				f.t.Errorf("Run returned %v", err)
			}
		case <-time.After(eventually.Patience):
			f.t.Error("Run has not ended with its context")
		}
	})
}

// pod is one of the fixture's, as yet on the node n1.
func (f *fixture) pod(name string, change func(*corev1.Pod)) *corev1.Pod {
	p := &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Name: name, Namespace: "default", Labels: map[string]string{"app": f.app}},
		Spec: corev1.PodSpec{
			NodeName:   "n1",
			Containers: []corev1.Container{{Name: "agent", Image: "netchecker-agent"}},
		},
	}
	if change != nil {
		change(p)
	}
	return p
}

// create makes a pod, whose name is completed by the app's.
func (f *fixture) create(name string, change func(*corev1.Pod)) *corev1.Pod {
	f.t.Helper()
	p := f.pod(name+"-"+f.app, change)
	made, err := f.cluster.Client().CoreV1().Pods(p.Namespace).Create(f.t.Context(), p, metav1.CreateOptions{})
	if err != nil {
		f.t.Fatal(err)
	}
	return made
}

func (f *fixture) setStatus(p *corev1.Pod, s corev1.PodStatus) {
	f.t.Helper()
	p.Status = s
	_, err := f.cluster.Client().CoreV1().Pods(p.Namespace).UpdateStatus(f.t.Context(), p, metav1.UpdateOptions{})
	if err != nil {
		f.t.Fatal(err)
	}
}

// delete deletes a pod at once.
func (f *fixture) delete(p *corev1.Pod) {
	f.t.Helper()
	now := int64(0)
	o := metav1.DeleteOptions{GracePeriodSeconds: &now}
	if err := f.cluster.Client().CoreV1().Pods(p.Namespace).Delete(f.t.Context(), p.Name, o); err != nil {
		f.t.Fatal(err)
	}
}

func (f *fixture) createNode(n *corev1.Node) *corev1.Node {
	f.t.Helper()
	made, err := f.cluster.Client().CoreV1().Nodes().Create(f.t.Context(), n, metav1.CreateOptions{})
	if err != nil {
		f.t.Fatal(err)
	}
	return made
}

// removeNode deletes a node, which may be gone already.
func (f *fixture) removeNode(name string) {
	f.t.Helper()
	err := f.cluster.Client().CoreV1().Nodes().Delete(context.Background(), name, metav1.DeleteOptions{})
	if err != nil && !apierrors.IsNotFound(err) {
		f.t.Error(err)
	}
}

func (f *fixture) updateNode(name string, change func(*corev1.Node)) {
	f.t.Helper()
	nodes := f.cluster.Client().CoreV1().Nodes()
	n, err := nodes.Get(f.t.Context(), name, metav1.GetOptions{})
	if err != nil {
		f.t.Fatal(err)
	}
	change(n)
	if _, err := nodes.Update(f.t.Context(), n, metav1.UpdateOptions{}); err != nil {
		f.t.Fatal(err)
	}
}

// lists waits until the list has these pods, given by the beginnings of names.
func (f *fixture) lists(names ...string) *fleet.List {
	f.t.Helper()
	slices.Sort(names)
	eventually.Nil(f.t, func() error {
		if got := f.names(); !slices.Equal(got, names) {
			return fmt.Errorf("the list has %q, want %q (%s)", got, names, told(f.podFeed))
		}
		return nil
	})
	return f.List()
}

// names are those of the list, without the app's; nil while there is no list.
func (f *fixture) names() []string {
	l := f.List()
	if l == nil {
		return []string{"no list"}
	}
	var names []string
	for i := range l.Agents {
		names = append(names, strings.TrimSuffix(l.Agents[i].Name, "-"+f.app))
	}
	return names
}

// left waits until these pods are known to have left, and returns them in order.
func (f *fixture) left(names ...string) []fleet.Left {
	f.t.Helper()
	slices.Sort(names)
	var left []fleet.Left
	eventually.Nil(f.t, func() error {
		var got []string
		left = f.List().Left
		for i := range left {
			got = append(got, strings.TrimSuffix(left[i].Name, "-"+f.app))
		}
		if !slices.Equal(got, names) {
			return fmt.Errorf("%q have left, want %q", got, names)
		}
		return nil
	})
	return left
}

// agent is the list's of that name.
func (f *fixture) agent(name string) fleet.Agent {
	f.t.Helper()
	found := f.List().Named(name + "-" + f.app)
	if len(found) != 1 {
		f.t.Fatalf("%d agents are called %s, want 1", len(found), name)
	}
	return found[0]
}

// becomes waits until the pods are read, and in that way.
func (f *fixture) becomes(m Mode) {
	f.t.Helper()
	want := fmt.Sprintf("Kubernetes API (%s)", m)
	eventually.Nil(f.t, func() error {
		if l := f.List(); l == nil || l.Source != want || !current(f.podFeed) {
			return fmt.Errorf("the list is %+v, want its source to be %s (%s)", l, want, told(f.podFeed))
		}
		return nil
	})
}

// told is what was logged last of how a feed is doing.
func told(f *feed) string {
	f.state.mu.Lock()
	defer f.state.mu.Unlock()
	return f.state.told
}

// current says whether a feed was told to be current.
func current(f *feed) bool {
	return strings.HasPrefix(told(f), "The list of "+f.resource.name+" is current")
}
