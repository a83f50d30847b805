// Package pods knows who should be reporting: it yields a [fleet.List] of the
// agents' pods that should be running and of their nodes that are going, and
// says how old that knowledge is.
//
// There are two sources. [Kubernetes] asks the API server, by a watch where its
// role allows one, by a list every few seconds where it does not; nodes are read
// beside the pods where that is allowed. [File] reads a file that people keep,
// for where there is no cluster.
//
// Both outlive their source. While the API server is away, or the file's newest
// version is broken, the last good list stays and AsOf no longer moves on: who
// judges by the list can tell how old it is. When a pod was first seen, and since
// when its node is going, is kept through all of that.
package pods

import (
	"slices"
	"time"

	"github.com/netchecker/netchecker/server/fleet"
)

// Mode is the way in which a source follows what it reads.
type Mode string

const (
	// Undecided is the Mode until the API server has answered once.
	Undecided Mode = ""
	// Watching is being told of each change by the API server.
	Watching Mode = "watch"
	// Polling is listing all pods every PollInterval.
	Polling Mode = "poll"
	// Reading is reading a file every second.
	Reading Mode = "file"
)

// Status is how a source is doing, for metrics and for people.
type Status struct {
	// Mode is how pods are read.
	Mode Mode
	// Err is why the list is not current; nil while it is.
	Err error
	// Nodes says whether it can be known which nodes are going. Where it can't,
	// nobody counts as planned.
	Nodes bool
	// NodesErr is why nodes are not current; nil while they are.
	NodesErr error
}

// marks are why nodes are going, by name, for the nodes of agents alone. mark is
// empty for a node that stays.
func marks(agents []fleet.Agent, mark func(node string) string) map[string]string {
	going := make(map[string]string)
	for i := range agents {
		node := agents[i].Node
		if node == "" {
			continue
		}
		if why := mark(node); why != "" {
			going[node] = why
		}
	}
	return going
}

// goings are the nodes that marks names. One that was going before goes on since
// then, also where it is marked otherwise now (cordoned, then deleted).
func goings(marks map[string]string, before map[string]fleet.Node, now time.Time) map[string]fleet.Node {
	nodes := make(map[string]fleet.Node, len(marks))
	for name, why := range marks {
		since := now
		if was, ok := before[name]; ok {
			since = was.GoingSince
		}
		nodes[name] = fleet.Node{Name: name, Going: why, GoingSince: since}
	}
	return nodes
}

// nodesOf are the list's; nil where there is no list yet.
func nodesOf(l *fleet.List) map[string]fleet.Node {
	if l == nil {
		return nil
	}
	return l.Nodes
}

// same says whether a and b are one pod, unchanged, whenever it was first seen.
func same(a, b *fleet.Agent) bool {
	return a.Key == b.Key && a.UID == b.UID && a.Node == b.Node && a.Network == b.Network &&
		slices.Equal(a.Addresses, b.Addresses)
}

// signal leaves a message for whoever waits on c, which has room for one.
func signal(c chan<- struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}
