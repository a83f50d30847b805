package pods

import (
	"fmt"
	"reflect"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/netchecker/netchecker/server/fleet"
	"github.com/netchecker/netchecker/test/eventually"
	"github.com/netchecker/netchecker/test/kubetest"
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
	eventually.Nil(f.t, func() error {
		if got, listed := f.List().Nodes[node]; !listed || got.Going != why {
			return fmt.Errorf("the node is %+v, listed %t, want going %q (%s)", got, listed, why, told(f.nodeFeed))
		}
		return nil
	})
	return f.List().Nodes[node]
}

// setReady tells a node's readiness and all else of its status that a kubelet's
// heartbeat does.
func (f *fixture) setReady(name string, status corev1.ConditionStatus) {
	f.t.Helper()
	nodes := f.cluster.Client().CoreV1().Nodes()
	n, err := nodes.Get(f.t.Context(), name, metav1.GetOptions{})
	if err != nil {
		f.t.Fatal(err)
	}
	now := metav1.Now()
	n.Status.Conditions = []corev1.NodeCondition{
		{Type: corev1.NodeDiskPressure, Status: corev1.ConditionFalse, LastHeartbeatTime: now},
		{Type: corev1.NodeReady, Status: status, LastHeartbeatTime: now, Message: now.String()},
	}
	n.Status.Images = append(n.Status.Images, corev1.ContainerImage{Names: []string{now.String()}})
	if _, err := nodes.UpdateStatus(f.t.Context(), n, metav1.UpdateOptions{}); err != nil {
		f.t.Fatal(err)
	}
}

// shows waits until the node is listed in that way, since whenever it is going.
func (f *fixture) shows(want fleet.Node) {
	f.t.Helper()
	eventually.Nil(f.t, func() error {
		got := f.List().Nodes[want.Name]
		if got.GoingSince = want.GoingSince; !reflect.DeepEqual(got, want) {
			return fmt.Errorf("the node is %+v, want %+v", got, want)
		}
		return nil
	})
}

func TestNodesAreListedWithZoneReadinessAndLabels(t *testing.T) {
	withNode(t, func(t *testing.T, f *fixture, _ string) {
		name := "another-" + f.app // where no agent is
		f.createNode(&corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: name, Labels: map[string]string{"rack": "r1"}}})
		t.Cleanup(func() { f.removeNode(name) })
		want := fleet.Node{Name: name, Ready: fleet.ReadyUnknown, Labels: map[string]string{"rack": "r1"}}
		f.shows(want)
		for _, status := range []corev1.ConditionStatus{corev1.ConditionTrue, corev1.ConditionFalse, corev1.ConditionUnknown} {
			f.setReady(name, status)
			want.Ready = fleet.Readiness(status)
			f.shows(want)
		}
		f.updateNode(name, func(n *corev1.Node) {
			n.Labels = map[string]string{"topology.kubernetes.io/zone": "a", "kubernetes.io/os": "linux"}
		})
		want.Zone, want.Labels = "a", map[string]string{"topology.kubernetes.io/zone": "a", "kubernetes.io/os": "linux"}
		f.shows(want)
		f.removeNode(name)
		eventually.Nil(t, func() error {
			if n, listed := f.List().Nodes[name]; listed {
				return fmt.Errorf("a deleted node is listed still: %+v", n)
			}
			return nil
		})
	})
}

func TestHeartbeatsOfNodesMakeNoList(t *testing.T) {
	t.Parallel()
	cluster := kubetest.Start(t) // the nodes of other tests would make some
	for way, verbs := range nodeRoles {
		f := follow(t, cluster, rule("pods", "list", "watch"), rule("nodes", verbs...))
		f.becomes(Watching)
		f.createNode(&corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: way}})
		f.setReady(way, corev1.ConditionTrue)
		f.shows(fleet.Node{Name: way, Ready: fleet.Ready})
		time.Sleep(2 * f.tuning.poll) // for the Lists of before to be there
		before := f.List()
		for range 10 {
			f.setReady(way, corev1.ConditionTrue)
			f.updateNode(way, func(n *corev1.Node) { n.Annotations = map[string]string{"now": time.Now().String()} })
		}
		time.Sleep(4 * f.tuning.poll)
		if f.List() != before {
			t.Errorf("%s: heartbeats made the list %+v of %+v", way, f.List(), before)
		}
		f.setReady(way, corev1.ConditionFalse)
		f.shows(fleet.Node{Name: way, Ready: fleet.NotReady})
	}
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

func TestDeletedNodeIsListedAsItWasUntilItsLastAgentIsGone(t *testing.T) {
	withNode(t, func(t *testing.T, f *fixture, _ string) {
		name := "leaving-" + f.app
		f.createNode(&corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: name, Labels: map[string]string{"topology.kubernetes.io/zone": "a"}}})
		first := f.create("first", func(p *corev1.Pod) { p.Spec.NodeName = name })
		last := f.create("last", func(p *corev1.Pod) { p.Spec.NodeName = name })
		f.lists("a", "first", "last")
		f.setReady(name, corev1.ConditionTrue)
		want := fleet.Node{Name: name, Zone: "a", Ready: fleet.Ready, Labels: map[string]string{"topology.kubernetes.io/zone": "a"}}
		f.shows(want)

		f.removeNode(name)
		want.Ready, want.Going = fleet.ReadyUnknown, "deleted"
		f.shows(want)
		f.delete(first)
		f.lists("a", "last")
		f.shows(want)
		f.delete(last)
		f.lists("a")
		eventually.Nil(t, func() error {
			if n, listed := f.List().Nodes[name]; listed {
				return fmt.Errorf("it is listed without agents: %+v", n)
			}
			return nil
		})
	})
}

func TestWhereNodesMayNotBeReadThereAreNone(t *testing.T) {
	t.Parallel()
	f := followAs(t, shared.For(t), "without-nodes", rule("pods", "list", "watch"))
	f.create("a", func(p *corev1.Pod) { p.Spec.NodeName = "no-such-node" })
	f.lists("a")
	want := `The list of nodes can't be read: the API server forbids to list nodes: nodes is forbidden: User "without-nodes" cannot list resource "nodes" in API group "" at the cluster scope; a ClusterRole and a ClusterRoleBinding should allow it; without them, no agent counts as planned`
	eventually.Nil(t, func() error {
		if got := told(f.nodeFeed); got != want {
			return fmt.Errorf("logged was %q, want %s", got, want)
		}
		return nil
	})
	if n := f.List().Nodes; n != nil {
		t.Errorf("listed are %+v", n)
	}
	f.becomes(Watching) // the pods don't suffer from it

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
	eventually.Nil(t, func() error {
		if n := f.List().Nodes; n != nil {
			return fmt.Errorf("after the role lost its right, listed are %+v (%s)", n, told(f.nodeFeed))
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
