package sim

import (
	"fmt"
	"time"
)

// Kind is what sort of a place something is at.
type Kind string

const (
	// AtLink is what joins a node to all others, whatever the packets are.
	AtLink Kind = "link"
	// AtPair is what lies between two nodes, and AtZones between two zones: one way.
	AtPair  Kind = "pair"
	AtZones Kind = "zones"
	// AtPodNetwork is what packets to and from other nodes pass as such of the pod network:
	// the encapsulation at a node, or the routes to its pods; AtPodPair is that between two
	// nodes, one way.
	AtPodNetwork Kind = "pod network"
	AtPodPair    Kind = "pod pair"
	// AtPods is what joins all pods of a node to it.
	AtPods Kind = "pods"
	// AtOwnPods is what packets between a host and the pods on it pass, and no others.
	AtOwnPods Kind = "own pods"
	// AtClass is what packets of connections pass at a node that come from a host or a pod on
	// one node, and lead to a host or a pod on another.
	AtClass Kind = "class"
	// AtTracking is the connection tracking of a node.
	AtTracking Kind = "tracking"
	// AtServices is what leads from Services' addresses to their pods at a node, and
	// AtNodePort what does so from its ports.
	AtServices Kind = "services"
	AtNodePort Kind = "node port"
	// AtDNS is what leads a node's packets to servers of names, and AtAPI to the API server.
	AtDNS Kind = "dns"
	AtAPI Kind = "api"
	// AtNameServer is one server of names, and AtAPIServer the Kubernetes API.
	AtNameServer Kind = "name server"
	AtAPIServer  Kind = "api server"
	// AtAgent is an agent's process, AtProcessors what all processes of a node run on, and
	// AtMachine the power of a node.
	AtAgent      Kind = "agent"
	AtProcessors Kind = "processors"
	AtMachine    Kind = "machine"
	// AtMessages is what an agent's reports and updates go through besides all the rest.
	AtMessages Kind = "messages"
)

// Direction is the way of packets through a place at a node: out of it, or in.
type Direction int

const (
	// Both ways.
	Both Direction = iota
	// Out of the node, or of its pods, or from the host to its own pods.
	Out
	// In, or from a pod to its own host.
	In
)

// Place is where a fault can be.
type Place struct {
	Kind Kind
	// Node and To are nodes by their number from 0, or zones; or Node is a name server.
	Node, To int
	Way      Direction
	// From and Into say, of a class, whether it is from a host, and leads to one.
	From, Into bool
	// Host says which of a node's agents it is.
	Host bool
}

// Link is a node's.
func Link(node int, way Direction) Place { return Place{Kind: AtLink, Node: node, Way: way} }

// Pair is one way between two nodes.
func Pair(from, to int) Place { return Place{Kind: AtPair, Node: from, To: to} }

// Zones is one way between two zones.
func Zones(from, to int) Place { return Place{Kind: AtZones, Node: from, To: to} }

// PodNetwork is a node's.
func PodNetwork(node int, way Direction) Place {
	return Place{Kind: AtPodNetwork, Node: node, Way: way}
}

// PodPair is one way between two nodes, of the pod network alone.
func PodPair(from, to int) Place { return Place{Kind: AtPodPair, Node: from, To: to} }

// Pods are those of a node.
func Pods(node int, way Direction) Place { return Place{Kind: AtPods, Node: node, Way: way} }

// OwnPods is between a host and the pods on it.
func OwnPods(node int, way Direction) Place { return Place{Kind: AtOwnPods, Node: node, Way: way} }

// Class is that of connections from hosts, or from pods, to hosts, or to pods, at a node
// which they lead out of or in to.
func Class(node int, fromHost, toHost bool, way Direction) Place {
	return Place{Kind: AtClass, Node: node, From: fromHost, Into: toHost, Way: way}
}

// At is a place of which a node, or whatever else is numbered, has one.
func At(kind Kind, number int) Place { return Place{Kind: kind, Node: number} }

