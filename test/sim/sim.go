// Package sim is a cluster in made-up time, for all that judges what agents tell: nodes in
// zones, the links and networks between them, pods, Services, a name service, the Kubernetes
// API and a server of netchecker's; with faults at whatever place, from a time on, to a degree.
//
// Packets go hop by hop (path.go), and what they meet with is drawn. The agents are the real
// ones but for their sockets and goroutines: a mesh.Core, a shared.Agenda and a
// reflector.Book each, told by a real mesh.Planner whom to probe. So what they tell is what
// agents of such a cluster would tell. The simulator knows places and degrees, and nothing
// of what they mean.
//
//	w := sim.New(sim.Config{Nodes: 10, Zones: 3, Seed: 1})
//	w.Inject(sim.Fault{At: sim.Link(4, sim.In), Degree: sim.Degree{Loss: 0.3}, From: time.Minute})
//	for w.Now() < 5*time.Minute {
//		w.Step()
//		for _, told := range w.Told() { … }
//	}
//
// All follows from the Config and the faults: the same are told byte by byte the same.
package sim

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"slices"
	"time"

	"github.com/netchecker/netchecker/pkg/assignment"
	"github.com/netchecker/netchecker/pkg/report"
	"github.com/netchecker/netchecker/server/fleet"
	"github.com/netchecker/netchecker/server/mesh"
)

// Mode is how packets of pods go between nodes.
type Mode int

const (
	// Overlay: all that goes to a pod, and what it answers, is encapsulated; also what hosts
	// send to pods. What pods send to hosts is not.
	Overlay Mode = iota
	// Native: nothing is; packets to pods follow routes of their own.
	Native
	// Underlay: what is between pods is encapsulated, and nothing that is between a pod and a
	// host.
	Underlay
)

// Config says what the cluster is.
type Config struct {
	// Nodes is how many there are, from 2; Zones how many zones they are spread over, 0 for
	// nodes that have none.
	Nodes, Zones int
	Mode         Mode
	// Interval is the time between two reports of an agent; 0 stands for a minute.
	Interval time.Duration
	// Seed is what all chance follows from.
	Seed uint64
	// Background is how many of the packets between two nodes are lost on each way though
	// nothing is wrong, from 0 to 1.
	Background float64
	// DNS is how many servers of names there are; 0 stands for two, or one for each node.
	DNS int
	// Server is the node that netchecker's server is on, and API the one that the Kubernetes
	// API is on, from 0.
	Server, API int
}

const (
	// tick is the time between two looks of an agent at what is due.
	tick = 50 * time.Millisecond
	// stretch is for how long one agent goes on before the next does: as long as it makes no
	// difference to anybody in which order packets of different agents come, since to change
	// between agents takes most of the time.
	stretch = 250 * time.Millisecond
	// recordsKept is how long a report counts.
	recordsKept = 5 * time.Minute
	meshPort    = 8083
	hostPort    = 18083
	namespace   = "netchecker"
)

// genesis is the server's wall clock as a World begins, at the begin of an epoch.
var genesis = time.Unix(1_800_000_000, 0).UTC()

// World is a cluster. Make it with New. One goroutine at a time may use it.
type World struct {
	cfg    Config
	now    time.Duration
	random *rand.Rand
	// lost is Background as a part of 2^53.
	lost uint64

	nodes     []*node
	endpoints map[netip.AddrPort]*endpoint
	agents    []*agent
	drawn     int // pods so far
	between   map[way]*element
	servers   []*nameServer
	server    spot
	api       spot
	apiServer *element
	services  services

	planner *mesh.Planner
	list    *fleet.List
	listing []*agent // in the order of the list
	shared  *assignment.Shared
	every   time.Duration
	relist  bool

	faults  []*fault
	plans   []plan
	transit []*message
	told    []Told
	probes  uint64
}

// Told is what reached the server.
type Told struct {
	// Agent is the sender's place in World.List, which is the same until the next step.
	Agent int
	Key   fleet.Key
	UID   string
	// Boot is its boot id, and Booted what the server's clock shows as its own showed zero, as
	// far as the server can know.
	Boot   string
	Booted time.Time
	// At is when it came, on the server's clock.
	At time.Time
	// Report says that it is a report, and not an update. Via is the way that it took.
	Report bool
	Via    report.Via
	Mesh   *report.Mesh
}

// New returns a World in which all agents start within the first second.
func New(c Config) *World {
	if c.Interval == 0 {
		c.Interval = time.Minute
	}
	if c.DNS == 0 {
		c.DNS = min(2, c.Nodes)
	}
	w := &World{
		cfg: c, random: rand.New(rand.NewPCG(c.Seed, 0x51)), lost: uint64(c.Background * (1 << 53)),
		endpoints: map[netip.AddrPort]*endpoint{}, between: map[way]*element{},
	}
	w.planner = mesh.NewPlanner(mesh.Config{Now: w.Wall, Shared: func() *assignment.Shared { return w.shared }})
	for i := range c.Nodes {
		w.addNode(i)
	}
	w.addServices()
	for _, n := range w.nodes {
		for _, host := range []bool{false, true} {
			w.start(w.newAgent(n, host), time.Duration(w.random.Int64N(int64(time.Second))))
		}
	}
	w.relisted()
	return w
}

// Now is the time since the World began, and Wall what the server's clock shows.
func (w *World) Now() time.Duration { return w.now }

// Wall is that time on the server's clock.
func (w *World) Wall() time.Time { return genesis.Add(w.now) }

// List is all who should be reporting, as the server's list has it. It is another one where
// anything changes, as seen a second later at most.
func (w *World) List() *fleet.List { return w.list }

