package main

import (
	"fmt"
	"net/netip"
	"strings"
)

// namespace is where the made-up pods are said to live.
const namespace = "netchecker"

// pod is an agent's pod as the server is told to expect it, and where it answers probes.
type pod struct {
	name, node, network string
	mesh                netip.AddrPort
}

// cast is who plays: an agent on either network of each of three nodes.
func cast() []pod {
	var pods []pod
	for _, node := range []string{"node-1", "node-2", "node-3"} {
		pods = append(pods,
			pod{name: "netchecker-agent-" + node, node: node, network: "pod"},
			pod{name: "netchecker-agent-hostnet-" + node, node: node, network: "host"})
	}
	return pods
}

// placed gives each pod a port of this machine that is free.
func placed(pods []pod) ([]pod, error) {
	for i := range pods {
		address, err := claim("127.0.0.1:0")
		if err != nil {
			return nil, err
		}
		pods[i].mesh = netip.MustParseAddrPort(address)
	}
	return pods, nil
}

// agentsFile is the content of the server's -agents-file.
func agentsFile(pods []pod) string {
	var b strings.Builder
	b.WriteString("agents:\n")
	for _, p := range pods {
		fmt.Fprintf(&b, "- {name: %s, namespace: %s, node: %s, network: %s, addresses: [%q], meshPort: %d}\n",
			p.name, namespace, p.node, p.network, p.mesh.Addr(), p.mesh.Port())
	}
	return b.String()
}

// backendsFile is the content of the server's -backends-file: the server itself, which
// all agents sample.
const backendsFile = `backends:
- {name: netchecker, url: "http://{server}/api/v1/ping"}
`
