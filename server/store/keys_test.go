package store

import (
	"testing"

	"github.com/netchecker/netchecker/server/fleet"
)

func TestKeysAreReadAsTheyWereWritten(t *testing.T) {
	t.Parallel()
	for _, tree := range []string{"netchecker", "/netchecker/", "a/b"} {
		tr := newTree(tree)
		seen := make(map[string]fleet.Key)
		for _, key := range []fleet.Key{
			{Name: "pod"}, {Namespace: "default", Name: "pod"}, fleet.UnlistedKey("", "pod"), fleet.UnlistedKey("default", "pod"),
		} {
			name, err := tr.appendAgent(nil, key)
			if err != nil {
				t.Fatalf("%v: %v", key, err)
			}
			if other, ok := seen[string(name)]; ok {
				t.Errorf("%v and %v are both at %s", key, other, name)
			}
			seen[string(name)] = key
			if got, ok := tr.agent(name); !ok || got != key {
				t.Errorf("%s is read as %v, want %v", name, got, key)
			}
		}
	}
}

func TestForeignKeysAreNoReports(t *testing.T) {
	t.Parallel()
	tr := newTree("netchecker")
	for _, key := range []string{
		"", "netchecker", "netchecker/agents/", "netchecker/agents/pod", "netchecker/agents//pod", "netchecker/agents/default/",
		"netchecker/agents/a/b/c", "netchecker2/agents/a/b", "netchecker/counters/0",
	} {
		if got, ok := tr.agent([]byte(key)); ok {
			t.Errorf("%q is read as %v", key, got)
		}
	}
}
