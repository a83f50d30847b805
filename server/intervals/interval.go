// Package intervals keeps when backends were reachable, from where, and when they were
// not: what agents tell of it is anchored to the wall clock and kept for a day, also
// when its pod is gone; and it says what that amounts to over a stretch of time.
//
// # Lives
//
// A life is a pod between two starts of its agent: a boot id. Within it intervals are
// numbered. Those that are over come in messages, which are stored once by their
// number; of what is open the newest word counts, whether it came in a message or in a
// report, and an open interval is known to hold up to that word. An interval that is
// over takes the place of the open one of its number.
//
// What a life leaves open when it falls silent is closed as Unknown from its last word
// on: until its pod has left, or the pod's next life begins. The leader writes that
// down (a closing), before the report that has the last word expires. Whatever the life
// says later than its closing takes the closing's place.
//
// # Keys
//
//	intervals/<namespace>/<pod>/<boot id>/<number>  intervals that are over
//	intervals/<namespace>/<pod>/<boot id>/open      what a message said last of the open ones
//	intervals/<namespace>/<pod>/<boot id>/last      the closing
//	intervals/totals                                the sums that outlive the intervals
package intervals

import (
	"cmp"
	"strings"
	"time"

	"github.com/netchecker/netchecker/pkg/report"
	"github.com/netchecker/netchecker/server/fleet"
)

// Unknown is the level of the time in which an agent that sampled a backend was not
// heard any more. It is neither good nor bad.
const Unknown report.Level = "Unknown"

// Interval is a stretch of time, [From, To), in which all samples of one agent, of one
// backend over one kind of connection, led to the same.
type Interval struct {
	Backend    string
	Connection report.Connection
	// Network, Node and Pod say where it was sampled from.
	Network report.Network
	Node    string
	Pod     fleet.Key
	Level   report.Level
	// Message says what the samples led to; empty where all was well.
	Message string
	// From and To are on the server's wall clock. To is as far as is known where the
	// interval is Open.
	From, To time.Time
	Open     bool
	// Changes and Failed are as in report.Interval.
	Changes uint64
	Failed  time.Duration
}

// Locator says what was sampled from where, as "disruption/kube-api connection/new
// network/pod node/node-2 pod/netchecker-agent-x4k2p".
func (i *Interval) Locator() string {
	return "disruption/" + i.Backend + " connection/" + string(i.Connection) +
		" network/" + string(i.Network) + " node/" + i.Node + " pod/" + i.Pod.Name
}

// Key is what disruption is summed up by.
type Key struct {
	Backend    string            `json:"backend"`
	Connection report.Connection `json:"connection"`
	Network    report.Network    `json:"network,omitempty"`
}

// Key is the interval's.
func (i *Interval) Key() Key { return Key{i.Backend, i.Connection, i.Network} }

// Compare orders keys by backend, connection and network.
func (k Key) Compare(o Key) int {
	return cmp.Or(strings.Compare(k.Backend, o.Backend), cmp.Compare(k.Connection, o.Connection), cmp.Compare(k.Network, o.Network))
}

// Shortest is what an outage counts at the least: samples are a second apart, so
// nothing shorter can be told.
const Shortest = time.Second

// outage is how long i counts as disruption, from its beginning: of a backend that was
// flapping, only as long as it failed.
func (i *Interval) outage() time.Duration {
	if i.Changes > 0 {
		return max(i.Failed, Shortest)
	}
	return max(i.To.Sub(i.From), Shortest)
}

// compare orders intervals by their beginning; what else it looks at is only there to
// make it the same order each time.
func (i *Interval) compare(o *Interval) int {
	return cmp.Or(
		i.From.Compare(o.From),
		i.Pod.Compare(o.Pod),
		i.Key().Compare(o.Key()),
		cmp.Compare(i.Level, o.Level),
	)
}
