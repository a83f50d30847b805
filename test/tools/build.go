package tools

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"time"
)

// Builder builds tools that are not in the cache yet.
type Builder struct {
	// Out is told what is built and, now and then, that it goes on. Nothing is
	// written where there is nothing to do.
	Out io.Writer
	// Every is how often it is told; 0 stands for 15 s.
	Every time.Duration
}

// Build makes sure that the named tool is there. Two builds of one tool, also by
// different processes, are one: the second waits. Ending ctx ends the build, and
// leaves nothing half done in the cache.
func (b Builder) Build(ctx context.Context, name string) error {
	t, err := named(name)
	if err != nil {
		return err
	}
	if given, err := t.given(); given != "" || err != nil {
		return err
	}
	path, err := t.cached()
	if err != nil {
		return err
	}
	if there, err := exists(path); there || err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return fmt.Errorf("making the cache of tools: %w", err)
	}
	lock, err := b.lock(ctx, t, path+".lock")
	if err != nil {
		return err
	}
	defer lock.Close()
	// Who held the lock before may have built it.
	if there, err := exists(path); there || err != nil {
		return err
	}
	return b.build(ctx, t, path)
}

func exists(path string) (bool, error) {
	_, err := os.Stat(path)
	if errors.Is(err, os.ErrNotExist) {
		return false, nil
	}
	return err == nil, err
}

// lock returns once the file at path is locked, which it is until it is closed,
// or its process ends.
func (b Builder) lock(ctx context.Context, t tool, path string) (io.Closer, error) {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o644)
	if err != nil {
		return nil, err
	}
	for told := false; ; told = true {
		err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
		if err == nil {
			return f, nil
		}
		if !errors.Is(err, syscall.EWOULDBLOCK) && !errors.Is(err, syscall.EINTR) {
			return nil, errors.Join(fmt.Errorf("locking %s: %w", path, err), f.Close())
		}
		if !told {
			fmt.Fprintf(b.Out, "%s is being built by somebody else, waiting\n", t.name)
		}
		select {
		case <-ctx.Done():
			return nil, errors.Join(fmt.Errorf("waiting for %s to be built: %w", t.name, ctx.Err()), f.Close())
		case <-time.After(100 * time.Millisecond):
		}
	}
}

// build compiles next to path and then moves it there, so that nobody finds
// half a program.
func (b Builder) build(ctx context.Context, t tool, path string) (err error) {
	version, err := t.version()
	if err != nil {
		return err
	}
	unfinished, exported := path+".unfinished", path+".source"
	defer func() {
		err = errors.Join(err, os.RemoveAll(exported))
		if err != nil {
			err = errors.Join(err, os.RemoveAll(unfinished))
		}
	}()
	dir, err := t.source(ctx, exported)
	if err != nil {
		return fmt.Errorf("building %s %s: %w", t.name, version, err)
	}
	fmt.Fprintf(b.Out, "building %s %s, once: about %d min where nothing is downloaded yet\n", t.name, version, t.minutes)
	begun := time.Now()
	output := new(bytes.Buffer)
	cmd := exec.CommandContext(ctx, "go", "build", "-trimpath", "-tags", t.tags(), "-ldflags", t.ldflags(version), "-o", unfinished, t.pkg)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOWORK=off")
	cmd.Stdout, cmd.Stderr = output, output
	// The compilers are the go command's children, and end with it as a group.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGTERM) }
	cmd.WaitDelay = 5 * time.Second
	if err := b.run(cmd, t, begun); err != nil {
		return fmt.Errorf("building %s %s: %w\n%s", t.name, version, err, tail(output.String()))
	}
	if err := os.Rename(unfinished, path); err != nil {
		return err
	}
	fmt.Fprintf(b.Out, "built %s %s in %v\n", t.name, version, time.Since(begun).Round(time.Second))
	return nil
}

// tags leave out of Prometheus' programs the clients of all clouds that they can discover
// targets in: most of what there is to compile.
func (t tool) tags() string {
	if t.module == "github.com/prometheus/prometheus" {
		return "remove_all_sd,enable_kubernetes_sd"
	}
	return ""
}

// source is the folder to compile in: the tool's module, or what it exports.
func (t tool) source(ctx context.Context, exported string) (dir string, err error) {
	if t.released() {
		return exported, t.export(ctx, exported)
	}
	return t.folder()
}

// run waits for cmd and tells now and then that it goes on.
func (b Builder) run(cmd *exec.Cmd, t tool, begun time.Time) error {
	ended := make(chan error, 1)
	go func() { ended <- cmd.Run() }()
	every := b.Every
	if every == 0 {
		every = 15 * time.Second
	}
	tick := time.NewTicker(every)
	defer tick.Stop()
	for {
		select {
		case err := <-ended:
			return err
		case <-tick.C:
			fmt.Fprintf(b.Out, "building %s, %v so far\n", t.name, time.Since(begun).Round(time.Second))
		}
	}
}

// tail is the end of output, where the go command says what failed after a line
// for each module that it downloaded.
func tail(output string) string {
	const limit = 4 << 10
	return output[max(0, len(output)-limit):]
}
