package kube

import (
	"fmt"
	"net/netip"
)

// The addresses are the cluster's own: no route leads to them from the machine.
var (
	nodes4    = netip.MustParseAddr("192.168.100.0")
	nodes6    = netip.MustParseAddr("fd00:100::")
	pods4     = netip.MustParsePrefix("10.244.0.0/16")
	pods6     = netip.MustParsePrefix("fd00:10:244::/48")
	services4 = netip.MustParsePrefix("10.96.0.0/16")
	services6 = netip.MustParsePrefix("fd00:10:96::/112")
)

const (
	// dnsService is the address of the Service kube-dns.
	dnsService = "10.96.0.10"
	// apiService is the address of the Service kubernetes, the first of all.
	apiService = "10.96.0.1"
	apiPort    = 6443
	// controlHost is the control plane's place among the nodes' addresses.
	controlHost = 2
	// firstHost is that of the first node; maxIndex keeps hosts below 255.
	firstHost = 11
	maxIndex  = 240
)

// Node is a machine of the cluster that runs pods.
type Node struct {
	Name string `json:"name"`
	// Zone is its topology.kubernetes.io/zone.
	Zone string `json:"zone"`
	// Index counts nodes from 0 and gives the addresses.
	Index int `json:"index"`
}

// zones are given to nodes in turn.
var zones = []string{"zone-a", "zone-b", "zone-c"}

// newNode is the node of the smallest index that none of nodes has.
func newNode(nodes []Node) (Node, error) {
	taken := map[int]bool{}
	for _, n := range nodes {
		taken[n.Index] = true
	}
	for i := range maxIndex {
		if !taken[i] {
			return Node{Name: fmt.Sprintf("node-%d", i+1), Zone: zones[i%len(zones)], Index: i}, nil
		}
	}
	return Node{}, fmt.Errorf("the cluster has %d nodes, there is no address for more", maxIndex)
}

// IPv4 is the node's address on the underlay.
func (n Node) IPv4() netip.Addr { return host4(firstHost + n.Index) }

// IPv6 is the node's address on the underlay of a dual-stack cluster.
func (n Node) IPv6() netip.Addr { return host6(firstHost + n.Index) }

// pods4 and pods6 are the ranges of its pods' addresses.
func (n Node) pods4() netip.Prefix {
	a := pods4.Addr().As4()
	a[2] = byte(n.Index + 1)
	return netip.PrefixFrom(netip.AddrFrom4(a), 24)
}

func (n Node) pods6() netip.Prefix {
	a := pods6.Addr().As16()
	a[7] = byte(n.Index + 1)
	return netip.PrefixFrom(netip.AddrFrom16(a), 64)
}

// mac is the hardware address of its end of the overlay.
func (n Node) mac() string { return fmt.Sprintf("02:00:0a:f4:%02x:00", n.Index+1) }

func control4() netip.Addr { return host4(controlHost) }
func control6() netip.Addr { return host6(controlHost) }

func host4(host int) netip.Addr {
	a := nodes4.As4()
	a[3] = byte(host)
	return netip.AddrFrom4(a)
}

func host6(host int) netip.Addr {
	a := nodes6.As16()
	a[15] = byte(host)
	return netip.AddrFrom16(a)
}
