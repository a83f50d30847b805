package pods

import (
	"maps"
	"net/netip"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/netchecker/netchecker/server/fleet"
)

// list is what the file says, as the List that follows before. An agent that the
// file does not name any more has left.
func (f *fileFormat) list(before *fleet.List, source string, now time.Time) *fleet.List {
	agents := make([]fleet.Agent, len(f.Agents))
	for i := range f.Agents {
		agents[i] = f.Agents[i].agent()
	}
	slices.SortFunc(agents, func(a, b fleet.Agent) int { return a.Key.Compare(b.Key) })
	keepFirstSeen(agents, before.Agents, now)
	nodes := f.nodes()
	keepSince(nodes, before.Nodes, now)
	return &fleet.List{
		Agents: agents,
		Nodes:  nodes,
		Left:   left(before.Left, changeOf(before.Agents, agents), now),
		Source: source,
	}
}

// keepFirstSeen sets when the agents were first seen: those that were there before
// when they were, all others now.
func keepFirstSeen(agents, before []fleet.Agent, now time.Time) {
	were := make(map[fleet.Key]*fleet.Agent, len(before))
	for i := range before {
		were[before[i].Key] = &before[i]
	}
	for i := range agents {
		agents[i].FirstSeen = now
		if was, ok := were[agents[i].Key]; ok && samePod(was, &agents[i]) {
			agents[i].FirstSeen = was.FirstSeen
		}
	}
}

func (a *fileAgent) agent() fleet.Agent {
	agent := fleet.Agent{
		Key:      fleet.Key{Namespace: a.Namespace, Name: a.Name},
		UID:      a.UID,
		Node:     a.Node,
		Network:  a.Network,
		MeshPort: uint16(a.MeshPort), // it was validated
	}
	for _, text := range a.Addresses {
		if ip, err := netip.ParseAddr(text); err == nil {
			agent.Addresses = append(agent.Addresses, ip.String())
		}
	}
	return agent
}

// nodes are those that the file names, and those of its agents.
func (f *fileFormat) nodes() map[string]fleet.Node {
	nodes := make(map[string]fleet.Node)
	for i := range f.Agents {
		name := f.Agents[i].Node
		nodes[name] = fleet.Node{Name: name, Ready: fleet.ReadyUnknown}
	}
	for i := range f.Nodes {
		nodes[f.Nodes[i].Name] = f.Nodes[i].node()
	}
	return nodes
}

// node is the one that n says. Its zone is also the label, whichever the file tells.
func (n *fileNode) node() fleet.Node {
	labels := maps.Clone(n.Labels)
	if n.Zone != "" {
		if labels == nil {
			labels = make(map[string]string, 1)
		}
		labels[corev1.LabelTopologyZone] = n.Zone
	}
	return fleet.Node{
		Name:   n.Name,
		Zone:   labels[corev1.LabelTopologyZone],
		Ready:  n.readiness(),
		Labels: labels,
		Going:  n.Going,
	}
}

func (n *fileNode) readiness() fleet.Readiness {
	switch {
	case n.Ready == nil:
		return fleet.ReadyUnknown
	case *n.Ready:
		return fleet.Ready
	}
	return fleet.NotReady
}
