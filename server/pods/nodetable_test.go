package pods

import (
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/netchecker/netchecker/server/fleet"
)

func TestListsShareTheirNodesWhileNoneChanges(t *testing.T) {
	k := offline(time.Now)
	node := func(name string) *corev1.Node { return &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: name}} }
	must(t, k.nodes.Replace([]any{node("node-of-a"), node("node-of-b"), node("other")}, ""))
	must(t, k.pods.Replace([]any{running("n", "a", "1")}, ""))
	k.rebuild()
	cordoned := node("node-of-a")
	cordoned.Spec.Unschedulable = true
	on := func(p *corev1.Pod, node string) *corev1.Pod {
		p.Spec.NodeName = node
		return p
	}
	for _, step := range []struct {
		name   string
		do     func() error
		shared bool
		going  map[string]string // the nodes that are
	}{
		{"a pod comes to a node that exists", func() error { return k.pods.Add(running("n", "b", "1")) }, true, nil},
		{"it goes", func() error { return k.pods.Delete(running("n", "b", "1")) }, true, nil},
		{"a node is told as it was", func() error { return k.nodes.Update(node("other")) }, true, nil},
		{"all are", func() error {
			return k.nodes.Replace([]any{node("other"), node("node-of-a"), node("node-of-b")}, "")
		}, true, nil},
		{"one that is not there goes", func() error { return k.nodes.Delete(node("nothing")) }, true, nil},
		{"one is cordoned", func() error { return k.nodes.Update(cordoned) }, false, map[string]string{"node-of-a": "cordoned"}},
		{"a pod comes to a node that is gone", func() error { return k.pods.Add(running("n", "c", "1")) }, false,
			map[string]string{"node-of-a": "cordoned", "node-of-c": "deleted"}},
		{"one that waits for a node comes", func() error { return k.pods.Add(on(running("n", "d", "1"), "")) }, true,
			map[string]string{"node-of-a": "cordoned", "node-of-c": "deleted"}},
		{"it gets one that is gone", func() error { return k.pods.Update(on(running("n", "d", "1"), "node-of-d")) }, false,
			map[string]string{"node-of-a": "cordoned", "node-of-c": "deleted", "node-of-d": "deleted"}},
		{"another pod is in its place", func() error { return k.pods.Update(running("n", "d", "2")) }, false,
			map[string]string{"node-of-a": "cordoned", "node-of-c": "deleted", "node-of-d": "deleted"}},
		{"the last pod of a node that is gone goes", func() error { return k.pods.Delete(running("n", "c", "1")) }, false,
			map[string]string{"node-of-a": "cordoned", "node-of-d": "deleted"}},
		{"the node comes", func() error { return k.nodes.Add(node("node-of-d")) }, false, map[string]string{"node-of-a": "cordoned"}},
		{"one goes", func() error { return k.nodes.Delete(node("other")) }, false, map[string]string{"node-of-a": "cordoned"}},
	} {
		before := k.List().Nodes
		must(t, step.do())
		k.rebuild()
		after := k.List().Nodes
		if shared := reflect.ValueOf(before).Pointer() == reflect.ValueOf(after).Pointer(); shared != step.shared {
			t.Errorf("%s: nodes are shared %t, want %t", step.name, shared, step.shared)
		}
		going := map[string]string{}
		for name, n := range after {
			if n.Going != "" {
				going[name] = n.Going
			}
		}
		if !maps.Equal(going, step.going) {
			t.Errorf("%s: going are %v, want %v", step.name, going, step.going)
		}
	}
	if _, listed := k.List().Nodes["other"]; listed || len(k.List().Nodes) != 3 {
		t.Errorf("listed are %+v", k.List().Nodes)
	}
}

func TestAllLabelsOfANodeAreKeptUpToABound(t *testing.T) {
	ordinary := labelsOfACloud("n1")
	if got := labelsOf(ordinary); !maps.Equal(got, ordinary) {
		t.Errorf("of %v, kept are %v", ordinary, got)
	}
	own := func(i int) string { return fmt.Sprintf("example.com/%03d", i) }
	many := map[string]string{
		"topology.kubernetes.io/zone": "a", "kubernetes.io/hostname": "n1", "kubernetes.io/os": "linux",
		"node-role.kubernetes.io/worker": "", "node.kubernetes.io/instance-type": "large",
	}
	known := slices.Collect(maps.Keys(many))
	for i := range 999 {
		many[own(i)] = strings.Repeat("v", 63)
	}
	kept := labelsOf(many)
	size := 0
	for key, value := range kept {
		size += labelCost + len(key) + len(value)
	}
	if oneMore := labelCost + len(own(0)) + 63; size > maxLabels || size+oneMore <= maxLabels {
		t.Errorf("kept are %d bytes, want as many as fit in %d", size, maxLabels)
	}
	for _, key := range known {
		if value, ok := kept[key]; !ok || value != many[key] {
			t.Errorf("%s is %q, want %q", key, value, many[key])
		}
	}
	for i := range len(kept) - len(known) {
		if _, ok := kept[own(i)]; !ok {
			t.Errorf("%s is not kept, though later ones are", own(i))
		}
	}
	if !maps.Equal(kept, labelsOf(many)) {
		t.Error("what is kept depends on chance")
	}
}

func TestReadiness(t *testing.T) {
	for want, status := range map[fleet.Readiness][]corev1.ConditionStatus{
		fleet.Ready:        {corev1.ConditionTrue},
		fleet.NotReady:     {corev1.ConditionFalse},
		fleet.ReadyUnknown: {corev1.ConditionUnknown, "", "odd"},
	} {
		for _, s := range status {
			n := corev1.Node{Status: corev1.NodeStatus{Conditions: []corev1.NodeCondition{
				{Type: corev1.NodeMemoryPressure, Status: corev1.ConditionTrue}, {Type: corev1.NodeReady, Status: s},
			}}}
			if got := nodeOf(&n).Ready; got != want {
				t.Errorf("a condition of %q is read as %s, want %s", s, got, want)
			}
		}
	}
	if got := nodeOf(&corev1.Node{}).Ready; got != fleet.ReadyUnknown {
		t.Errorf("no condition is read as %s", got)
	}
}
