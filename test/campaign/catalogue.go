package main

import (
	"slices"
	"time"

	"github.com/netchecker/netchecker/pkg/report"
	"github.com/netchecker/netchecker/server/diagnose"
	"github.com/netchecker/netchecker/server/fleet"
	"github.com/netchecker/netchecker/server/mesh"
	"github.com/netchecker/netchecker/test/sim"
)

// entry is a kind of faults: where it may be, and what should be found.
type entry struct {
	name string
	// least is how many nodes it takes.
	least int
	// within is how long naming it may take, and gone until it is over once it is healed.
	within func(*cluster) time.Duration
	gone   time.Duration
	draw   func(*cluster) injection
	// background is what is lost on each way all the time; 0 stands for 0.1%.
	background float64
	// everywhere says that it leaves nothing well beside which another fault shows.
	everywhere bool
}

// injection is a fault as it is injected, and what should be found; and what may be besides.
type injection struct {
	faults []sim.Fault
	wants  []want
	may    []diagnose.Kind
	// lasts is for how long the faults do; 0: until all is healed. maybe is what may be found
	// of those that are over so soon that it need not.
	lasts time.Duration
	maybe []want
	// churn is what is done to the cluster that is no fault.
	churn func(*sim.World, time.Duration)
}

// cluster is a world in which faults are drawn.
type cluster struct {
	chance
	*server
	cfg sim.Config
	// nodes are those that may be drawn.
	nodes []int
}

// chance is what faults are drawn by.
type chance interface {
	IntN(n int) int
	Float64() float64
}

// node is any, and other any but those.
func (c *cluster) node() int { return c.nodes[c.IntN(len(c.nodes))] }

func (c *cluster) other(than ...int) int {
	rest := slices.DeleteFunc(slices.Clone(c.nodes), func(n int) bool { return slices.Contains(than, n) })
	return rest[c.IntN(len(rest))]
}

// probed is a pair of nodes between which there are sessions, if anybody has told of any.
func (c *cluster) probed() (a, b int) {
	if c.cfg.Nodes <= mesh.Whole || c.newest == nil {
		a = c.node()
		return a, c.other(a)
	}
	list := c.world.List()
	ids := mesh.IDs(list)
	for {
		t := c.newest[list.Agents[c.IntN(len(list.Agents))].Key]
		if t == nil || t.Mesh.Sessions.Len() == 0 {
			continue
		}
		skip := c.IntN(t.Mesh.Sessions.Len())
		for row := range t.Mesh.Sessions.All() {
			if skip--; skip >= 0 {
				continue
			}
			to, known := ids[row.Peer]
			from := slices.IndexFunc(list.Agents, func(of fleet.Agent) bool { return c.newest[of.Key] == t })
			if !known || from < 0 || list.Agents[from].Node == list.Agents[to].Node {
				break
			}
			a, b = numberOf(list.Agents[from].Node), numberOf(list.Agents[to].Node)
			if c.IntN(2) == 0 {
				a, b = b, a
			}
			return a, b
		}
	}
}

// way is any direction at a node, with what can be known of it.
func (c *cluster) way() (sim.Direction, []diagnose.Direction) {
	way := sim.Direction(c.IntN(3))
	return way, []diagnose.Direction{directions[way]}
}

var directions = [...]diagnose.Direction{sim.Both: diagnose.Both, sim.Out: diagnose.Out, sim.In: diagnose.In}

func nodeSubject(n int) diagnose.Subject {
	return diagnose.Subject{Scope: diagnose.Node, Names: [2]string{nodeName(n)}}
}

// between are faults between two nodes, or zones, with the pair's subject, and the direction
// as it is seen from the first of both.
func (c *cluster) between(scope diagnose.Scope, name func(int) string, at func(from, to int) sim.Place, a, b int, d sim.Degree) ([]sim.Fault, diagnose.Subject, []diagnose.Direction) {
	if b < a {
		a, b = b, a
	}
	way, direction := c.way()
	var faults []sim.Fault
	if way != sim.In {
		faults = append(faults, sim.Fault{At: at(a, b), Degree: d})
	}
	if way != sim.Out {
		faults = append(faults, sim.Fault{At: at(b, a), Degree: d})
	}
	return faults, diagnose.Subject{Scope: scope, Names: [2]string{name(a), name(b)}}, direction
}

