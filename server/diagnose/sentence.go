package diagnose

import (
	"fmt"
	"strings"
	"time"
	"unicode"

	"github.com/netchecker/netchecker/pkg/report"
)

// clockOf is how times are written in sentences: on the server's wall clock, in UTC.
const clockOf = time.TimeOnly

// Sentence says it all to people: what is wrong where since when, what shows it, and what
// to look at. It is a line of printable characters.
func (f *Finding) Sentence() string {
	var b strings.Builder
	b.WriteString(f.where())
	b.WriteString(": ")
	b.WriteString(f.what())
	if f.Subject.Scope == Node && f.Kind.shares() && f.Class != "" {
		b.WriteString(" on the " + f.Class)
	}
	if f.Family != "" {
		b.WriteString(", over " + f.Family)
	}
	b.WriteString(" since " + f.Since.UTC().Format(clockOf))
	if shown := f.shown(); shown != "" {
		b.WriteString(" (" + shown + ")")
	}
	if advice := f.advice(); advice != "" {
		b.WriteString(": " + advice)
	}
	return strings.Map(printable, b.String())
}

// printable keeps a sentence one line, whatever agents told of targets and messages.
func printable(r rune) rune {
	if unicode.IsPrint(r) {
		return r
	}
	return ' '
}

// asks has, of the kinds that are about what all agents share, what they ask that fails.
var asks = map[Kind][]report.SharedKind{
	Service: {report.ServiceAddress, report.ServiceName}, NodePort: {report.NodePort}, KubeAPI: {report.KubeAPI},
	DNS: {report.DNS, report.DNSServer}, DNSServer: {report.DNSServer}, WrongDNS: {report.DNS, report.DNSServer},
}

// shares says whether a kind is about what all agents share.
func (k Kind) shares() bool { return asks[k] != nil }

// where names the subject, or those that it may be.
func (f *Finding) where() string {
	names := make([]string, 0, len(f.Or)+1)
	for _, o := range f.Or {
		names = append(names, o.String())
	}
	if f.Subject.Scope == Pair && len(names) > 0 {
		return strings.Join(names, " or ") + ", or what is between " + f.Subject.String()
	}
	return strings.Join(append([]string{f.Subject.String()}, names...), " or ")
}

// way is the direction, in words.
func (f *Finding) way() string {
	from, to := f.Subject.Names[0], f.Subject.Names[1]
	if f.Subject.Scope == Pair || f.Subject.Scope == ZonePair {
		switch f.Direction {
		case In:
			return " from " + to + " to " + from
		case Out:
			return " from " + from + " to " + to
		case InOrBoth:
			return " from " + to + " to " + from + ", or in both directions"
		case OutOrBoth:
			return " from " + from + " to " + to + ", or in both directions"
		}
	}
	switch f.Direction {
	case In:
		return " in the direction to it"
	case Out:
		return " in the direction from it"
	case Both:
		return " in both directions"
	case InOrOut:
		return " in one direction or both"
	case InOrBoth:
		return " in the direction to it, or in both"
	case OutOrBoth:
		return " in the direction from it, or in both"
	}
	return ""
}

// carriers are what is down, loses or has a hole, by class.
var carriers = map[string]string{
	"":                "network",
	podPod.String():   "pod network",
	hostHost.String(): "host network",
	hostPod.String():  "way from hosts to pods",
	podHost.String():  "way from pods to hosts",
	ownNode.String():  "way from the host to its own pods",
}

