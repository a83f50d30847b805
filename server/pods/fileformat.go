package pods

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"

	"sigs.k8s.io/yaml"

	"github.com/netchecker/netchecker/pkg/report"
	"github.com/netchecker/netchecker/server/fleet"
)

// fileList is what a file says:
//
//	agents:
//	- name: netchecker-agent-n1   # the pod's
//	  namespace: default          # may be left out: default
//	  node: n1
//	  network: pod                # or host; may be left out: pod
//	  addresses: [10.0.0.1]       # may be left out
//	nodes:                        # those that are going; may be left out
//	- name: n3
//	  going: cordoned             # why, for people
//
// It may be JSON as well.
type fileList struct {
	agents []fleet.Agent
	// going is why nodes are going, by name.
	going map[string]string
}

// parseFile reads a file. Its errors name the field, and what it should be.
func parseFile(text []byte) (*fileList, error) {
	plain, err := yaml.YAMLToJSONStrict(text)
	if err != nil {
		return nil, errors.New(strings.Join(strings.Fields(err.Error()), " "))
	}
	var value any
	if err := json.Unmarshal(plain, &value); err != nil {
		return nil, err
	}
	root, err := mapping(value, "the file", "agents", "nodes")
	if err != nil {
		return nil, err
	}
	l := &fileList{}
	if l.agents, err = fileAgents(root["agents"]); err != nil {
		return nil, err
	}
	if l.going, err = fileNodes(root["nodes"]); err != nil {
		return nil, err
	}
	return l, nil
}

// list is what l says as a list of its own. What the list before it knew since
// when stays so.
func (l *fileList) list(before *fleet.List, source string, now time.Time) *fleet.List {
	firstSeen := make(map[fleet.Key]time.Time)
	if before != nil {
		for i := range before.Agents {
			firstSeen[before.Agents[i].Key] = before.Agents[i].FirstSeen
		}
	}
	agents := slices.Clone(l.agents)
	for i := range agents {
		seen, ok := firstSeen[agents[i].Key]
		if !ok {
			seen = now
		}
		agents[i].FirstSeen = seen
	}
	going := marks(agents, func(node string) string { return l.going[node] })
	return &fleet.List{Agents: agents, Nodes: goings(going, nodesOf(before), now), Source: source}
}

func fileAgents(value any) ([]fleet.Agent, error) {
	if value == nil {
		return nil, errors.New("agents: missing; it should be a list of agents")
	}
	items, err := sequence(value, "agents")
	if err != nil {
		return nil, err
	}
	agents := make([]fleet.Agent, len(items))
	places := make(map[fleet.Key]int, len(items))
	for i, item := range items {
		field := fmt.Sprintf("agents[%d]", i)
		if agents[i], err = fileAgent(item, field); err != nil {
			return nil, err
		}
		if first, twice := places[agents[i].Key]; twice {
			return nil, fmt.Errorf("%s.name: %s is there already, as agents[%d]", field, agents[i].Key, first)
		}
		places[agents[i].Key] = i
	}
	slices.SortFunc(agents, func(a, b fleet.Agent) int { return a.Key.Compare(b.Key) })
	return agents, nil
}

func fileAgent(value any, field string) (fleet.Agent, error) {
	m, err := mapping(value, field, "name", "namespace", "node", "network", "addresses")
	if err != nil {
		return fleet.Agent{}, err
	}
	name, err1 := subdomain(m["name"], field+".name")
	namespace, err2 := label(cmp.Or(m["namespace"], any("default")), field+".namespace")
	node, err3 := subdomain(m["node"], field+".node")
	network, err4 := network(m["network"], field+".network")
	addresses, err5 := fileAddresses(m["addresses"], field+".addresses")
	if err := cmp.Or(err1, err2, err3, err4, err5); err != nil {
		return fleet.Agent{}, err
	}
	return fleet.Agent{
		Key:  fleet.Key{Namespace: namespace, Name: name},
		Node: node, Network: network, Addresses: addresses,
	}, nil
}

func network(value any, field string) (report.Network, error) {
	switch value {
	case nil, string(report.Pod):
		return report.Pod, nil
	case string(report.Host):
		return report.Host, nil
	}
	return "", fmt.Errorf("%s: %s; it should be pod or host", field, told(value))
}

func fileAddresses(value any, field string) ([]string, error) {
	if value == nil {
		return nil, nil
	}
	items, err := sequence(value, field)
	if err != nil {
		return nil, err
	}
	addresses := make([]string, len(items))
	for i, item := range items {
		text, _ := item.(string)
		ip, err := netip.ParseAddr(text)
		if err != nil || ip.Zone() != "" {
			return nil, fmt.Errorf("%s[%d]: %s; it should be an IP address", field, i, told(item))
		}
		addresses[i] = ip.String()
	}
	return addresses, nil
}

func fileNodes(value any) (map[string]string, error) {
	if value == nil {
		return nil, nil
	}
	items, err := sequence(value, "nodes")
	if err != nil {
		return nil, err
	}
	nodes := make(map[string]string, len(items))
	for i, item := range items {
		field := fmt.Sprintf("nodes[%d]", i)
		m, err := mapping(item, field, "name", "going")
		if err != nil {
			return nil, err
		}
		name, err := subdomain(m["name"], field+".name")
		if err != nil {
			return nil, err
		}
		if _, twice := nodes[name]; twice {
			return nil, fmt.Errorf("%s.name: %s is there already", field, name)
		}
		why, ok := m["going"].(string)
		if !ok || why == "" {
			return nil, fmt.Errorf("%s.going: %s; it should say why the node is going, such as cordoned", field, told(m["going"]))
		}
		nodes[name] = why
	}
	return nodes, nil
}
