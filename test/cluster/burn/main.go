// Burn is a neighbour that takes all of a core for 200 ms, again and again: it moves
// processes to one core, with all their threads, and runs there itself, before all of them,
// until it is asked to end.
//
//	burn PID…
//
// Nodes of this cluster share the machine's cores; without this, what burns on one of
// them burns on all. Loops of usual priority would not do: who has slept for long gets to
// run before them within some milliseconds.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"log"
	"os"
	"os/signal"
	"path/filepath"
	"runtime"
	"strconv"
	"time"

	"golang.org/x/sys/unix"

	"github.com/netchecker/netchecker/pkg/wait"
)

const (
	// longest is how long it burns at most, should nobody end it.
	longest = 10 * time.Minute
	// It runs for taken, and leaves the core for left.
	taken, left = 200 * time.Millisecond, 100 * time.Millisecond
)

func main() {
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, unix.SIGTERM)
	defer stop()
	ctx, cancel := context.WithTimeout(ctx, longest)
	defer cancel()
	if err := run(ctx, flag.Args()); err != nil {
		log.Fatal(err)
	}
}

func run(ctx context.Context, pids []string) error {
	var all, one unix.CPUSet
	if err := unix.SchedGetaffinity(0, &all); err != nil {
		return fmt.Errorf("asking on which cores this may run: %w", err)
	}
	for core := range len(all) * 64 {
		if all.IsSet(core) {
			one.Set(core)
			break
		}
	}
	defer func() {
		if err := place(pids, &all); err != nil {
			log.Print(err)
		}
	}()
	if err := place(pids, &one); err != nil {
		return err
	}
	burning := make(chan error)
	go func() { burning <- burn(ctx, &one) }()
	return <-burning
}

// place lets all threads of the processes run on those cores alone. Threads that have
// ended since need none.
func place(pids []string, cores *unix.CPUSet) error {
	for _, pid := range pids {
		threads, err := os.ReadDir(filepath.Join("/proc", pid, "task"))
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return fmt.Errorf("listing the threads of process %s: %w", pid, err)
		}
		for _, thread := range threads {
			id, err := strconv.Atoi(thread.Name())
			if err == nil {
				err = unix.SchedSetaffinity(id, cores)
			}
			if err != nil && !errors.Is(err, unix.ESRCH) {
				return fmt.Errorf("moving thread %s of process %s: %w", thread.Name(), pid, err)
			}
		}
	}
	return nil
}

// burn runs on those cores until ctx ends. Its thread ends with it.
func burn(ctx context.Context, cores *unix.CPUSet) error {
	runtime.LockOSThread()
	if err := unix.SchedSetaffinity(0, cores); err != nil {
		return fmt.Errorf("moving to that core: %w", err)
	}
	first := unix.SchedAttr{Size: unix.SizeofSchedAttr, Policy: unix.SCHED_FIFO, Priority: 1}
	if err := unix.SchedSetAttr(0, &first, 0); err != nil {
		return fmt.Errorf("running before others: %w", err)
	}
	for ctx.Err() == nil {
		for begun := time.Now(); time.Since(begun) < taken; {
		}
		wait.For(ctx, left)
	}
	return nil
}
