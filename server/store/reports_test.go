package store

import (
	"testing"
	"time"

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

func TestNothingIsHeldOfALifeWhoseReportHasComeOrDoesNot(t *testing.T) {
	t.Parallel()
	r := NewReports(nil, time.Now)
	lives := r.beside.Keeper.(*lives)
	life, report := []byte(`{"boot_id":"00c0ffee00c0ffee","mesh":{"as_of_ms":0}}`), []byte(`{"podname":"a"}`)
	wantHeld := func(when string, want int) {
		t.Helper()
		if got := len(lives.held); got != want {
			t.Errorf("%s, %d are held, want %d", when, got, want)
		}
	}
	put, done := lives.Load(false)
	for _, key := range []string{"default/a", "default/b", "default/c"} {
		put(Entry{Key: key, Value: life, Revision: 7, Read: true})
	}
	putReport, doneReports := r.Load(false)
	putReport(Entry{Key: "default/a", Value: report, Revision: 7, Created: 7, Read: true})
	wantHeld("while all is read", 2)
	done(7)
	doneReports(7)
	wantHeld("once all was read", 0)
	for _, key := range []string{"default/a", "default/b"} {
		lives.Apply(Entry{Key: key, Value: life, Revision: 8})
	}
	wantHeld("in the midst of a transaction", 2)
	r.Apply(Entry{Key: "default/a", Value: report, Revision: 8})
	wantHeld("once one of its reports has come", 1)
	lives.Apply(Entry{Key: "default/c", Value: life, Revision: 9})
	wantHeld("as the next begins", 1)
	lives.Apply(Entry{Key: "default/c", Revision: 10})
	wantHeld("where one was deleted", 0)
	if got := r.Get(fleet.Key{Namespace: "default", Name: "a"}); got == nil || got.BootID == "" || got.Revision != 8 {
		t.Errorf("the record is %+v", got)
	}
}
