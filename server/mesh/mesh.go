// Package mesh says which agents probe which, so that a fault of the network can be
// named, at a cost per agent that stays the same however large the cluster is.
//
// # The plan
//
// It is made over nodes: both agents of a node probe both agents of its peers. The
// members are the nodes that have an agent which reports and says that it answers
// probes. Up to Whole of them probe each other all the time. More stand on a circle, on
// which neighbours lie in different zones where that is possible: each always probes
// the next one, and Passing others for one Epoch, at distances that all share and that
// change from epoch to epoch. So each node is probed by as many as it probes. Distances
// up to half the circle are enough, since a probe measures both directions; all pairs
// were covered after Coverage.
//
// The plan is pure: each server makes the same one of the same members, and nothing is
// stored.
//
// # Who is a member, and when
//
// The circle is made anew as an epoch begins, and stands until the next one does: a node
// that comes waits for that, since it moves others on the circle. What goes on within a
// member is told at once, to those that probe it alone: an agent that is not heard any
// more is probed no more, and one that was started again has another boot id. Servers
// learn of reports at slightly different times, so their circles may differ for an
// epoch where members came or went; and what agents were told holds for Ahead epochs.
//
// # What an agent is told
//
// An assignment has the lasting peers, and those of this epoch and the next. Its version
// names what the agent has: the base, the first and the last epoch, a sum over all of
// those peers, and one over what all share. From the version that an agent states, a
// server finds whether that is still what it would tell: the plan of an epoch that is
// over can be made again. If so, only later epochs are told; otherwise all are, under
// another base. So a change costs a new assignment for those alone whose peers it
// touches.
package mesh

import (
	"cmp"
	"crypto/sha256"
	"encoding/binary"
	"math/bits"
	"slices"
	"strings"
	"time"

	"github.com/netchecker/netchecker/pkg/assignment"
	"github.com/netchecker/netchecker/server/fleet"
)

const (
	// Epoch is how long passing peers are probed.
	Epoch = 30 * time.Second
	// Whole is up to how many nodes all probe all others.
	Whole = 9
	// Passing is how many nodes each of more probes for one epoch, besides the next.
	Passing = 7
	// Ahead is how many epochs agents are told: this one and the next.
	Ahead = 4
)

// EpochOf is the number of the epoch that t is in, and Start when an epoch begins.
func EpochOf(t time.Time) int64 { return t.Unix() / int64(Epoch/time.Second) }

// Start is when an epoch begins.
func Start(epoch int64) time.Time { return time.Unix(epoch*int64(Epoch/time.Second), 0) }

// Member is a node of the mesh. Its Zone may be empty.
type Member struct{ Node, Zone string }

// Plan is who probes whom. It is never changed once made.
type Plan struct {
	// nodes are in the order of the circle, and places says where each is.
	nodes  []string
	places map[string]int
}

// NewPlan makes the plan of these members, in whatever order. A node should be among
// them once.
func NewPlan(members []Member) *Plan {
	p := &Plan{nodes: make([]string, 0, len(members)), places: make(map[string]int, len(members))}
	for i, s := range seats(members) {
		p.nodes = append(p.nodes, s.node)
		p.places[s.node] = i
	}
	return p
}

// seat is a node's place on the circle.
type seat struct {
	node, zone string
	rank       uint64
	at         float64 // from 0 to 1
}

// seats are in order. Those of one zone are spread evenly, in the order of a hash, and
// each zone is turned against the others, so that zones of one size take turns.
func seats(members []Member) []seat {
	all := make([]seat, len(members))
	sizes := map[string]int{}
	for i, m := range members {
		all[i] = seat{node: m.Node, zone: m.Zone, rank: hash(m.Node)}
		sizes[m.Zone]++
	}
	slices.SortFunc(all, func(a, b seat) int {
		return cmp.Or(strings.Compare(a.zone, b.zone), cmp.Compare(a.rank, b.rank), strings.Compare(a.node, b.node))
	})
	zone, rank := 0, 0
	for i := range all {
		if i > 0 && all[i].zone != all[i-1].zone {
			zone, rank = zone+1, 0
		}
		turn := (float64(zone) + 0.5) / float64(len(sizes))
		all[i].at = (float64(rank) + turn) / float64(sizes[all[i].zone])
		rank++
	}
	slices.SortStableFunc(all, func(a, b seat) int { return cmp.Compare(a.at, b.at) })
	return all
}

// Len is how many nodes there are.
func (p *Plan) Len() int { return len(p.nodes) }

