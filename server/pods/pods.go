// Package pods knows who should be reporting: it yields a [fleet.List] of the
// agents' pods that should be running, of those that left a moment ago, and of all
// nodes, and says how old that knowledge is.
//
// There are two sources. [Kubernetes] asks the API server, by a watch where its
// role allows one, by a list every few seconds where it does not; nodes are read
// beside the pods where that is allowed. [File] reads a file that people keep,
// for where there is no cluster.
//
// Both outlive their source. While the API server is away, or the file's newest
// version is broken, the last good list stays and AsOf no longer moves on: who
// judges by the list can tell how old it is. When a pod was first seen, since when
// its node is going, and who left, is kept through all of that.
package pods

import (
	"time"

	"github.com/netchecker/netchecker/server/fleet"
)

// Mode is the way in which the API server is followed.
type Mode string

const (
	// Undecided is the Mode until the API server has answered once.
	Undecided Mode = ""
	// Watching is being told of each change by the API server.
	Watching Mode = "watch"
	// Polling is listing all pods again and again.
	Polling Mode = "poll"
)

// keepSince sets since when those of the nodes are going that are. One that was
// going before goes on since then, also where it is marked otherwise now (cordoned,
// then deleted).
func keepSince(nodes, before map[string]fleet.Node, now time.Time) {
	for name, n := range nodes {
		if n.Going == "" {
			continue
		}
		n.GoingSince = now
		if was := before[name]; was.Going != "" {
			n.GoingSince = was.GoingSince
		}
		nodes[name] = n
	}
}
