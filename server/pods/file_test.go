package pods

import (
	"context"
	"crypto/sha256"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/netchecker/netchecker/pkg/report"
	"github.com/netchecker/netchecker/server/fleet"
	"github.com/netchecker/netchecker/test/eventually"
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
	eventually.Nil(t, func() error {
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
  uid: 6ba7b810
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
{"name":"a","namespace":"blue","node":"n3","network":"host","addresses":["10.0.0.1","fd00::1"],"uid":"6ba7b810"}],
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
					{Key: fleet.Key{Namespace: "blue", Name: "a"}, UID: "6ba7b810", Node: "n3", Network: report.Host, Addresses: []string{"10.0.0.1", "fd00::1"}, FirstSeen: now},
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
			first, changed := f.List(), f.Changed()

			change(t, path, "agents:\n- {name: b, node: n2}\n- {name: a, node: n1}\nnodes: [{name: n1, going: cordoned}]\n")
			l := says(t, f, "a", "b")
			<-changed
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
	want := "reading the agents from " + path + ": agents[0].node: Required value: "
	eventually.Nil(t, func() error {
		if err := f.Check(t.Context()); err == nil || !strings.HasPrefix(err.Error(), want) {
			return fmt.Errorf("Check says %v, want %s", err, want)
		}
		return nil
	})
	asOf := f.AsOf()
	time.Sleep(50 * time.Millisecond)
	if f.List() != list || !f.AsOf().Equal(asOf) || f.Check(t.Context()) == nil {
		t.Errorf("the list is %+v as of %v, Check says %v", f.List(), f.AsOf(), f.Check(t.Context()))
	}

	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	eventually.Nil(t, func() error {
		if err := f.Check(t.Context()); err == nil || !strings.Contains(err.Error(), "no such file") {
			return fmt.Errorf("Check says %v of a file that is gone", err)
		}
		return nil
	})

	write(t, path, oneAgent)
	eventually.Nil(t, func() error {
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

func TestAgentOfTheFileIsAnotherOneWhereItsUIDIs(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "agents")
	start := time.Now()
	now := start
	write(t, path, oneAgent)
	f, err := NewFile(path, func() time.Time { return now })
	if err != nil {
		t.Fatal(err)
	}
	for _, step := range []struct {
		after time.Duration
		uid   string
		want  time.Duration // since when after the start it was seen
	}{{1, "first", 0}, {2, `""`, 0}, {3, "first", 0}, {4, "second", 4}, {5, "second", 4}} {
		now = start.Add(step.after)
		text := []byte("agents: [{name: a, node: n1, uid: " + step.uid + "}]")
		must(t, f.load(text, sha256.Sum256(text)))
		if got := f.List().Agents[0].FirstSeen.Sub(start); got != step.want {
			t.Errorf("%d: with the UID %s it was first seen at %d, want %d", step.after, step.uid, got, step.want)
		}
	}
}

func TestAgentThatVanishesFromTheFileHasLeft(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "agents")
	now := time.Now()
	start := now
	write(t, path, "agents: [{name: a, node: n1}, {name: b, node: n1, uid: first}, {name: c, node: n1}]")
	f, err := NewFile(path, func() time.Time { return now })
	if err != nil {
		t.Fatal(err)
	}
	for _, step := range []struct {
		after time.Duration
		text  string
		want  map[string]time.Duration // since when after the start they have left
	}{
		{0, "agents: [{name: a, node: n1}, {name: b, node: n1, uid: first}, {name: c, node: n1}]", nil},
		{time.Second, "agents: [{name: a, node: n2}, {name: b, node: n1}]", map[string]time.Duration{"c": time.Second}},
		{2 * time.Second, "agents: [{name: b, node: n1, uid: first}]", map[string]time.Duration{"a": 2 * time.Second, "c": time.Second}},
		{3 * time.Second, "agents: [{name: b, node: n1, uid: second}]", map[string]time.Duration{"a": 2 * time.Second, "b": 3 * time.Second, "c": time.Second}},
		{4 * time.Second, "agents: [{name: b, node: n1, uid: second}, {name: c, node: n1}]", map[string]time.Duration{"a": 2 * time.Second, "b": 3 * time.Second}},
	} {
		now = start.Add(step.after)
		text := []byte(step.text)
		must(t, f.load(text, sha256.Sum256(text)))
		if got := whoLeft(f, start); !reflect.DeepEqual(got, step.want) {
			t.Errorf("%v: left have %v, want %v", step.after, got, step.want)
		}
	}

	for _, step := range []struct {
		after time.Duration
		want  map[string]time.Duration
	}{
		{2*time.Minute + 2*time.Second - 1, map[string]time.Duration{"a": 2 * time.Second, "b": 3 * time.Second}},
		{2*time.Minute + 2*time.Second, map[string]time.Duration{"b": 3 * time.Second}},
		{2*time.Minute + 3*time.Second, nil},
		{3 * time.Minute, nil},
	} {
		before, changed := f.List(), f.Changed()
		f.forget(start.Add(step.after))
		got := whoLeft(f, start)
		if !reflect.DeepEqual(got, step.want) {
			t.Errorf("%v: left have %v, want %v", step.after, got, step.want)
		}
		if told := isClosed(changed); told != (len(got) < len(before.Left)) || told == (f.List() == before) {
			t.Errorf("%v: told of the change %t", step.after, told)
		}
	}
}

// whoLeft are those who have left, and since when after the start.
func whoLeft(f *File, start time.Time) map[string]time.Duration {
	var left map[string]time.Duration
	for _, l := range f.List().Left {
		if left == nil {
			left = make(map[string]time.Duration)
		}
		left[l.Name] = l.Since.Sub(start)
	}
	return left
}

func isClosed(c <-chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}

func TestFileForgetsWhoLeftWhileItIsBroken(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		path := filepath.Join(t.TempDir(), "agents")
		write(t, path, "agents: [{name: a, node: n1}, {name: b, node: n1}]")
		f, err := NewFile(path, nil)
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		go func() { _ = f.Run(ctx) }()
		write(t, path, oneAgent)
		time.Sleep(3 * time.Second)
		if left := f.List().Left; len(left) != 1 || left[0].Name != "b" {
			t.Errorf("left have %+v, want b", left)
		}
		must(t, os.Remove(path))
		time.Sleep(fleet.LeftFor)
		if left := f.List().Left; len(left) != 0 {
			t.Errorf("left have %+v still", left)
		}
	})
}
