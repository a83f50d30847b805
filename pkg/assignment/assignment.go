// Package assignment says whom and what an agent should probe, as the server tells it in
// replies to its reports. Addresses come from the list of pods and from the cluster's
// own Services, never from what agents say; and agents, who believe nobody, validate
// them again.
package assignment

import (
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/netip"
	"time"

	"github.com/netchecker/netchecker/pkg/backend"
	"github.com/netchecker/netchecker/pkg/report"
)

// Topic is that of the replies that tell an agent its assignment: the data of its news
// is what Encode writes.
const Topic = "mesh"

const (
	// MaxPeers bounds the peers of one assignment: both agents of one lasting peer and of
	// seven in each of four epochs, and the other agent of the own node.
	MaxPeers = 64
	// MaxServers bounds the servers, the nodes that lead to them, and the servers of DNS.
	MaxServers = 8
	// Longest is the longest time that may be told: far more than four epochs.
	Longest = time.Hour
	// DefaultSpread is what Shared.UpdateSpread stands for where no server tells it.
	DefaultSpread = time.Second
	// LongestSpread bounds what may be told of it: what an update says is old by then.
	LongestSpread = time.Minute
)

// Assignment is what an agent should do.
type Assignment struct {
	// Self is the agent's own id, which it tells its peers.
	Self uint64 `json:"self"`
	// Base names the membership that the peers were drawn from, in at most 32 bytes.
	// Peers of the same Base are added to those that the agent has; those of another take
	// the place of all.
	Base string `json:"base"`
	// Peers are whom to probe, and when.
	Peers []Peer `json:"peers"`
	// Shared is what to ask besides; nil where it is as it was.
	Shared *Shared `json:"shared,omitempty"`
}

// Peer is an agent to probe.
type Peer struct {
	// ID is what it is called in rows: from 1 to report.MaxID.
	ID uint64 `json:"id"`
	// Node is its node's name, and Host says that it is on that node's network.
	Node string `json:"node"`
	Host bool   `json:"host,omitempty"`
	// Addresses has one at most of each family, and Port is that of its responder.
	Addresses []netip.Addr `json:"addresses"`
	Port      uint16       `json:"port"`
	// Boot is its boot id, which no answer and no log has.
	Boot string `json:"boot"`
	// From is in how many milliseconds it is to be probed first, and For for how many; 0
	// stands for until it is not told any more.
	From int64 `json:"from_ms,omitempty"`
	For  int64 `json:"for_ms,omitempty"`
}

// Shared is what agents have in common, and how often each asks it: from a second to
// Longest. What has no addresses is not asked.
type Shared struct {
	// Name is that of netchecker's Service, as pods look it up, and Want has its
	// addresses; empty where the server does not know them, so that any is right.
	Name string       `json:"name"`
	Want []netip.Addr `json:"want,omitempty"`
	// DNSServers are to be asked themselves.
	DNSServers []netip.AddrPort `json:"dns_servers,omitempty"`
	DNSEvery   int64            `json:"dns_every_ms"`
	// ServicePort is the Service's; NodePort is 0 where there is none.
	ServicePort  uint16 `json:"service_port"`
	NodePort     uint16 `json:"node_port,omitempty"`
	ServiceEvery int64  `json:"service_every_ms"`
	// KubeAPI is where host agents find the Kubernetes API server.
	KubeAPI      []netip.AddrPort `json:"kube_api,omitempty"`
	KubeAPIEvery int64            `json:"kube_api_every_ms"`
	// Servers are those of netchecker, and Nodes the addresses of the nodes that they are
	// on: further ways for small messages.
	Servers []netip.AddrPort `json:"servers,omitempty"`
	Nodes   []netip.Addr     `json:"nodes,omitempty"`
	// UpdateSpread is within how many milliseconds agents send their updates, each at a
	// moment by chance, since all of them may see the same at once: at most LongestSpread;
	// 0 stands for DefaultSpread.
	UpdateSpread int64 `json:"update_spread_ms,omitempty"`
}

// SpreadOfUpdates is UpdateSpread as a time.
func (s *Shared) SpreadOfUpdates() time.Duration {
	if s.UpdateSpread == 0 {
		return DefaultSpread
	}
	return time.Duration(s.UpdateSpread) * time.Millisecond
}

// Encode returns the data of the news that tell an agent a.
func Encode(a *Assignment) ([]byte, error) {
	data, err := json.Marshal(a)
	if err != nil {
		return nil, fmt.Errorf("writing an assignment of %d peers: %w", len(a.Peers), err)
	}
	return data, nil
}

// Decode reads what Encode wrote and says whether it makes sense: the error names the
// field and what it should be.
func Decode(data []byte, allowLoopback bool) (*Assignment, error) {
	a := &Assignment{}
	if err := json.Unmarshal(data, a); err != nil {
		return nil, fmt.Errorf("reading the assignment: %w", err)
	}
	if err := a.validate(allowLoopback); err != nil {
		return nil, err
	}
	return a, nil
}

