package main

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// fileSystems are names of those that Linux knows by a number (statfs(2)), where
// the bench is likely to be run.
var fileSystems = map[int64]string{
	unix.EXT4_SUPER_MAGIC: "ext4", unix.XFS_SUPER_MAGIC: "xfs", unix.BTRFS_SUPER_MAGIC: "btrfs",
	unix.OVERLAYFS_SUPER_MAGIC: "overlayfs", unix.TMPFS_MAGIC: "tmpfs, which has no disk to sync to",
}

// describeMachine says on what the figures were measured; data is kept in dir.
func describeMachine(dir string) (string, error) {
	var fs unix.Statfs_t
	if err := unix.Statfs(dir, &fs); err != nil {
		return "", fmt.Errorf("looking at the file system of %s: %w", dir, err)
	}
	var kernel unix.Utsname
	if err := unix.Uname(&kernel); err != nil {
		return "", fmt.Errorf("asking for the kernel's version: %w", err)
	}
	sync, err := syncTime(dir)
	if err != nil {
		return "", err
	}
	name, known := fileSystems[fs.Type]
	if !known {
		name = "an unknown file system"
	}
	return fmt.Sprintf("%d cores, %s, Linux %s, data on %s, where a sync takes %.2f ms", runtime.NumCPU(), runtime.Version(),
		unix.ByteSliceToString(kernel.Release[:]), name, milliseconds(sync)), nil
}

// syncTime is the median time to append 4 KiB to a file in dir and sync it, which
// is what etcd does for a write.
func syncTime(dir string) (time.Duration, error) {
	f, err := os.Create(filepath.Join(dir, "sync"))
	if err != nil {
		return 0, err
	}
	defer f.Close()
	page, took := make([]byte, 4<<10), make([]time.Duration, 100)
	for i := range took {
		began := time.Now()
		if _, err := f.Write(page); err != nil {
			return 0, err
		}
		if err := unix.Fdatasync(int(f.Fd())); err != nil {
			return 0, fmt.Errorf("syncing %s: %w", f.Name(), err)
		}
		took[i] = time.Since(began)
	}
	return median(took), nil
}

// cpuTime is how long a process has been on a processor since its start.
func cpuTime(pid int) (time.Duration, error) {
	// The clock of a process's scheduled time (MAKE_PROCESS_CPUCLOCK of the kernel's
	// posix-timers_types.h), which tells nanoseconds where /proc tells ticks of 10 ms.
	const sched = 2
	var t unix.Timespec
	if err := unix.ClockGettime(int32(^pid)<<3|sched, &t); err != nil {
		return 0, fmt.Errorf("reading the CPU time of process %d: %w", pid, err)
	}
	return time.Duration(t.Nano()), nil
}

// cpuDuring is the share of one processor that a process takes while f runs, in ms
// a second.
func cpuDuring(pid int, f func() error) (float64, error) {
	before, err := cpuTime(pid)
	if err != nil {
		return 0, err
	}
	began := time.Now()
	if err := f(); err != nil {
		return 0, err
	}
	after, err := cpuTime(pid)
	return milliseconds(after-before) / time.Since(began).Seconds(), err
}

// resident is the memory of a process that is in RAM, in MiB: now, and the most
// that it ever was.
func resident(pid int) (now, peak float64, err error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0, 0, fmt.Errorf("reading the memory of process %d: %w", pid, err)
	}
	if now, err = statusMiB(string(text), "VmRSS"); err != nil {
		return 0, 0, err
	}
	peak, err = statusMiB(string(text), "VmHWM")
	return now, peak, err
}

// statusMiB reads a field such as "VmRSS:	  1024 kB" (proc_pid_status(5)).
func statusMiB(status, field string) (float64, error) {
	for line := range strings.Lines(status) {
		name, value, _ := strings.Cut(line, ":")
		if name != field {
			continue
		}
		kib, err := strconv.ParseFloat(strings.TrimSuffix(strings.TrimSpace(value), " kB"), 64)
		if err != nil {
			return 0, fmt.Errorf("%s is %q in a process's status, and no number of kB", field, value)
		}
		return kib / 1024, nil
	}
	return 0, fmt.Errorf("%s is missing in a process's status", field)
}
