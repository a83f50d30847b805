package mesh_test

import (
	"fmt"
	"net/netip"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/netchecker/netchecker/pkg/assignment"
	"github.com/netchecker/netchecker/pkg/report"
	"github.com/netchecker/netchecker/server/fleet"
	"github.com/netchecker/netchecker/server/mesh"
)

// begin is the beginning of an epoch.
var begin = mesh.Start(58_000_000)

// cluster is agents as a server knows them, with a clock.
type cluster struct {
	t      *testing.T
	now    time.Time
	list   *fleet.List
	record map[fleet.Key]*fleet.Record
	silent map[fleet.Key]bool
	// awaited are those of whom nothing is known, and it is too early to say why.
	awaited map[fleet.Key]bool
	shared  *assignment.Shared
	boots   int
}

// newCluster has that many nodes in three zones, with an agent on each network, all of
// which report and answer probes.
func newCluster(t *testing.T, nodes int) *cluster {
	c := &cluster{t: t, now: begin, list: &fleet.List{Nodes: map[string]fleet.Node{}}, record: map[fleet.Key]*fleet.Record{}, silent: map[fleet.Key]bool{}}
	for i := range nodes {
		c.join(i)
	}
	return c
}

func pod(i int) fleet.Key {
	return fleet.Key{Namespace: "netchecker", Name: fmt.Sprintf("pod-%05d", i)}
}
func host(i int) fleet.Key {
	return fleet.Key{Namespace: "netchecker", Name: fmt.Sprintf("host-%05d", i)}
}

// join adds a node.
func (c *cluster) join(i int) {
	node := fmt.Sprintf("node-%d", i)
	list := c.clone()
	list.Nodes[node] = fleet.Node{Name: node, Zone: fmt.Sprint("zone-", i%3)}
	list.Agents = append(list.Agents,
		fleet.Agent{Key: pod(i), UID: fmt.Sprint("p", i), Node: node, Network: report.Pod, Addresses: []string{fmt.Sprintf("10.%d.%d.2", i/250, i%250), fmt.Sprintf("fd00::%x", i+2)}, MeshPort: 8083},
		fleet.Agent{Key: host(i), UID: fmt.Sprint("h", i), Node: node, Network: report.Host, Addresses: []string{fmt.Sprintf("192.168.%d.%d", i/250, i%250)}, MeshPort: 8084},
	)
	slices.SortFunc(list.Agents, func(a, b fleet.Agent) int { return a.Key.Compare(b.Key) })
	c.list = list
	c.boot(pod(i))
	c.boot(host(i))
}

// clone is a List that may be changed.
func (c *cluster) clone() *fleet.List {
	list := *c.list
	list.Agents = slices.Clone(list.Agents)
	return &list
}

// change changes an agent in the list.
func (c *cluster) change(k fleet.Key, how func(*fleet.Agent)) {
	c.list = c.clone()
	for i := range c.list.Agents {
		if c.list.Agents[i].Key == k {
			how(&c.list.Agents[i])
			return
		}
	}
	c.t.Fatalf("there is no %v", k)
}

// boot starts an agent, or starts it again.
func (c *cluster) boot(k fleet.Key) {
	c.boots++
	c.record[k] = &fleet.Record{Key: k, Record: report.Record{
		Report: report.Report{BootID: fmt.Sprintf("%016x", c.boots), Mesh: &report.Mesh{}},
		Booted: begin.Add(time.Duration(c.boots) * time.Second),
	}}
}

func (c *cluster) planner() *mesh.Planner {
	return mesh.NewPlanner(mesh.Config{Now: func() time.Time { return c.now }, Shared: func() *assignment.Shared { return c.shared }})
}

// look has the planner look at the cluster as it is.
func (c *cluster) look(p *mesh.Planner) {
	h := mesh.Heard{List: c.list, Records: make([]*fleet.Record, len(c.list.Agents))}
	for i, a := range c.list.Agents {
		h.Records[i] = c.record[a.Key]
	}
	h.Reporting = func(i int) bool { return !c.silent[c.list.Agents[i].Key] }
	h.Awaited = func(i int) bool { return c.awaited[c.list.Agents[i].Key] }
	p.Look(h)
}

// agent is what one agent was told, as it keeps that.
type agent struct {
	c       *cluster
	key     fleet.Key
	version string
	base    string
	peers   []assignment.Peer
	shared  *assignment.Shared
}