func one(at sim.Place, d sim.Degree, w want) injection {
	return injection{faults: []sim.Fault{{At: at, Degree: d}}, wants: []want{w}}
}

// Within what time something has to be named, and be gone.
const (
	soon, healed = 20 * time.Second, 30 * time.Second
	holeSoon     = 30 * time.Second
	boots        = 25 * time.Second
)

func within(d time.Duration) func(*cluster) time.Duration {
	return func(*cluster) time.Duration { return d }
}

// asked is within what time something that all share has to be named.
func asked(c *cluster) time.Duration { return soon + max(0, c.world.Every()-5*time.Second) }

// lossSoon is within what time so much has to be named at a node.
func lossSoon(rate float64) func(*cluster) time.Duration {
	return func(c *cluster) time.Duration {
		few := c.cfg.Nodes < 9
		switch {
		case rate >= 0.3, rate >= 0.1 && !few:
			return soon
		case rate >= 0.1:
			return 30 * time.Second
		case rate >= 0.05:
			return time.Minute
		case few:
			return 10 * time.Minute
		}
		return 2 * time.Minute
	}
}

var dead = sim.Degree{Loss: 1}

const (
	podToPod   = "pod-to-pod"
	hostToHost = "host-to-host"
	hostToPod  = "host-to-pod"
	podToHost  = "pod-to-host"
	ownNode    = "own-node"
)

func fault(name string, least int, within func(*cluster) time.Duration, gone time.Duration, draw func(*cluster) injection) entry {
	return entry{name: name, least: least, within: within, gone: gone, draw: draw}
}

