package system_test

import (
	"context"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/netchecker/netchecker/test/eventually"
	"github.com/netchecker/netchecker/test/kubetest"
)

// cluster is the shared kube-apiserver with nothing in it that concerns the
// server, for one test at a time: none of those that use it run side by side.
type cluster struct {
	*kubetest.Cluster
	t *testing.T
}

// useCluster waits until no other test uses the cluster, returns it, and makes it
// empty again when t ends.
func useCluster(t *testing.T) *cluster {
	t.Helper()
	t.Parallel()
	kubernetes.taken.Lock()
	t.Cleanup(kubernetes.taken.Unlock)
	c := &cluster{kubernetes.get(t), t}
	t.Cleanup(c.clear)
	return c
}

func (c *cluster) clear() {
	ctx, cancel := context.WithTimeout(context.Background(), eventually.Patience)
	defer cancel()
	core, now := c.Client().CoreV1(), int64(0)
	pods, err := core.Pods("").List(ctx, metav1.ListOptions{})
	if err != nil {
		c.t.Error(err)
		return
	}
	for _, p := range pods.Items {
		if err := core.Pods(p.Namespace).Delete(ctx, p.Name, metav1.DeleteOptions{GracePeriodSeconds: &now}); err != nil {
			c.t.Error(err)
		}
	}
	if err := core.Nodes().DeleteCollection(ctx, metav1.DeleteOptions{}, metav1.ListOptions{}); err != nil {
		c.t.Error(err)
	}
}

// must ends the test where err is one.
func (c *cluster) must(err error) {
	c.t.Helper()
	if err != nil {
		c.t.Fatal(err)
	}
}

func (a agent) namespaceName() string {
	if a.namespace == "" {
		return "default"
	}
	return a.namespace
}

// create makes the agents' pods, running on their nodes, and those nodes.
func (c *cluster) create(agents ...agent) {
	c.t.Helper()
	core := c.Client().CoreV1()
	for _, a := range agents {
		_, err := core.Namespaces().Create(c.t.Context(), &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: a.namespaceName()}}, metav1.CreateOptions{})
		if !apierrors.IsAlreadyExists(err) {
			c.must(err)
		}
		_, err = core.Nodes().Create(c.t.Context(), &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: a.nodeName()}}, metav1.CreateOptions{})
		if !apierrors.IsAlreadyExists(err) {
			c.must(err)
		}
		app := "netchecker-agent"
		if a.host {
			app = "netchecker-agent-hostnet"
		}
		_, err = core.Pods(a.namespaceName()).Create(c.t.Context(), &corev1.Pod{
			ObjectMeta: metav1.ObjectMeta{Name: a.name, Labels: map[string]string{"app": app}},
			Spec: corev1.PodSpec{
				NodeName: a.nodeName(), HostNetwork: a.host,
				Containers: []corev1.Container{{Name: "agent", Image: "netchecker-agent"}},
			},
		}, metav1.CreateOptions{})
		c.must(err)
		c.status(a, corev1.PodStatus{Phase: corev1.PodRunning})
	}
}

// status says what has become of the agent's pod.
func (c *cluster) status(a agent, status corev1.PodStatus) {
	c.t.Helper()
	pods := c.Client().CoreV1().Pods(a.namespaceName())
	pod, err := pods.Get(c.t.Context(), a.name, metav1.GetOptions{})
	c.must(err)
	pod.Status = status
	_, err = pods.UpdateStatus(c.t.Context(), pod, metav1.UpdateOptions{})
	c.must(err)
}

// remove deletes the agent's pod, which is terminating as long as grace.
func (c *cluster) remove(a agent, grace time.Duration) {
	c.t.Helper()
	seconds := int64(grace / time.Second)
	c.must(c.Client().CoreV1().Pods(a.namespaceName()).Delete(c.t.Context(), a.name, metav1.DeleteOptions{GracePeriodSeconds: &seconds}))
}

// change changes the agent's node.
func (c *cluster) change(a agent, how func(*corev1.NodeSpec)) {
	c.t.Helper()
	nodes := c.Client().CoreV1().Nodes()
	node, err := nodes.Get(c.t.Context(), a.nodeName(), metav1.GetOptions{})
	c.must(err)
	how(&node.Spec)
	_, err = nodes.Update(c.t.Context(), node, metav1.UpdateOptions{})
	c.must(err)
}

func (c *cluster) cordon(a agent, on bool) {
	c.t.Helper()
	c.change(a, func(spec *corev1.NodeSpec) { spec.Unschedulable = on })
}

// may is a rule that allows verbs on a resource.
func may(resource string, verbs ...string) rbacv1.PolicyRule {
	return rbacv1.PolicyRule{APIGroups: []string{""}, Resources: []string{resource}, Verbs: verbs}
}

// all is what the server asks for at the most: pods and nodes, watched.
func (c *cluster) all() flags {
	c.t.Helper()
	return c.allowed("netchecker-all", may("pods", "get", "list", "watch"), may("nodes", "get", "list", "watch"))
}

// allowed is the cluster as a user sees it who may do what rules say.
func (c *cluster) allowed(user string, rules ...rbacv1.PolicyRule) flags {
	c.t.Helper()
	c.Grant(user, rules...)
	return of(c.Cluster, user)
}
