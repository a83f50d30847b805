package mesh

import (
	"fmt"
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/golang/glog"

	"github.com/netchecker/netchecker/pkg/assignment"
	"github.com/netchecker/netchecker/pkg/backend"
	"github.com/netchecker/netchecker/pkg/report"
	"github.com/netchecker/netchecker/server/fleet"
)

// Budgets for what all share, per second, of all agents together: questions to the name
// service, connections to netchecker's Service, and to the Kubernetes API.
const dnsBudget, serviceBudget, kubeAPIBudget = 1000, 1000, 100

// Heard is who is heard at one moment.
type Heard struct {
	List *fleet.List
	// Records are in the order of List.Agents; nil where there is none.
	Records []*fleet.Record
	// Reporting says of the agent at an index that it reports, and Awaited that nothing is
	// known of it yet, and it is too early to say that it does not.
	Reporting, Awaited func(int) bool
}

// Config is what a Planner needs.
type Config struct {
	// Shared says what agents should ask besides each other, how often left out; nil:
	// nothing. What it returns is never changed.
	Shared func() *assignment.Shared
	// AllowLoopback lets agents be aimed at loopback addresses, for tests.
	AllowLoopback bool
	// Now is the wall clock.
	Now func() time.Time
}

// Planner tells agents whom to probe. Look is called by one goroutine, News by many.
//
// A server that lost what it knew hears of all agents again within one of their intervals.
// Until then it does not tell those that go round an earlier plan to probe just whom it
// has heard of: they keep what they have. An agent that has no plan, or this Planner's,
// loses nothing by a part of one.
type Planner struct {
	cfg  Config
	last atomic.Pointer[state]

	mu sync.Mutex
	// told are those that were told something while others were awaited.
	told map[fleet.Key]struct{}
}

// NewPlanner returns one that tells nobody anything until Look was called.
func NewPlanner(cfg Config) *Planner { return &Planner{cfg: cfg, told: map[fleet.Key]struct{}{}} }

// state is what is known at one moment. It is never changed once made.
type state struct {
	// epoch is the one that plan was made in.
	epoch int64
	plan  *Plan
	list  *fleet.List
	// ids and boots are in the order of the list's agents. A boot id is empty of an agent
	// that nobody should probe.
	ids   []id
	boots []string
	// digests are those of the ones that have a boot id.
	digests []digest
	// nodes has the agents of each node that may be probed.
	nodes  map[string][2]member
	shared *shared
	// settled is true from when on nobody is awaited.
	settled bool
}

// id is an agent's in the mesh; 0 where that is another agent's already.
type id struct {
	number uint64
	// addresses are where the agent may be probed; none where the list tells no way to.
	addresses []netip.Addr
}

// aimable says that others may be aimed at the agent, as far as the list tells.
func (i *id) aimable() bool { return len(i.addresses) > 0 }

// member is an agent that may be probed: its index, plus one; 0 for none.
type member int32

// networkOf is an agent's place in state.nodes.
func networkOf(a *fleet.Agent) int {
	if a.Network == report.Host {
		return 1
	}
	return 0
}

// Look takes in who is heard. It should be called about once a second; where nothing can
// be known, what was known before holds.
func (p *Planner) Look(h Heard) {
	was := p.last.Load()
	s := &state{epoch: EpochOf(p.cfg.Now()), list: h.List}
	if was != nil && was.list == s.list {
		s.ids = was.ids
	} else {
		s.ids = p.idsOf(s.list)
	}
	s.boots = s.answering(h)
	s.settled = was != nil && was.settled || !s.awaits(h)
	if s.shared = p.sharing(was, h.List); was != nil && was.same(s) {
		return
	}
	s.nodes, s.digests = s.byNode(h.Records), s.digestsOf(was)
	if was != nil && was.epoch == s.epoch && was.plan.Len() > Whole && len(s.nodes) > Whole {
		s.plan = was.plan
	} else {
		s.plan = NewPlan(s.members())
	}
	p.last.Store(s)
}

