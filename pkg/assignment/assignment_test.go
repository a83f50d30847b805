package assignment_test

import (
	"net/netip"
	"reflect"
	"testing"
	"time"

	"github.com/netchecker/netchecker/pkg/assignment"
)

func full() assignment.Assignment {
	addrs := func(list ...string) (all []netip.Addr) {
		for _, a := range list {
			all = append(all, netip.MustParseAddr(a))
		}
		return all
	}
	ports := func(a string) []netip.AddrPort { return []netip.AddrPort{netip.MustParseAddrPort(a)} }
	return assignment.Assignment{
		Self: 7, Base: "5f3c",
		Peers: []assignment.Peer{
			{ID: 8, Node: "node-2", Addresses: addrs("10.244.1.5", "fd00::5"), Port: 8083, Boot: "0123456789abcdef"},
			{ID: 9, Node: "node-2", Host: true, Addresses: addrs("192.168.0.2"), Port: 8084, Boot: "00000000000000ff", From: 12_000, For: 30_000},
		},
		Shared: &assignment.Shared{
			Name: "netchecker-service", Want: addrs("10.96.0.9"), DNSServers: ports("10.244.0.3:53"), DNSEvery: 5000,
			ServicePort: 8081, NodePort: 31081, ServiceEvery: 5000, KubeAPI: ports("10.96.0.1:443"), KubeAPIEvery: 60_000,
			Servers: ports("10.244.0.7:8081"), Nodes: addrs("192.168.0.1"),
			UpdateSpread: 5000,
		},
	}
}

func TestAnAssignmentIsReadBackAsItWasWritten(t *testing.T) {
	want := full()
	data, err := assignment.Encode(&want)
	if err != nil {
		t.Fatal(err)
	}
	if back, err := assignment.Decode(data, false); err != nil || !reflect.DeepEqual(*back, want) {
		t.Errorf("read %+v, %v\nwant %+v", back, err, want)
	}
}

func TestAnAssignmentThatMakesNoSenseIsRefusedByField(t *testing.T) {
	addr := netip.MustParseAddr
	for want, change := range map[string]func(*assignment.Assignment){
		"self: is 0; it should be from 1 to 281474976710655":                                              func(a *assignment.Assignment) { a.Self = 0 },
		"base: has 0 bytes; it should have from 1 to 32":                                                  func(a *assignment.Assignment) { a.Base = "" },
		"peers: has 65; it should have at most 64":                                                        func(a *assignment.Assignment) { a.Peers = make([]assignment.Peer, 65) },
		"peers[1].id: is 281474976710656; it should be from 1 to 281474976710655":                         func(a *assignment.Assignment) { a.Peers[1].ID = 1 << 48 },
		`peers[0].node: is "A"; it should be the name of a node`:                                          func(a *assignment.Assignment) { a.Peers[0].Node = "A" },
		"peers[0].addresses[0]: is 169.254.169.254, a link-local address, which no agent may be aimed at": func(a *assignment.Assignment) { a.Peers[0].Addresses[0] = addr("169.254.169.254") },
		"peers[0].addresses[0]: is 127.0.0.1, a loopback address, which no agent may be aimed at":         func(a *assignment.Assignment) { a.Peers[0].Addresses[0] = addr("127.0.0.1") },
		"peers[0].addresses[0]: is ::ffff:10.0.0.1; it should be an IP address":                           func(a *assignment.Assignment) { a.Peers[0].Addresses[0] = addr("::ffff:10.0.0.1") },
		"peers[0].addresses[1]: is 10.0.0.1; there should be one of each family":                          func(a *assignment.Assignment) { a.Peers[0].Addresses[1] = addr("10.0.0.1") },
		"peers[0].port: is missing; it should be that of the agent's responder":                           func(a *assignment.Assignment) { a.Peers[0].Port = 0 },
		"peers[1].boot: is not what it should be: 16 hexadecimal digits":                                  func(a *assignment.Assignment) { a.Peers[1].Boot = "secret" },
		"peers[1].for_ms: is -1; it should be from 0 to 3600000":                                          func(a *assignment.Assignment) { a.Peers[1].For = -1 },
		`shared.name: is "a b"; it should be the name of a Service`:                                       func(a *assignment.Assignment) { a.Shared.Name = "a b" },
		"shared.dns_servers: has 9; it should have at most 8":                                             func(a *assignment.Assignment) { a.Shared.DNSServers = make([]netip.AddrPort, 9) },
		"shared.dns_servers[0]: is 10.0.0.1:0; it should have a port":                                     func(a *assignment.Assignment) { a.Shared.DNSServers[0] = netip.AddrPortFrom(addr("10.0.0.1"), 0) },
		"shared.servers[0]: is 224.0.0.1, an address of many, which no agent may be aimed at":             func(a *assignment.Assignment) { a.Shared.Servers[0] = netip.MustParseAddrPort("224.0.0.1:8081") },
		"shared.kube_api_every_ms: is 999; it should be from 1000 to 3600000":                             func(a *assignment.Assignment) { a.Shared.KubeAPIEvery = 999 },
		"shared.update_spread_ms: is -1; it should be from 0 to 60000":                                    func(a *assignment.Assignment) { a.Shared.UpdateSpread = -1 },
		"shared.update_spread_ms: is 60001; it should be from 0 to 60000":                                 func(a *assignment.Assignment) { a.Shared.UpdateSpread = 60_001 },
		"shared.nodes[0]: is fe80::1%eth0; it should be an IP address":                                    func(a *assignment.Assignment) { a.Shared.Nodes[0] = addr("fe80::1%eth0") },
	} {
		a := full()
		change(&a)
		data, err := assignment.Encode(&a)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := assignment.Decode(data, false); err == nil || err.Error() != want {
			t.Errorf("got  %v\nwant %s", err, want)
		}
	}
	if _, err := assignment.Decode([]byte("[]"), false); err == nil {
		t.Error("an array is taken for an assignment")
	}
}

func TestUpdatesAreSpreadOverASecondWhereTheServerTellsNothing(t *testing.T) {
	for ms, want := range map[int64]time.Duration{0: time.Second, 250: 250 * time.Millisecond, 10_000: 10 * time.Second} {
		s := assignment.Shared{UpdateSpread: ms}
		if got := s.SpreadOfUpdates(); got != want {
			t.Errorf("%d ms are told: spread over %v, want %v", ms, got, want)
		}
	}
}

func TestAgentsThatShareAMachineAreFoundThere(t *testing.T) {
	a := full()
	a.Peers[0].Addresses[0] = netip.MustParseAddr("127.0.0.1")
	data, err := assignment.Encode(&a)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := assignment.Decode(data, true); err != nil {
		t.Error(err)
	}
}
