package pods

import (
	"context"
	"os"
	"path/filepath"
	"reflect"
	"testing"
	"testing/synctest"
	"time"

	"github.com/netchecker/netchecker/server/fleet"
)

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
		must(t, f.load(text))
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
		must(t, f.load(text))
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
