package pods

import (
	"fmt"
	"maps"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/netchecker/netchecker/server/fleet"
)

// nodeTable has the nodes of the cluster. It is the store of a client-go
// reflector, which calls one method at a time.
//
// A node's status is written again and again, by 10,000 nodes some 30 times a
// second: only what differs in what is kept of it is a change.
type nodeTable struct {
	changed func()

	mu sync.Mutex
	// all is nil while nodes can't be read. Its nodes don't say since when they go.
	all map[string]fleet.Node
	// listed is what nodes returned last, and touched that all differs since.
	listed  map[string]fleet.Node
	touched bool
}

func newNodeTable(changed func()) *nodeTable { return &nodeTable{changed: changed} }

// forget drops what is known, where it may not be known any more.
func (t *nodeTable) forget() {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.all != nil {
		t.all = nil
		t.touch()
	}
}

// nodes are all, for the next List: nil where nodes can't be read. One that the
// agents are on and that has no object any more goes on as it was known last, and
// was deleted. The map is the same as before where nothing is different; the
// caller may keep it and must not write to it. The nodes differing are those of
// the agents who are not where they were at the call before.
func (t *nodeTable) nodes(agents []fleet.Agent, differing []string, now time.Time) map[string]fleet.Node {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.touched || !t.has(differing) {
		t.listed = t.with(agents, now)
		t.touched = false
	}
	return t.listed
}

// has says whether each of the nodes is known to exist.
func (t *nodeTable) has(names []string) bool {
	for _, name := range names {
		if _, ok := t.all[name]; !ok && name != "" {
			return false
		}
	}
	return true
}

// with are all nodes, and those that agents are on.
func (t *nodeTable) with(agents []fleet.Agent, now time.Time) map[string]fleet.Node {
	if t.all == nil {
		return nil
	}
	nodes := maps.Clone(t.all)
	for i := range agents {
		name := agents[i].Node
		if _, exists := nodes[name]; !exists && name != "" {
			gone := t.listed[name]
			gone.Name, gone.Ready, gone.Going = name, fleet.ReadyUnknown, fleet.Deleted
			nodes[name] = gone
		}
	}
	keepSince(nodes, t.listed, now)
	return nodes
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
		t.all = make(map[string]fleet.Node)
	}
	t.put(node, t.all)
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
	if _, known := t.all[node.Name]; known {
		delete(t.all, node.Name)
		t.touch()
	}
	return nil
}

// Replace takes in a list of all nodes.
func (t *nodeTable) Replace(objs []any, _ string) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	all := make(map[string]fleet.Node, len(objs))
	for _, obj := range objs {
		node, ok := obj.(*corev1.Node)
		if !ok {
			return fmt.Errorf("a %T is no node", obj)
		}
		t.put(node, all)
	}
	if t.all == nil || len(all) != len(t.all) {
		t.touch()
	}
	t.all = all
	return nil
}

// Resync has nothing to do: the table is the end of the line.
func (t *nodeTable) Resync() error { return nil }

// put writes the node to all, as it was known where it is the same.
func (t *nodeTable) put(node *corev1.Node, all map[string]fleet.Node) {
	was, known := t.all[node.Name]
	is := nodeOf(node)
	if known && sameNode(&was, &is) {
		all[node.Name] = was
		return
	}
	tellLabels(node, &is)
	all[node.Name] = is
	t.touch()
}

func (t *nodeTable) touch() {
	t.touched = true
	t.changed()
}
