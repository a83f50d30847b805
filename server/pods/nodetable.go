package pods

import (
	"fmt"
	"maps"
	"slices"
	"sync"

	corev1 "k8s.io/api/core/v1"

	"github.com/netchecker/netchecker/server/fleet"
)

// nodeTable has why each node of the cluster is going; "" for those that stay. It
// is the store of a client-go reflector, which calls one method at a time.
type nodeTable struct {
	changed func()

	mu sync.Mutex
	// all is nil while nodes can't be read.
	all map[string]string
}

func newNodeTable(changed func()) *nodeTable { return &nodeTable{changed: changed} }

// readable says whether nodes could be read.
func (t *nodeTable) readable() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.all != nil
}

// forget drops what is known, where it may not be known any more.
func (t *nodeTable) forget() {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.all != nil {
		t.all = nil
		t.changed()
	}
}

// marks are why the agents' nodes are going: none where nodes can't be read, and
// "deleted" for a node that has no object any more.
func (t *nodeTable) marks(agents []fleet.Agent) map[string]string {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.all == nil {
		return nil
	}
	return marks(agents, func(node string) string {
		why, exists := t.all[node]
		if !exists {
			return "deleted"
		}
		return why
	})
}

// Add takes in a node that is new to the reflector.
func (t *nodeTable) Add(obj any) error {
	node, ok := obj.(*corev1.Node)
	if !ok {
		return fmt.Errorf("a %T is no node", obj)
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.all == nil {
		t.all = make(map[string]string)
	}
	why := going(node)
	if was, known := t.all[node.Name]; !known || was != why {
		t.all[node.Name] = why
		t.changed()
	}
	return nil
}

// Update takes in a node that has changed.
func (t *nodeTable) Update(obj any) error { return t.Add(obj) }

// Delete takes in that a node is gone.
func (t *nodeTable) Delete(obj any) error {
	node, ok := obj.(*corev1.Node)
	if !ok {
		return fmt.Errorf("a %T is no node", obj)
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	delete(t.all, node.Name)
	t.changed()
	return nil
}

// Replace takes in a list of all nodes.
func (t *nodeTable) Replace(objs []any, _ string) error {
	all := make(map[string]string, len(objs))
	for _, obj := range objs {
		node, ok := obj.(*corev1.Node)
		if !ok {
			return fmt.Errorf("a %T is no node", obj)
		}
		all[node.Name] = going(node)
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.all == nil || !maps.Equal(t.all, all) {
		t.all = all
		t.changed()
	}
	return nil
}

// Resync has nothing to do: the table is the end of the line.
func (t *nodeTable) Resync() error { return nil }

// goingTaints say that a node is being taken away. Taints that only tell of a
// failure (not-ready, unreachable) are not among them: failures are to be told.
var goingTaints = []string{
	// Set by people: Kubernetes, "Non-graceful node shutdown handling".
	"node.kubernetes.io/out-of-service",
	// Set by the cloud controller once the machine is shut down.
	"node.cloudprovider.kubernetes.io/shutdown",
	// Set by Cluster Autoscaler and by Karpenter before they drain a node.
	"ToBeDeletedByClusterAutoscaler",
	"karpenter.sh/disrupted",
}

// going is why a node is about to leave; "" for one that stays. The first of
// these that holds is told:
//
//	deletionTimestamp set    being deleted
//	one of goingTaints       tainted KEY
//	spec.unschedulable       cordoned
func going(n *corev1.Node) string {
	if n.DeletionTimestamp != nil {
		return "being deleted"
	}
	for _, t := range n.Spec.Taints {
		if slices.Contains(goingTaints, t.Key) {
			return "tainted " + t.Key
		}
	}
	if n.Spec.Unschedulable {
		return "cordoned"
	}
	return ""
}
