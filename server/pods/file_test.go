package pods

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/netchecker/netchecker/pkg/report"
	"github.com/netchecker/netchecker/server/fleet"
)

const oneAgent = "agents:\n- {name: a, node: n1}\n"

// write replaces the file at path as most editors do, by a rename.
func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path+".new", []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(path+".new", path); err != nil {
		t.Fatal(err)
	}
}

// runFile follows the file at path until the test ends.
func runFile(t *testing.T, path string) *File {
	t.Helper()
	f, err := newFile(path, nil, 10*time.Millisecond, time.Millisecond)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- f.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("Run returned %v", err)
		}
	})
	return f
}

// says waits until the file's list has these agents.
func says(t *testing.T, f *File, names ...string) *fleet.List {
	t.Helper()
	eventually(t, func() error {
		var got []string
		for _, a := range f.List().Agents {
			got = append(got, a.Name)
		}
		if !reflect.DeepEqual(got, names) {
			return fmt.Errorf("the list has %q, want %q (%v)", got, names, f.Check(t.Context()))
		}
		return nil
	})
	return f.List()
}

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
nodes:
- name: n3
  going: cordoned
- name: n4                      # no agent is there
  going: sold
`,
		"JSON": `{"agents":[{"name":"b.example","node":"n1","network":"pod","namespace":"default"},
{"name":"a","namespace":"blue","node":"n3","network":"host","addresses":["10.0.0.1","fd00::1"]}],
"nodes":[{"name":"n3","going":"cordoned"},{"name":"n4","going":"sold"}]}`,
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
					{Key: fleet.Key{Namespace: "blue", Name: "a"}, Node: "n3", Network: report.Host, Addresses: []string{"10.0.0.1", "fd00::1"}, FirstSeen: now},
					{Key: fleet.Key{Namespace: "default", Name: "b.example"}, Node: "n1", Network: report.Pod, FirstSeen: now},
				},
				Nodes:  map[string]fleet.Node{"n3": {Name: "n3", Going: "cordoned", GoingSince: now}},
				Source: "file " + path,
			}
			if got := f.List(); !reflect.DeepEqual(got, want) {
				t.Errorf("the list is\n%+v, want\n%+v", got, want)
			}
			if !f.AsOf().Equal(now) || f.Check(t.Context()) != nil || f.Status() != (Status{Mode: Reading, Nodes: true}) {
				t.Errorf("as of %v, status %+v", f.AsOf(), f.Status())
			}
		})
	}
}

func TestBrokenFilesAreToldByFieldAndWhatItShouldBe(t *testing.T) {
	t.Parallel()
	const (
		subdomain = "it should be a DNS-1123 subdomain: at most 253 lower-case letters, digits, '-' and '.', each part beginning and ending with a letter or digit"
		label     = "it should be a DNS-1123 label: at most 63 lower-case letters, digits and '-', beginning and ending with a letter or digit"
		agentKeys = "name, namespace, node, network, addresses"
	)
	for text, want := range map[string]string{
		"":                                       "the file: missing; it should be a map with the keys agents, nodes",
		"- a":                                    "the file: a list; it should be a map with the keys agents, nodes",
		"agents: [":                              "yaml: line 1: did not find expected node content",
		"agent: []":                              `the file: unknown key "agent"; there are agents, nodes`,
		"nodes: []":                              "agents: missing; it should be a list of agents",
		"agents: {}":                             "agents: a map; it should be a list",
		"agents: many":                           `agents: "many"; it should be a list`,
		"agents: []\nagents: []":                 `yaml: unmarshal errors: line 2: key "agents" already set in map`,
		"agents: [a]":                            `agents[0]: "a"; it should be a map with the keys ` + agentKeys,
		"agents: [{name: a, node: n1, host: h}]": `agents[0]: unknown key "host"; there are ` + agentKeys,
		"agents: [{node: n1}]":                   "agents[0].name: missing; " + subdomain,
		"agents: [{name: a, node: n1}, {name: b}]":                              "agents[1].node: missing; " + subdomain,
		"agents: [{name: a, node: 7}]":                                          "agents[0].node: the number 7 (quotes make it a string); " + subdomain,
		"agents: [{name: yes, node: n1}]":                                       "agents[0].name: the boolean true (quotes make it a string); " + subdomain,
		"agents: [{name: a, node: n}]":                                          "agents[0].node: the boolean false (quotes make it a string); " + subdomain,
		"agents: [{name: ../a, node: n1}]":                                      `agents[0].name: "../a"; ` + subdomain,
		"agents: [{name: " + strings.Repeat("A", 99) + ", node: n1}]":           `agents[0].name: "` + strings.Repeat("A", 64) + `"…; ` + subdomain,
		"agents: [{name: a, node: n1, namespace: a.b}]":                         `agents[0].namespace: "a.b"; ` + label,
		"agents: [{name: a, node: n1, network: pods}]":                          `agents[0].network: "pods"; it should be pod or host`,
		"agents: [{name: a, node: n1, network: [pod]}]":                         "agents[0].network: a list; it should be pod or host",
		"agents: [{name: a, node: n1, addresses: 10.0.0.1}]":                    `agents[0].addresses: "10.0.0.1"; it should be a list`,
		"agents: [{name: a, node: n1, addresses: [10.0.0.1/8]}]":                `agents[0].addresses[0]: "10.0.0.1/8"; it should be an IP address`,
		"agents: [{name: a, node: n1}, {name: a, node: m, namespace: default}]": "agents[1].name: default/a is there already, as agents[0]",
		oneAgent + "nodes: {}":                                                  "nodes: a map; it should be a list",
		oneAgent + "nodes: [n1]":                                                `nodes[0]: "n1"; it should be a map with the keys name, going`,
		oneAgent + "nodes: [{name: N1}]":                                        `nodes[0].name: "N1"; ` + subdomain,
		oneAgent + "nodes: [{name: n1}]":                                        "nodes[0].going: missing; it should say why the node is going, such as cordoned",
		oneAgent + "nodes: [{name: n1, going: true}]":                           "nodes[0].going: the boolean true (quotes make it a string); it should say why the node is going, such as cordoned",
		oneAgent + "nodes: [{name: n1, going: sold}, {name: n1, going: x}]":     "nodes[1].name: n1 is there already",
	} {
		path := filepath.Join(t.TempDir(), "agents.yaml")
		write(t, path, text)
		want := "reading the agents from " + path + ": " + want
		if _, err := NewFile(path, nil); err == nil || err.Error() != want {
			t.Errorf("%q is told as\n%v, want\n%s", text, err, want)
		}
	}
}

func TestFilesThatCannotBeReadAreTold(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	large := filepath.Join(dir, "large")
	write(t, large, "")
	if err := os.Truncate(large, MaxFile+1); err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]string{
		dir:                           "reading the agents: " + dir + " is not a regular file",
		large:                         "reading the agents: " + large + " is larger than 32 MiB",
		filepath.Join(dir, "nothing"): "reading the agents: stat " + dir + "/nothing: no such file or directory",
	} {
		if _, err := NewFile(path, nil); err == nil || err.Error() != want {
			t.Errorf("%s is told as %v, want %s", path, err, want)
		}
	}
}

func TestChangedFileIsTakenIn(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func(t *testing.T, path, text string){
		"by a rename": write,
		"in place": func(t *testing.T, path, text string) {
			if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
				t.Fatal(err)
			}
		},
		"through a mounted ConfigMap's links": func(t *testing.T, path, text string) {
			dir, err := os.MkdirTemp(filepath.Dir(path), "..data-")
			if err != nil {
				t.Fatal(err)
			}
			write(t, filepath.Join(dir, "agents"), text)
			if err := os.Symlink(filepath.Join(dir, "agents"), path+".link"); err != nil {
				t.Fatal(err)
			}
			if err := os.Rename(path+".link", path); err != nil {
				t.Fatal(err)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			path := filepath.Join(t.TempDir(), "agents")
			change(t, path, oneAgent+"nodes: [{name: n1, going: sold}]\n")
			f := runFile(t, path)
			<-f.Changed()
			first := f.List()

			change(t, path, "agents:\n- {name: b, node: n2}\n- {name: a, node: n1}\nnodes: [{name: n1, going: cordoned}]\n")
			l := says(t, f, "a", "b")
			<-f.Changed()
			if !l.Agents[0].FirstSeen.Equal(first.Agents[0].FirstSeen) || !l.Agents[1].FirstSeen.After(l.Agents[0].FirstSeen) {
				t.Errorf("before, listed were %+v, after it %+v", first.Agents, l.Agents)
			}
			if was, is := first.Nodes["n1"], l.Nodes["n1"]; is.Going != "cordoned" || !is.GoingSince.Equal(was.GoingSince) {
				t.Errorf("the node was %+v, and is %+v", was, is)
			}
		})
	}
}

func TestBrokenNewVersionIsToldAndTheLastGoodListStays(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "agents")
	write(t, path, oneAgent)
	f := runFile(t, path)
	list := f.List()

	write(t, path, "agents:\n- {name: a}\n")
	want := "reading the agents from " + path + ": agents[0].node: missing; it should be a DNS-1123 subdomain"
	eventually(t, func() error {
		if err := f.Check(t.Context()); err == nil || !strings.HasPrefix(err.Error(), want) {
			return fmt.Errorf("Check says %v, want %s", err, want)
		}
		return nil
	})
	asOf := f.AsOf()
	time.Sleep(50 * time.Millisecond)
	if f.List() != list || !f.AsOf().Equal(asOf) || f.Status().Err == nil {
		t.Errorf("the list is %+v as of %v, status %+v", f.List(), f.AsOf(), f.Status())
	}

	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	eventually(t, func() error {
		if err := f.Check(t.Context()); err == nil || !strings.Contains(err.Error(), "no such file") {
			return fmt.Errorf("Check says %v of a file that is gone", err)
		}
		return nil
	})

	write(t, path, oneAgent)
	eventually(t, func() error {
		if err := f.Check(t.Context()); err != nil || !f.AsOf().After(asOf) {
			return fmt.Errorf("Check says %v, as of %v", err, f.AsOf())
		}
		return nil
	})
	if was, is := list.Agents[0].FirstSeen, f.List().Agents[0].FirstSeen; !is.Equal(was) {
		t.Errorf("first seen at %v, and then at %v", was, is)
	}
}

func TestVersionThatIsBeingWrittenIsNotTakenIn(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "agents")
	write(t, path, "agents:\n- {name: a, node: n1}\n- {name: b, node: n1}\n")
	f, err := NewFile(path, nil)
	if err != nil {
		t.Fatal(err)
	}
	write(t, path, oneAgent)
	for i, want := range []bool{false, true} {
		settled, err := f.look()
		if settled != want || err != nil {
			t.Errorf("look %d: settled %t, %v", i+1, settled, err)
		}
		if taken := len(f.List().Agents) == 1; taken != want {
			t.Errorf("look %d: the list is %+v", i+1, f.List())
		}
	}
}
