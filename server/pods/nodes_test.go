package pods

import (
	"fmt"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/netchecker/netchecker/server/fleet"
)

// nodeRoles are the ways in which nodes may be read.
var nodeRoles = map[string][]string{
	"watched": {"list", "watch"},
	"polled":  {"list"},
}

// withNode runs test for a Kubernetes that lists an agent on the returned node,
// which stays as yet.
func withNode(t *testing.T, test func(t *testing.T, f *fixture, node string)) {
	t.Parallel()
	for way, verbs := range nodeRoles {
		t.Run(way, func(t *testing.T) {
			t.Parallel()
			f := follow(t, shared.For(t), rule("pods", "list", "watch"), rule("nodes", verbs...))
			node := "node-of-" + f.app
			f.createNode(&corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: node}})
			t.Cleanup(func() { f.removeNode(node) })
			f.create("a", func(p *corev1.Pod) { p.Spec.NodeName = node })
			f.lists("a")
			f.going(node, "")
			test(t, f, node)
		})
	}
}

// going waits until the node is listed as going for that reason; "" for one that
// stays.
func (f *fixture) going(node, why string) fleet.Node {
	f.t.Helper()
	eventually(f.t, func() error {
		if got := f.List().Nodes[node]; got.Going != why || !f.Status().Nodes {
			return fmt.Errorf("the node is %+v, want going %q (status %+v)", got, why, f.Status())
		}
		return nil
	})
	return f.List().Nodes[node]
}

func TestCordonedNodeIsGoingSinceItWasSeenSo(t *testing.T) {
	withNode(t, func(t *testing.T, f *fixture, node string) {
		before := time.Now()
		f.updateNode(node, func(n *corev1.Node) { n.Spec.Unschedulable = true })
		first := f.going(node, "cordoned")
		if first.Name != node || first.GoingSince.Before(before) || first.GoingSince.After(time.Now()) {
			t.Errorf("the node is %+v", first)
		}

		f.updateNode(node, func(n *corev1.Node) {
			n.Spec.Taints = append(n.Spec.Taints, corev1.Taint{Key: "ToBeDeletedByClusterAutoscaler", Effect: corev1.TaintEffectNoSchedule})
		})
		if then := f.going(node, "tainted ToBeDeletedByClusterAutoscaler"); !then.GoingSince.Equal(first.GoingSince) {
			t.Errorf("going since %v, and since %v once tainted as well", first.GoingSince, then.GoingSince)
		}

		f.updateNode(node, func(n *corev1.Node) { n.Spec.Unschedulable, n.Spec.Taints = false, nil })
		f.going(node, "")
		f.updateNode(node, func(n *corev1.Node) { n.Spec.Unschedulable = true })
		if again := f.going(node, "cordoned"); !again.GoingSince.After(first.GoingSince) {
			t.Errorf("going since %v, and since %v the second time", first.GoingSince, again.GoingSince)
		}
	})
}

func TestTaintedNodeIsGoing(t *testing.T) {
	withNode(t, func(t *testing.T, f *fixture, node string) {
		f.updateNode(node, func(n *corev1.Node) {
			n.Spec.Taints = []corev1.Taint{{Key: "node.kubernetes.io/out-of-service", Value: "nodeshutdown", Effect: corev1.TaintEffectNoExecute}}
		})
		f.going(node, "tainted node.kubernetes.io/out-of-service")
	})
}

func TestDeletedNodeIsGoing(t *testing.T) {
	withNode(t, func(t *testing.T, f *fixture, node string) {
		f.updateNode(node, func(n *corev1.Node) { n.Spec.Unschedulable = true })
		first := f.going(node, "cordoned")
		f.removeNode(node)
		if then := f.going(node, "deleted"); !then.GoingSince.Equal(first.GoingSince) {
			t.Errorf("going since %v, and since %v once deleted", first.GoingSince, then.GoingSince)
		}
	})
}

func TestNodeThatIsBeingDeletedIsGoing(t *testing.T) {
	withNode(t, func(t *testing.T, f *fixture, node string) {
		f.updateNode(node, func(n *corev1.Node) { n.Finalizers = []string{"netchecker.test/wait"} })
		f.removeNode(node)
		f.going(node, "being deleted")
		f.updateNode(node, func(n *corev1.Node) { n.Finalizers = nil })
		f.going(node, "deleted")
	})
}

