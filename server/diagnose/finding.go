package diagnose

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"
)

// Kind says what is broken. Its text is the one of metrics and of the API.
type Kind string

const (
	// NodeUnreachable: neither network of a node is reached, or reaches others.
	NodeUnreachable Kind = "node-unreachable"
	// Underlay: the network that carries all others, between nodes or zones.
	Underlay Kind = "underlay"
	// PodNetwork: packets between pods of different nodes, while hosts reach each other.
	PodNetwork Kind = "pod-network"
	// PodAttachment: a node's pods are cut off from it, and so from all others.
	PodAttachment Kind = "pod-attachment"
	// HostNetwork, HostToPod and PodToHost: that class alone.
	HostNetwork Kind = "host-network"
	HostToPod   Kind = "host-to-pod"
	PodToHost   Kind = "pod-to-host"
	// OwnPods: a node's host does not reach its own pods, which others do.
	OwnPods Kind = "own-pods"
	// BlackHole: large packets vanish.
	BlackHole Kind = "black-hole"
	// Loss: packets arrive, but not all.
	Loss Kind = "loss"
	// NewConnections: new TCP connections fail where kept flows do not.
	NewConnections Kind = "new-connections"
	// Service: Services' addresses do not lead to their backends; NodePort: nor does a
	// node's port, though the addresses do.
	Service  Kind = "service"
	NodePort Kind = "node-port"
	// DNS: names are not answered; DNSServer: by one of the servers; WrongDNS: they are
	// answered wrongly.
	DNS       Kind = "dns"
	DNSServer Kind = "dns-server"
	WrongDNS  Kind = "wrong-dns"
	// KubeAPI: the Kubernetes API server is not reached.
	KubeAPI Kind = "kube-api"
	// AgentStill: an agent's process stands still, though its kernel answers.
	AgentStill Kind = "agent-still"
	// Starved: an agent could not run as it should, so that it can tell little.
	Starved Kind = "agent-starved"
	// Blocked: a class that never worked anywhere.
	Blocked Kind = "blocked"
	// Unexplained: paths fail, and nothing else explains them.
	Unexplained Kind = "unexplained"
)

// Scope is how far a Subject reaches.
type Scope string

const (
	Cluster  Scope = "cluster"
	ZonePair Scope = "zone-pair"
	Node     Scope = "node"
	Pair     Scope = "pair"
	// Target is one of those that all agents share, such as a DNS server.
	Target Scope = "target"
)

// Subject is what a finding is about.
type Subject struct {
	Scope Scope `json:"scope"`
	// Names are the node's; or those of two nodes, or zones, in order, or from the one to
	// the other where the Direction is Out; or the target's. The cluster has none.
	Names [2]string `json:"names"`
}

// String names it: "node-2", "node-1 and node-2", "10.96.0.10:53".
func (s Subject) String() string {
	switch s.Scope {
	case Cluster:
		return "all nodes"
	case ZonePair:
		return fmt.Sprintf("zones %s and %s", s.Names[0], s.Names[1])
	case Pair:
		return s.Names[0] + " and " + s.Names[1]
	}
	return s.Names[0]
}

func (s Subject) compare(o Subject) int {
	return cmp.Or(strings.Compare(string(s.Scope), string(o.Scope)), strings.Compare(s.Names[0], o.Names[0]), strings.Compare(s.Names[1], o.Names[1]))
}

// Direction is that in which packets are lost, as seen from the subject. Of a pair Out is
// from the first to the second.
type Direction uint8

const (
	// NoDirection: the kind has none.
	NoDirection Direction = iota
	In
	Out
	Both
	// InOrOut and OutOrBoth are not told apart by what is known.
	InOrOut
	OutOrBoth
	InOrBoth
)

var directionNames = [...]string{"", "in", "out", "both", "in or out", "out or both", "in or both"}

// String is its name in the API.
func (d Direction) String() string { return directionNames[d] }

// MarshalText implements encoding.TextMarshaler.
func (d Direction) MarshalText() ([]byte, error) { return []byte(d.String()), nil }

// UnmarshalText implements encoding.TextUnmarshaler.
func (d *Direction) UnmarshalText(text []byte) error {
	i := slices.Index(directionNames[:], string(text))
	if i < 0 {
		return fmt.Errorf("%.70q is no direction", text)
	}
	*d = Direction(i)
	return nil
}

// vaguer says whether it leaves open what another one tells.
func (d Direction) vaguer(than Direction) bool {
	switch d {
	case InOrOut:
		return than == In || than == Out || than == Both || than == InOrBoth || than == OutOrBoth
	case InOrBoth:
		return than == In || than == Both
	case OutOrBoth:
		return than == Out || than == Both
	}
	return false
}

// Severity says how bad it is.
type Severity string

const (
	// Critical: something is dead, or a black hole.
	Critical Severity = "critical"
	Warning  Severity = "warning"
	// Info is nothing that anybody has to mend at once.
	Info Severity = "info"
)

// Count is how many rows of something say so, of how many.
type Count struct {
	// Of names them in the plural: "pod paths".
	Of  string `json:"of"`
	Bad int    `json:"bad"`
	All int    `json:"all"`
}

// Finding is a fault, with what shows it. Its JSON is how it is kept.
type Finding struct {
	Kind    Kind    `json:"kind"`
	Subject Subject `json:"subject"`
	// Or is what it may be as well, and can't be told from; nil where there is nothing.
	Or []Subject `json:"or,omitempty"`
	// Class is that of the paths, empty where several are concerned. Of what all share, and of
	// agents themselves, it is the network of those that ask: "pod network", "host network".
	Class     string    `json:"class,omitempty"`
	Direction Direction `json:"direction"`
	// Family is "IPv4" or "IPv6" where only that one is concerned; else empty.
	Family   string   `json:"family,omitempty"`
	Severity Severity `json:"severity"`
	// Since is when it began, on the server's wall clock, to a second or so.
	Since time.Time `json:"since"`
	// Sure says that nothing else explains the evidence.
	Sure bool `json:"sure"`
	// For are rows that show it; Against are those that show what it is not.
	For     []Count `json:"for,omitempty"`
	Against []Count `json:"against,omitempty"`
	// Loss is how much is lost, from 0 to 1, of a loss. Size is the largest packet that
	// passes, in bytes, of a black hole; 0 where that is not known yet.
	Loss float64 `json:"loss,omitempty"`
	Size uint64  `json:"size,omitempty"`
	// Silent are agents whose silence it explains, at most mostSilent.
	Silent []string `json:"silent,omitempty"`
	// Detail is what was said of it: a message of DNS, a node's readiness.
	Detail string `json:"detail,omitempty"`
}

// mostSilent bounds the agents that a finding names.
const mostSilent = 8

// Key tells findings apart: those of one Key are the same fault at different times.
type Key struct {
	Kind      Kind
	Subject   Subject
	Class     string
	Direction Direction
	Family    string
}

// Key is the finding's.
func (f *Finding) Key() Key { return Key{f.Kind, f.Subject, f.Class, f.Direction, f.Family} }

// Compare orders findings: the most severe first, and then by what and where.
func (f *Finding) Compare(o *Finding) int {
	return cmp.Or(
		cmp.Compare(rank(f.Severity), rank(o.Severity)), strings.Compare(string(f.Kind), string(o.Kind)), f.Subject.compare(o.Subject),
		strings.Compare(f.Class, o.Class), cmp.Compare(f.Direction, o.Direction), strings.Compare(f.Family, o.Family),
	)
}

func rank(s Severity) int {
	switch s {
	case Critical:
		return 0
	case Warning:
		return 1
	}
	return 2
}