// Agent is a node's agent on the host's network, or on that of pods.
func Agent(node int, host bool) Place { return Place{Kind: AtAgent, Node: node, Host: host} }

// Messages are those of a node's agent on the host's network, or on that of pods.
func Messages(node int, host bool) Place { return Place{Kind: AtMessages, Node: node, Host: host} }

// String is what people read: "link of 3, in", "pair from 1 to 2".
func (p Place) String() string {
	network := map[bool]string{false: "pod", true: "host"}
	switch p.Kind {
	case AtPair, AtPodPair, AtZones:
		return fmt.Sprintf("%s from %d to %d", p.Kind, p.Node, p.To)
	case AtAgent, AtMessages:
		return fmt.Sprintf("%s of %d on the %s network", p.Kind, p.Node, network[p.Host])
	case AtClass:
		return fmt.Sprintf("%s from %s to %s of %d%s", p.Kind, network[p.From], network[p.Into], p.Node, p.Way)
	}
	return fmt.Sprintf("%s of %d%s", p.Kind, p.Node, p.Way)
}

// String is what is said of a place; nothing for both ways.
func (d Direction) String() string { return [...]string{"", ", out", ", in"}[d] }

// Degree says how bad it is. What is 0 is well.
type Degree struct {
	// Loss is the part of the packets that vanish: 1 for all.
	Loss float64
	// Burst has them vanish in bursts that take so long on average, one after the other,
	// such that Loss is what vanishes altogether; 0 for each by itself.
	Burst time.Duration
	// Above has only such vanish that have more bytes than that on the wire.
	Above int
	// New has only such vanish that are of connections nobody knows yet.
	New bool
	// TCP has only such vanish that are TCP's.
	TCP bool
	// Flows has only those of a part of the connections vanish.
	Flows float64
	// Delay is what is added to the way, and Jitter at most besides, by chance.
	Delay, Jitter time.Duration
	// Wrong has a server of names answer what is not so; Refuse has a server refuse.
	Wrong, Refuse bool
	// Late is how late processes run, by chance at most, in Share of the time.
	Late  time.Duration
	Share float64
}

// Fault is something that is not well.
type Fault struct {
	At     Place
	Degree Degree
	// From is since when, and Until until when, 0 for good.
	From, Until time.Duration
}

// fault is one that was injected, with its own chance.
type fault struct {
	Fault
	begun bool
	// bad says that a burst is on, which is known up to a time.
	bad   bool
	known time.Duration
}

// element is what packets pass at a place where a fault is or was. Where none ever was there
// is none.
type element struct{ faults []*fault }

// The places of a node that packets pass.
const (
	linkOut = iota
	linkIn
	podNetworkOut
	podNetworkIn
	podsOut
	podsIn
	ownOut
	ownIn
	tracking
	atServices
	atNodePort
	atDNS
	atAPI
	classes  // out, and then in, for each class
	elements = classes + 8
)

// way leads from one to another, of nodes, of the pod networks of nodes, or of zones.
type way struct {
	kind     Kind
	from, to int
}

// Inject has a fault begin when it is to. The error says why it can't be.
func (w *World) Inject(f Fault) error {
	if f.From < w.now {
		f.From = w.now
	}
	if f.Until > 0 && f.Until <= f.From {
		return fmt.Errorf("a fault at %v ends at %v; it should be after it begins, at %v", f.At, f.Until, f.From)
	}
	for _, part := range []float64{f.Degree.Loss, f.Degree.Flows, f.Degree.Share} {
		if part < 0 || part > 1 {
			return fmt.Errorf("a fault at %v has a part of %v; it should be from 0 to 1", f.At, part)
		}
	}
	is := &fault{Fault: f, known: f.From}
	if err := w.place(is); err != nil {
		return err
	}
	w.faults = append(w.faults, is)
	return nil
}

// Heal has all faults end that have begun.
func (w *World) Heal() {
	for _, f := range w.faults {
		if f.on(w.now) {
			f.Until = w.now
		}
	}
}

