package kube

import (
	"testing"
)

// text fails the test unless got is want, to the letter.
func text(t *testing.T, got, want string) {
	t.Helper()
	if got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

func second() Node { return Node{Name: "node-2", Zone: "zone-b", Index: 1} }

func TestNodesGetTheSmallestFreeIndexAndZonesInTurn(t *testing.T) {
	t.Parallel()
	nodes := []Node{{Name: "node-1", Zone: "zone-a", Index: 0}, {Name: "node-3", Zone: "zone-c", Index: 2}}
	for _, want := range []Node{{"node-2", "zone-b", 1}, {"node-4", "zone-a", 3}, {"node-5", "zone-b", 4}} {
		got, err := newNode(nodes)
		if err != nil || got != want {
			t.Errorf("got %+v, %v, want %+v", got, err, want)
		}
		nodes = append(nodes, got)
	}
}

func TestThereAreAddressesForSoManyNodesAndNoMore(t *testing.T) {
	t.Parallel()
	var nodes []Node
	taken := map[string]bool{control4().String(): true}
	for range maxIndex {
		n, err := newNode(nodes)
		if err != nil {
			t.Fatal(err)
		}
		for _, s := range []string{n.IPv4().String(), n.IPv6().String(), n.pods4().String(), n.pods6().String(), n.mac()} {
			if taken[s] {
				t.Errorf("%s has %s, which is taken", n.Name, s)
			}
			taken[s] = true
		}
		if !pods4.Overlaps(n.pods4()) || !pods6.Overlaps(n.pods6()) {
			t.Errorf("pods of %s are at %s and %s, outside the cluster's ranges", n.Name, n.pods4(), n.pods6())
		}
		nodes = append(nodes, n)
	}
	if _, err := newNode(nodes); err == nil || err.Error() != "the cluster has 240 nodes, there is no address for more" {
		t.Errorf("got error %v", err)
	}
}

func TestNodeOfOneFamily(t *testing.T) {
	t.Parallel()
	text(t, underlayScript(false, second().IPv4(), second().IPv6()), `addr add 192.168.100.12/24 dev eth0
link set eth0 up
route add default via 192.168.100.2
`)
	text(t, overlayScript(false, second()),
		`link add vxlan0 mtu 1450 address 02:00:0a:f4:02:00 type vxlan id 42 local 192.168.100.12 dev eth0 dstport 8472 nolearning
addr add 10.244.2.0/32 dev vxlan0
link set vxlan0 up
`)
	text(t, peerScript(false, second()), `neigh replace 10.244.2.0 lladdr 02:00:0a:f4:02:00 dev vxlan0 nud permanent
route replace 10.244.2.0/24 via 10.244.2.0 dev vxlan0 onlink
`)
	text(t, masqueradeScript(false), `table ip pods {
	chain postrouting {
		type nat hook postrouting priority srcnat;
		oifname "eth0" ip saddr 10.244.0.0/16 ip daddr != 10.244.0.0/16 masquerade
	}
}
`)
}

func TestDualStackNode(t *testing.T) {
	t.Parallel()
	text(t, underlayScript(true, second().IPv4(), second().IPv6()), `addr add 192.168.100.12/24 dev eth0
addr add fd00:100::c/64 dev eth0 nodad
link set eth0 up
route add default via 192.168.100.2
route add ::/0 via fd00:100::2 dev eth0
`)
	text(t, overlayScript(true, second()),
		`link add vxlan0 mtu 1450 address 02:00:0a:f4:02:00 type vxlan id 42 local 192.168.100.12 dev eth0 dstport 8472 nolearning
addr add 10.244.2.0/32 dev vxlan0
addr add fd00:10:244:2::/128 dev vxlan0 nodad
link set vxlan0 up
`)
	text(t, peerScript(true, second())+peerBridgeScript(second()), `neigh replace 10.244.2.0 lladdr 02:00:0a:f4:02:00 dev vxlan0 nud permanent
route replace 10.244.2.0/24 via 10.244.2.0 dev vxlan0 onlink
neigh replace fd00:10:244:2:: lladdr 02:00:0a:f4:02:00 dev vxlan0 nud permanent
route replace fd00:10:244:2::/64 via fd00:10:244:2:: dev vxlan0 onlink
fdb replace 02:00:0a:f4:02:00 dev vxlan0 dst 192.168.100.12 self permanent
`)
	text(t, forgetScript(true, second())+forgetBridgeScript(second()), `route del 10.244.2.0/24 dev vxlan0
neigh del 10.244.2.0 dev vxlan0
route del fd00:10:244:2::/64 dev vxlan0
neigh del fd00:10:244:2:: dev vxlan0
fdb del 02:00:0a:f4:02:00 dev vxlan0 dst 192.168.100.12 self
`)
}

func TestControlPlaneIsTheWayToAnywhere(t *testing.T) {
	t.Parallel()
	text(t, underlayScript(true, control4(), control6()), `addr add 192.168.100.2/24 dev eth0
addr add fd00:100::2/64 dev eth0 nodad
link set eth0 up
`)
	text(t, cableScript("control-plane", 42), `link add control-plane type veth peer name eth0 netns /proc/42/ns/net
link set control-plane master br0
link set control-plane up
`)
}

func TestCgroupsAreFoundWhateverTheirVersion(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		name, mounts string
		want         []hierarchy
	}{
		{"version 1", "cgroup /sys/fs/cgroup/cpu cgroup rw,cpu 0 0\ncgroup /sys/fs/cgroup/systemd cgroup rw,name=systemd 0 0\n",
			[]hierarchy{{"/sys/fs/cgroup/cpu", false}, {"/sys/fs/cgroup/systemd", false}}},
		{"version 2", "cgroup2 /sys/fs/cgroup cgroup2 rw 0 0\n", []hierarchy{{"/sys/fs/cgroup", true}}},
		{"both", "tmpfs /sys/fs/cgroup tmpfs rw 0 0\ncgroup /sys/fs/cgroup/cpu cgroup rw 0 0\ncgroup2 /sys/fs/cgroup/unified cgroup2 rw 0 0\n",
			[]hierarchy{{"/sys/fs/cgroup/cpu", false}, {"/sys/fs/cgroup/unified", true}}},
		{"somebody's copy", "cgroup /mnt/cpu cgroup rw 0 0\n", nil},
	} {
		got := hierarchies(row.mounts)
		if len(got) != len(row.want) {
			t.Errorf("%s: got %v, want %v", row.name, got, row.want)
			continue
		}
		for i := range got {
			if got[i] != row.want[i] {
				t.Errorf("%s: got %v, want %v", row.name, got, row.want)
			}
		}
	}
}
