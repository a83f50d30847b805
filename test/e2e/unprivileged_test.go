//go:build e2e

package e2e

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// unprivileged looks at the processes themselves, as the kernel has them.
func unprivileged(w world) {
	var found []string
	w.eventually(func() error {
		if found = processes(); len(found) != 7 {
			return fmt.Errorf("there are %d processes of netchecker, want a server and 6 agents", len(found))
		}
		return nil
	})
	for _, dir := range found {
		w.hasNoRights(dir)
	}
}

// processes are netchecker's in the cluster, as folders of /proc.
func processes() []string {
	var found []string
	all, _ := filepath.Glob("/proc/[0-9]*")
	for _, dir := range all {
		cgroup, _ := os.ReadFile(filepath.Join(dir, "cgroup"))
		program, _ := os.Readlink(filepath.Join(dir, "exe"))
		if strings.Contains(string(cgroup), "netchecker-cluster") && strings.HasPrefix(filepath.Base(program), "netchecker-") {
			found = append(found, dir)
		}
	}
	return found
}

// hasNoRights reads a process's user, capabilities and mounts, see proc(5).
func (w world) hasNoRights(dir string) {
	w.Helper()
	program, err := os.Readlink(filepath.Join(dir, "exe"))
	w.must(err)
	status, err := os.ReadFile(filepath.Join(dir, "status"))
	w.must(err)
	for _, want := range []string{
		"Uid:\t65532\t65532\t65532\t65532", "Gid:\t65532\t65532\t65532\t65532",
		"CapEff:\t0000000000000000", "CapBnd:\t0000000000000000", "NoNewPrivs:\t1", "Seccomp:\t2",
	} {
		if !strings.Contains(string(status), want+"\n") {
			w.Errorf("%s has not %q but\n%s", program, want, status)
		}
	}
	mounts, err := os.ReadFile(filepath.Join(dir, "mountinfo"))
	w.must(err)
	for line := range strings.Lines(string(mounts)) {
		if f := strings.Fields(line); f[4] == "/" && !strings.HasPrefix(f[5], "ro,") {
			w.Errorf("%s may write to its root: %s", program, line)
		}
	}
}