// Truth are the faults that there are now.
func (w *World) Truth() (now []Fault) {
	for _, f := range w.faults {
		if f.on(w.now) {
			now = append(now, f.Fault)
		}
	}
	return now
}

func (f *fault) on(at time.Duration) bool { return f.From <= at && (f.Until == 0 || at < f.Until) }

// place puts a fault where packets pass it. Those that are in processes are found there by
// themselves.
func (w *World) place(f *fault) error {
	p := f.At
	most := len(w.nodes)
	switch p.Kind {
	case AtZones:
		most = max(1, w.cfg.Zones)
	case AtNameServer:
		most = len(w.servers)
	}
	if p.Node < 0 || p.Node >= most || p.To < 0 || p.To >= most {
		return fmt.Errorf("there is no place %v", p)
	}
	switch p.Kind {
	case AtPair, AtPodPair, AtZones:
		key := way{p.Kind, p.Node, p.To}
		w.between[key] = w.between[key].with(f)
	case AtNameServer:
		w.servers[p.Node].element = w.servers[p.Node].element.with(f)
	case AtAPIServer:
		w.apiServer = w.apiServer.with(f)
	case AtAgent, AtProcessors, AtMachine, AtMessages:
	default:
		list := ofNode(p)
		if list == nil {
			return fmt.Errorf("there is no place %v", p)
		}
		for _, i := range list {
			e := &w.nodes[p.Node].at[i]
			*e = (*e).with(f)
		}
	}
	return nil
}

// ofNode are the places of a node that packets pass.
func ofNode(p Place) []int {
	ways := func(out, in int) []int {
		switch p.Way {
		case Out:
			return []int{out}
		case In:
			return []int{in}
		}
		return []int{out, in}
	}
	switch p.Kind {
	case AtLink:
		return ways(linkOut, linkIn)
	case AtPodNetwork:
		return ways(podNetworkOut, podNetworkIn)
	case AtPods:
		return ways(podsOut, podsIn)
	case AtOwnPods:
		return ways(ownOut, ownIn)
	case AtClass:
		c := int(classOf(p.From, p.Into))
		return ways(classes+c, classes+4+c)
	case AtTracking:
		return []int{tracking}
	case AtServices:
		return []int{atServices}
	case AtNodePort:
		return []int{atNodePort}
	case AtDNS:
		return []int{atDNS}
	case AtAPI:
		return []int{atAPI}
	}
	return nil
}

// with is e with one more.
func (e *element) with(f *fault) *element {
	if e == nil {
		e = &element{}
	}
	e.faults = append(e.faults, f)
	return e
}

// change has what is in nodes and processes be as the faults are now.
func (w *World) change() {
	for _, f := range w.faults {
		if on := f.on(w.now); on != f.begun {
			f.begun = on
			w.turn(f, on)
		}
	}
	w.churn()
}

// turn begins or ends a fault that is in a process or a machine.
func (w *World) turn(f *fault, on bool) {
	n := w.nodes
	switch f.At.Kind {
	case AtAgent:
		if a := w.agentOf(f.At.Node, f.At.Host); a != nil {
			a.freeze(on)
		}
	case AtProcessors:
		n[f.At.Node].late, n[f.At.Node].share = 0, 0
		if on {
			n[f.At.Node].late, n[f.At.Node].share = f.Degree.Late, f.Degree.Share
		}
	case AtMachine:
		w.power(n[f.At.Node], !on)
	case AtTracking:
		n[f.At.Node].tracked = 2000
		if on && f.Degree.New {
			n[f.At.Node].tracked = mostTracked
		}
	}
}

// mostTracked is how many connections a node can track.
const mostTracked = 262144

// agentOf is a node's agent, as far as there is one now.
func (w *World) agentOf(number int, host bool) *agent {
	for _, a := range w.agents {
		if a.node.number == number && a.host == host && !a.gone {
			return a
		}
	}
	return nil
}
