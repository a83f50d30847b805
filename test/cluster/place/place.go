// Package place makes places for processes to run in as if each were a machine:
// with network, mounts, process ids and host name of its own.
//
// A place is as long as its anchor: a process that waits, and that is the first
// of the place's process ids. When the anchor is killed, the kernel kills every
// process in the place, whoever started it, and takes the mounts and the network
// with them. So there is one id to write down and nothing to hunt for, also
// after a crash. Nothing is mounted, named or changed outside of the place.
//
// In a place /var/lib and /var/log are folders of its own, and /run is empty.
// All other files are the machine's.
package place

import (
	"bufio"
	"context"
	_ "embed"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
)

//go:embed anchor.sh
var anchor string

// Place is a place whose anchor was started.
type Place struct {
	// Name is its host name.
	Name string `json:"name"`
	// Anchor is its first process.
	Anchor Identity `json:"anchor"`
}

// Spec says what place to make.
type Spec struct {
	// Name is its host name.
	Name string
	// Dir is a folder for its files; it is made.
	Dir string
	// Pause is the program that its anchor runs.
	Pause string
}

// New makes a place. Its anchor is handed to record before anything is done with
// it; where that fails, or this program ends meanwhile, the anchor ends by itself.
func New(ctx context.Context, spec Spec, record func(Place) error) (Place, error) {
	p, err := start(ctx, spec, record)
	if err != nil {
		return Place{}, fmt.Errorf("making the place %s: %w", spec.Name, err)
	}
	return p, nil
}

func start(ctx context.Context, spec Spec, record func(Place) error) (Place, error) {
	if err := os.MkdirAll(spec.Dir, 0o755); err != nil {
		return Place{}, err
	}
	log, err := os.OpenFile(filepath.Join(spec.Dir, "anchor.log"), os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o644)
	if err != nil {
		return Place{}, err
	}
	defer log.Close()
	ready, tell, err := os.Pipe()
	if err != nil {
		return Place{}, err
	}
	defer ready.Close()
	defer tell.Close()

	cmd := exec.Command("/bin/sh", "-c", anchor, "anchor", spec.Name, spec.Dir, spec.Pause)
	cmd.Stdout, cmd.Stderr, cmd.ExtraFiles = log, log, []*os.File{tell}
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Setsid:     true,
		Cloneflags: syscall.CLONE_NEWNS | syscall.CLONE_NEWPID | syscall.CLONE_NEWNET | syscall.CLONE_NEWUTS,
	}
	goOn, err := cmd.StdinPipe()
	if err != nil {
		return Place{}, err
	}
	defer goOn.Close()
	if err := cmd.Start(); err != nil {
		return Place{}, err
	}
	defer cmd.Process.Release()
	tell.Close()

	id, err := Identify(cmd.Process.Pid)
	if err != nil {
		return Place{}, err
	}
	p := Place{Name: spec.Name, Anchor: id}
	if err := record(p); err != nil {
		return Place{}, err
	}
	if _, err := io.WriteString(goOn, "go\n"); err != nil {
		return Place{}, err
	}
	if err := awaitReady(ctx, ready); err != nil {
		said, _ := os.ReadFile(log.Name())
		return Place{}, fmt.Errorf("%w; it says:\n%s", err, said)
	}
	return p, nil
}

// awaitReady waits for the anchor to say so, or to end without.
func awaitReady(ctx context.Context, ready *os.File) error {
	stop := context.AfterFunc(ctx, func() { _ = ready.Close() })
	defer stop()
	line, err := bufio.NewReader(ready).ReadString('\n')
	if line == "ready\n" {
		return nil
	}
	if ctx.Err() != nil {
		return fmt.Errorf("waiting for its first process: %w", ctx.Err())
	}
	return fmt.Errorf("its first process is not ready: %w", err)
}

// Path is the machine's path of a file that is at path in the place.
func (p Place) Path(path string) string {
	return filepath.Join(fmt.Sprintf("/proc/%d/root", p.Anchor.PID), path)
}

// Start starts cmd in the place and does not wait for it: it goes on when this
// program ends, and ends with the place at the latest.
func (p Place) Start(cmd *exec.Cmd) (Identity, error) {
	if cmd.SysProcAttr == nil {
		cmd.SysProcAttr = new(syscall.SysProcAttr)
	}
	cmd.SysProcAttr.Setsid = true
	if err := p.within(Everything, cmd.Start); err != nil {
		return Identity{}, err
	}
	id, err := Identify(cmd.Process.Pid)
	return id, errors.Join(err, cmd.Process.Release())
}

// Run runs cmd in the given spaces of the place and waits for it. Where it writes
// is up to cmd; where that says nothing about standard error, what was written
// there is part of the error.
func (p Place) Run(cmd *exec.Cmd, in Spaces) error {
	said := new(tail)
	if cmd.Stderr == nil {
		cmd.Stderr = said
	}
	if err := p.within(in, cmd.Start); err != nil {
		return err
	}
	if err := cmd.Wait(); err != nil {
		return fmt.Errorf("%s in %s: %w: %s", filepath.Base(cmd.Path), p.Name, err, said)
	}
	return nil
}

// tail keeps the end of what is written.
type tail struct{ text []byte }

func (t *tail) Write(p []byte) (int, error) {
	const limit = 4 << 10
	t.text = append(t.text, p...)
	t.text = t.text[max(0, len(t.text)-limit):]
	return len(p), nil
}

func (t *tail) String() string { return string(t.text) }
