package main

import (
	"bytes"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// binaryDir is made and removed by TestMain.
var binaryDir string

// built is the path of the binary, made as it is shipped, once for all tests.
var built = sync.OnceValues(func() (string, error) {
	path := filepath.Join(binaryDir, program)
	build := exec.Command("go", "build", "-trimpath", "-ldflags", "-s -w", "-o", path, ".")
	build.Env = append(os.Environ(), "CGO_ENABLED=0", "GOFLAGS=")
	if out, err := build.CombinedOutput(); err != nil {
		return "", fmt.Errorf("%w: %s", err, out)
	}
	return path, nil
})

// process is a run of the binary.
type process struct {
	*exec.Cmd
	stdout, stderr locked
}

// locked is a buffer that may be read while a process writes to it.
type locked struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (l *locked) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.Write(p)
}

func (l *locked) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.String()
}

// start runs the binary in an environment of nothing but env.
func start(t *testing.T, env []string, args ...string) *process {
	t.Helper()
	path, err := built()
	if err != nil {
		t.Fatal(err)
	}
	p := &process{Cmd: exec.Command(path, args...)}
	p.Env, p.Dir, p.Stdout, p.Stderr = env, t.TempDir(), &p.stdout, &p.stderr
	if err := p.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if p.ProcessState == nil {
			_ = p.Process.Kill()
			_ = p.Wait()
		}
	})
	return p
}

// code waits for the end and returns the exit code.
func (p *process) code() int {
	_ = p.Wait()
	return p.ProcessState.ExitCode()
}

var podEnv = []string{"MY_POD_NAME=netchecker-agent-x", "MY_NODE_NAME=n1", "HTTP_PROXY=http://127.0.0.1:1"}

func TestSignalsEndTheAgentAtOnce(t *testing.T) {
	t.Parallel()
	for _, sig := range []syscall.Signal{syscall.SIGTERM, syscall.SIGINT} {
		t.Run(sig.String(), func(t *testing.T) {
			t.Parallel()
			srv := newOriginalServer(t)
			// The second round hangs in a probe when the signal comes.
			p := start(t, podEnv, "-serverendpoint", srv.endpoint(), "-reportinterval=1", "-listen", freeAddress(t), "-probeurls", srv.URL+"/hang")
			srv.reports(t, 1, 10*time.Second)
			begun := time.Now()
			if err := p.Process.Signal(sig); err != nil {
				t.Fatal(err)
			}
			if code := p.code(); code != 0 {
				t.Errorf("exit code %d: %s", code, &p.stderr)
			}
			if took := time.Since(begun); took > time.Second {
				t.Errorf("took %v", took)
			}
		})
	}
}

func TestExitCodesAndWhatIsSaid(t *testing.T) {
	for _, c := range []struct {
		name           string
		env, args      []string
		code           int
		stdout, stderr string // how it begins; stderr: all of it
	}{
		{"no MY_POD_NAME", nil, nil, 1, "",
			"netchecker-agent: the environment variable MY_POD_NAME is missing; set it to the pod's name (in a manifest: fieldRef metadata.name)\n"},
		{"a bad value", podEnv, []string{"-reportinterval=0"}, 1, "",
			"netchecker-agent: -reportinterval is 0; it should be seconds, from 1 to 86400\n"},
		{"an unknown flag", podEnv, []string{"--nope"}, 2, "",
			"netchecker-agent: flag provided but not defined: -nope; see netchecker-agent -help\n"},
		{"an argument", podEnv, []string{"-v=5", "report"}, 2, "",
			"netchecker-agent: unexpected argument \"report\"; see netchecker-agent -help\n"},
		{"-help", nil, []string{"-help"}, 0, "netchecker-agent looks at the network from its pod and reports to netchecker-server.\n\nUsage: netchecker-agent [flags]\n", ""},
		{"--help", nil, []string{"--help"}, 0, "netchecker-agent looks at the network", ""},
		{"-version", nil, []string{"-version"}, 0, "netchecker-agent dev (commit ", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			p := start(t, c.env, c.args...)
			if code := p.code(); code != c.code {
				t.Errorf("exit code %d, want %d", code, c.code)
			}
			if got := p.stdout.String(); !strings.HasPrefix(got, c.stdout) || c.stdout == "" && got != "" {
				t.Errorf("stdout is %q", got)
			}
			if got := p.stderr.String(); got != c.stderr {
				t.Errorf("stderr is %q, want %q", got, c.stderr)
			}
		})
	}
}