// catalogue has all kinds of faults.
func catalogue() []entry {
	total := func(e entry) entry {
		e.everywhere = true
		return e
	}
	all := []entry{
		fault("machine", 3, within(soon), healed+boots, func(c *cluster) injection {
			n := c.other(c.cfg.Server)
			return one(sim.At(sim.AtMachine, n), sim.Degree{}, want{kind: diagnose.NodeUnreachable, subject: nodeSubject(n),
				directions: []diagnose.Direction{diagnose.Both, diagnose.Out}})
		}),
		fault("link", 3, within(soon), healed, func(c *cluster) injection {
			n := c.node()
			way, directions := c.way()
			switch {
			case n == c.cfg.Server && way != sim.Out: // nobody can say what comes out
				directions = append(directions, diagnose.In, diagnose.Both)
			case n != c.cfg.Server && way != sim.In: // nobody there can say what comes in
				directions = append(directions, diagnose.Out, diagnose.Both)
			}
			return one(sim.Link(n, way), dead, want{kind: diagnose.NodeUnreachable, subject: nodeSubject(n), directions: directions})
		}),
		fault("pair", 3, within(soon), healed, func(c *cluster) injection {
			a, b := c.probed()
			faults, subject, directions := c.between(diagnose.Pair, nodeName, sim.Pair, a, b, dead)
			switch { // what comes to the server's node is known there, and what leaves it by nobody who can say so
			case c.cfg.Server == min(a, b) && directions[0] != diagnose.Out:
				directions = append(directions, diagnose.In, diagnose.Both)
			case c.cfg.Server == max(a, b) && directions[0] != diagnose.In:
				directions = append(directions, diagnose.Out, diagnose.Both)
			}
			return injection{faults: faults, wants: []want{{kind: diagnose.Underlay, subject: subject, directions: directions}}}
		}),
		fault("zones", 10, within(soon), healed, func(c *cluster) injection {
			a := c.IntN(c.cfg.Zones)
			b := (a + 1 + c.IntN(c.cfg.Zones-1)) % c.cfg.Zones
			faults, subject, directions := c.between(diagnose.ZonePair, zoneName, sim.Zones, a, b, dead)
			return injection{faults: faults, wants: []want{{kind: diagnose.Underlay, subject: subject, directions: directions}}}
		}),
		fault("pod network", 3, within(soon), healed, func(c *cluster) injection {
			n := c.node()
			way, directions := c.way()
			return one(sim.PodNetwork(n, way), dead, want{kind: diagnose.PodNetwork, subject: nodeSubject(n), directions: directions, class: podToPod})
		}),
		fault("pod pair", 3, within(soon), healed, func(c *cluster) injection {
			a, b := c.probed()
			faults, subject, directions := c.between(diagnose.Pair, nodeName, sim.PodPair, a, b, dead)
			return injection{faults: faults, wants: []want{{kind: diagnose.PodNetwork, subject: subject, directions: directions, class: podToPod}}}
		}),
		fault("pods", 3, within(soon), healed, func(c *cluster) injection {
			n := c.other(c.cfg.Server) // which is a pod
			way, _ := c.way()
			return one(sim.Pods(n, way), dead, want{kind: diagnose.PodAttachment, subject: nodeSubject(n), class: podToPod})
		}),
		fault("own pods", 3, within(soon), healed, func(c *cluster) injection {
			n := c.node()
			way, _ := c.way()
			return one(sim.OwnPods(n, way), dead, want{kind: diagnose.OwnPods, subject: nodeSubject(n), class: ownNode})
		}),
		fault("host to pod", 3, within(soon), healed, ofClass(diagnose.HostToPod, true, false, hostToPod)),
		fault("pod to host", 3, within(soon), healed, ofClass(diagnose.PodToHost, false, true, podToHost)),
		fault("host to host", 3, within(soon), healed, ofClass(diagnose.HostNetwork, true, true, hostToHost)),
		fault("hole", 3, within(holeSoon), healed, func(c *cluster) injection {
			n := c.node()
			way, directions := c.way()
			return one(sim.Link(n, way), sim.Degree{Loss: 1, Above: 600 + c.IntN(800)}, want{kind: diagnose.BlackHole, subject: nodeSubject(n), directions: directions})
		}),
		fault("pod hole", 3, within(holeSoon), healed, func(c *cluster) injection {
			n := c.node()
			way, directions := c.way()
			return one(sim.PodNetwork(n, way), sim.Degree{Loss: 1, Above: 600 + c.IntN(800)},
				want{kind: diagnose.BlackHole, subject: nodeSubject(n), directions: directions, class: podToPod})
		}),
		fault("pair hole", 3, within(holeSoon), healed, func(c *cluster) injection {
			a, b := c.probed()
			faults, subject, directions := c.between(diagnose.Pair, nodeName, sim.Pair, a, b, sim.Degree{Loss: 1, Above: 600 + c.IntN(800)})
			return injection{faults: faults, wants: []want{{kind: diagnose.BlackHole, subject: subject, directions: directions}}}
		}),
		fault("new connections", 3, within(soon), healed, func(c *cluster) injection {
			n := c.other(c.cfg.Server) // to which all that is told is a new connection
			return one(sim.At(sim.AtTracking, n), sim.Degree{Loss: 1, New: true}, want{kind: diagnose.NewConnections, subject: nodeSubject(n)})
		}),
		fault("services", 3, asked, healed, atNode(sim.AtServices, diagnose.Service)),
		fault("node port", 3, asked, healed, atNode(sim.AtNodePort, diagnose.NodePort)),
		fault("dns", 3, asked, healed, atNode(sim.AtDNS, diagnose.DNS)),
		fault("api", 3, asked, healed, atNode(sim.AtAPI, diagnose.KubeAPI)),
		fault("api server", 3, asked, healed, func(*cluster) injection {
			return one(sim.At(sim.AtAPIServer, 0), dead, want{kind: diagnose.KubeAPI, subject: diagnose.Subject{Scope: diagnose.Cluster}})
		}),
		fault("name server", 3, asked, healed, nameServer(dead, diagnose.DNSServer)),
		fault("wrong name server", 3, asked, healed, nameServer(sim.Degree{Wrong: true}, diagnose.WrongDNS)),
		fault("refusing name server", 3, asked, healed, nameServer(sim.Degree{Refuse: true}, diagnose.DNSServer)),
		fault("name servers", 3, asked, healed, nameServers(dead, diagnose.DNS)),
		fault("wrong names", 3, asked, healed, nameServers(sim.Degree{Wrong: true}, diagnose.WrongDNS)),
		fault("still", 3, within(soon), healed, func(c *cluster) injection {
			n, host := c.node(), c.IntN(2) == 0
			network := map[bool]string{false: "pod network", true: "host network"}[host]
			return one(sim.Agent(n, host), sim.Degree{}, want{kind: diagnose.AgentStill, subject: nodeSubject(n), class: network})
		}),
		total(fault("pod networks", 3, within(soon), healed, everywhere(func(n int) sim.Place { return sim.PodNetwork(n, sim.Both) }, diagnose.PodNetwork, podToPod))),
		total(fault("links", 3, within(soon), healed, func(c *cluster) injection {
			in := everywhere(func(n int) sim.Place { return sim.Link(n, sim.Both) }, "", "")(c)
			// The server hears nobody but those on its own node, so that for all it knows that one is cut off.
			// Of the others it hears what they saw once that is over.
			in.may = []diagnose.Kind{diagnose.Underlay}
			in.wants = []want{{kind: diagnose.NodeUnreachable, subject: nodeSubject(c.cfg.Server), directions: []diagnose.Direction{diagnose.Both, diagnose.In}}}
			return in
		})),
	}
	for _, l := range []struct {
		name string
		rate float64
	}{{"loss 50%", 0.5}, {"loss 30%", 0.3}, {"loss 10%", 0.1}, {"loss 5%", 0.05}, {"loss 1%", 0.01}} {
		gone := healed
		if l.rate <= 0.01 {
			gone = 3 * time.Minute
		}
		all = append(all, fault(l.name, 3, lossSoon(l.rate), gone, func(c *cluster) injection {
			n := c.node()
			way, directions := c.way()
			return one(sim.Link(n, way), sim.Degree{Loss: l.rate}, want{kind: diagnose.Loss, subject: nodeSubject(n), directions: directions})
		}))
	}
	return append(all,
		fault("loss in bursts", 3, lossSoon(0.05), healed, func(c *cluster) injection {
			n := c.node()
			way, directions := c.way()
			return one(sim.Link(n, way), sim.Degree{Loss: 0.2, Burst: 500 * time.Millisecond}, want{kind: diagnose.Loss, subject: nodeSubject(n), directions: directions})
		}),
		fault("pod loss 30%", 3, lossSoon(0.3), healed, func(c *cluster) injection {
			n := c.node()
			way, directions := c.way()
			return one(sim.PodNetwork(n, way), sim.Degree{Loss: 0.3}, want{kind: diagnose.Loss, subject: nodeSubject(n), directions: directions, class: podToPod})
		}),
		fault("pair loss 30%", 3, lossSoon(0.3), healed, func(c *cluster) injection {
			a, b := c.probed()
			faults, subject, directions := c.between(diagnose.Pair, nodeName, sim.Pair, a, b, sim.Degree{Loss: 0.3})
			return injection{faults: faults, wants: []want{{kind: diagnose.Loss, subject: subject, directions: directions}}}
		}),
		fault("zones loss 30%", 10, lossSoon(0.3), healed, func(c *cluster) injection {
			a := c.IntN(c.cfg.Zones)
			b := (a + 1 + c.IntN(c.cfg.Zones-1)) % c.cfg.Zones
			faults, subject, directions := c.between(diagnose.ZonePair, zoneName, sim.Zones, a, b, sim.Degree{Loss: 0.3})
			return injection{faults: faults, wants: []want{{kind: diagnose.Loss, subject: subject, directions: directions}}}
		}),
	)
}

