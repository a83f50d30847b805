package findings

import (
	"net/netip"
	"slices"
	"time"

	"github.com/netchecker/netchecker/pkg/assignment"
	"github.com/netchecker/netchecker/pkg/report"
	"github.com/netchecker/netchecker/server/diagnose"
	"github.com/netchecker/netchecker/server/fleet"
)

// plannedFor is for how long what a node meets with that was marked for going is planned.
const plannedFor = time.Hour

// unplanned are the findings without those about nodes that were marked for going, which is
// planned work; of a place that something lasts of already, all are told.
func unplanned(found []diagnose.Finding, lasting []diagnose.Held, list *fleet.List, now time.Time) []diagnose.Finding {
	return slices.DeleteFunc(found, func(f diagnose.Finding) bool {
		going := slices.ContainsFunc(nodesIn(f.Subject), func(name string) bool {
			since := list.Nodes[name].GoingSince
			return !since.IsZero() && now.Sub(since) < plannedFor
		})
		return going && !slices.ContainsFunc(lasting, func(h diagnose.Held) bool { return h.Subject == f.Subject })
	})
}

// nodesIn are the nodes that a subject names.
func nodesIn(s diagnose.Subject) []string {
	switch s.Scope {
	case diagnose.Node:
		return s.Names[:1]
	case diagnose.Pair:
		return s.Names[:]
	}
	return nil
}

// most is how many findings of each severity last at most, so that many of a lesser one leave
// room for others.
var most = map[diagnose.Severity]int{diagnose.Critical: mostCritical, diagnose.Warning: mostWarnings, diagnose.Info: mostInfo}

// bounded are as many findings of each severity as there is room for, those that last already
// before others, and how many are left out.
func bounded(found []diagnose.Finding, lasting []diagnose.Held) (some []diagnose.Finding, leftOut int) {
	if len(found) <= mostInfo {
		return found, 0 // as it nearly always is
	}
	known := make(map[diagnose.Key]bool, len(lasting))
	for i := range lasting {
		known[lasting[i].Key()] = true
	}
	count := map[diagnose.Severity]int{}
	for _, old := range []bool{true, false} {
		for i := range found {
			f := &found[i]
			switch {
			case known[f.Key()] != old:
			case count[f.Severity] == most[f.Severity]:
				leftOut++
			default:
				count[f.Severity]++
				some = append(some, *f)
			}
		}
	}
	slices.SortFunc(some, func(a, b diagnose.Finding) int { return a.Compare(&b) })
	return some, leftOut
}

// gone says of subjects why they are not there any more, where that is so.
func gone(list *fleet.List, left func(target string) (time.Time, bool)) func(diagnose.Subject) string {
	return func(s diagnose.Subject) string {
		for _, name := range nodesIn(s) {
			if why := goneNode(list, name); why != "" {
				return why
			}
		}
		switch s.Scope {
		case diagnose.ZonePair:
			for _, zone := range s.Names {
				if !hasZone(list, zone) {
					return "the zone " + zone + " has no nodes any more"
				}
			}
		case diagnose.Target:
			if _, has := left(s.Names[0]); has {
				return s.Names[0] + " has left"
			}
		}
		return ""
	}
}

// goneNode says why a node is not there any more; where nodes can't be read, it is there as
// long as an agent is.
func goneNode(list *fleet.List, name string) string {
	if list.Nodes == nil {
		if !slices.ContainsFunc(list.Agents, func(a fleet.Agent) bool { return a.Node == name }) {
			return "no agent is on " + name + " any more"
		}
		return ""
	}
	if n, known := list.Nodes[name]; !known || n.Going == fleet.Deleted {
		return "the node " + name + " was deleted"
	}
	return ""
}

func hasZone(list *fleet.List, zone string) bool {
	for _, n := range list.Nodes {
		if n.Zone == zone {
			return true
		}
	}
	return false
}

// controlPlane is the label of nodes that have an API server, as kubeadm and others set it:
// https://kubernetes.io/docs/reference/labels-annotations-taints/#node-role-kubernetes-io-control-plane
const controlPlane = "node-role.kubernetes.io/control-plane"

// Homes are the nodes on which the things lie that agents are told to ask, as far as that is
// known: name servers on their pods' nodes, which servers has by what agents call these; the
// name service on all of those; netchecker's Service on the nodes of its servers; the API
// server on those that are labelled as the control plane's.
func Homes(list *fleet.List, told *assignment.Shared, servers map[string]string) map[diagnose.Thing][]string {
	homes := map[diagnose.Thing][]string{}
	for target, node := range servers {
		homes[diagnose.Thing{Kind: report.DNSServer, Target: target}] = []string{node}
		add(homes, diagnose.Thing{Kind: report.DNS, Target: told.Name}, node)
	}
	for _, node := range nodesAt(list, told.Nodes) {
		add(homes, diagnose.Thing{Kind: report.ServiceName, Target: told.Name}, node)
		for _, a := range told.Want {
			add(homes, diagnose.Thing{Kind: report.ServiceAddress, Target: netip.AddrPortFrom(a, told.ServicePort).String()}, node)
		}
		add(homes, diagnose.Thing{Kind: report.NodePort}, node)
	}
	for name, n := range list.Nodes {
		if _, labelled := n.Labels[controlPlane]; !labelled {
			continue
		}
		for _, a := range told.KubeAPI {
			add(homes, diagnose.Thing{Kind: report.KubeAPI, Target: a.String()}, name)
		}
	}
	return homes
}

func add(homes map[diagnose.Thing][]string, t diagnose.Thing, node string) {
	if !slices.Contains(homes[t], node) {
		homes[t] = append(homes[t], node)
		slices.Sort(homes[t])
	}
}

// nodesAt are the nodes that have these addresses, which their agents on the host network
// have as well.
func nodesAt(list *fleet.List, at []netip.Addr) (names []string) {
	if len(at) == 0 {
		return nil
	}
	texts := make([]string, len(at))
	for i, a := range at {
		texts[i] = a.String()
	}
	for i := range list.Agents {
		a := &list.Agents[i]
		if a.Network == report.Host && slices.ContainsFunc(a.Addresses, func(has string) bool { return slices.Contains(texts, has) }) {
			names = append(names, a.Node)
		}
	}
	return names
}