func (f *Finding) what() string {
	switch f.Kind {
	case NodeUnreachable:
		switch f.Direction {
		case In:
			return "what is sent to it does not arrive, what it sends does,"
		case Out:
			return "what it sends does not arrive, what is sent to it does,"
		}
		return "unreachable, down or cut off,"
	case Underlay:
		return "network between them down" + f.way()
	case PodNetwork:
		return "pod network down" + f.way()
	case PodAttachment:
		return "pods are cut off from the network, and from their own host,"
	case HostNetwork, HostToPod, PodToHost:
		return carriers[f.Class] + " down" + f.way()
	case OwnPods:
		return "the host does not reach its own pods"
	case BlackHole:
		if f.Size == 0 {
			return carriers[f.Class] + " swallows large packets" + f.way()
		}
		return fmt.Sprintf("%s swallows packets above %d bytes%s", carriers[f.Class], f.Size, f.way())
	case Loss:
		return fmt.Sprintf("%s loses %.2g%% of packets%s", carriers[f.Class], 100*f.Loss, f.way())
	case NewConnections:
		return "new TCP connections fail, while what goes on is well,"
	case Service:
		return "Services are not reached by their addresses"
	case NodePort:
		return "node port does not lead to its Service"
	case DNS:
		return "names are not answered"
	case DNSServer:
		return "DNS server answers nobody"
	case WrongDNS:
		return "names are answered wrongly"
	case KubeAPI:
		return "Kubernetes API server not reached"
	case AgentStill:
		return fmt.Sprintf("agent on the %s stands still", f.Class)
	case Starved:
		return fmt.Sprintf("agent on the %s hardly gets to run", f.Class)
	case Blocked:
		return carriers[f.Class] + " never worked: blocked by a firewall or policy?"
	}
	return "paths fail that no single place explains"
}

// shown is the evidence, in words.
func (f *Finding) shown() string {
	var parts []string
	for _, c := range f.For {
		switch f.Kind {
		case AgentStill:
			parts = append(parts, fmt.Sprintf("%d %s", c.Bad, c.Of))
			continue
		case Loss:
			parts = append(parts, fmt.Sprintf("%d of %d %s", c.Bad, c.All, c.Of))
			continue
		}
		parts = append(parts, fmt.Sprintf("%d of %d %s fail", c.Bad, c.All, c.Of))
	}
	for _, c := range f.Against {
		parts = append(parts, fmt.Sprintf("%d of %d %s work", c.All-c.Bad, c.All, c.Of))
	}
	text := strings.Join(parts, ", ")
	if f.Detail != "" {
		if text != "" {
			text += "; "
		}
		text += f.Detail
	}
	return text
}

// advice is what to look at.
func (f *Finding) advice() string {
	node := f.Subject.Names[0]
	if f.Subject.Scope != Node {
		node = "the nodes"
	}
	switch f.Kind {
	case NodeUnreachable:
		if f.Direction == In || f.Direction == Out {
			return "look at the firewall, routes and link of " + node
		}
		return "look at the machine, its link and switch port"
	case Underlay:
		return "look at switches, routes and firewalls between them"
	case PodNetwork:
		if f.Subject.Scope == Node {
			return "look at the CNI on " + node + ", or UDP 8472 between nodes"
		}
		return "look at the CNI's routes and tunnels there, or UDP 8472 between nodes"
	case PodAttachment:
		return "look at the CNI on " + node + ": its bridge and addresses"
	case HostNetwork:
		return "look at the firewall of " + node + ": UDP and TCP 18083"
	case HostToPod, PodToHost:
		return "look at masquerading, NetworkPolicies and the firewall of " + node
	case OwnPods:
		return "look at the routes and the firewall of " + node + " towards its pods"
	case BlackHole:
		return "look at the MTU of tunnels and interfaces there, and at ICMP that is blocked"
	case Loss:
		return "look at links, cables and queues of " + f.Subject.String()
	case NewConnections:
		return "look at connection tracking of " + node + " (nf_conntrack_count)"
	case Service:
		if f.Subject.Scope == Node {
			return "look at kube-proxy, or what takes its place, on " + node
		}
		return "look at the Service's endpoints, and at kube-proxy"
	case NodePort:
		return "look at kube-proxy's node ports and the firewall of " + node
	case DNS:
		if f.Subject.Scope == Node {
			return "look at the resolver of " + node
		}
		return "look at CoreDNS, and the Service before it"
	case DNSServer:
		return "look at that pod"
	case WrongDNS:
		return "look at CoreDNS's configuration, and at what else answers"
	case KubeAPI:
		if f.Subject.Scope == Node {
			return "look at the way from " + node + " to it"
		}
		return "look at the API server, and what balances its load"
	case AgentStill:
		return "look at the agent's pod; the network is not at fault"
	case Starved:
		return "look at the load and the limits there; what it measures says little"
	case Blocked:
		return "look at policies for the agents' ports, if these paths should work"
	}
	return "look at /api/v1/mesh?node= of these"
}
