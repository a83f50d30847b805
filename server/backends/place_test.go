package backends

import (
	"fmt"
	"math/rand/v2"
	"reflect"
	"slices"
	"testing"

	"github.com/netchecker/netchecker/pkg/report"
	"github.com/netchecker/netchecker/server/fleet"
)

// cluster makes lists of agents: a pod's name is drawn, as a DaemonSet's pods have it,
// and tells nothing of its node.
type cluster struct {
	random *rand.Rand
	agents []fleet.Agent
	nodes  map[string]fleet.Node
}

func newCluster(seed uint64) *cluster {
	return &cluster{random: rand.New(rand.NewPCG(seed, 1)), nodes: map[string]fleet.Node{}}
}

// join adds a node with an agent on each of these networks.
func (c *cluster) join(node, zone string, networks ...report.Network) {
	c.nodes[node] = fleet.Node{Name: node, Zone: zone}
	for _, n := range networks {
		c.agents = append(c.agents, fleet.Agent{
			Key: fleet.Key{Namespace: "netchecker", Name: fmt.Sprintf("agent-%08x", c.random.Uint32())}, Node: node, Network: n,
		})
	}
}

// list is in order, as all lists are.
func (c *cluster) list() *fleet.List {
	slices.SortFunc(c.agents, func(a, b fleet.Agent) int { return a.Key.Compare(b.Key) })
	return &fleet.List{Agents: c.agents, Nodes: c.nodes}
}

// fill adds that many nodes to each of the zones, with both agents.
func (c *cluster) fill(perZone int, zones ...string) {
	for _, zone := range zones {
		for i := range perZone {
			c.join(fmt.Sprintf("%s-n%d", zone, i), zone, report.Pod, report.Host)
		}
	}
}

// leave takes away one agent, and returns it.
func (c *cluster) leave() fleet.Agent {
	i := c.random.IntN(len(c.agents))
	a := c.agents[i]
	c.agents = slices.Delete(c.agents, i, i+1)
	return a
}

// placed are those who sample the backend, as node and network.
func (c *cluster) placed(name string, many int) map[string]fleet.Agent {
	on := map[string]fleet.Agent{}
	list := c.list()
	for _, i := range place(name, many, list.Agents, list.Nodes) {
		on[c.agents[i].Node+" "+string(c.agents[i].Network)] = c.agents[i]
	}
	return on
}

// moved is how many of after are not in before.
func moved(before, after map[string]fleet.Agent) (n int) {
	for where := range after {
		if _, was := before[where]; !was {
			n++
		}
	}
	return n
}

func TestSamplersAreSpreadOverZonesAndNetworks(t *testing.T) {
	both := []report.Network{report.Pod, report.Host}
	for _, row := range []struct {
		name string
		make func(*cluster)
		many int
		want map[string]int
	}{
		{"two zones", func(c *cluster) { c.fill(50, "a", "b") }, 20,
			map[string]int{"a pod": 5, "b pod": 5, "a host": 5, "b host": 5}},
		{"a small zone", func(c *cluster) { c.fill(2, "a"); c.fill(50, "b") }, 20,
			map[string]int{"a pod": 2, "b pod": 8, "a host": 2, "b host": 8}},
		{"no zones", func(c *cluster) { c.fill(50, "") }, 20, map[string]int{" pod": 10, " host": 10}},
		{"one network", func(c *cluster) {
			for i := range 50 {
				c.join(fmt.Sprint(i), "a", report.Host)
			}
		}, 20, map[string]int{"a host": 20}},
		{"few nodes", func(c *cluster) { c.fill(3, "a") }, 20, map[string]int{"a pod": 3, "a host": 3}},
		{"one", func(c *cluster) { c.fill(3, "a") }, 1, map[string]int{"a pod": 1}},
		{"nobody", func(*cluster) {}, 20, map[string]int{}},
		{"not on a node yet", func(c *cluster) { c.join("", "", both...) }, 20, map[string]int{}},
	} {
		c := newCluster(1)
		row.make(c)
		got := map[string]int{}
		for _, a := range c.placed("kube-api", row.many) {
			got[c.nodes[a.Node].Zone+" "+string(a.Network)]++
		}
		if !reflect.DeepEqual(got, row.want) {
			t.Errorf("%s: got %v, want %v", row.name, got, row.want)
		}
	}
}

