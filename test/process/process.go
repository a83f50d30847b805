// Package process runs other programs for tests, the demo and the benchmark:
// started, paused, killed and ended by process id, with their output in a file.
//
// Whatever it starts ends with the program that started it, however that ends:
// the kernel kills the child when the thread that made it is gone, so each
// child has a thread of its own, which waits for it.
package process

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// Spec says what to run.
type Spec struct {
	// Path is the program's file; its base name is what errors call it.
	Path string
	Args []string
	// Env is added to the environment of this program.
	Env []string
	// Dir is the working directory; empty: that of this program.
	Dir string
	// As is who runs it; nil: whoever runs this program.
	As *syscall.Credential
	// Log is the file that standard output and error are appended to.
	Log string
}

// Process is a program that was started. Its methods may be called at once from
// several goroutines.
type Process struct {
	name  string
	pid   int
	log   string
	cmd   *exec.Cmd
	ended chan struct{}
	// err is what Wait returned, to be read once ended is closed.
	err error
}

// Start runs what spec says. The caller must end it, by Stop or Kill.
func Start(spec Spec) (*Process, error) {
	name := filepath.Base(spec.Path)
	log, err := os.OpenFile(spec.Log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return nil, fmt.Errorf("opening the log of %s: %w", name, err)
	}
	defer log.Close()
	cmd := exec.Command(spec.Path, spec.Args...)
	cmd.Env, cmd.Dir = append(os.Environ(), spec.Env...), spec.Dir
	cmd.Stdout, cmd.Stderr = log, log
	// A process group of its own: a Ctrl-C at the terminal is for the program
	// that started this one, which then ends it in its own order.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL, Credential: spec.As}

	p := &Process{name: name, log: spec.Log, cmd: cmd, ended: make(chan struct{})}
	started := make(chan error)
	go p.run(started)
	if err := <-started; err != nil {
		return nil, fmt.Errorf("starting %s: %w", name, err)
	}
	p.pid = cmd.Process.Pid
	return p, nil
}

// run keeps to one thread from the fork to the end, see the package's comment.
func (p *Process) run(started chan<- error) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	defer close(p.ended)
	err := p.cmd.Start()
	started <- err
	if err == nil {
		p.err = p.cmd.Wait()
	}
}

// PID is the process id.
func (p *Process) PID() int { return p.pid }

// Ended is closed when the process has ended and was waited for.
func (p *Process) Ended() <-chan struct{} { return p.ended }

// Err is how the process ended: nil for exit status 0. It is nil, too, while
// the process runs.
func (p *Process) Err() error {
	select {
	case <-p.ended:
		return p.err
	default:
		return nil
	}
}

// Signal sends s. A process that has ended is an error.
func (p *Process) Signal(s syscall.Signal) error {
	if err := p.cmd.Process.Signal(s); err != nil {
		return fmt.Errorf("sending %v to %s: %w", s, p.name, err)
	}
	return nil
}

// Pause stops the process where it is (SIGSTOP) and returns when all its threads
// have stopped: its connections stay open and nothing answers on them.
func (p *Process) Pause() error {
	if err := p.Signal(syscall.SIGSTOP); err != nil {
		return err
	}
	for {
		// WNOWAIT leaves the news for the next call, so pausing twice is no hang.
		err := unix.Waitid(unix.P_PID, p.pid, nil, unix.WSTOPPED|unix.WNOWAIT, nil)
		if err == nil {
			return nil
		}
		if !errors.Is(err, unix.EINTR) {
			return fmt.Errorf("waiting for %s to stop: %w", p.name, err)
		}
	}
}

// Resume lets a paused process go on (SIGCONT); a running one takes no notice.
func (p *Process) Resume() error { return p.Signal(syscall.SIGCONT) }

// Kill ends the process without warning (SIGKILL), paused or not, and waits for
// its end. One that has ended already is no error.
func (p *Process) Kill() error { return p.end(syscall.SIGKILL) }

// Stop asks the process to end (SIGTERM), and kills it when it has not ended
// after grace, which is an error then. One that has ended already is no error.
func (p *Process) Stop(grace time.Duration) error {
	if err := p.signalUnlessEnded(syscall.SIGTERM); err != nil {
		return err
	}
	// A paused process takes no notice of SIGTERM until it goes on.
	if err := p.signalUnlessEnded(syscall.SIGCONT); err != nil {
		return err
	}
	select {
	case <-p.ended:
		return nil
	case <-time.After(grace):
		return errors.Join(fmt.Errorf("%s has not ended %v after SIGTERM, killing it", p.name, grace), p.Kill())
	}
}

func (p *Process) end(s syscall.Signal) error {
	if err := p.signalUnlessEnded(s); err != nil {
		return err
	}
	<-p.ended
	return nil
}

func (p *Process) signalUnlessEnded(s syscall.Signal) error {
	err := p.Signal(s)
	if errors.Is(err, os.ErrProcessDone) {
		return nil
	}
	return err
}

// Alive says whether a process has that id and has not ended: a zombie has, and
// whoever inherits one may take its time to reap it.
func Alive(pid int) bool {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return false
	}
	// pid (name) state …, and a name may have brackets: see proc_pid_stat(5).
	end := bytes.LastIndex(stat, []byte(") "))
	return end >= 0 && !bytes.HasPrefix(stat[end+2:], []byte("Z"))
}

// pollEvery is how often WaitUntil asks.
const pollEvery = 20 * time.Millisecond

// WaitUntil returns nil as soon as ready does. It fails when the process ends
// first, or ctx does; the error has the last answer of ready and the log's end.
func (p *Process) WaitUntil(ctx context.Context, ready func(context.Context) error) error {
	tick := time.NewTicker(pollEvery)
	defer tick.Stop()
	for {
		last := ready(ctx)
		if last == nil {
			return nil
		}
		select {
		case <-p.ended:
			return fmt.Errorf("%s ended before it was ready (%v); its log ends with:\n%s", p.name, p.err, p.LogTail())
		case <-ctx.Done():
			return fmt.Errorf("%s is not ready: %w (%v); its log ends with:\n%s", p.name, last, ctx.Err(), p.LogTail())
		case <-tick.C:
		}
	}
}

// tailBytes is how much of a log LogTail shows.
const tailBytes = 4 << 10

// LogTail is the end of the process's output, at most 4 KiB of whole lines.
func (p *Process) LogTail() string {
	f, err := os.Open(p.log)
	if err != nil {
		return err.Error()
	}
	defer f.Close()
	size, err := f.Seek(0, io.SeekEnd)
	if err != nil {
		return err.Error()
	}
	from := max(0, size-tailBytes)
	tail, err := io.ReadAll(io.NewSectionReader(f, from, tailBytes))
	if err != nil {
		return err.Error()
	}
	if _, whole, ok := bytes.Cut(tail, []byte("\n")); ok && from > 0 {
		tail = whole
	}
	return string(tail)
}