func (a *Assignment) validate(allowLoopback bool) error {
	switch {
	case a.Self == 0 || a.Self > report.MaxID:
		return fmt.Errorf("self: is %d; it should be from 1 to %d", a.Self, uint64(report.MaxID))
	case a.Base == "" || len(a.Base) > 32:
		return fmt.Errorf("base: has %d bytes; it should have from 1 to 32", len(a.Base))
	case len(a.Peers) > MaxPeers:
		return fmt.Errorf("peers: has %d; it should have at most %d", len(a.Peers), MaxPeers)
	}
	for i := range a.Peers {
		if err := a.Peers[i].validate(allowLoopback); err != nil {
			return fmt.Errorf("peers[%d].%w", i, err)
		}
	}
	if a.Shared != nil {
		if err := a.Shared.validate(allowLoopback); err != nil {
			return fmt.Errorf("shared.%w", err)
		}
	}
	return nil
}

func (p *Peer) validate(allowLoopback bool) error {
	if p.ID == 0 || p.ID > report.MaxID {
		return fmt.Errorf("id: is %d; it should be from 1 to %d", p.ID, uint64(report.MaxID))
	}
	if !report.IsSubdomain(p.Node) {
		return fmt.Errorf("node: is %.70q; it should be the name of a node", p.Node)
	}
	families := map[bool]bool{}
	for i, addr := range p.Addresses {
		if err := checkAddress(addr, allowLoopback); err != nil {
			return fmt.Errorf("addresses[%d]: %w", i, err)
		}
		if families[addr.Is6()] {
			return fmt.Errorf("addresses[%d]: is %v; there should be one of each family", i, addr)
		}
		families[addr.Is6()] = true
	}
	if p.Port == 0 {
		return fmt.Errorf("port: is missing; it should be that of the agent's responder")
	}
	if _, err := hex.DecodeString(p.Boot); err != nil || len(p.Boot) != 16 {
		return fmt.Errorf("boot: is not what it should be: 16 hexadecimal digits")
	}
	for _, f := range []struct {
		field string
		ms    int64
	}{{"from_ms", p.From}, {"for_ms", p.For}} {
		if f.ms < 0 || f.ms > Longest.Milliseconds() {
			return fmt.Errorf("%s: is %d; it should be from 0 to %d", f.field, f.ms, Longest.Milliseconds())
		}
	}
	return nil
}

func (s *Shared) validate(allowLoopback bool) error {
	if s.Name != "" && !report.IsSubdomain(s.Name) {
		return fmt.Errorf("name: is %.70q; it should be the name of a Service", s.Name)
	}
	for _, f := range []struct {
		field string
		list  []netip.AddrPort
	}{
		{"want", ported(s.Want)}, {"dns_servers", s.DNSServers}, {"kube_api", s.KubeAPI},
		{"servers", s.Servers}, {"nodes", ported(s.Nodes)},
	} {
		if len(f.list) > MaxServers {
			return fmt.Errorf("%s: has %d; it should have at most %d", f.field, len(f.list), MaxServers)
		}
		for i, addr := range f.list {
			if err := checkAddress(addr.Addr(), allowLoopback); err != nil {
				return fmt.Errorf("%s[%d]: %w", f.field, i, err)
			}
			if addr.Port() == 0 {
				return fmt.Errorf("%s[%d]: is %v; it should have a port", f.field, i, addr)
			}
		}
	}
	for _, f := range []struct {
		field string
		ms    int64
	}{{"dns_every_ms", s.DNSEvery}, {"service_every_ms", s.ServiceEvery}, {"kube_api_every_ms", s.KubeAPIEvery}} {
		if f.ms < 1000 || f.ms > Longest.Milliseconds() {
			return fmt.Errorf("%s: is %d; it should be from 1000 to %d", f.field, f.ms, Longest.Milliseconds())
		}
	}
	if s.UpdateSpread < 0 || s.UpdateSpread > LongestSpread.Milliseconds() {
		return fmt.Errorf("update_spread_ms: is %d; it should be from 0 to %d", s.UpdateSpread, LongestSpread.Milliseconds())
	}
	return nil
}

// ported are the addresses with a port that is one.
func ported(list []netip.Addr) []netip.AddrPort {
	with := make([]netip.AddrPort, len(list))
	for i, a := range list {
		with[i] = netip.AddrPortFrom(a, 1)
	}
	return with
}

func checkAddress(a netip.Addr, allowLoopback bool) error {
	if !a.IsValid() || a.Is4In6() || a.Zone() != "" {
		return fmt.Errorf("is %v; it should be an IP address", a)
	}
	if why := backend.Forbidden(a, allowLoopback); why != "" {
		return fmt.Errorf("is %v, %s, which no agent may be aimed at", a, why)
	}
	return nil
}
