package store

import (
	"testing"

	"github.com/netchecker/netchecker/server/fleet"
)

func TestKeysAreReadAsTheyWereWritten(t *testing.T) {
	t.Parallel()
	seen := make(map[string]fleet.Key)
	for _, key := range []fleet.Key{
		{Name: "pod"}, {Namespace: "default", Name: "pod"}, fleet.UnlistedKey("", "pod"), fleet.UnlistedKey("default", "pod"),
	} {
		name, err := reportKey(key)
		if err != nil {
			t.Fatalf("%v: %v", key, err)
		}
		if other, ok := seen[name]; ok {
			t.Errorf("%v and %v are both at %s", key, other, name)
		}
		seen[name] = key
		if got, ok := reportOf(name); !ok || got != key {
			t.Errorf("%s is read as %v, want %v", name, got, key)
		}
	}
}

func TestForeignKeysAreNoReports(t *testing.T) {
	t.Parallel()
	for _, key := range []string{"", "pod", "/pod", "default/", "a/b/c"} {
		if got, ok := reportOf(key); ok {
			t.Errorf("%q is read as %v", key, got)
		}
	}
}

func TestTheTreeMayBeWrittenWithSlashes(t *testing.T) {
	t.Parallel()
	for tree, want := range map[string]string{"netchecker": "netchecker/agents/", "/netchecker/": "netchecker/agents/", "a/b": "a/b/agents/"} {
		if got := newTree(tree).kind("agents"); got != want {
			t.Errorf("in the tree %q, reports are under %s, want %s", tree, got, want)
		}
	}
}