// Records are the newest reports, in the order of List().Agents; nil for none. The slice is
// the caller's.
func (w *World) Records() []*fleet.Record {
	records := make([]*fleet.Record, len(w.listing))
	for i, a := range w.listing {
		if a.record != nil && w.Wall().Sub(a.record.Learned) < recordsKept {
			records[i] = a.record
		}
	}
	return records
}

// Probes counts the small datagrams that agents have sent.
func (w *World) Probes() uint64 { return w.probes }

// Told is what reached the server in the last step, in the order in which it came.
func (w *World) Told() []Told { return w.told }

// Step lets a second pass.
func (w *World) Step() {
	if w.told = nil; w.relist {
		w.relisted()
	}
	for range time.Second / stretch {
		w.change()
		until := w.now + stretch
		for _, a := range w.agents {
			a.goOn(until)
		}
		w.now = until
		w.arrive()
	}
	w.readiness()
	records := w.Records()
	w.planner.Look(mesh.Heard{List: w.list, Records: records, Reporting: func(i int) bool { return records[i] != nil }, Awaited: func(int) bool { return false }})
}

// relisted makes the list of what there is now.
func (w *World) relisted() {
	w.relist = false
	w.agents = slices.DeleteFunc(w.agents, func(a *agent) bool { return a.gone })
	slices.SortFunc(w.agents, func(a, b *agent) int { return a.listed.Key.Compare(b.listed.Key) })
	list := &fleet.List{Nodes: map[string]fleet.Node{}, Source: "simulated"}
	for i, a := range w.agents {
		a.index = i
		list.Agents = append(list.Agents, a.listed)
	}
	for _, n := range w.nodes {
		if !n.removed {
			list.Nodes[n.Name] = n.Node
		}
	}
	if w.list != nil {
		listed := map[string]bool{}
		for i := range list.Agents {
			listed[list.Agents[i].UID] = true
		}
		list.Left = slices.DeleteFunc(slices.Clone(w.list.Left), func(l fleet.Left) bool { return w.Wall().Sub(l.Since) > fleet.LeftFor })
		for i := range w.list.Agents {
			was := &w.list.Agents[i]
			if !listed[was.UID] {
				list.Left = append(list.Left, fleet.Left{Agent: *was, Since: w.Wall()})
			}
		}
		slices.SortFunc(list.Left, func(a, b fleet.Left) int { return a.Key.Compare(b.Key) })
	}
	w.list, w.listing = list, slices.Clone(w.agents)
}

// message is on its way to the server.
type message struct {
	at     time.Duration
	from   *agent
	boot   string
	clock  time.Duration // as it was sent
	report bool
	via    report.Via
	mesh   *report.Mesh
	// has is the version that the agent has of whom to probe, and answered the life that the
	// reply gets to; nil where it does not.
	has      string
	answered *life
}

// arrive has the server take what has come.
func (w *World) arrive() {
	if len(w.transit) == 0 {
		return
	}
	slices.SortStableFunc(w.transit, func(a, b *message) int { return int(a.at - b.at) })
	n := 0
	for ; n < len(w.transit) && w.transit[n].at <= w.now; n++ {
		if m := w.transit[n]; !m.from.gone {
			w.take(m)
		}
	}
	w.transit = slices.Delete(w.transit, 0, n)
}

func (w *World) take(m *message) {
	a, at := m.from, genesis.Add(m.at)
	booted := at.Add(-m.clock)
	w.told = append(w.told, Told{
		Agent: a.index, Key: a.listed.Key, UID: a.listed.UID, Boot: m.boot, Booted: booted, At: at,
		Report: m.report, Via: m.via, Mesh: m.mesh,
	})
	if !m.report {
		return
	}
	a.record = &fleet.Record{Key: a.listed.Key, Learned: at, Record: report.Record{
		Report: report.Report{
			ReportInterval: int64(w.cfg.Interval / time.Second), PodName: a.listed.Name, NodeName: a.listed.Node, Namespace: a.listed.Namespace,
			UID: a.listed.UID, BootID: m.boot, Clock: m.clock, Mesh: m.mesh,
		},
		LastUpdated: at, Booted: booted,
	}}
	w.reply(m)
}

// reply has what the server tells get to a report's sender.
func (w *World) reply(m *message) {
	l := m.answered
	version, data := w.planner.News(&m.from.listed, m.has)
	if l == nil || l != m.from.life {
		return
	}
	m.from.comes(coming{at: w.now, done: func() {
		l.core.Settled(m.mesh)
		if version != m.has {
			l.core.Take(report.News{Topic: assignment.Topic, Version: version, Data: data})
		}
	}})
}

// node is one, with what there is at it.
type node struct {
	fleet.Node
	number  int
	zone    int
	address netip.Addr
	pods    int // so far, for their addresses
	removed bool
	// down says that its power is off, and cut since when it does not reach the API server.
	down bool
	cut  time.Duration
	// late is how late its processes run, and share how often; tracked how many connections
	// its kernel tracks.
	late    time.Duration
	share   float64
	tracked uint64
	at      [elements]*element
}

func (w *World) addNode(i int) *node {
	n := &node{number: i, tracked: 2000, Node: fleet.Node{Name: fmt.Sprintf("node-%04d", i), Ready: fleet.Ready}}
	n.address = netip.AddrFrom4([4]byte{192, 168, byte(i >> 8), byte(i)}).Next()
	if w.cfg.Zones > 0 {
		n.zone = i % w.cfg.Zones
		n.Zone = fmt.Sprintf("zone-%d", n.zone)
	}
	w.nodes = append(w.nodes, n)
	return n
}

// podAddress is one that no pod has had yet, or the same again for the same number.
func (n *node) podAddress(number int) netip.Addr {
	return netip.AddrFrom4([4]byte{10, byte(64 + n.number>>8), byte(n.number), byte(2 + number%250)})
}
