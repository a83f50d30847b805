package backends

import (
	"cmp"
	"hash/fnv"
	"slices"

	"github.com/netchecker/netchecker/pkg/report"
	"github.com/netchecker/netchecker/server/fleet"
)

// place returns the indices in agents of those who sample a backend: many of them, as
// far as there are so many that have a node.
//
// Half of them are on each network, and on each network as many in each zone, as far
// as there are so many. Within a zone they are those of the nodes that come first by
// rendezvous hash: each server finds the same ones, those that stay are the same when
// others come or go, and they are on the same nodes on both networks, so that what one
// network loses and the other does not is the network's fault and not the node's.
func place(name string, many int, agents []fleet.Agent, nodes map[string]fleet.Node) []int {
	networks := grouped(name, agents, nodes)
	var chosen []int
	for i, n := range share(many, sizes(networks, group.size)) {
		zones := networks[i].zones
		for j, n := range share(n, sizes(zones, func(z zone) int { return len(z.agents) })) {
			chosen = append(chosen, zones[j].first(n)...)
		}
	}
	slices.Sort(chosen)
	return chosen
}

// group is the agents of one network.
type group struct{ zones []zone }

func (g group) size() (n int) {
	for i := range g.zones {
		n += len(g.zones[i].agents)
	}
	return n
}

// zone is one of a group, with its agents.
type zone struct {
	name   string
	rank   uint64
	agents []candidate
}

type candidate struct {
	rank  uint64
	index int
}

// first are the indices of the n agents that come first.
func (z zone) first(n int) []int {
	if n < len(z.agents) {
		slices.SortFunc(z.agents, func(a, b candidate) int {
			return cmp.Or(cmp.Compare(a.rank, b.rank), cmp.Compare(a.index, b.index))
		})
	}
	indices := make([]int, n)
	for i := range indices {
		indices[i] = z.agents[i].index
	}
	return indices
}

// grouped are the agents that have a node, by network and by zone. Zones are in the
// order of their rank for that backend.
func grouped(name string, agents []fleet.Agent, nodes map[string]fleet.Node) []group {
	of := map[report.Network]map[string][]candidate{report.Pod: {}, report.Host: {}}
	for i := range agents {
		a := &agents[i]
		if zones, ok := of[a.Network]; ok && a.Node != "" {
			where := nodes[a.Node].Zone
			zones[where] = append(zones[where], candidate{rank(name, "node", a.Node), i})
		}
	}
	groups := make([]group, 0, len(of))
	for _, network := range []report.Network{report.Pod, report.Host} {
		var g group
		for where, in := range of[network] {
			g.zones = append(g.zones, zone{where, rank(name, "zone", where), in})
		}
		slices.SortFunc(g.zones, func(a, b zone) int {
			return cmp.Or(cmp.Compare(a.rank, b.rank), cmp.Compare(a.name, b.name))
		})
		groups = append(groups, g)
	}
	return groups
}

func sizes[T any](list []T, size func(T) int) []int {
	all := make([]int, len(list))
	for i, item := range list {
		all[i] = size(item)
	}
	return all
}

// share divides many among those who can take so much each, as evenly as that allows;
// what can't be divided goes to the first ones.
func share(many int, limits []int) []int {
	shares := make([]int, len(limits))
	for many > 0 {
		open := 0
		for i := range limits {
			if shares[i] < limits[i] {
				open++
			}
		}
		if open == 0 {
			break
		}
		each := max(1, many/open)
		for i := range limits {
			more := min(each, limits[i]-shares[i], many)
			shares[i] += more
			many -= more
		}
	}
	return shares
}

// rank is where something stands among its like, for that backend: everywhere the same,
// and for each backend another.
func rank(backend, kind, name string) uint64 {
	h := fnv.New64a()
	for _, part := range []string{backend, kind, name} {
		_, _ = h.Write([]byte(part)) // a hash takes whatever it is given
		_, _ = h.Write([]byte{0})
	}
	return mix(h.Sum64())
}

// mix lets each bit of x decide about each bit of what it returns, which FNV does not:
// names that differ at their ends alone would come in their own order. The constants
// are those of MurmurHash3's finalizer.
func mix(x uint64) uint64 {
	x ^= x >> 33
	x *= 0xff51afd7ed558ccd
	x ^= x >> 33
	x *= 0xc4ceb9fe1a85ec53
	return x ^ x>>33
}
