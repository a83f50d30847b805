// Package fleet has the plain words that the server's rooms share: the Agent
// that should be reporting, the Node it lives on, the Record it left, and the
// List of all who are expected. It holds data and what follows from it alone.
//
// Every time.Time here that is compared with another is a reading of the
// server's monotonic clock (time.Now, never parsed from text), because the wall
// clocks of servers, nodes and the API server may jump.
package fleet

import (
	"cmp"
	"slices"
	"strings"
	"time"

	"github.com/netchecker/netchecker/pkg/report"
)

// Key names a pod, and with it the place of its newest report.
type Key struct {
	Namespace string
	Name      string
}

// unlisted begins the namespaces of reports that nobody expected. No namespace
// of Kubernetes begins with it.
const unlisted = "_"

// UnlistedKey is the place of a report whose pod the list does not know. The
// namespace is the one that the agent tells, and may be empty.
func UnlistedKey(namespace, name string) Key { return Key{unlisted + namespace, name} }

// Unlisted says whether k was made by UnlistedKey.
func (k Key) Unlisted() bool { return strings.HasPrefix(k.Namespace, unlisted) }

// String is namespace/name.
func (k Key) String() string { return k.Namespace + "/" + k.Name }

// Compare orders keys by name, then by namespace.
func (k Key) Compare(o Key) int {
	return cmp.Or(strings.Compare(k.Name, o.Name), strings.Compare(k.Namespace, o.Namespace))
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
	// MeshPort is where the agent answers the probes of others, by UDP and by TCP, as its
	// pod's annotation says; 0 where it says nothing, and nobody is to probe it.
	MeshPort uint16
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

// Readiness is a node's condition Ready, as Kubernetes writes its status.
type Readiness string

const (
	// Ready: the kubelet says that pods can run there.
	Ready Readiness = "True"
	// NotReady: it says that they can't.
	NotReady Readiness = "False"
	// ReadyUnknown: nothing is heard of the kubelet, or nothing was told.
	ReadyUnknown Readiness = "Unknown"
)

// Deleted is the Going of a node whose object is gone.
const Deleted = "deleted"

// Node is a node of the cluster.
type Node struct {
	Name string
	// Zone is the value of topology.kubernetes.io/zone; empty where there is none.
	Zone string
	// Ready is the condition of that name.
	Ready Readiness
	// Labels are those that selectors may need. They are never changed once made.
	Labels map[string]string
	// Going says why the node is about to leave or has left: "cordoned", "tainted
	// node.kubernetes.io/out-of-service", Deleted. Empty for a node that stays.
	Going string
	// GoingSince is when this server first saw that mark.
	GoingSince time.Time
}

// LeftFor is how long a pod that left the list is known as one that left.
const LeftFor = 2 * time.Minute

// Left is a pod that should have been reporting until a moment ago.
type Left struct {
	Agent
	// Since is when this server saw it go.
	Since time.Time
}

// List is all who should be reporting, and where. A List is never changed once made.
type List struct {
	// Agents is in the order of Key.Compare.
	Agents []Agent
	// Nodes has all nodes by name, and those that were deleted while they still have
	// agents. It is nil where nodes can't be read.
	Nodes map[string]Node
	// Left has the pods that left within LeftFor, in the order of Key.Compare. A
	// pod of the same name that came since is among Agents, with another UID.
	Left []Left
	// Source says where the list is from, for people: "Kubernetes API (watch)".
	Source string
}

// Range returns the indices of the agents of that name, one for each namespace
// that has one: from up to, but not including, to.
func (l *List) Range(name string) (from, to int) {
	from, _ = slices.BinarySearchFunc(l.Agents, Key{Name: name}, func(a Agent, k Key) int { return a.Key.Compare(k) })
	for to = from; to < len(l.Agents) && l.Agents[to].Name == name; to++ {
	}
	return from, to
}

// Named returns the agents of that name.
func (l *List) Named(name string) []Agent {
	from, to := l.Range(name)
	return l.Agents[from:to]
}

// DisplayName is how the agent at index i is called towards people: its pod's
// name, with the namespace before it where another namespace has one too.
func (l *List) DisplayName(i int) string {
	a := &l.Agents[i]
	if i > 0 && l.Agents[i-1].Name == a.Name || i+1 < len(l.Agents) && l.Agents[i+1].Name == a.Name {
		return a.Key.String()
	}
	return a.Name
}

// Record is the newest report of one pod, as the store has it.
type Record struct {
	Key
	report.Record
	// Learned is when this server learned of the report.
	Learned time.Time
	// Read says that the report was there when this server read the store, so that
	// it may be of any age: its agent is known, and was not heard by this server.
	Read bool
	// Revision is the store's revision of the write.
	Revision int64
}

// Freshness says how current the views of the store are.
type Freshness struct {
	// AsOf: the views have everything that was committed before. Zero: never read.
	AsOf time.Time
	// Since is since when the views have been current without a gap that made the
	// server blind. Zero: never, or not now.
	Since time.Time
	// Unbroken is since when there was not even a short gap, in which agents of short
	// intervals may have reported in vain. Zero where Since is.
	Unbroken time.Time
}
