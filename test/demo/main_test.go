package main

import (
	"bytes"
	"errors"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// command is the demo as a process of its own, and what it writes.
type command struct {
	*exec.Cmd
	out    *transcript
	stderr *bytes.Buffer
	tmp    string
}

func newCommand(t *testing.T, args ...string) command {
	t.Helper()
	bin := fakeBinaries(t)
	c := command{out: &transcript{}, stderr: &bytes.Buffer{}, tmp: t.TempDir()}
	c.Cmd = exec.Command(filepath.Join(bin, "demo"), append([]string{"-bin", bin}, args...)...)
	c.Env = append(os.Environ(), "TMPDIR="+c.tmp)
	c.Stdout, c.Stderr = c.out, c.stderr
	return c
}

func (c command) start(t *testing.T) {
	t.Helper()
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := c.Process.Kill(); err != nil && !errors.Is(err, os.ErrProcessDone) {
			t.Error(err)
		}
	})
}

// status waits for the command's end and returns its exit status.
func (c command) status(t *testing.T) int {
	t.Helper()
	var exit *exec.ExitError
	if err := c.Wait(); err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	return c.ProcessState.ExitCode()
}

// children are the processes that the demo started.
func (c command) children(t *testing.T) []int {
	t.Helper()
	stats, err := filepath.Glob("/proc/[0-9]*/stat")
	if err != nil {
		t.Fatal(err)
	}
	var pids []int
	for _, file := range stats {
		stat, err := os.ReadFile(file)
		if err != nil {
			continue // ended meanwhile
		}
		// pid (comm) state ppid …, see proc_pid_stat(5).
		id, rest, _ := strings.Cut(string(stat), " (")
		fields := strings.Fields(rest[strings.LastIndex(rest, ")")+1:])
		if len(fields) > 1 && fields[1] == strconv.Itoa(c.Process.Pid) {
			pid, err := strconv.Atoi(id)
			if err != nil {
				t.Fatal(err)
			}
			pids = append(pids, pid)
		}
	}
	return pids
}

func TestSignalsEndTheDemoWithNothingLeft(t *testing.T) {
	for _, signal := range []syscall.Signal{syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP} {
		t.Run(signal.String(), func(t *testing.T) {
			t.Parallel()
			c := newCommand(t, "-endpoint", "127.0.0.1:0")
			c.start(t)
			c.out.waitFor(t, "Ctrl-C ends the demo")
			children := c.children(t)
			if len(children) != 7 {
				t.Errorf("the demo has %d children, want a server and six agents", len(children))
			}
			if err := c.Process.Signal(signal); err != nil {
				t.Fatal(err)
			}
			if status := c.status(t); status != 0 || c.stderr.Len() > 0 {
				t.Errorf("exit status %d, stderr %q", status, c.stderr)
			}
			for _, pid := range children {
				gone(t, pid)
			}
			leftNothing(t, c.tmp)
		})
	}
}

func TestChildrenEndWithADemoThatIsKilled(t *testing.T) {
	t.Parallel()
	c := newCommand(t, "-endpoint", "127.0.0.1:0")
	c.start(t)
	c.out.waitFor(t, "Ctrl-C ends the demo")
	children := c.children(t)
	if err := c.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	c.status(t)
	if len(children) != 7 {
		t.Errorf("the demo had %d children, want a server and six agents", len(children))
	}
	for _, pid := range children {
		gone(t, pid)
	}
}

func TestWhoeverClosesTheOutputEndsTheDemo(t *testing.T) {
	t.Parallel()
	c := newCommand(t, "-endpoint", "127.0.0.1:0")
	c.Stdout = nil
	out, err := c.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	c.start(t)
	if _, err := out.Read(make([]byte, 1)); err != nil {
		t.Fatal(err)
	}
	out.Close()
	c.status(t)
	leftNothing(t, c.tmp)
}

func TestAPortInUseIsOneClearLine(t *testing.T) {
	t.Parallel()
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	addr := taken.Addr().String()
	c := newCommand(t, "-endpoint", addr)
	c.start(t)
	status := c.status(t)
	want := "demo: server: cannot listen on " + addr + ": address already in use; stop what listens there (ss -ltnp shows it), " +
		"or choose another address with bin/demo -endpoint HOST:PORT\n"
	if status != 1 || c.stderr.String() != want || c.out.String() != "" {
		t.Errorf("exit status %d, stdout %q, stderr\n%swant\n%s", status, c.out, c.stderr, want)
	}
	leftNothing(t, c.tmp)
}

func TestWrongFlagsAreToldAndEndWithStatus2(t *testing.T) {
	t.Parallel()
	bin := fakeBinaries(t)
	for _, row := range []struct {
		args []string
		want string
	}{
		{[]string{"-bin", bin, "now"}, "demo: no arguments are expected, got [\"now\"]\n"},
		{[]string{"-bin", bin, "-interval", "0"}, "demo: -interval: want at least 1 second, got 0\n"},
		{[]string{"-bin", "/none"}, "demo: -bin: stat /none/netchecker-server: no such file or directory; make build makes it\n"},
	} {
		var out, stderr bytes.Buffer
		if status := run(row.args, &out, &stderr); status != 2 || stderr.String() != row.want {
			t.Errorf("%q: exit status %d, stderr %q, want %q", row.args, status, &stderr, row.want)
		}
	}
}

func TestTheDemoLearnsOfItsParentsEnd(t *testing.T) {
	t.Parallel()
	ended := make(chan struct{})
	go func() {
		waitForOtherParent(t.Context(), os.Getppid()+1)
		close(ended)
	}()
	select {
	case <-ended:
	case <-time.After(10 * time.Second):
		t.Error("another parent was not noticed")
	}
}