// same says whether next would tell what s does.
func (s *state) same(next *state) bool {
	return s.epoch == next.epoch && s.list == next.list && s.shared == next.shared && s.settled == next.settled && slices.Equal(s.boots, next.boots)
}

// awaits says whether somebody is awaited who may be probed.
func (s *state) awaits(h Heard) bool {
	for i := range s.ids {
		if s.ids[i].aimable() && h.Awaited(i) {
			return true
		}
	}
	return false
}

// answering are the boot ids of those who may be probed.
func (s *state) answering(h Heard) []string {
	boots := make([]string, len(s.ids))
	for i, r := range h.Records {
		if s.ids[i].aimable() && r != nil && r.Mesh != nil && r.Mesh.Mute == "" && h.Reporting(i) {
			boots[i] = r.BootID
		}
	}
	return boots
}

// addresses are those at which the agent may be probed: the first of each family.
func (p *Planner) addresses(a *fleet.Agent) []netip.Addr {
	var list []netip.Addr
	for _, text := range a.Addresses {
		addr, err := netip.ParseAddr(text)
		if err != nil || addr.Zone() != "" {
			continue
		}
		addr = addr.Unmap()
		known := slices.ContainsFunc(list, func(o netip.Addr) bool { return o.Is6() == addr.Is6() })
		if !known && backend.Forbidden(addr, p.cfg.AllowLoopback) == "" {
			list = append(list, addr)
		}
	}
	return list
}

// idsOf are in the order of the list's agents.
func (p *Planner) idsOf(list *fleet.List) []id {
	ids := make([]id, len(list.Agents))
	for n, i := range IDs(list) {
		a := &list.Agents[i]
		ids[i].number = n
		if a.MeshPort != 0 && a.Node != "" {
			ids[i].addresses = p.addresses(a)
		}
	}
	return ids
}

// byNode has the agents that may be probed. Of two on one network, as there are while
// one takes the place of the other, it is the one that was started last.
func (s *state) byNode(records []*fleet.Record) map[string][2]member {
	nodes := map[string][2]member{}
	for i, boot := range s.boots {
		if boot == "" {
			continue
		}
		a := &s.list.Agents[i]
		on := nodes[a.Node]
		if had := &on[networkOf(a)]; *had == 0 || records[i].Booted.After(records[*had-1].Booted) {
			*had = member(i + 1)
		}
		nodes[a.Node] = on
	}
	return nodes
}

func (s *state) members() []Member {
	all := make([]Member, 0, len(s.nodes))
	for node := range s.nodes {
		all = append(all, Member{Node: node, Zone: s.list.Nodes[node].Zone})
	}
	return all
}

// index is where the agent is in the list, or -1 where it can't be told anything.
func (s *state) index(a *fleet.Agent) int {
	i, found := slices.BinarySearchFunc(s.list.Agents, a.Key, func(o fleet.Agent, k fleet.Key) int { return o.Key.Compare(k) })
	if !found || s.ids[i].number == 0 || !s.list.Agents[i].CouldBe(a.UID) {
		return -1
	}
	return i
}

// on are the agents on these nodes, but for the one at that index.
func (s *state) on(self int, nodes ...string) []int {
	all := make([]int, 0, 2*len(nodes))
	for _, node := range nodes {
		for _, m := range s.nodes[node] {
			if i := int(m) - 1; m != 0 && i != self {
				all = append(all, i)
			}
		}
	}
	return all
}

// lasting are whom the agent always probes: the other one of its own node, and those of
// its lasting peers.
func (s *state) lasting(self int) []int {
	node := s.list.Agents[self].Node
	return s.on(self, append([]string{node}, s.plan.Lasting(node)...)...)
}

// passing are whom it probes in that epoch besides.
func (s *state) passing(self int, epoch int64) []int {
	return s.on(self, s.plan.Passing(s.list.Agents[self].Node, epoch)...)
}