// Nodes are in the order of the circle.
func (p *Plan) Nodes() []string { return slices.Clone(p.nodes) }

// Has says whether the node is a member.
func (p *Plan) Has(node string) bool {
	_, has := p.places[node]
	return has
}

// Lasting are the nodes that a member always probes.
func (p *Plan) Lasting(node string) []string {
	n := len(p.nodes)
	if n > Whole {
		return p.at(node, []int{1})
	}
	distances := make([]int, 0, Whole)
	for d := 1; d < n; d++ {
		distances = append(distances, d)
	}
	return p.at(node, distances)
}

// Passing are those that it probes in that epoch; none where all are Lasting.
func (p *Plan) Passing(node string, epoch int64) []string {
	if len(p.nodes) <= Whole {
		return nil
	}
	return p.at(node, distances(len(p.nodes), epoch))
}

// at are the nodes at those distances; none of a node that is no member.
func (p *Plan) at(node string, distances []int) []string {
	place, has := p.places[node]
	if !has {
		return nil
	}
	peers := make([]string, len(distances))
	for i, d := range distances {
		peers[i] = p.nodes[(place+d)%len(p.nodes)]
	}
	return peers
}

// distances are the Passing distances of an epoch on a circle of n, which is more than
// Whole: from 2 to half of n, or to 8 where that is less.
//
// They go on by Passing from epoch to epoch, modulo a power of two that is no less than
// half of n. Since that is odd, all are met; and since a power of two stays the same
// while n grows a little, so do most distances. What is beyond half of n is wrapped, and
// what that would say twice is passed over.
func distances(n int, epoch int64) []int {
	most := max(Passing+1, n/2)
	cycle := cycleOf(n)
	list := make([]int, 0, Passing)
	for i := epoch * Passing; len(list) < Passing; i++ {
		d := 2 + int(i%cycle)%(most-1)
		if !slices.Contains(list, d) {
			list = append(list, d)
		}
	}
	return list
}

// cycleOf is the power of two that is no less than half of n.
func cycleOf(n int) int64 { return 1 << bits.Len(uint((n+1)/2-1)) }

// Coverage is after how many epochs all pairs of n nodes were probed.
func Coverage(n int) int {
	if n <= Whole {
		return 1
	}
	return int(cycleOf(n)+Passing-1) / Passing
}

// hash is the same everywhere, and has nothing to do with how names are ordered.
func hash(parts ...string) uint64 {
	sum := sha256.Sum256([]byte(strings.Join(parts, "\x00")))
	return binary.BigEndian.Uint64(sum[:])
}

// ID is what the agent is called in rows and in datagrams: from 1 to report.MaxID, 48
// bits. Another pod of its name has another one, where UIDs are known.
func ID(a *fleet.Agent) uint64 {
	const unused = 16
	return max(1, hash(a.Namespace, a.Name, a.UID)>>unused)
}

// IDs are those of all agents of a list, by id, as indices. Of two that have the same
// one, the first has it.
func IDs(list *fleet.List) map[uint64]int {
	ids := make(map[uint64]int, len(list.Agents))
	for i := range list.Agents {
		id := ID(&list.Agents[i])
		if _, taken := ids[id]; !taken {
			ids[id] = i
		}
	}
	return ids
}

const (
	// shortest is the least time between two questions to what all share, and step what
	// longer ones are rounded up to, so that few agents that come change nothing.
	shortest, step = 5 * time.Second, 5 * time.Second
)

// Every is how long each of that many agents should wait between its rounds of so many
// questions to something that all share, so that it is asked no more than perSecond; no
// more than longest.
func Every(agents, questions, perSecond int, longest time.Duration) time.Duration {
	period := time.Duration(agents) * time.Duration(questions) * time.Second / time.Duration(perSecond)
	period = (period + step - 1) / step * step
	return min(max(period, shortest), longest)
}

const (
	// updateBudget is how many updates a second of all agents together servers are sent
	// when all agents see the same at once, and longestSpread how long the last of them
	// may wait for that.
	updateBudget  = 1500
	longestSpread = 15 * time.Second
)

// SpreadOfUpdates is within what time that many agents should send what they have all
// seen: a second for each updateBudget of them, in whole seconds, so that few agents that
// come change nothing; at most longestSpread.
func SpreadOfUpdates(agents int) time.Duration {
	spread := time.Duration(agents+updateBudget-1) / updateBudget * time.Second
	return min(max(spread, assignment.DefaultSpread), longestSpread)
}