func (c *cluster) agent(k fleet.Key) *agent { return &agent{c: c, key: k} }

// ask is the exchange of a report; it returns what was told, nil for nothing new.
func (a *agent) ask(p *mesh.Planner) *assignment.Assignment {
	a.c.t.Helper()
	i := slices.IndexFunc(a.c.list.Agents, func(o fleet.Agent) bool { return o.Key == a.key })
	if i < 0 {
		a.c.t.Fatalf("%v is not in the list", a.key)
	}
	version, data := p.News(&a.c.list.Agents[i], a.version)
	if version == "" || version == a.version {
		return nil
	}
	if len(version) > report.MaxVersion || len(data) > report.MaxReply/4 {
		a.c.t.Fatalf("the version %q has %d bytes, and the news %d", version, len(version), len(data))
	}
	told, err := assignment.Decode(data, false)
	if err != nil {
		a.c.t.Fatalf("%v is told what it does not believe: %v", a.key, err)
	}
	if told.Base != a.base {
		a.peers = nil
	}
	a.version, a.base, a.peers = version, told.Base, append(a.peers, told.Peers...)
	if told.Shared != nil {
		a.shared = told.Shared
	}
	return told
}

// names are the peers of an agent as network and node.
func names(peers []assignment.Peer) []string {
	list := []string{}
	for _, p := range peers {
		network := "pod"
		if p.Host {
			network = "host"
		}
		list = append(list, network+" "+p.Node)
	}
	slices.Sort(list)
	return list
}

func TestAFewNodesProbeEachOtherAllTheTime(t *testing.T) {
	c := newCluster(t, 3)
	c.record[pod(1)].Mesh.Mute = "port 8083 is taken"
	c.record[host(2)].Mesh = nil // an agent of an earlier release
	p := c.planner()
	if version, _ := p.News(&c.list.Agents[0], ""); version != "" {
		t.Errorf("agents are told the version %q before anything is known", version)
	}
	c.look(p)
	for _, row := range []struct {
		key  fleet.Key
		want []string
	}{
		{pod(0), []string{"host node-0", "host node-1", "pod node-2"}},
		{host(0), []string{"host node-1", "pod node-0", "pod node-2"}},
		{pod(1), []string{"host node-0", "host node-1", "pod node-0", "pod node-2"}},
		{host(1), []string{"host node-0", "pod node-0", "pod node-2"}},
		{pod(2), []string{"host node-0", "host node-1", "pod node-0"}},
	} {
		a := c.agent(row.key)
		told := a.ask(p)
		if told == nil || !reflect.DeepEqual(names(told.Peers), row.want) {
			t.Errorf("%v is told %+v, want %q", row.key, told, row.want)
			continue
		}
		for _, peer := range told.Peers {
			if peer.From != 0 || peer.For != 0 {
				t.Errorf("%v probes %s from %d for %d ms", row.key, peer.Node, peer.From, peer.For)
			}
		}
		c.now = c.now.Add(mesh.Epoch)
		c.look(p)
		if again := a.ask(p); again != nil {
			t.Errorf("%v is told again, in the next epoch: %+v", row.key, again)
		}
	}
}

func TestAPeerIsToldWithWhatItTakesToProbeIt(t *testing.T) {
	c := newCluster(t, 2)
	c.change(host(1), func(a *fleet.Agent) {
		a.Addresses = []string{"::ffff:192.168.0.1", "192.168.0.9", "fe80::1", "fd00::1", "x"}
	})
	p := c.planner()
	c.look(p)
	told := c.agent(pod(0)).ask(p)
	addrs := func(list ...string) (all []netip.Addr) {
		for _, a := range list {
			all = append(all, netip.MustParseAddr(a))
		}
		return all
	}
	want := []assignment.Peer{
		{ID: mesh.ID(&c.list.Agents[0]), Node: "node-0", Host: true, Addresses: addrs("192.168.0.0"), Port: 8084, Boot: "0000000000000002"},
		{ID: mesh.ID(&c.list.Agents[3]), Node: "node-1", Addresses: addrs("10.0.1.2", "fd00::3"), Port: 8083, Boot: "0000000000000003"},
		{ID: mesh.ID(&c.list.Agents[1]), Node: "node-1", Host: true, Addresses: addrs("192.168.0.1", "fd00::1"), Port: 8084, Boot: "0000000000000004"},
	}
	if !reflect.DeepEqual(told.Peers, want) || told.Self != mesh.ID(&c.list.Agents[2]) {
		t.Errorf("told   %+v\nwant %+v", told, want)
	}
}