// ofClass draws a fault of one class of connections at a node.
func ofClass(kind diagnose.Kind, from, into bool, class string) func(*cluster) injection {
	return func(c *cluster) injection {
		n := c.node()
		way, directions := c.way()
		return one(sim.Class(n, from, into, way), dead, want{kind: kind, subject: nodeSubject(n), directions: directions, class: class})
	}
}

// atNode draws a fault of what leads from a node to what all share.
func atNode(at sim.Kind, kind diagnose.Kind) func(*cluster) injection {
	return func(c *cluster) injection {
		n := c.node()
		return one(sim.At(at, n), dead, want{kind: kind, subject: nodeSubject(n)})
	}
}

// nameServer draws a fault of one, which is the name service's where there is only that.
func nameServer(d sim.Degree, kind diagnose.Kind) func(*cluster) injection {
	return func(c *cluster) injection {
		var servers []sim.Shared
		for _, s := range c.world.Shared() {
			if s.Kind == report.DNSServer {
				servers = append(servers, s)
			}
		}
		i := c.IntN(len(servers))
		return one(sim.At(sim.AtNameServer, i), d, want{kind: kind, subject: diagnose.Subject{Scope: diagnose.Target, Names: [2]string{servers[i].Target}}})
	}
}

// nameServers draws a fault of all of them.
func nameServers(d sim.Degree, kind diagnose.Kind) func(*cluster) injection {
	return func(c *cluster) (in injection) {
		for i := range c.cfg.DNS {
			in.faults = append(in.faults, sim.Fault{At: sim.At(sim.AtNameServer, i), Degree: d})
		}
		in.wants = []want{{kind: kind, subject: diagnose.Subject{Scope: diagnose.Cluster}}}
		return in
	}
}

