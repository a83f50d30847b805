//go:build e2e

package kube_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/netchecker/netchecker/test/cluster/kube"
	"github.com/netchecker/netchecker/test/cluster/place"
	"github.com/netchecker/netchecker/test/sweep"
)

// machine is what a cluster may leave behind, besides processes.
type machine struct {
	mounts, cgroups, tunables, files map[string]bool
}

// writable is where the programs of a node write if nobody keeps them from it.
var writable = []string{
	kube.Dir, filepath.Join(os.Getenv("HOME"), ".kube"),
	"/etc/cni/net.d/pods.conflist", "/etc/containerd", "/etc/kubernetes", "/opt/cni", "/opt/containerd", "/opt/nri",
	"/run/cni", "/run/containerd", "/run/kubernetes", "/run/netns", "/run/nri", "/run/xtables.lock", "/usr/libexec/kubernetes",
	"/var/lib/cni", "/var/lib/containerd", "/var/lib/etcd", "/var/lib/kubelet",
	"/var/log/containers", "/var/log/pods",
}

// look lists what there is.
func look(t *testing.T) machine {
	t.Helper()
	m := machine{mounts: map[string]bool{}, cgroups: map[string]bool{}, tunables: map[string]bool{}, files: map[string]bool{}}
	mounts, err := os.ReadFile("/proc/self/mounts")
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(mounts)) {
		m.mounts[strings.TrimSpace(line)] = true
	}
	walk(t, "/sys/fs/cgroup", m.cgroups, 2)
	for _, path := range writable {
		if _, err := os.Lstat(path); err == nil {
			m.files[path] = true
		}
	}
	for _, tunable := range []string{"vm/overcommit_memory", "kernel/panic", "kernel/panic_on_oops", "net/ipv4/ip_forward"} {
		value, err := os.ReadFile("/proc/sys/" + tunable)
		if err != nil {
			t.Fatal(err)
		}
		m.tunables[tunable+"="+strings.TrimSpace(string(value))] = true
	}
	return m
}

// walk lists the folders below root, so many levels deep.
func walk(t *testing.T, root string, into map[string]bool, levels int) {
	t.Helper()
	err := filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
		// The files of a cgroup are the kernel's.
		if err != nil || !entry.IsDir() {
			return nil
		}
		into[path] = true
		if strings.Count(strings.TrimPrefix(path, root), "/") >= levels {
			return fs.SkipDir
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// members are the processes of the cluster that there is, by what they are: all that
// are in a namespace of its places. Others on the machine may well have namespaces.
func members(t *testing.T) map[place.Identity]string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(kube.Dir, "state.json"))
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		t.Fatal(err)
	}
	var state struct{ Places []place.Place }
	if err := json.Unmarshal(text, &state); err != nil {
		t.Fatal(err)
	}
	kinds := []string{"net", "mnt", "uts", "pid"}
	ours := map[string]bool{}
	for _, p := range state.Places {
		for _, kind := range kinds {
			if name, err := os.Readlink(fmt.Sprintf("/proc/%d/ns/%s", p.Anchor.PID, kind)); err == nil && p.Anchor.Alive() {
				ours[name] = true
			}
		}
	}
	found := map[place.Identity]string{}
	dirs, _ := filepath.Glob("/proc/[0-9]*")
	for _, dir := range dirs {
		// One that has ended meanwhile is in none.
		if !slices.ContainsFunc(kinds, func(kind string) bool { name, _ := os.Readlink(filepath.Join(dir, "ns", kind)); return ours[name] }) {
			continue
		}
		pid, _ := strconv.Atoi(filepath.Base(dir))
		if id, err := place.Identify(pid); err == nil {
			what, _ := os.ReadFile(filepath.Join(dir, "cmdline"))
			found[id] = strings.ReplaceAll(string(what), "\x00", " ")
		}
	}
	return found
}

// bringDown takes the cluster down and holds the machine against what it was.
func bringDown(t *testing.T, before machine) {
	t.Helper()
	ours := members(t)
	if err := kube.Down(context.Background(), kube.Config{Out: t.Output()}); err != nil {
		t.Error(err)
		return
	}
	end(t, ours)
	stays(t, before)
}

// end fails the test unless all of a cluster's processes have ended.
func end(t *testing.T, ours map[place.Identity]string) {
	t.Helper()
	for id, what := range ours {
		if id.Alive() {
			t.Errorf("it leaves behind process %d: %s", id.PID, what)
		}
	}
}

// stays fails the test unless the machine is what it was.
func stays(t *testing.T, before machine) {
	t.Helper()
	if left := remains(before, look(t)); len(left) > 0 {
		t.Errorf("it leaves behind\n%s", strings.Join(left, "\n"))
	}
}

func remains(before, after machine) []string {
	var left []string
	for name, pair := range map[string][2]map[string]bool{
		"mount": {before.mounts, after.mounts}, "cgroup": {before.cgroups, after.cgroups}, "file": {before.files, after.files},
		"tunable": {before.tunables, after.tunables},
	} {
		for _, what := range slices.Sorted(maps.Keys(pair[1])) {
			if !pair[0][what] {
				left = append(left, fmt.Sprintf("%s %s", name, what))
			}
		}
	}
	return append(left, processes()...)
}

// processes are those that run from a cluster's folder, or in it.
func processes() []string {
	var left []string
	lines, _ := filepath.Glob("/proc/[0-9]*/cmdline")
	for _, path := range lines {
		text, err := os.ReadFile(path)
		if err == nil && strings.Contains(string(text), kube.Dir) {
			left = append(left, "process "+strings.ReplaceAll(string(text), "\x00", " "))
		}
	}
	return left
}

// remainsOf is what is left of one node.
func remainsOf(node string) []string {
	left, _ := filepath.Glob("/sys/fs/cgroup/*/netchecker-cluster/" + node)
	more, _ := filepath.Glob(filepath.Join(kube.Dir, "places", node))
	left = append(left, more...)
	for _, p := range processes() {
		if strings.Contains(p, "/places/"+node+"/") || strings.Contains(p, "--hostname-override="+node+" ") {
			left = append(left, p)
		}
	}
	return left
}

// TestUpAndDownTenTimes does it as a user would.
func TestUpAndDownTenTimes(t *testing.T) {
	reserve(t)
	before := look(t)
	t.Cleanup(func() { bringDown(t, before) })
	sweep.Times(t, 10, func(t *testing.T, _ int) {
		begun := time.Now()
		makes(t, "cluster-up")
		up := time.Since(begun)
		ours := members(t)
		begun = time.Now()
		makes(t, "cluster-down")
		down := time.Since(begun)
		end(t, ours)
		stays(t, before)
		t.Logf("up in %.1f s, down in %.1f s", up.Seconds(), down.Seconds())
	})
}

// makes runs one of the Makefile's targets.
func makes(t *testing.T, target string) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "make", "--no-print-directory", "-C", "../../..", target)
	cmd.Stdout, cmd.Stderr = t.Output(), t.Output()
	// Not the flags of the make that runs the tests.
	cmd.Env = slices.DeleteFunc(os.Environ(), func(v string) bool { return strings.HasPrefix(v, "MAKEFLAGS=") })
	if err := cmd.Run(); err != nil {
		t.Fatalf("make %s: %v", target, err)
	}
}
