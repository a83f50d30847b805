package place

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// Identity names a process for good: ids are used again, but not with the same
// start in the same boot of the machine.
type Identity struct {
	PID int `json:"pid"`
	// Start is in clock ticks since the boot: field 22 of /proc/PID/stat, proc(5).
	Start uint64 `json:"start"`
	// Boot is the machine's boot id.
	Boot string `json:"boot"`
}

// Identify names the process that has the id now.
func Identify(pid int) (Identity, error) {
	boot, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	if err != nil {
		return Identity{}, fmt.Errorf("reading which boot this is: %w", err)
	}
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return Identity{}, fmt.Errorf("reading when process %d started: %w", pid, err)
	}
	_, start, err := parseStat(string(stat))
	if err != nil {
		return Identity{}, fmt.Errorf("reading when process %d started: %w", pid, err)
	}
	return Identity{PID: pid, Start: start, Boot: strings.TrimSpace(string(boot))}, nil
}

// parseStat reads the state and the start of a process from /proc/PID/stat. The
// second field, the program's name, may hold anything, also parentheses.
func parseStat(stat string) (state string, start uint64, err error) {
	end := strings.LastIndex(stat, ") ")
	if end < 0 {
		return "", 0, fmt.Errorf("%q is no process's status", stat)
	}
	fields := strings.Fields(stat[end+2:])
	const startAt = 22 - 3
	if len(fields) <= startAt {
		return "", 0, fmt.Errorf("%q is no process's status", stat)
	}
	start, err = strconv.ParseUint(fields[startAt], 10, 64)
	return fields[0], start, err
}

// Alive says whether the process runs. One that has ended and is a child of this
// program is taken leave of, so that it does not stay as a zombie.
func (i Identity) Alive() bool {
	now, err := Identify(i.PID)
	if err != nil || now != i {
		return false
	}
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", i.PID))
	if err != nil {
		return false
	}
	state, _, err := parseStat(string(stat))
	if err != nil {
		return false
	}
	if state != "Z" {
		return true
	}
	// The first thread of a process may end before the others, whose files, and
	// ports, are open until they have ended, too.
	threads, err := os.ReadDir(fmt.Sprintf("/proc/%d/task", i.PID))
	if err == nil && len(threads) > 1 {
		return true
	}
	// Not a child of ours: somebody else takes leave of it.
	_, _ = unix.Wait4(i.PID, nil, unix.WNOHANG, nil)
	return false
}

// Signal sends s to the process, and to no other that has its id by now: a
// process that has ended is os.ErrProcessDone.
func (i Identity) Signal(s unix.Signal) error {
	if !i.Alive() {
		return os.ErrProcessDone
	}
	fd, err := unix.PidfdOpen(i.PID, 0)
	if errors.Is(err, unix.ESRCH) {
		return os.ErrProcessDone
	}
	if err != nil {
		return fmt.Errorf("opening process %d: %w", i.PID, err)
	}
	defer unix.Close(fd)
	// Once more: what is alive now is what fd stands for.
	if !i.Alive() {
		return os.ErrProcessDone
	}
	err = unix.PidfdSendSignal(fd, s, nil, 0)
	if errors.Is(err, unix.ESRCH) {
		return os.ErrProcessDone
	}
	if err != nil {
		return fmt.Errorf("sending %v to process %d: %w", s, i.PID, err)
	}
	return nil
}

// Kill ends the processes (SIGKILL) and returns once all have ended, or ctx has.
// Those that have ended already are no error.
func Kill(ctx context.Context, all ...Identity) error {
	for _, i := range all {
		if err := i.Signal(unix.SIGKILL); err != nil && !errors.Is(err, os.ErrProcessDone) {
			return err
		}
	}
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for {
		left := 0
		for _, i := range all {
			if i.Alive() {
				left = i.PID
			}
		}
		if left == 0 {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("waiting for process %d to end: %w", left, ctx.Err())
		case <-tick.C:
		}
	}
}
