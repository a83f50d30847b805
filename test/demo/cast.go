package main

import (
	"fmt"
	"strings"
)

// namespace is where the made-up pods are said to live.
const namespace = "netchecker"

// pod is an agent's pod as the server is told to expect it.
type pod struct{ name, node, network string }

// cast is who plays: an agent on either network of each of three nodes.
func cast() []pod {
	var pods []pod
	for _, node := range []string{"node-1", "node-2", "node-3"} {
		pods = append(pods,
			pod{"netchecker-agent-" + node, node, "pod"},
			pod{"netchecker-agent-hostnet-" + node, node, "host"})
	}
	return pods
}

// agentsFile is the content of the server's -agents-file.
func agentsFile(pods []pod) string {
	var b strings.Builder
	b.WriteString("agents:\n")
	for _, p := range pods {
		fmt.Fprintf(&b, "- {name: %s, namespace: %s, node: %s, network: %s}\n", p.name, namespace, p.node, p.network)
	}
	return b.String()
}
