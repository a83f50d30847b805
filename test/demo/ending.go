package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"slices"
	"strings"
	"syscall"
	"time"
)

// untilAsked returns a context that ends when somebody wants the demo to end: by
// a signal, by closing the terminal or the pipe that the demo writes to, or by
// ending the make or go run that runs it, which need not pass their own end on.
func untilAsked(parent context.Context) (context.Context, context.CancelFunc) {
	signals := []os.Signal{syscall.SIGINT, syscall.SIGTERM, syscall.SIGPIPE}
	if !signal.Ignored(syscall.SIGHUP) { // it is, under nohup
		signals = append(signals, syscall.SIGHUP)
	}
	ctx, stop := signal.NotifyContext(parent, signals...)
	runner := os.Getppid()
	if !slices.Contains([]string{"make", "go"}, program(runner)) {
		return ctx, stop // a shell may leave the demo behind on purpose
	}
	ctx, cancel := context.WithCancel(ctx)
	watched := make(chan struct{})
	go func() {
		defer close(watched)
		defer cancel()
		waitForOtherParent(ctx, runner)
	}()
	return ctx, func() {
		cancel()
		<-watched
		stop()
	}
}

// program is the name of the program that a process runs; empty if it is gone.
func program(pid int) string {
	comm, err := os.ReadFile(fmt.Sprintf("/proc/%d/comm", pid))
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(comm))
}

// waitForOtherParent returns when the parent is no longer the one given, which
// is how a process learns of its parent's end, or when ctx ends.
func waitForOtherParent(ctx context.Context, parent int) {
	tick := time.NewTicker(250 * time.Millisecond)
	defer tick.Stop()
	for os.Getppid() == parent {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}
