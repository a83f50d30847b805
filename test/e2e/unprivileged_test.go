//go:build e2e

package e2e

import (
	"os"
	"path/filepath"
	"strings"
)

// unprivileged looks at the processes themselves, as the kernel has them.
func unprivileged(w world) {
	found := 0
	statuses, err := filepath.Glob("/proc/[0-9]*/status")
	w.must(err)
	for _, path := range statuses {
		dir := filepath.Dir(path)
		cgroup, _ := os.ReadFile(filepath.Join(dir, "cgroup"))
		program, _ := os.Readlink(filepath.Join(dir, "exe"))
		if !strings.Contains(string(cgroup), "netchecker-cluster") || !strings.HasPrefix(filepath.Base(program), "netchecker-") {
			continue
		}
		found++
		w.hasNoRights(dir, filepath.Base(program))
	}
	if found != 7 {
		w.Errorf("there are %d processes of netchecker, want a server and 6 agents", found)
	}
}

// hasNoRights reads a process's user, capabilities and mounts, see proc(5).
func (w world) hasNoRights(dir, program string) {
	w.Helper()
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