func TestOwnPortThatIsTakenIsToldOnceAndReportsGoOn(t *testing.T) {
	t.Parallel()
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = taken.Close() }()
	srv := newOriginalServer(t)
	p := start(t, podEnv, "-serverendpoint", srv.endpoint(), "-reportinterval=1", "-listen", taken.Addr().String())
	srv.reports(t, 3, 10*time.Second)
	line := "Going on without /healthz, /readyz and /metrics: own port: cannot listen on " + taken.Addr().String() + ": address already in use"
	if n := strings.Count(p.stderr.String(), line); n != 1 {
		t.Errorf("told %d times:\n%s", n, &p.stderr)
	}
}

// The flags are those of Kubespray's manifest, of old and of new releases.
func TestAgentWritesNoFilesAndNeedsNoPlaceForThem(t *testing.T) {
	t.Parallel()
	for _, flags := range [][]string{{"-v=5", "-alsologtostderr=true"}, {"-v=5", "-logtostderr"}, nil} {
		t.Run(fmt.Sprint(flags), func(t *testing.T) {
			t.Parallel()
			srv := newOriginalServer(t)
			env := append([]string{"TMPDIR=/nowhere/at/all", "HOME=/nowhere"}, podEnv...)
			p := start(t, env, append(flags, "-serverendpoint="+srv.endpoint(), "-reportinterval=1", "-listen=")...)
			srv.reports(t, 2, 10*time.Second)
			if files, err := os.ReadDir(p.Dir); err != nil || len(files) != 0 {
				t.Errorf("files: %v, %v", files, err)
			}
			if !strings.Contains(p.stderr.String(), "Reports get to "+srv.URL+"/api/v1/agents/netchecker-agent-x") {
				t.Errorf("the log is not on stderr: %s", &p.stderr)
			}
		})
	}
}

func TestNodeNameThatIsMissingIsLoggedOnly(t *testing.T) {
	t.Parallel()
	srv := newOriginalServer(t)
	p := start(t, []string{"MY_POD_NAME=p"}, "-serverendpoint", srv.endpoint(), "-listen=")
	if got := srv.reports(t, 1, 10*time.Second)[0]; got.NodeName != "" {
		t.Errorf("the node is %q", got.NodeName)
	}
	if !strings.Contains(p.stderr.String(), "MY_NODE_NAME is missing") {
		t.Errorf("the log: %s", &p.stderr)
	}
}

func TestMemoryStaysWithin16MiB(t *testing.T) {
	t.Parallel()
	srv := newOriginalServer(t)
	own := freeAddress(t)
	p := start(t, podEnv, "-serverendpoint", srv.endpoint(), "-reportinterval=1", "-listen", own)
	srv.reports(t, 3, 10*time.Second)
	for range 20 {
		metrics := get(own, "/metrics")
		for _, want := range []string{"\ngo_gc_gogc_percent 50\n", fmt.Sprintf("\ngo_gc_gomemlimit_bytes %v\n", float64(memoryLimit))} {
			if !strings.Contains(metrics, want) {
				t.Fatalf("there is no %q in the metrics: %s", want, metrics)
			}
		}
	}
	if peak := peakKiB(t, p.Process.Pid); peak > 16<<10 {
		t.Errorf("the peak is %d KiB", peak)
	}
}

// peakKiB reads VmHWM (proc_pid_status(5)).
func peakKiB(t *testing.T, pid int) int {
	t.Helper()
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(status), "VmHWM:")
	n, err := strconv.Atoi(strings.Fields(rest)[0])
	if err != nil {
		t.Fatal(err)
	}
	return n
}
