package pods

import (
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/netchecker/netchecker/pkg/report"
	"github.com/netchecker/netchecker/server/fleet"
)

func TestFileIsReadAsItsFormatSays(t *testing.T) {
	t.Parallel()
	for name, text := range map[string]string{
		"YAML": `
agents:
- name: b.example
  node: n1
- name: a                       # comes first
  namespace: blue
  node: n3
  network: host
  addresses: [10.0.0.1, "fd00::1"]
  uid: 6ba7b810
  meshPort: 8083
nodes:
- name: n3
  zone: z
  ready: true
  labels: {rack: r1}
  going: cordoned
- name: n4                      # no agent is there
  ready: no
  labels: {topology.kubernetes.io/zone: x}
- name: n5
`,
		"JSON": `{"agents":[{"name":"b.example","node":"n1","network":"pod","namespace":"default"},
{"name":"a","namespace":"blue","node":"n3","network":"host","addresses":["10.0.0.1","fd00::1"],"uid":"6ba7b810","meshPort":8083}],
"nodes":[{"name":"n3","zone":"z","ready":true,"labels":{"rack":"r1"},"going":"cordoned"},
{"name":"n4","ready":false,"labels":{"topology.kubernetes.io/zone":"x"}},{"name":"n5"}]}`,
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "agents")
			write(t, path, text)
			now := time.Now()
			f, err := NewFile(path, func() time.Time { return now })
			if err != nil {
				t.Fatal(err)
			}
			want := &fleet.List{
				Agents: []fleet.Agent{
					{Key: fleet.Key{Namespace: "blue", Name: "a"}, UID: "6ba7b810", Node: "n3", Network: report.Host, Addresses: []string{"10.0.0.1", "fd00::1"}, MeshPort: 8083, FirstSeen: now},
					{Key: fleet.Key{Namespace: "default", Name: "b.example"}, Node: "n1", Network: report.Pod, FirstSeen: now},
				},
				Nodes: map[string]fleet.Node{
					"n1": {Name: "n1", Ready: fleet.ReadyUnknown},
					"n3": {
						Name: "n3", Zone: "z", Ready: fleet.Ready, Going: "cordoned", GoingSince: now,
						Labels: map[string]string{"rack": "r1", "topology.kubernetes.io/zone": "z"},
					},
					"n4": {Name: "n4", Zone: "x", Ready: fleet.NotReady, Labels: map[string]string{"topology.kubernetes.io/zone": "x"}},
					"n5": {Name: "n5", Ready: fleet.ReadyUnknown},
				},
				Source: "file " + path,
			}
			if got := f.List(); !reflect.DeepEqual(got, want) {
				t.Errorf("the list is\n%+v, want\n%+v", got, want)
			}
			if !f.AsOf().Equal(now) || f.Check(t.Context()) != nil {
				t.Errorf("as of %v, Check says %v", f.AsOf(), f.Check(t.Context()))
			}
		})
	}
}

