package collect

import (
	"errors"
	"fmt"
	"net/netip"
	"os"
	"strings"

	"github.com/netchecker/netchecker/pkg/report"
)

// NamespaceFile is where Kubernetes tells a pod its namespace, beside the
// service account's token.
const NamespaceFile = "/var/run/secrets/kubernetes.io/serviceaccount/namespace"

// Self is who this agent is. It does not change while the agent runs.
type Self struct {
	PodName   string
	NodeName  string // empty where nobody told
	Namespace string // empty where nobody told
	UID       string // the pod's; empty where nobody told
	Network   report.Network
	// Addresses are the pod's IPs; empty where nobody told, and then those of its
	// interfaces are taken.
	Addresses []string
}

// Surroundings is what an agent learns its identity from.
type Surroundings struct {
	// Getenv is os.Getenv, except in tests.
	Getenv func(string) string
	// Hostname is os.Hostname, except in tests.
	Hostname func() (string, error)
	// NamespaceFile is NamespaceFile, except in tests. It may be missing.
	NamespaceFile string
}

// Identify reads who this agent is from the variables MY_POD_NAME, MY_NODE_NAME,
// MY_POD_NAMESPACE, MY_POD_UID and MY_POD_IPS (or MY_POD_IP), which the pod's
// manifest sets through the downward API. Only the first is needed. The network is as given;
// Unknown stands for: find out.
func Identify(s Surroundings, network report.Network) (Self, error) {
	self := Self{
		PodName:   s.Getenv("MY_POD_NAME"),
		NodeName:  s.Getenv("MY_NODE_NAME"),
		Namespace: s.namespace(),
		UID:       s.Getenv("MY_POD_UID"),
		Network:   network,
	}
	const rule = "it should be a name as Kubernetes has them: lower-case letters, digits, '-' and '.'"
	switch {
	case self.PodName == "":
		return Self{}, errors.New("the environment variable MY_POD_NAME is missing; set it to the pod's name (in a manifest: fieldRef metadata.name)")
	case !report.IsSubdomain(self.PodName):
		return Self{}, fmt.Errorf("the environment variable MY_POD_NAME is %q; %s", self.PodName, rule)
	case self.NodeName != "" && !report.IsSubdomain(self.NodeName):
		return Self{}, fmt.Errorf("the environment variable MY_NODE_NAME is %q; %s", self.NodeName, rule)
	case self.Namespace != "" && !report.IsLabel(self.Namespace):
		return Self{}, fmt.Errorf("the namespace is %q; %s (from MY_POD_NAMESPACE or %s)", self.Namespace, rule, s.NamespaceFile)
	case !report.IsUID(self.UID):
		return Self{}, fmt.Errorf("the environment variable MY_POD_UID is %.100q; it should be the pod's UID: at most %d letters, digits and '-'", self.UID, report.MaxUID)
	}
	var err error
	if self.Addresses, err = s.addresses(); err != nil {
		return Self{}, err
	}
	if network == report.Unknown {
		host, err := s.Hostname()
		if err != nil {
			return Self{}, fmt.Errorf("finding out the pod's network by its hostname: %w; set -network", err)
		}
		self.Network = networkOf(self.PodName, host)
	}
	return self, nil
}

func (s Surroundings) namespace() string {
	if n := s.Getenv("MY_POD_NAMESPACE"); n != "" {
		return n
	}
	data, err := os.ReadFile(s.NamespaceFile)
	if err != nil {
		return "" // not in a cluster, or the token is not mounted
	}
	return strings.TrimSpace(string(data))
}

func (s Surroundings) addresses() ([]string, error) {
	name, value := "MY_POD_IPS", s.Getenv("MY_POD_IPS")
	if value == "" {
		name, value = "MY_POD_IP", s.Getenv("MY_POD_IP")
	}
	var list []string
	for a := range strings.SplitSeq(value, ",") {
		if a = strings.TrimSpace(a); a == "" {
			continue
		}
		if _, err := netip.ParseAddr(a); err != nil {
			return nil, fmt.Errorf("the environment variable %s has %q; it should be IP addresses with commas between them", name, a)
		}
		list = append(list, a)
	}
	return list[:min(len(list), report.MaxValues)], nil
}

// networkOf tells a pod's network by its hostname. A pod on the pod network has
// its own name for a hostname, one on the host network has its node's:
//
//	hostname                                        network
//	the pod's name                                  pod
//	its first 63 bytes, without '-' and '.' at the end   pod (the kernel's limit)
//	the pod's name, a dot, and more                 pod (setHostnameAsFQDN)
//	anything else                                   host
func networkOf(podName, hostname string) report.Network {
	short := podName
	if len(short) > 63 { // as kubelet's truncatePodHostnameIfNeeded does
		short = strings.TrimRight(short[:63], "-.")
	}
	if hostname == short || hostname == podName || strings.HasPrefix(hostname, short+".") {
		return report.Pod
	}
	return report.Host
}