// News is what the agent should do, as replies tell it, of which it has that version:
// see intake.Topic. It is empty of an agent that is not known yet.
func (p *Planner) News(agent *fleet.Agent, has string) (version string, data []byte) {
	s := p.last.Load()
	if s == nil {
		return "", nil
	}
	self := s.index(agent)
	if self < 0 || !s.settled && !p.mayTell(agent.Key, has) {
		return "", nil
	}
	t := &telling{Planner: p, state: s, self: self, now: p.cfg.Now()}
	is, a := t.news(parseVersion(has))
	if is.String() == has {
		return has, nil
	}
	data, err := assignment.Encode(a)
	if err != nil {
		glog.Errorf("Telling %v whom to probe: %v", agent.Key, err)
		return "", nil
	}
	return is.String(), data
}

// mayTell says, while others are awaited, whether an agent that has that version loses
// nothing by being told of those who were heard.
func (p *Planner) mayTell(k fleet.Key, has string) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if _, told := p.told[k]; !told && has != "" {
		return false
	}
	p.told[k] = struct{}{}
	return true
}

// peer is the agent at an index, as another one is told of it.
func (p *Planner) peer(s *state, i int) assignment.Peer {
	a := &s.list.Agents[i]
	return assignment.Peer{
		ID: s.ids[i].number, Node: a.Node, Host: a.Network == report.Host,
		Addresses: s.ids[i].addresses, Port: a.MeshPort, Boot: s.boots[i],
	}
}

// shared is what agents ask besides each other, and a sum that tells it from others.
type shared struct {
	assignment.Shared
	from   *assignment.Shared
	agents [2]int
	sum    string
}

// sharing is what agents should ask, and how often, with their number taken into account;
// the one that was where nothing is different.
func (p *Planner) sharing(was *state, list *fleet.List) *shared {
	if p.cfg.Shared == nil {
		return nil
	}
	from := p.cfg.Shared()
	if from == nil {
		return nil
	}
	var agents [2]int
	for i := range list.Agents {
		agents[networkOf(&list.Agents[i])]++
	}
	if was != nil && was.shared != nil && was.shared.from == from && was.shared.agents == agents {
		return was.shared
	}
	is := &shared{Shared: budgeted(*from, agents[0]+agents[1], agents[1]), from: from, agents: agents}
	is.sum = sumOf(fmt.Appendf(nil, "%+v", is.Shared))
	return is
}

// SharedEvery is the longest time between two questions of an agent to the same thing that
// all share; 0 while that is not known.
func (p *Planner) SharedEvery() time.Duration {
	s := p.last.Load()
	if s == nil || s.shared == nil {
		return 0
	}
	return time.Duration(max(s.shared.DNSEvery, s.shared.ServiceEvery, s.shared.KubeAPIEvery)) * time.Millisecond
}

// lookup is how many questions it takes to look the Service's full name up: for its IPv4
// addresses, and for its IPv6 addresses.
const lookup = 2

// budgeted sets how often that many agents ask what all share, of which hosts are on
// their nodes' networks, and within what time they send updates.
//
//	per agent in each period   of DNS              what else
//	DNSEvery                   a lookup, and one at each of its servers
//	ServiceEvery               a lookup            a connection each way
//	KubeAPIEvery                                   a connection to each address
//
// The lookups on the way to the Service take no more than half of the budget for DNS, and
// the others what is left.
func budgeted(s assignment.Shared, agents, hosts int) assignment.Shared {
	every := func(agents, questions, budget int) time.Duration {
		return Every(agents, questions, budget, assignment.Longest)
	}
	ways := 1 + len(s.Want)
	if s.NodePort != 0 {
		ways++
	}
	service := max(every(agents, ways, serviceBudget), every(agents, lookup, dnsBudget/2))
	left := max(dnsBudget/2, dnsBudget-agents*lookup/int(service/time.Second))
	s.ServiceEvery = service.Milliseconds()
	s.DNSEvery = every(agents, lookup*(1+len(s.DNSServers)), left).Milliseconds()
	s.KubeAPIEvery = every(hosts, max(1, len(s.KubeAPI)), kubeAPIBudget).Milliseconds()
	s.UpdateSpread = SpreadOfUpdates(agents).Milliseconds()
	return s
}