// everywhere draws a fault of all nodes.
func everywhere(at func(int) sim.Place, kind diagnose.Kind, class string) func(*cluster) injection {
	return func(c *cluster) (in injection) {
		for n := range c.cfg.Nodes {
			in.faults = append(in.faults, sim.Fault{At: at(n), Degree: dead})
		}
		in.wants = []want{{kind: kind, subject: diagnose.Subject{Scope: diagnose.Cluster}, class: class}}
		return in
	}
}

// peaceful has what is no fault.
func peaceful() []entry {
	quiet := func(name string, do func(*cluster) injection) entry {
		return entry{name: name, least: 3, within: within(2 * time.Minute), draw: do}
	}
	churn := func(do func(*cluster, *sim.World, time.Duration)) func(*cluster) injection {
		return func(c *cluster) injection {
			return injection{churn: func(w *sim.World, at time.Duration) { do(c, w, at) }}
		}
	}
	return []entry{
		quiet("healthy", func(*cluster) injection { return injection{} }),
		{name: "0.5% lost", least: 3, within: within(10 * time.Minute), background: 0.005, draw: func(*cluster) injection { return injection{} }},
		quiet("restart", churn(func(c *cluster, w *sim.World, at time.Duration) { w.Restart(at, c.node(), c.IntN(2) == 0) })),
		quiet("kill", churn(func(c *cluster, w *sim.World, at time.Duration) { w.Kill(at, c.node(), c.IntN(2) == 0) })),
		quiet("replace", churn(func(c *cluster, w *sim.World, at time.Duration) { w.Replace(at, c.node(), c.IntN(2) == 0) })),
		quiet("rollout", churn(func(c *cluster, w *sim.World, at time.Duration) {
			w.Rollout(at, c.IntN(2) == 0, 1+c.cfg.Nodes/10, time.Duration(2+c.IntN(15))*time.Second)
		})),
		quiet("drain", churn(func(c *cluster, w *sim.World, at time.Duration) {
			w.Drain(at, c.other(c.cfg.API), time.Duration(c.IntN(2)*(20+c.IntN(30)))*time.Second)
		})),
		quiet("node added", churn(func(_ *cluster, w *sim.World, at time.Duration) { w.Add(at) })),
		quiet("starved", func(c *cluster) injection {
			n := c.node()
			d := sim.Degree{Late: time.Duration(50+c.IntN(1500)) * time.Millisecond, Share: 0.05 + 0.6*c.Float64()}
			return injection{faults: []sim.Fault{{At: sim.At(sim.AtProcessors, n), Degree: d}}, may: []diagnose.Kind{diagnose.Starved}}
		}),
	}
}

// brief are faults that are over before they need be named: what is said of them may be said, and
// nothing else.
func brief() entry {
	return entry{name: "brief", least: 3, within: within(2 * time.Minute), draw: func(c *cluster) injection {
		all := slices.DeleteFunc(catalogue(), func(e entry) bool { return e.least > c.cfg.Nodes || e.name == "machine" })
		in := all[c.IntN(len(all))].draw(c)
		in.lasts = time.Duration(3000+c.IntN(15000)) * time.Millisecond
		in.wants, in.maybe = nil, in.wants
		return in
	}}
}
