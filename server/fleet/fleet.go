// Package fleet has the plain words that the server's rooms share: the Agent
// that should be reporting, the Node it lives on, the Record it left, and the
// List of all who are expected. It holds data and what follows from it alone.
//
// Every time.Time here that is compared with another is a reading of the
// server's monotonic clock (time.Now, never parsed from text), because the wall
// clocks of servers, nodes and the API server may jump.
package fleet

import (
	"time"

	"github.com/netchecker/netchecker/pkg/report"
)

// Key names a pod.
type Key struct {
	// Namespace is empty where a report's namespace is not known.
	Namespace string
	Name      string
}

// String is namespace/name.
func (k Key) String() string { return k.Namespace + "/" + k.Name }

// Compare orders keys by name, then by namespace.
func (k Key) Compare(o Key) int {
	if c := compare(k.Name, o.Name); c != 0 {
		return c
	}
	return compare(k.Namespace, o.Namespace)
}

func compare(a, b string) int {
	switch {
	case a < b:
		return -1
	case a > b:
		return 1
	}
	return 0
}

// Agent is a pod that should be reporting.
type Agent struct {
	Key
	// UID tells a pod from an earlier one of the same name.
	UID string
	// Node is the node it was scheduled to; empty until it was.
	Node string
	// Network is the pod's, read from its spec.
	Network report.Network
	// Addresses are the pod's IPs, as its status has them.
	Addresses []string
	// FirstSeen is when this server first saw the pod.
	FirstSeen time.Time
}

// Label is the agent's name in metrics: <node>-private_network, or
// <node>-host_network. It outlives the pod: the next pod of the same kind on
// the same node goes on under it.
func (a *Agent) Label() string {
	if a.Network == report.Host {
		return a.Node + "-host_network"
	}
	return a.Node + "-private_network"
}

// Node is a node of the cluster, as far as the verdict needs it.
type Node struct {
	Name string
	// Going says why the node is about to leave or has left: "cordoned", "tainted
	// node.kubernetes.io/out-of-service", "deleted". Empty for a node that stays.
	Going string
	// GoingSince is when this server first saw that mark.
	GoingSince time.Time
}

// List is all who should be reporting. A List is never changed once made.
type List struct {
	// Agents is in the order of Key.Compare.
	Agents []Agent
	// Nodes has the nodes that are going. A node that is not in it stays, or
	// nodes can't be read.
	Nodes map[string]Node
	// Source says where the list is from, for people: "Kubernetes API (watch)".
	Source string
}

// Record is the newest report of one pod, as the store has it.
type Record struct {
	Key
	report.Record
	// JSON is the record as the API gives it back, and as it is stored.
	JSON []byte
	// Learned is when this server learned of the report.
	Learned time.Time
	// Revision is the store's revision of the write.
	Revision int64
}
