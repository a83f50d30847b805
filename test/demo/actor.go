package main

import (
	"errors"
	"fmt"
	"os/exec"
	"path/filepath"
	"slices"
	"syscall"

	"github.com/netchecker/netchecker/test/process"
)

// actor is a process of the demo, under the name that people know it by.
type actor struct {
	*process.Process
	name string
}

// startActor runs a binary whose output goes to <name>.log in the directory logs.
func startActor(name, path, logs string, env []string, args ...string) (*actor, error) {
	p, err := process.Start(process.Spec{
		Path: path,
		Args: args,
		Env:  env,
		Log:  filepath.Join(logs, name+".log"),
	})
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return &actor{p, name}, nil
}

// how says how the actor ended, once it has.
func (a *actor) how() string {
	if err := a.Err(); err != nil {
		return err.Error()
	}
	return "exit status 0"
}

// death is the error of an actor that ended and should not have.
func (a *actor) death() error {
	return fmt.Errorf("%s (process %d) ended by itself: %s; its log ends with:\n%s", a.name, a.PID(), a.how(), a.LogTail())
}

// wasEnded says whether somebody ended the actor, as the demo invites its
// audience to, rather than that it failed.
func wasEnded(err error) bool {
	var exit *exec.ExitError
	if !errors.As(err, &exit) {
		return err == nil // an agent that is asked to end does so with status 0
	}
	status, ok := exit.Sys().(syscall.WaitStatus)
	asked := []syscall.Signal{syscall.SIGINT, syscall.SIGTERM, syscall.SIGKILL, syscall.SIGHUP, syscall.SIGQUIT}
	return ok && status.Signaled() && slices.Contains(asked, status.Signal())
}
