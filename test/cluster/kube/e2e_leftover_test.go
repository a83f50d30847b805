//go:build e2e

package kube_test

import (
	"context"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/netchecker/netchecker/test/cluster/kube"
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
	for _, kind := range []string{"net", "mnt", "uts"} {
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
		if err != nil {
			return nil
		}
		into[path] = true
		if entry.IsDir() && strings.Count(strings.TrimPrefix(path, root), "/") >= levels {
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
	var left []string
	// The kernel takes networks apart in its own time.
	for range 50 {
		if left = remains(before, look(t)); len(left) == 0 {
			return
		}
		time.Sleep(100 * time.Millisecond)
	}
	t.Errorf("it leaves behind\n%s", strings.Join(left, "\n"))
}

func remains(before, after machine) []string {
	var left []string
	for name, pair := range map[string][2]map[string]bool{
		"mount": {before.mounts, after.mounts}, "cgroup": {before.cgroups, after.cgroups}, "file": {before.files, after.files},
		"namespace": {before.namespaces, after.namespaces}, "tunable": {before.tunables, after.tunables},
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

func TestTenTimesUpAndDown(t *testing.T) {
	before := look(t)
	for i := range 10 {
		begun := time.Now()
		_, err := kube.Up(t.Context(), kube.Config{Nodes: 3, Out: t.Output()})
		if err != nil {
			bringDown(t, before)
			t.Fatal(err)
		}
		up := time.Since(begun)
		begun = time.Now()
		bringDown(t, before)
		t.Logf("%d: up in %.1f s, down in %.1f s", i+1, up.Seconds(), time.Since(begun).Seconds())
	}
}
