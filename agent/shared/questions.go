package shared

import (
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/netchecker/netchecker/pkg/assignment"
	"github.com/netchecker/netchecker/pkg/report"
)

// question is one thing to ask again and again.
type question struct {
	kind   report.SharedKind
	target string
	every  time.Duration
	// name is to be looked up, at server where that is valid, and want has the right
	// answers; empty where any is right.
	name   string
	server netip.AddrPort
	want   []netip.Addr
	// port is where to connect to, of what is looked up, and address where of nothing is.
	port    uint16
	address netip.AddrPort
}

// Place is where the agent is.
type Place struct {
	// Host says that it is on its node's network, from where the Kubernetes API server is
	// asked.
	Host bool
	// Node is its node's address; it may not be valid.
	Node netip.Addr
	// Domain is the cluster's, as DomainOf finds it; it may be empty.
	Domain string
}

// DomainOf is the cluster's domain, such as cluster.local, of a pod's resolv.conf: that
// under which Services are found by their names and namespaces. It is empty where it is
// not told, as on a node whose own resolver is used.
func DomainOf(resolvConf string) string {
	var search []string
	for line := range strings.Lines(resolvConf) {
		if words := strings.Fields(line); len(words) > 0 && words[0] == "search" {
			search = words[1:] // the last one counts
		}
	}
	for _, name := range search {
		if domain, is := strings.CutPrefix(name, services); is && slices.Contains(search, domain) {
			return domain
		}
	}
	return ""
}

// services is what Services' names end in, before the cluster's domain.
const services = "svc."

// full is the name of a Service in full, which costs a question for each address family;
// without a point at its end it would take one more for each domain that is searched. It
// is name itself where the cluster's domain is not known.
func (p Place) full(name string) string {
	if p.Domain == "" || !strings.HasSuffix(name+".", "."+services) {
		return name
	}
	return name + "." + p.Domain + "."
}

// questionsOf is what to ask of what is told, at most report.MaxShared. What has no address
// is not asked.
//
//	kind             what is done
//	dns              the full name is looked up as it is configured, and the answers compared
//	dns-server       the same, at one of the name servers
//	service-name     the name is looked up, and a connection made to what it leads to
//	service-address  a connection is made to one of the Service's addresses
//	node-port        a connection is made to the own node's port that leads to the Service
//	kube-api         a connection is made to the Kubernetes API server
func questionsOf(s *assignment.Shared, p Place) (all []question) {
	add := func(kind report.SharedKind, every int64, q question) {
		q.kind, q.every = kind, time.Duration(every)*time.Millisecond
		all = append(all, q)
	}
	connect := func(kind report.SharedKind, every int64, to netip.AddrPort) {
		add(kind, every, question{target: to.String(), address: to})
	}
	full := p.full(s.Name)
	if s.Name != "" {
		add(report.DNS, s.DNSEvery, question{target: s.Name, name: full, want: s.Want})
		for _, server := range s.DNSServers {
			add(report.DNSServer, s.DNSEvery, question{target: server.String(), name: full, server: server, want: s.Want})
		}
	}
	if s.ServicePort != 0 {
		if s.Name != "" {
			add(report.ServiceName, s.ServiceEvery, question{target: s.Name, name: full, port: s.ServicePort})
		}
		for _, a := range s.Want {
			connect(report.ServiceAddress, s.ServiceEvery, netip.AddrPortFrom(a, s.ServicePort))
		}
	}
	if s.NodePort != 0 && p.Node.IsValid() {
		connect(report.NodePort, s.ServiceEvery, netip.AddrPortFrom(p.Node, s.NodePort))
	}
	if p.Host {
		for _, a := range s.KubeAPI {
			connect(report.KubeAPI, s.KubeAPIEvery, a)
		}
	}
	return all[:min(len(all), report.MaxShared)]
}