func TestNobodyIsAimedAtWhoCantOrShouldNotBeProbed(t *testing.T) {
	for name, change := range map[string]func(c *cluster){
		"it has no port":          func(c *cluster) { c.change(pod(1), func(a *fleet.Agent) { a.MeshPort = 0 }) },
		"it has no address":       func(c *cluster) { c.change(pod(1), func(a *fleet.Agent) { a.Addresses = nil }) },
		"its address is loopback": func(c *cluster) { c.change(pod(1), func(a *fleet.Agent) { a.Addresses = []string{"127.0.0.1"} }) },
		"it has a mapped loopback": func(c *cluster) {
			c.change(pod(1), func(a *fleet.Agent) { a.Addresses = []string{"::ffff:127.0.0.1"} })
		},
		"its address is the metadata": func(c *cluster) { c.change(pod(1), func(a *fleet.Agent) { a.Addresses = []string{"169.254.169.254"} }) },
		"it has no node":              func(c *cluster) { c.change(pod(1), func(a *fleet.Agent) { a.Node = "" }) },
		"it is silent":                func(c *cluster) { c.silent[pod(1)] = true },
		"nothing is stored of it":     func(c *cluster) { delete(c.record, pod(1)) },
		"it does not mesh":            func(c *cluster) { c.record[pod(1)].Mesh = nil },
		"its port is taken":           func(c *cluster) { c.record[pod(1)].Mesh.Mute = "taken" },
		"it told no boot id":          func(c *cluster) { c.record[pod(1)].BootID = "" },
	} {
		c := newCluster(t, 2)
		change(c)
		p := c.planner()
		c.look(p)
		want := []string{"host node-0", "host node-1"}
		if told := c.agent(pod(0)).ask(p); told == nil || !reflect.DeepEqual(names(told.Peers), want) {
			t.Errorf("%s: told %+v, want %q", name, told, want)
		}
	}
}

func TestAnEarlierPlanStandsUntilAServerThatForgotHasHeardAll(t *testing.T) {
	c := newCluster(t, 3)
	before := c.planner()
	c.look(before)
	planned := c.agent(pod(0))
	planned.ask(before)

	after, record := c.planner(), c.record[pod(2)]
	delete(c.record, pod(2))
	c.awaited = map[fleet.Key]bool{pod(2): true}
	c.look(after)
	if told := planned.ask(after); told != nil {
		t.Errorf("who has a plan is told %+v while one agent is awaited", told)
	}
	fresh := c.agent(host(0))
	if told, want := fresh.ask(after), []string{"host node-1", "host node-2", "pod node-0", "pod node-1"}; told == nil || !reflect.DeepEqual(names(told.Peers), want) {
		t.Errorf("who has none is told %+v, want %q", told, want)
	}
	c.join(3)
	c.look(after)
	if told := fresh.ask(after); told == nil {
		t.Error("who was told a part is not told of one more who was heard")
	}

	c.record[pod(2)], c.awaited = record, nil
	c.look(after)
	want := []string{"host node-0", "host node-1", "host node-2", "host node-3", "pod node-1", "pod node-2", "pod node-3"}
	if told := planned.ask(after); told == nil || !reflect.DeepEqual(names(told.Peers), want) {
		t.Errorf("when all were heard who had a plan is told %+v, want %q", told, want)
	}
	c.awaited = map[fleet.Key]bool{pod(1): true}
	delete(c.record, pod(1))
	c.look(after)
	if told := planned.ask(after); told == nil {
		t.Error("a pod that is made anew later holds up who has a plan")
	}
}

func TestAnAgentIsProbedOnceItSaysThatItIsMuteNoMore(t *testing.T) {
	c := newCluster(t, 2)
	c.record[pod(1)].Mesh.Mute = "port 8083 is taken"
	p := c.planner()
	c.look(p)
	a := c.agent(pod(0))
	a.ask(p)
	c.record[pod(1)].Mesh.Mute = ""
	c.look(p)
	want := []string{"host node-0", "host node-1", "pod node-1"}
	if told := a.ask(p); told == nil || !reflect.DeepEqual(names(told.Peers), want) {
		t.Errorf("told %+v, want %q", told, want)
	}
}

