//go:build e2e

package kube_test

import (
	"context"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/netchecker/netchecker/test/cluster/kube"
	"github.com/netchecker/netchecker/test/eventually"
	"github.com/netchecker/netchecker/test/sweep"
)

// machine is what a cluster may leave behind.
type machine struct {
	mounts, cgroups, namespaces, tunables, files map[string]bool
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
	m := machine{
		mounts: map[string]bool{}, cgroups: map[string]bool{}, namespaces: map[string]bool{}, tunables: map[string]bool{}, files: map[string]bool{},
	}
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
	for _, kind := range []string{"net", "mnt", "uts", "pid", "ipc"} {
		links, _ := filepath.Glob("/proc/[0-9]*/ns/" + kind)
		for _, link := range links {
			// A process that has ended meanwhile is in none.
			if name, err := os.Readlink(link); err == nil {
				m.namespaces[name] = true
			}
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

// bringDown takes the cluster down and holds the machine against what it was.
func bringDown(t *testing.T, before machine) {
	t.Helper()
	if err := kube.Down(context.Background(), kube.Config{Out: t.Output()}); err != nil {
		t.Error(err)
		return
	}
	stays(t, before)
}

// stays fails the test unless the machine is what it was.
func stays(t *testing.T, before machine) {
	t.Helper()
	// The kernel takes networks apart in its own time.
	eventually.Within(t, 5*time.Second, func() error {
		if left := remains(before, look(t)); len(left) > 0 {
			return fmt.Errorf("it leaves behind\n%s", strings.Join(left, "\n"))
		}
		return nil
	})
}

func remains(before, after machine) []string {
	var left []string
	for name, pair := range map[string][2]map[string]bool{
		"mount": {before.mounts, after.mounts}, "cgroup": {before.cgroups, after.cgroups}, "file": {before.files, after.files},
		"namespace": {before.namespaces, after.namespaces}, "tunable": {before.tunables, after.tunables},
	} {
		for _, what := range slices.Sorted(maps.Keys(pair[1])) {
			if !pair[0][what] {
				left = append(left, fmt.Sprintf("%s %s%s", name, what, holders(what)))
			}
		}
	}
	return append(left, processes()...)
}

// holders are the programs that are in a namespace, if it is one.
func holders(namespace string) string {
	var all []string
	kind, _, _ := strings.Cut(namespace, ":")
	links, _ := filepath.Glob("/proc/[0-9]*/ns/" + kind)
	for _, link := range links {
		if name, err := os.Readlink(link); err != nil || name != namespace {
			continue
		}
		text, _ := os.ReadFile(filepath.Join(filepath.Dir(filepath.Dir(link)), "cmdline"))
		all = append(all, " of "+strings.ReplaceAll(string(text), "\x00", " "))
	}
	return strings.Join(all, ",")
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
		begun = time.Now()
		makes(t, "cluster-down")
		down := time.Since(begun)
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
