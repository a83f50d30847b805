package process_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/netchecker/netchecker/test/eventually"
	"github.com/netchecker/netchecker/test/process"
)

// asParent makes this test's program start a child, print its id and wait.
const asParent = "NETCHECKER_TEST_PARENT"

func TestMain(m *testing.M) {
	if log := os.Getenv(asParent); log != "" {
		parent(log)
	}
	goleak.VerifyTestMain(m)
}

func parent(log string) {
	p, err := process.Start(process.Spec{Path: "/bin/sleep", Args: []string{"600"}, Log: log})
	if err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
	if err := p.Pause(); err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
	fmt.Println(p.PID())
	<-p.Ended()
	os.Exit(0)
}

// shell starts a process that runs script and is ended with the test.
func shell(t *testing.T, script string) *process.Process {
	t.Helper()
	p, err := process.Start(process.Spec{
		Path: "/bin/sh", Args: []string{"-c", script}, Env: []string{"GREETING=hello"},
		Log: filepath.Join(t.TempDir(), "log"),
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := p.Kill(); err != nil {
			t.Error(err)
		}
	})
	return p
}

// logged waits until the log is text.
func logged(t *testing.T, p *process.Process, text string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	err := p.WaitUntil(ctx, func(context.Context) error {
		if tail := p.LogTail(); tail != text {
			return fmt.Errorf("the log is %q, want %q", tail, text)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

func TestOutputAndErrorsAreLogged(t *testing.T) {
	t.Parallel()
	p := shell(t, `echo "$GREETING"; echo there >&2; sleep 600`)
	logged(t, p, "hello\nthere\n")
}

func TestLogTailIsOfWholeLines(t *testing.T) {
	t.Parallel()
	p := shell(t, `for i in $(seq 10000); do echo "line $i"; done`)
	<-p.Ended()
	tail := p.LogTail()
	if len(tail) > 4<<10 || !strings.HasPrefix(tail, "line 9") || !strings.HasSuffix(tail, "line 10000\n") {
		t.Errorf("the tail of %d bytes is %q", len(tail), tail)
	}
}

func TestStopLetsTheProcessEndByItself(t *testing.T) {
	t.Parallel()
	p := shell(t, `trap 'echo bye; exit 3' TERM; echo ready; while :; do sleep 0.01; done`)
	logged(t, p, "ready\n")
	if err := p.Pause(); err != nil {
		t.Fatal(err)
	}
	if err := p.Stop(10 * time.Second); err != nil {
		t.Errorf("stopping it while paused: %v", err)
	}
	if tail := p.LogTail(); tail != "ready\nbye\n" {
		t.Errorf("the log is %q", tail)
	}
	var exit *exec.ExitError
	if !errors.As(p.Err(), &exit) || exit.ExitCode() != 3 {
		t.Errorf("it ended by %v, want exit status 3", p.Err())
	}
}

func TestStopKillsWhatDoesNotEnd(t *testing.T) {
	t.Parallel()
	p := shell(t, `trap '' TERM; echo ready; while :; do sleep 0.01; done`)
	logged(t, p, "ready\n")
	err := p.Stop(50 * time.Millisecond)
	if err == nil || err.Error() != "sh has not ended 50ms after SIGTERM, killing it" {
		t.Errorf("got error %v", err)
	}
	if err := syscall.Kill(p.PID(), 0); !errors.Is(err, syscall.ESRCH) {
		t.Errorf("the process is still there (%v)", err)
	}
}

func TestEndingWhatHasEndedIsNoError(t *testing.T) {
	t.Parallel()
	p := shell(t, "exit 0")
	<-p.Ended()
	if err := errors.Join(p.Kill(), p.Stop(time.Second), p.Err()); err != nil {
		t.Error(err)
	}
	if err := p.Pause(); !errors.Is(err, os.ErrProcessDone) {
		t.Errorf("pausing it: got error %v, want %v", err, os.ErrProcessDone)
	}
}

func TestPauseCanBeRepeatedAndTakenBack(t *testing.T) {
	t.Parallel()
	p := shell(t, "while :; do sleep 0.01; done")
	for range 3 {
		if err := errors.Join(p.Pause(), p.Pause(), p.Resume(), p.Resume()); err != nil {
			t.Fatal(err)
		}
	}
}

func TestWaitUntilTellsOfAnEarlyEnd(t *testing.T) {
	t.Parallel()
	p := shell(t, "echo no such disk; exit 4")
	err := p.WaitUntil(t.Context(), func(context.Context) error { return errors.New("refused") })
	const want = "sh ended before it was ready (exit status 4); its log ends with:\nno such disk\n"
	if err == nil || err.Error() != want {
		t.Errorf("got error %v, want %s", err, want)
	}
}

func TestWaitUntilTellsWhatWasMissing(t *testing.T) {
	t.Parallel()
	p := shell(t, "echo thinking; sleep 600")
	logged(t, p, "thinking\n")
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	err := p.WaitUntil(ctx, func(context.Context) error { return errors.New("refused") })
	const want = "sh is not ready: refused (context deadline exceeded); its log ends with:\nthinking\n"
	if err == nil || err.Error() != want {
		t.Errorf("got error %v, want %s", err, want)
	}
}

func TestProgramThatIsNotThereIsAnError(t *testing.T) {
	t.Parallel()
	_, err := process.Start(process.Spec{Path: "/no/such/program", Log: filepath.Join(t.TempDir(), "log")})
	if !errors.Is(err, os.ErrNotExist) || !strings.HasPrefix(err.Error(), "starting program: ") {
		t.Errorf("got error %v", err)
	}
}

func TestChildrenEndWithTheirParentHoweverItEnds(t *testing.T) {
	t.Parallel()
	parent := exec.Command(os.Args[0])
	parent.Env = append(os.Environ(), asParent+"="+filepath.Join(t.TempDir(), "log"))
	out, err := parent.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := parent.Start(); err != nil {
		t.Fatal(err)
	}
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	child, err := strconv.Atoi(strings.TrimSpace(line))
	if err != nil {
		t.Fatalf("the parent says %q", line)
	}
	if err := parent.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	if err := parent.Wait(); err == nil {
		t.Error("the parent ended by itself")
	}
	eventually.True(t, fmt.Sprintf("process %d, the child, has ended", child), func() bool { return !process.Alive(child) })
}

func TestFreePortsLieBelowThoseThatTheKernelGivesOut(t *testing.T) {
	t.Parallel()
	for range 20 {
		port, err := process.FreePort()
		if err != nil || port < 10000 || port >= 30000 {
			t.Errorf("got port %d, %v", port, err)
		}
	}
}