func TestOfTwoAgentsThatTakeTurnsOnANodeTheNewOneIsProbed(t *testing.T) {
	c := newCluster(t, 2)
	c.change(pod(0), func(a *fleet.Agent) { a.Node = "node-1" })
	c.boot(pod(0)) // pod(0) is the newer one
	p := c.planner()
	c.look(p)
	id := func(k fleet.Key) uint64 {
		return mesh.ID(&c.list.Agents[slices.IndexFunc(c.list.Agents, func(a fleet.Agent) bool { return a.Key == k })])
	}
	for _, peer := range c.agent(host(0)).ask(p).Peers {
		if !peer.Host && peer.ID != id(pod(0)) {
			t.Errorf("the older one is probed: %+v", peer)
		}
	}
	if !slices.ContainsFunc(c.agent(pod(1)).ask(p).Peers, func(p assignment.Peer) bool { return p.Host && p.Node == "node-1" }) {
		t.Error("the older one does not probe the other agent of its node")
	}
}

func TestOfMoreNodesAgentsAreToldFourEpochsAndThenWhatIsNew(t *testing.T) {
	c := newCluster(t, 40)
	p := c.planner()
	c.now = begin.Add(10 * time.Second)
	c.look(p)
	a := c.agent(pod(7))
	first := a.ask(p)
	type window struct{ from, length int64 }
	windows := func(told *assignment.Assignment) map[window]int {
		all := map[window]int{}
		for _, p := range told.Peers {
			all[window{p.From, p.For}]++
		}
		return all
	}
	want := map[window]int{{0, 0}: 3, {0, 20_000}: 14, {20_000, 30_000}: 14, {50_000, 30_000}: 14, {80_000, 30_000}: 14}
	if got := windows(first); !reflect.DeepEqual(got, want) {
		t.Errorf("told peers of the windows %v, want %v", got, want)
	}
	if again := a.ask(p); again != nil {
		t.Errorf("told again within the epoch: %+v", again)
	}
	c.now = begin.Add(65 * time.Second) // two epochs later
	c.look(p)
	next := a.ask(p)
	want = map[window]int{{55_000, 30_000}: 14, {85_000, 30_000}: 14}
	if got := windows(next); !reflect.DeepEqual(got, want) || next.Base != first.Base {
		t.Errorf("told peers of the windows %v under the base %s, want %v under %s", got, next.Base, want, first.Base)
	}
	c.now = begin.Add(time.Hour) // the server was away
	c.look(p)
	if late := a.ask(p); late.Base != first.Base || len(late.Peers) != 4*14 {
		t.Errorf("told %d peers under the base %s, want those of four epochs under %s", len(late.Peers), late.Base, first.Base)
	}
}

func TestWhatEachAgentIsToldIsThePlan(t *testing.T) {
	c := newCluster(t, 25)
	p := c.planner()
	c.look(p)
	probed, pairs := map[uint64]int{}, 0
	for i := range 25 {
		for _, k := range []fleet.Key{pod(i), host(i)} {
			for _, peer := range c.agent(k).ask(p).Peers {
				if peer.From == 0 {
					probed[peer.ID]++
					pairs++
				}
			}
		}
	}
	for id, by := range probed {
		if by != 1+2*8 {
			t.Errorf("%d is probed by %d, want the other agent of its node and both of 8 nodes", id, by)
		}
	}
	if len(probed) != 50 || pairs != 50*17 {
		t.Errorf("%d are probed, in %d pairs", len(probed), pairs)
	}
}

// ring is a cluster with an agent for each, that all were told the plan.
func ring(t *testing.T, nodes int) (*cluster, *mesh.Planner, []*agent) {
	c := newCluster(t, nodes)
	p := c.planner()
	c.look(p)
	var all []*agent
	for i := range nodes {
		all = append(all, c.agent(pod(i)), c.agent(host(i)))
	}
	for _, a := range all {
		a.ask(p)
	}
	return c, p, all
}

// probes says whether an agent was told to probe the one of that id.
func (a *agent) probes(id uint64) bool {
	return slices.ContainsFunc(a.peers, func(p assignment.Peer) bool { return p.ID == id })
}

