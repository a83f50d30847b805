package system_test

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/netchecker/netchecker/test/etcdtest"
	"github.com/netchecker/netchecker/test/kubetest"
	"github.com/netchecker/netchecker/test/process"
)

const (
	// startWithin bounds one start, on a machine that is busy with other tests.
	startWithin = time.Minute
	// stopWithin is how long a server may take to end when asked to.
	stopWithin = 20 * time.Second
)

// raceEnv ends a program at its first data race, and lets it exit without the
// second that the race detector likes to sleep.
const raceEnv = "GORACE=halt_on_error=1 atexit_sleep_ms=0"

// flags are some of a command line.
type flags = []string

// server is a netchecker-server in a process of its own.
type server struct {
	tb      testing.TB
	url     string
	process *process.Service
}

// serve starts a server with these flags on a free port, and returns when it
// listens. It ends with the test, which fails where the server does not end
// well, or had a data race.
func serve(tb testing.TB, sets ...flags) *server {
	tb.Helper()
	return serveAs(tb, process.Spec{}, sets...)
}

// serveAs is serve for a process that is not as usual; its Path may name another
// program than this tree's server.
func serveAs(tb testing.TB, spec process.Spec, sets ...flags) *server {
	tb.Helper()
	spec.Path, spec.Log = cmp.Or(spec.Path, serverProgram), filepath.Join(tb.TempDir(), "server.log")
	spec.Env = append(spec.Env, raceEnv)
	s := &server{tb: tb}
	s.process = &process.Service{Spec: spec, Ready: s.listens, Within: startWithin, Grace: stopWithin}
	tb.Cleanup(s.end)
	err := s.process.StartOnFreePort(tb.Context(), func() error {
		port, err := process.FreePort()
		endpoint := fmt.Sprintf("127.0.0.1:%d", port)
		s.url, s.process.Spec.Args = "http://"+endpoint, slices.Concat(flags{"-endpoint", endpoint}, slices.Concat(sets...))
		return err
	})
	if err != nil {
		tb.Fatal(err)
	}
	return s
}

// listens is nil once it does.
func (s *server) listens(ctx context.Context) error {
	a, err := request{path: "/healthz"}.to(ctx, s.url)
	if err == nil && a.status != http.StatusOK {
		err = fmt.Errorf("/healthz: %v", a)
	}
	return err
}

// end ends the process, if it still runs, and says what was wrong with it.
func (s *server) end() {
	if s.process.Process == nil {
		return
	}
	if !s.hasEnded() {
		s.terminate()
	}
	log, err := os.ReadFile(s.process.Spec.Log)
	if err != nil {
		s.tb.Error(err)
	}
	if i := strings.Index(string(log), "WARNING: DATA RACE"); i >= 0 {
		s.tb.Errorf("the server has a data race:\n%s", log[i:])
	}
	if i := strings.Index(string(log), "panic"); i >= 0 {
		s.tb.Errorf("the server panicked:\n%s", log[i:])
	}
	if s.tb.Failed() {
		s.tb.Logf("the log of the server at %s ends with:\n%s", s.url, s.process.LogTail())
	}
}

func (s *server) hasEnded() bool {
	select {
	case <-s.process.Ended():
		return true
	default:
		return false
	}
}

// terminate ends the server by SIGTERM, which must be the end of it, with exit
// status 0.
func (s *server) terminate() {
	s.tb.Helper()
	if err := errors.Join(s.process.Stop(), s.process.Err()); err != nil {
		s.tb.Errorf("ending the server by SIGTERM: %v", err)
	}
}

// kill ends the server by SIGKILL.
func (s *server) kill() {
	s.tb.Helper()
	if s.hasEnded() {
		s.tb.Errorf("the server ended by itself: %v", s.process.Err())
	}
	s.must(s.process.Kill())
}

// restart starts a server that has ended again, with the same flags.
func (s *server) restart() {
	s.tb.Helper()
	if err := s.process.Start(s.tb.Context()); err != nil {
		s.tb.Fatal(err)
	}
}

// pause stops the process where it is, resume lets it go on.
func (s *server) pause() {
	s.tb.Helper()
	s.must(s.process.Pause())
}

func (s *server) resume() {
	s.tb.Helper()
	s.must(s.process.Resume())
}

func (s *server) must(err error) {
	s.tb.Helper()
	if err != nil {
		s.tb.Error(err)
	}
}

// log is all that the server logged.
func (s *server) log() string {
	s.tb.Helper()
	text, err := os.ReadFile(s.process.Spec.Log)
	if err != nil {
		s.tb.Fatal(err)
	}
	return string(text)
}

// residentMiB is the memory that the process has, in MiB.
func (s *server) residentMiB() int {
	s.tb.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", s.process.PID()))
	if err != nil {
		s.tb.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		if fields := strings.Fields(line); fields[0] == "VmRSS:" {
			kib, err := strconv.Atoi(fields[1])
			s.must(err)
			return kib / 1024
		}
	}
	s.tb.Fatal("the kernel does not tell VmRSS")
	return 0
}

// ownEtcd lets the server have an etcd of its own.
func ownEtcd(tb testing.TB) flags { return flags{"-data-dir", tb.TempDir()} }

// in is the etcd that the server keeps all in.
func in(e *etcdtest.Etcd) flags { return flags{"-etcd-endpoints", e.Endpoint} }

// startEtcd runs an etcd that need not survive the machine.
func startEtcd(tb testing.TB, opts ...etcdtest.Option) *etcdtest.Etcd {
	tb.Helper()
	return etcdtest.Start(tb, append(opts, etcdtest.UnsafeNoFsync())...)
}

// of is the cluster where the server looks for agents, as user.
func of(c *kubetest.Cluster, user string, groups ...string) flags {
	return flags{"-kubeconfig", c.Kubeconfig(user, groups...), "-check-interval", "1"}
}

// outcome is how a program ended that was to end by itself.
type outcome struct {
	exit           int
	stdout, stderr string
}

// runToEnd runs a program that should end at once.
func runToEnd(tb testing.TB, program string, args ...string) outcome {
	tb.Helper()
	ctx, cancel := context.WithTimeout(tb.Context(), startWithin)
	defer cancel()
	cmd := exec.CommandContext(ctx, program, args...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Env = append(os.Environ(), raceEnv)
	var stdout, stderr strings.Builder
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	err := cmd.Run()
	var status *exec.ExitError
	if err != nil && !errors.As(err, &status) {
		tb.Fatal(err)
	}
	if ctx.Err() != nil {
		tb.Fatalf("%s %v has not ended; it says\n%s", program, args, &stderr)
	}
	return outcome{cmd.ProcessState.ExitCode(), stdout.String(), stderr.String()}
}
