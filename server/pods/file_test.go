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
		settled, err := f.file.Look()
		if settled != want || err != nil {
			t.Errorf("look %d: settled %t, %v", i+1, settled, err)
		}
		if taken := len(f.List().Agents) == 1; taken != want {
			t.Errorf("look %d: the list is %+v", i+1, f.List())
		}
	}
}
