package pods

import (
	"cmp"
	"encoding/json"

	"github.com/netchecker/netchecker/pkg/report"
	"github.com/netchecker/netchecker/server/declared"
)

// fileFormat is what a file says:
//
//	agents:
//	- name: netchecker-agent-n1   # the pod's
//	  node: n1
//	  namespace: default          # all else may be left out; default
//	  network: pod                # or host; pod
//	  addresses: [10.0.0.1]
//	  meshPort: 8083              # where it answers the probes of other agents; nowhere
//	  uid: 6ba7b810               # tells an agent from an earlier one of its name
//	nodes:                        # may be left out, also for some of the agents' nodes
//	- name: n3
//	  zone: a                     # the label topology.kubernetes.io/zone; all else may be left out
//	  ready: true                 # or false; not known
//	  labels: {rack: r1}
//	  going: cordoned             # why, for people; the node stays
//
// It may be JSON as well.
type fileFormat struct {
	Agents []fileAgent
	Nodes  []fileNode
}

type fileAgent struct {
	Name      string         `json:"name"`
	Node      string         `json:"node"`
	Namespace string         `json:"namespace"`
	Network   report.Network `json:"network"`
	Addresses []string       `json:"addresses"`
	MeshPort  int            `json:"meshPort"`
	UID       string         `json:"uid"`
}

type fileNode struct {
	Name   string            `json:"name"`
	Zone   string            `json:"zone"`
	Ready  *bool             `json:"ready"`
	Labels map[string]string `json:"labels"`
	Going  string            `json:"going"`
}

// parseFile reads a file. Its errors name the field, and what it should be.
func parseFile(text []byte) (*fileFormat, error) {
	plain, err := declared.JSON(text)
	if err != nil {
		return nil, err
	}
	// Agent by agent and node by node, so that errors can tell which.
	var lists struct {
		Agents []json.RawMessage `json:"agents"`
		Nodes  []json.RawMessage `json:"nodes"`
	}
	if err := declared.Decode(plain, "", &lists); err != nil {
		return nil, err
	}
	f := &fileFormat{}
	if f.Agents, err = declared.DecodeEach[fileAgent](lists.Agents, "agents"); err != nil {
		return nil, err
	}
	if f.Nodes, err = declared.DecodeEach[fileNode](lists.Nodes, "nodes"); err != nil {
		return nil, err
	}
	for i := range f.Agents {
		f.Agents[i].complete()
	}
	return f, f.Validate()
}

// complete sets what may be left out.
func (a *fileAgent) complete() {
	a.Namespace = cmp.Or(a.Namespace, "default")
	a.Network = cmp.Or(a.Network, report.Pod)
}