func (c *cluster) id(k fleet.Key) uint64 {
	a := c.list.Named(k.Name)
	return mesh.ID(&a[0])
}

func TestAnAgentThatWasStartedAgainIsToldAnewToThoseThatProbeItAlone(t *testing.T) {
	c, p, all := ring(t, 100)
	c.boot(pod(3))
	c.look(p)
	id, told := c.id(pod(3)), 0
	for _, a := range all {
		probes, base := a.probes(id), a.base
		news := a.ask(p)
		if (news != nil) != probes {
			t.Errorf("%v, which probes it or not (%v), is told %+v", a.key, probes, news)
		}
		if news == nil {
			continue
		}
		told++
		if news.Base == base {
			t.Errorf("%v is told more of what does not hold", a.key)
		}
		for _, peer := range a.peers {
			if peer.ID == id && peer.Boot != c.record[pod(3)].BootID {
				t.Errorf("%v has its earlier boot id", a.key)
			}
		}
	}
	if most := 1 + 2*8*mesh.Ahead; told < 8 || told > most {
		t.Errorf("%d agents of %d are told anew, want at most %d", told, len(all), most)
	}
}

func TestAnAgentThatFallsSilentIsProbedNoMore(t *testing.T) {
	c, p, all := ring(t, 100)
	id := c.id(host(3))
	c.silent[host(3)] = true
	c.look(p)
	for _, a := range all {
		if a.ask(p); a.probes(id) {
			t.Errorf("%v still probes it", a.key)
		}
	}
}

func TestANodeThatComesWaitsForTheNextEpoch(t *testing.T) {
	c, p, all := ring(t, 30)
	c.join(30)
	c.now = begin.Add(mesh.Epoch - time.Second)
	c.look(p)
	for _, a := range all {
		if news := a.ask(p); news != nil {
			t.Errorf("%v is told %+v", a.key, news)
		}
	}
	own := c.agent(pod(30))
	if told := own.ask(p); !reflect.DeepEqual(names(told.Peers), []string{"host node-30"}) {
		t.Errorf("until then it is told %+v, want the other agent of its node", told)
	}
	c.now = begin.Add(mesh.Epoch)
	c.look(p)
	all = append(all, own, c.agent(host(30)))
	probing := 0
	for _, a := range all {
		a.ask(p)
		if now := a.probes(c.id(pod(30))); now {
			probing++
		}
	}
	if own.ask(p) != nil || len(own.peers) != 3+4*14 {
		t.Errorf("then it has %d peers, want those of four epochs", len(own.peers))
	}
	if probing < 17 {
		t.Errorf("%d agents probe it in the four epochs, want at least those of one", probing)
	}
}

func TestTheTenthNodeMakesACircleAtOnce(t *testing.T) {
	c, p, all := ring(t, 9)
	c.join(9)
	c.look(p)
	if told := all[0].ask(p); told == nil || len(told.Peers) < 3+4*8 || told.Peers[len(told.Peers)-1].For != 30_000 {
		t.Errorf("with the tenth node, told %+v", told)
	}
	c.silent[pod(9)], c.silent[host(9)] = true, true
	c.look(p)
	if told := all[0].ask(p); told == nil || len(told.Peers) != 17 || told.Peers[16].For != 0 {
		t.Errorf("without it, told %+v", told)
	}
}

func TestServersTellTheSameAndGoOnWhereAnotherLeftOff(t *testing.T) {
	for _, nodes := range []int{5, 50} {
		c, p, all := ring(t, nodes)
		other := c.planner()
		c.look(other)
		for _, a := range all {
			if news := a.ask(other); news != nil {
				t.Fatalf("%d nodes: another server tells %v anew: %+v", nodes, a.key, news)
			}
		}
		c.now = begin.Add(mesh.Epoch)
		c.look(p)
		c.look(other)
		one, two := *all[4], *all[4]
		if got, want := one.ask(p), two.ask(other); !reflect.DeepEqual(got, want) {
			t.Errorf("%d nodes: the servers tell\n%+v and\n%+v", nodes, got, want)
		}
	}
}