func TestBrokenFilesAreToldByFieldAndWhatItShouldBe(t *testing.T) {
	t.Parallel()
	const (
		subdomain = "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')"
		label     = "must not contain dots"
		value     = "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyValue',  or 'my_value',  or '12345', regex used for validation is '(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?')"
		key       = "name part must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')"
	)
	for text, want := range map[string]string{
		"":                                       "agents: Required value: it should be a list of agents, which may be empty",
		"- a":                                    "the file: a list; it should be a map",
		"agents: [":                              "yaml: line 1: did not find expected node content",
		"agent: []":                              `the file: unknown field "agent"`,
		"Agents: []":                             `the file: unknown field "Agents"`,
		"nodes: []":                              "agents: Required value: it should be a list of agents, which may be empty",
		"agents: {}":                             "agents: a map; it should be a list",
		"agents: many":                           "agents: a string; it should be a list",
		"agents: []\nagents: []":                 `yaml: unmarshal errors: line 2: key "agents" already set in map`,
		"agents: [a]":                            "agents[0]: a string; it should be a map",
		"agents: [{name: a, node: n1, host: h}]": `agents[0]: unknown field "host"`,
		"agents: [{name: a, node: n1, Name: b}]": `agents[0]: unknown field "Name"`,
		"agents: [{name: a, name: b}]":           `yaml: unmarshal errors: line 1: key "name" already set in map`,
		"agents: [null]":                         "agents[0].name: Required value: " + subdomain,
		"agents: [{node: n1}]":                   "agents[0].name: Required value: " + subdomain,
		"agents: [{name: a, node: n1}, {name: b}]":                              "agents[1].node: Required value: " + subdomain,
		"agents: [{name: a, node: n1}, {name: b, node: 7}]":                     "agents[1].node: a number; it should be a string (quotes make it one)",
		"agents: [{name: yes, node: n1}]":                                       "agents[0].name: a boolean; it should be a string (quotes make it one)",
		"agents: [{name: a, node: n}]":                                          "agents[0].node: a boolean; it should be a string (quotes make it one)",
		"agents: [{name: ../a, node: n1}]":                                      `agents[0].name: Invalid value: "../a": ` + subdomain,
		"agents: [{name: " + strings.Repeat("A", 99) + ", node: n1}]":           `agents[0].name: Invalid value: "` + strings.Repeat("A", 64) + `…": ` + subdomain,
		"agents: [{name: a, node: n1, namespace: a.b}]":                         `agents[0].namespace: Invalid value: "a.b": ` + label,
		"agents: [{name: a, node: n1, network: pods}]":                          `agents[0].network: Unsupported value: "pods": supported values: "pod", "host"`,
		"agents: [{name: a, node: n1, network: [pod]}]":                         "agents[0].network: a list; it should be a string (quotes make it one)",
		"agents: [{name: a, node: n1, addresses: 10.0.0.1}]":                    "agents[0].addresses: a string; it should be a list",
		"agents: [{name: a, node: n1, addresses: [10.0.0.1/8]}]":                `agents[0].addresses[0]: Invalid value: "10.0.0.1/8": it should be an IP address`,
		"agents: [{name: a, node: n1, meshPort: 65536}]":                        "agents[0].meshPort: Invalid value: 65536: it should be from 1 to 65535, or be left out",
		"agents: [{name: a, node: n1, meshPort: -1}]":                           "agents[0].meshPort: Invalid value: -1: it should be from 1 to 65535, or be left out",
		"agents: [{name: a, node: n1, meshPort: mesh}]":                         "agents[0].meshPort: a string; it should be a whole number",
		"agents: [{name: a, node: n1}, {name: a, node: m, namespace: default}]": `agents[1].name: Duplicate value: "default/a"`,
		oneAgent + "nodes: {}":                                                  "nodes: a map; it should be a list",
		oneAgent + "nodes: [n1]":                                                "nodes[0]: a string; it should be a map",
		oneAgent + "nodes: [{name: N1}]":                                        `nodes[0].name: Invalid value: "N1": ` + subdomain,
		oneAgent + "nodes: [{going: sold}]":                                     "nodes[0].name: Required value: " + subdomain,
		oneAgent + "nodes: [{name: n1, going: true}]":                           "nodes[0].going: a boolean; it should be a string (quotes make it one)",
		oneAgent + "nodes: [{name: n1, ready: maybe}]":                          "nodes[0].ready: a string; it should be true or false",
		oneAgent + "nodes: [{name: n1, zone: a b}]":                             `nodes[0].zone: Invalid value: "a b": ` + value,
		oneAgent + "nodes: [{name: n1, labels: [a]}]":                           "nodes[0].labels: a list; it should be a map",
		oneAgent + "nodes: [{name: n1, labels: {rack: 7}}]":                     "nodes[0].labels: a number; it should be a string (quotes make it one)",
		oneAgent + "nodes: [{name: n1, labels: {a b: c}}]":                      `nodes[0].labels[a b]: Invalid value: "a b": ` + key,
		oneAgent + "nodes: [{name: n1, labels: {a: b c}}]":                      `nodes[0].labels[a]: Invalid value: "b c": ` + value,
		oneAgent + "nodes: [{name: n1, going: sold}, {name: n1, going: x}]":     `nodes[1].name: Duplicate value: "n1"`,
	} {
		path := filepath.Join(t.TempDir(), "agents.yaml")
		write(t, path, text)
		want := "reading the agents from " + path + ": " + want
		if _, err := NewFile(path, nil); err == nil || err.Error() != want {
			t.Errorf("%q is told as\n%v, want\n%s", text, err, want)
		}
	}
}
