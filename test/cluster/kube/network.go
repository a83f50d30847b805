package kube

import (
	"fmt"
	"net/netip"
	"strings"
)

// These are the scripts that make the network, as ip -batch, bridge -batch and
// nft -f read them.

// overlay is the VXLAN device; its packets are UDP to overlayPort. Its MTU leaves
// room for the 50 bytes in front of each packet.
const (
	overlay     = "vxlan0"
	overlayPort = 8472
	overlayMTU  = 1450
	podBridge   = "cni0"
)

// wireScript makes the bridge that joins all places.
func wireScript() string {
	return "link add br0 type bridge mcast_snooping 0\nlink set br0 up\n"
}

// cableScript lays a cable from the bridge to eth0 of the place whose anchor is
// process pid of the machine. Its end at the bridge has the place's name.
func cableScript(name string, pid int) string {
	// Not the bare id: it would be taken for one of the wire's own.
	return fmt.Sprintf("link add %s type veth peer name eth0 netns /proc/%d/ns/net\nlink set %s master br0\nlink set %s up\n", name, pid, name, name)
}

// underlayScript gives eth0 its addresses. All but the control plane take that
// for their way to anywhere: a packet to a Service needs a route before it is
// translated.
func underlayScript(dualStack bool, ip4, ip6 netip.Addr) string {
	var b strings.Builder
	fmt.Fprintf(&b, "addr add %s/24 dev eth0\n", ip4)
	if dualStack {
		fmt.Fprintf(&b, "addr add %s/64 dev eth0 nodad\n", ip6)
	}
	fmt.Fprintf(&b, "link set eth0 up\n")
	if ip4 == control4() {
		return b.String()
	}
	fmt.Fprintf(&b, "route add default via %s\n", control4())
	if dualStack {
		fmt.Fprintf(&b, "route add ::/0 via %s dev eth0\n", control6())
	}
	return b.String()
}

// overlayScript makes a node's end of the overlay.
func overlayScript(dualStack bool, n Node) string {
	var b strings.Builder
	fmt.Fprintf(&b, "link add %s mtu %d address %s type vxlan id 42 local %s dev eth0 dstport %d nolearning\n",
		overlay, overlayMTU, n.mac(), n.IPv4(), overlayPort)
	fmt.Fprintf(&b, "addr add %s/32 dev %s\n", n.pods4().Addr(), overlay)
	if dualStack {
		fmt.Fprintf(&b, "addr add %s/128 dev %s nodad\n", n.pods6().Addr(), overlay)
	}
	fmt.Fprintf(&b, "link set %s up\n", overlay)
	return b.String()
}

// peerScript tells a node the way to a peer's pods, and peerBridgeScript where
// the peer's end of the overlay is.
func peerScript(dualStack bool, peer Node) string {
	script := peerRoute(peer.pods4(), peer.mac())
	if dualStack {
		script += peerRoute(peer.pods6(), peer.mac())
	}
	return script
}

func peerRoute(pods netip.Prefix, mac string) string {
	gateway := pods.Addr()
	return fmt.Sprintf("neigh replace %s lladdr %s dev %s nud permanent\n", gateway, mac, overlay) +
		fmt.Sprintf("route replace %s via %s dev %s onlink\n", pods, gateway, overlay)
}

func peerBridgeScript(peer Node) string {
	return fmt.Sprintf("fdb replace %s dev %s dst %s self permanent\n", peer.mac(), overlay, peer.IPv4())
}

// forgetScript and forgetBridgeScript take back what the two above told.
func forgetScript(dualStack bool, peer Node) string {
	script := forgetRoute(peer.pods4())
	if dualStack {
		script += forgetRoute(peer.pods6())
	}
	return script
}

func forgetRoute(pods netip.Prefix) string {
	return fmt.Sprintf("route del %s dev %s\n", pods, overlay) +
		fmt.Sprintf("neigh del %s dev %s\n", pods.Addr(), overlay)
}

func forgetBridgeScript(peer Node) string {
	return fmt.Sprintf("fdb del %s dev %s dst %s self\n", peer.mac(), overlay, peer.IPv4())
}

// masqueradeScript lets pods reach what is no pod, as their node.
func masqueradeScript(dualStack bool) string {
	script := masqueradeTable("ip", pods4)
	if dualStack {
		script += masqueradeTable("ip6", pods6)
	}
	return script
}

func masqueradeTable(family string, pods netip.Prefix) string {
	return fmt.Sprintf(`table %s pods {
	chain postrouting {
		type nat hook postrouting priority srcnat;
		oifname "eth0" %s saddr %s %s daddr != %s masquerade
	}
}
`, family, family, pods, family, pods)
}

// sysctls are those of a node's network.
func sysctls(dualStack bool) map[string]string {
	all := map[string]string{
		"net/ipv4/ip_forward": "1",
		// A pod's answer to a pod of the same node, reached by a Service, has to be
		// translated back, though it would only cross the bridge.
		"net/bridge/bridge-nf-call-iptables":  "1",
		"net/bridge/bridge-nf-call-ip6tables": "1",
	}
	if dualStack {
		all["net/ipv6/conf/all/forwarding"] = "1"
		// The addresses are given out once; nobody has to look for doubles.
		all["net/ipv6/conf/default/accept_dad"] = "0"
	}
	return all
}