func TestAnAgentThatStatesNonsenseIsToldAll(t *testing.T) {
	c, p, all := ring(t, 50)
	right := all[0].version
	sum := strings.Repeat("0", 12)
	for _, has := range []string{"", "x", "....", right + ".", right[1:], strings.Repeat("9", 64), sum + ".1.9223372036854775807." + sum + ".", sum + ".0.0." + sum + ".", sum + ".-1.1." + sum + ".", sum + ".5.2." + sum + "."} {
		a := c.agent(all[0].key)
		a.version = has
		if told := a.ask(p); told == nil || len(told.Peers) != 3+4*14 || a.version != right {
			t.Errorf("%q: told %+v", has, told)
		}
	}
	strange := fleet.Agent{Key: fleet.Key{Namespace: "netchecker", Name: "strange"}}
	if version, data := p.News(&strange, ""); version != "" || data != nil {
		t.Errorf("a pod that is not listed is told %s", data)
	}
	earlier := fleet.Agent{Key: pod(0), UID: "earlier"}
	if version, _ := p.News(&earlier, ""); version != "" {
		t.Error("an earlier pod of a name is told what the next one should do")
	}
}

func TestWhatAllShareIsToldWhereItIsNew(t *testing.T) {
	c := newCluster(t, 20)
	c.shared = &assignment.Shared{Name: "netchecker-service", ServicePort: 8081, DNSServers: []netip.AddrPort{netip.MustParseAddrPort("10.244.0.3:53")}}
	p := c.planner()
	if every := p.SharedEvery(); every != 0 {
		t.Errorf("before anything is known all is asked every %v", every)
	}
	c.look(p)
	a := c.agent(pod(0))
	want := *c.shared
	if every := p.SharedEvery(); every != 5*time.Second {
		t.Errorf("all is asked every %v", every)
	}
	want.DNSEvery, want.ServiceEvery, want.KubeAPIEvery, want.UpdateSpread = 5000, 5000, 5000, 1000
	if told := a.ask(p); told.Shared == nil || !reflect.DeepEqual(*told.Shared, want) {
		t.Errorf("told %+v, want %+v", told.Shared, want)
	}
	c.now = begin.Add(mesh.Epoch)
	c.look(p)
	if told := a.ask(p); told == nil || told.Shared != nil {
		t.Errorf("told again what it knows: %+v", told)
	}
	base := a.base
	c.shared = &assignment.Shared{Name: "netchecker-service", ServicePort: 8081}
	c.look(p)
	if told := a.ask(p); told == nil || told.Shared == nil || len(told.Peers) != 0 || told.Base != base || len(a.shared.DNSServers) != 0 {
		t.Errorf("told %+v, want what is shared alone", told)
	}
	if a.ask(p) != nil {
		t.Error("told again")
	}
}

// large is a cluster of 10,000 nodes, which it would take long to join one by one.
func large(t *testing.T) *cluster {
	c := newCluster(t, 0)
	for i := range 10_000 {
		one := newCluster(t, 1)
		one.join(i)
		for _, a := range one.list.Agents {
			if a.Key == pod(i) || a.Key == host(i) {
				c.list.Agents = append(c.list.Agents, a)
				c.list.Nodes[a.Node] = one.list.Nodes[a.Node]
				c.boot(a.Key)
			}
		}
	}
	slices.SortFunc(c.list.Agents, func(a, b fleet.Agent) int { return a.Key.Compare(b.Key) })
	return c
}

func TestThePlanOfTwentyThousandAgentsIsToldInAMoment(t *testing.T) {
	c := large(t)
	p := c.planner()
	took := func(what string, times int, f func()) {
		began := time.Now()
		for range times {
			f()
		}
		each := time.Since(began) / time.Duration(times)
		t.Logf("%s: %v", what, each)
		if each > 3*time.Second { // with the race detector, beside others
			t.Errorf("%s took %v", what, each)
		}
	}
	took("the first look", 1, func() { c.look(p) })
	took("a look at which nothing is new", 10, func() { c.look(p) })
	version := ""
	took("an agent's first news", 100, func() { version, _ = p.News(&c.list.Agents[5000], "") })
	took("nothing new", 100, func() { p.News(&c.list.Agents[5000], version) })
	c.now = begin.Add(mesh.Epoch)
	took("a look as an epoch begins", 1, func() { c.look(p) })
	took("the news of an epoch", 100, func() { p.News(&c.list.Agents[5000], version) })
	if next, data := p.News(&c.list.Agents[5000], version); next == version || len(data) == 0 {
		t.Error("nothing was told of the next epoch")
	}
}
