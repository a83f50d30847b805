package kube

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// cgroups is the folder, in each hierarchy, below which all of the cluster's
// containers are.
const cgroups = "netchecker-cluster"

// hierarchy is a mounted tree of cgroups.
type hierarchy struct {
	path string
	// v2 is a tree of version 2, where controllers are passed on from above.
	v2 bool
}

// hierarchies finds them in /proc/mounts. Beside trees of version 1 (the hybrid
// layout), the one of version 2 has no controllers and only the second says true.
func hierarchies(mounts string) []hierarchy {
	var all []hierarchy
	for line := range strings.Lines(mounts) {
		fields := strings.Fields(line)
		if len(fields) < 3 || !strings.HasPrefix(fields[1], "/sys/fs/cgroup") {
			continue
		}
		switch fields[2] {
		case "cgroup":
			all = append(all, hierarchy{path: fields[1]})
		case "cgroup2":
			all = append(all, hierarchy{path: fields[1], v2: true})
		}
	}
	return all
}

func mountedHierarchies() ([]hierarchy, error) {
	mounts, err := os.ReadFile("/proc/mounts")
	if err != nil {
		return nil, err
	}
	all := hierarchies(string(mounts))
	if len(all) == 0 {
		return nil, errors.New("no cgroups are mounted below /sys/fs/cgroup")
	}
	return all, nil
}

// makeCgroup makes a node's cgroup in every hierarchy: a kubelet wants it there.
func makeCgroup(name string) error {
	all, err := mountedHierarchies()
	if err != nil {
		return fmt.Errorf("making the cgroup of %s: %w", name, err)
	}
	for _, h := range all {
		parent := h.path
		for _, folder := range []string{cgroups, name} {
			child := filepath.Join(parent, folder)
			if err := h.makeChild(parent, child); err != nil {
				return fmt.Errorf("making the cgroup of %s: %w", name, err)
			}
			parent = child
		}
	}
	return nil
}

func (h hierarchy) makeChild(parent, child string) error {
	if h.v2 {
		if err := passOn(parent); err != nil {
			return err
		}
	}
	if err := os.MkdirAll(child, 0o755); err != nil || h.v2 {
		return err
	}
	// In version 1 a new cpuset is empty, and takes no process.
	for _, file := range []string{"cpuset.cpus", "cpuset.mems"} {
		value, err := os.ReadFile(filepath.Join(parent, file))
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return err
		}
		if err := os.WriteFile(filepath.Join(child, file), value, 0o644); err != nil {
			return err
		}
	}
	return nil
}

// ofKubelet are the controllers that a kubelet uses.
var ofKubelet = []string{"cpu", "cpuset", "hugetlb", "io", "memory", "pids"}

// passOn lets the cgroups below parent use those of a kubelet's controllers that
// parent has.
func passOn(parent string) error {
	has, err := os.ReadFile(filepath.Join(parent, "cgroup.controllers"))
	if err != nil {
		return err
	}
	passes, err := os.ReadFile(filepath.Join(parent, "cgroup.subtree_control"))
	if err != nil {
		return err
	}
	for _, controller := range ofKubelet {
		if !slices.Contains(strings.Fields(string(has)), controller) || slices.Contains(strings.Fields(string(passes)), controller) {
			continue
		}
		err := os.WriteFile(filepath.Join(parent, "cgroup.subtree_control"), []byte("+"+controller), 0o644)
		if err != nil {
			return fmt.Errorf("passing on %s: %w", controller, err)
		}
	}
	return nil
}

// removeCgroups removes all cgroups below the given folder in every hierarchy.
// The kernel lets go of a cgroup some time after its last process.
func removeCgroups(ctx context.Context, below string) error {
	all, err := mountedHierarchies()
	if err != nil {
		return fmt.Errorf("removing cgroups: %w", err)
	}
	for _, h := range all {
		for {
			err := removeTree(filepath.Join(h.path, below))
			if err == nil {
				break
			}
			select {
			case <-ctx.Done():
				return fmt.Errorf("removing cgroups: %w", err)
			case <-time.After(10 * time.Millisecond):
			}
		}
	}
	return nil
}

// removeTree removes folders only, the deepest first: a cgroup's files are the
// kernel's.
func removeTree(root string) error {
	var folders []string
	err := filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
		if err == nil && entry.IsDir() {
			folders = append(folders, path)
		}
		return err
	})
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	slices.Reverse(folders)
	for _, folder := range folders {
		if err := os.Remove(folder); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return nil
}