func TestNodeWithoutAgentsIsNotTold(t *testing.T) {
	withNode(t, func(t *testing.T, f *fixture, node string) {
		p := f.create("b", func(p *corev1.Pod) { p.Spec.NodeName = "no-such-" + node })
		f.going("no-such-"+node, "deleted")
		f.delete(p)
		f.going("no-such-"+node, "")
		if n := f.List().Nodes; len(n) != 0 {
			t.Errorf("told are %+v", n)
		}
	})
}

func TestWhereNodesMayNotBeReadNoneIsGoing(t *testing.T) {
	t.Parallel()
	f := followAs(t, shared.For(t), "without-nodes", rule("pods", "list", "watch"))
	f.create("a", func(p *corev1.Pod) { p.Spec.NodeName = "no-such-node" })
	f.lists("a")
	want := `the API server forbids to list nodes: nodes is forbidden: User "without-nodes" cannot list resource "nodes" in API group "" at the cluster scope; a ClusterRole and a ClusterRoleBinding should allow it`
	eventually(t, func() error {
		s := f.Status()
		if s.Nodes || s.NodesErr == nil || s.NodesErr.Error() != want {
			return fmt.Errorf("the status is %+v, want %s", s, want)
		}
		return nil
	})
	if n := f.List().Nodes; len(n) != 0 {
		t.Errorf("going are %+v", n)
	}
	if s := f.Status(); s.Err != nil {
		t.Errorf("the pods suffer from it: %v", s.Err)
	}

	f.cluster.Grant("without-nodes", rule("pods", "list", "watch"), rule("nodes", "list"))
	f.going("no-such-node", "deleted")
}

func TestNodesAreForgottenWhenTheyMayNoLongerBeRead(t *testing.T) {
	t.Parallel()
	cluster := shared.For(t)
	cluster.Grant("loses-nodes", rule("pods", "list", "watch"), rule("nodes", "list"))
	f := &fixture{t: t, cluster: cluster, app: fmt.Sprintf("app-%d", apps.Add(1))}
	tune := quick()
	tune.believe = 100 * time.Millisecond
	f.start("loses-nodes", tune)
	f.create("a", func(p *corev1.Pod) { p.Spec.NodeName = "no-such-node" })
	f.lists("a")
	f.going("no-such-node", "deleted")

	f.cluster.Grant("loses-nodes", rule("pods", "list", "watch"))
	eventually(t, func() error {
		if s, n := f.Status(), f.List().Nodes; s.Nodes || len(n) != 0 {
			return fmt.Errorf("after the role lost its right, going are %+v (status %+v)", n, s)
		}
		return nil
	})
}

func TestReasonsOfGoing(t *testing.T) {
	now := metav1.Now()
	taint := func(key string) []corev1.Taint { return []corev1.Taint{{Key: "other"}, {Key: key}} }
	for want, node := range map[string]corev1.Node{
		"":              {},
		"cordoned":      {Spec: corev1.NodeSpec{Unschedulable: true}},
		"being deleted": {ObjectMeta: metav1.ObjectMeta{DeletionTimestamp: &now}, Spec: corev1.NodeSpec{Unschedulable: true}},
		"tainted node.kubernetes.io/out-of-service":         {Spec: corev1.NodeSpec{Taints: taint("node.kubernetes.io/out-of-service")}},
		"tainted node.cloudprovider.kubernetes.io/shutdown": {Spec: corev1.NodeSpec{Taints: taint("node.cloudprovider.kubernetes.io/shutdown")}},
		"tainted ToBeDeletedByClusterAutoscaler":            {Spec: corev1.NodeSpec{Taints: taint("ToBeDeletedByClusterAutoscaler")}},
		"tainted karpenter.sh/disrupted":                    {Spec: corev1.NodeSpec{Unschedulable: true, Taints: taint("karpenter.sh/disrupted")}},
	} {
		if got := going(&node); got != want {
			t.Errorf("going because %q, want %q", got, want)
		}
	}
	for _, key := range []string{"node.kubernetes.io/unreachable", "node.kubernetes.io/not-ready"} {
		if got := going(&corev1.Node{Spec: corev1.NodeSpec{Taints: taint(key)}}); got != "" {
			t.Errorf("a node that fails (%s) counts as going: %q", key, got)
		}
	}
}
