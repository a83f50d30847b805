package main

import (
	"context"
	"fmt"
	"os/exec"
	"strconv"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/netchecker/netchecker/test/eventually"
)

func TestProcessesShareOneCoreWithWhatBurnsAndHaveAllAgainAfterwards(t *testing.T) {
	other := exec.CommandContext(t.Context(), "sleep", "600")
	if err := other.Start(); err != nil {
		t.Fatal(err)
	}
	defer other.Wait() // it is killed
	defer other.Process.Kill()
	cores := func() int {
		var set unix.CPUSet
		if err := unix.SchedGetaffinity(other.Process.Pid, &set); err != nil {
			t.Fatal(err)
		}
		return set.Count()
	}
	before := cores()
	ctx, stop := context.WithTimeout(t.Context(), time.Minute)
	defer stop()
	ended := make(chan error, 1)
	go func() { ended <- run(ctx, []string{strconv.Itoa(other.Process.Pid), "999999999"}) }()
	eventually.Nil(t, func() error {
		if n := cores(); n != 1 {
			return fmt.Errorf("it may run on %d cores, want 1", n)
		}
		return nil
	})
	stop()
	if err := <-ended; err != nil {
		t.Error(err)
	}
	if after := cores(); after != before {
		t.Errorf("afterwards it may run on %d cores, want %d as before", after, before)
	}
}