func TestBothNetworksAreSampledFromTheSameNodes(t *testing.T) {
	c := newCluster(2)
	c.fill(40, "a", "b", "c")
	on := c.placed("kube-api", 20)
	for _, a := range on {
		if _, other := on[a.Node+" host"]; !other {
			t.Errorf("%s is sampled from by one network alone", a.Node)
		}
	}
}

func TestWhichPodIsOnANodeAndInWhichOrderTheyAreListedDoesNotMatter(t *testing.T) {
	one, other := newCluster(3), newCluster(4)
	one.fill(100, "a", "b", "c")
	other.fill(100, "c", "a", "b")
	if a, b := one.placed("kube-api", 20), other.placed("kube-api", 20); len(a) != 20 || moved(a, b) != 0 {
		t.Errorf("%d samplers, of whom %d are on other nodes where the pods are others", len(a), moved(a, b))
	}
}

func TestEachBackendHasSamplersOfItsOwn(t *testing.T) {
	c := newCluster(5)
	c.fill(500, "a", "b")
	load := map[string]int{}
	for i := range 16 {
		for where := range c.placed(fmt.Sprintf("backend-%d", i), 20) {
			load[where]++
		}
	}
	for where, n := range load {
		if n > 5 {
			t.Errorf("%s samples %d of 16 backends, though there are 2,000 agents for 320 places", where, n)
		}
	}
}

// Nodes that are called alike often stand side by side.
func TestNodesThatAreCalledAlikeAreNotTakenTogether(t *testing.T) {
	c := newCluster(10)
	c.fill(1000, "a")
	for i := range 100 {
		tens := map[string]bool{}
		for _, a := range c.placed(fmt.Sprintf("backend-%d", i), 20) {
			tens[a.Node[:len(a.Node)-1]] = true
		}
		if len(tens) < 7 {
			t.Errorf("backend-%d: 10 of 1,000 nodes are from %d tens", i, len(tens))
		}
	}
}

func TestFewSamplersMoveWhereAgentsComeAndGo(t *testing.T) {
	c := newCluster(6)
	c.fill(30, "a", "b", "c")
	c.fill(3, "small")
	zones := []string{"a", "b", "c", "small"}
	changes := 0
	for i := range 1000 {
		before := c.placed("kube-api", 20)
		var changed string
		chosen := true
		if c.random.IntN(2) == 0 {
			changed = fmt.Sprintf("n%d", i)
			c.join(changed, zones[c.random.IntN(len(zones))], []report.Network{report.Pod, report.Host}[c.random.IntN(2)])
		} else {
			a := c.leave()
			changed = a.Node
			_, chosen = before[a.Node+" "+string(a.Network)]
		}
		after := c.placed("kube-api", 20)
		if len(after) != 20 {
			t.Fatalf("%d: %d samplers", i, len(after))
		}
		n := moved(before, after)
		if changes += n; n > 1 || !chosen && n > 0 {
			t.Errorf("%d: as %s changed, %d others became samplers", i, changed, n)
		}
	}
	t.Logf("of 1,000 joins and leaves, %d changed who samples", changes)
	if changes < 50 || changes > 500 {
		t.Errorf("%d changes of 20 samplers among 180 agents", changes)
	}
}

func TestSharesAreAsEvenAsTheLimitsAllow(t *testing.T) {
	for _, row := range []struct {
		many         int
		limits, want []int
	}{
		{10, []int{9, 9}, []int{5, 5}},
		{11, []int{9, 9}, []int{6, 5}},
		{20, []int{3, 50, 50}, []int{3, 9, 8}},
		{20, []int{50, 1, 8}, []int{11, 1, 8}},
		{20, []int{1, 2}, []int{1, 2}},
		{1, []int{0, 5, 5}, []int{0, 1, 0}},
		{0, []int{5}, []int{0}},
		{5, []int{}, []int{}},
	} {
		if got := share(row.many, row.limits); !reflect.DeepEqual(got, row.want) {
			t.Errorf("%d among %v: got %v, want %v", row.many, row.limits, got, row.want)
		}
	}
}
