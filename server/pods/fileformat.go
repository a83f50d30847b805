package pods

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"strings"

	strictjson "sigs.k8s.io/json"
	"sigs.k8s.io/yaml"

	"github.com/netchecker/netchecker/pkg/report"
)

// fileFormat is what a file says:
//
//	agents:
//	- name: netchecker-agent-n1   # the pod's
//	  node: n1
//	  namespace: default          # all else may be left out; default
//	  network: pod                # or host; pod
//	  addresses: [10.0.0.1]
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
	plain, err := yaml.YAMLToJSONStrict(text)
	if err != nil {
		return nil, errors.New(strings.Join(strings.Fields(err.Error()), " "))
	}
	// Agent by agent and node by node, so that errors can tell which.
	var lists struct {
		Agents []json.RawMessage `json:"agents"`
		Nodes  []json.RawMessage `json:"nodes"`
	}
	if err := decode(plain, "", &lists); err != nil {
		return nil, err
	}
	f := &fileFormat{}
	if f.Agents, err = decodeEach[fileAgent](lists.Agents, "agents"); err != nil {
		return nil, err
	}
	if f.Nodes, err = decodeEach[fileNode](lists.Nodes, "nodes"); err != nil {
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

// decodeEach decodes the items of a list, which is nil where it is missing.
func decodeEach[T any](items []json.RawMessage, list string) ([]T, error) {
	if items == nil {
		return nil, nil
	}
	values := make([]T, len(items))
	for i, item := range items {
		if err := decode(item, fmt.Sprintf("%s[%d]", list, i), &values[i]); err != nil {
			return nil, err
		}
	}
	return values, nil
}

// decode decodes the value of a field; empty means the whole file. It refuses what
// encoding/json would read over: unknown fields, and names in another case.
func decode(text []byte, field string, value any) error {
	unknown, err := strictjson.UnmarshalStrict(text, value)
	var wrong *json.UnmarshalTypeError
	switch {
	case errors.As(err, &wrong):
		at := strings.Trim(field+"."+wrong.Field, ".")
		return fmt.Errorf("%s: %s; it should be %s", cmp.Or(at, "the file"), found[wrong.Value], wanted(wrong.Type.Kind()))
	case err != nil:
		return err
	case len(unknown) > 0:
		return fmt.Errorf("%s: %w", cmp.Or(field, "the file"), unknown[0])
	}
	return nil
}

// found are JSON's kinds of values, as YAML calls them.
var found = map[string]string{
	"object": "a map", "array": "a list", "string": "a string", "number": "a number", "bool": "a boolean",
}

func wanted(kind reflect.Kind) string {
	switch kind {
	case reflect.String:
		return "a string (quotes make it one)"
	case reflect.Bool:
		return "true or false"
	case reflect.Slice:
		return "a list"
	}
	return "a map"
}
