package process_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/netchecker/netchecker/test/process"
)

// service is a shell that is ready when it has written its id into a file, and that writes into
// its log how often it was started.
func service(t *testing.T, script string) *process.Service {
	t.Helper()
	dir := t.TempDir()
	ready := filepath.Join(dir, "ready")
	s := &process.Service{
		Spec:   process.Spec{Path: "/bin/sh", Args: []string{"-c", script, ready}, Log: filepath.Join(dir, "log")},
		Within: 10 * time.Second, Grace: 10 * time.Second,
	}
	s.Ready = func(context.Context) error {
		made, err := os.ReadFile(ready)
		if err == nil && string(made) != fmt.Sprintln(s.PID()) {
			err = fmt.Errorf("it was made by %s", made)
		}
		return err
	}
	t.Cleanup(func() {
		if s.Process != nil {
			_ = s.Kill()
		}
	})
	return s
}

const serves = `echo started; echo $$ >"$0"; exec sleep 600`

func TestServiceIsReadyWhenItsStartReturnsAndStartsAgain(t *testing.T) {
	t.Parallel()
	s := service(t, serves)
	if err := errors.Join(s.Start(t.Context()), s.Restart(t.Context()), s.Stop(), s.Restart(t.Context())); err != nil {
		t.Fatal(err)
	}
	if got := s.LogTail(); got != "started\nstarted\nstarted\n" {
		t.Errorf("its log is %q", got)
	}
}

func TestServiceThatIsNotReadyInTimeIsKilled(t *testing.T) {
	t.Parallel()
	s := service(t, "echo thinking; exec sleep 600")
	s.Within = 50 * time.Millisecond
	err := s.Start(t.Context())
	if err == nil || !strings.Contains(err.Error(), "sh is not ready: ") {
		t.Errorf("got error %v", err)
	}
	select {
	case <-s.Ended():
	default:
		t.Error("it runs")
	}
}

func TestStartIsTriedAgainWherePortsWereTakenMeanwhile(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		name, says string
		frees      int // the try from which on the port is free
		tries      int
		err        string
	}{
		{"taken once", "bind: address already in use", 2, 2, ""},
		{"taken each time", "bind: address already in use", 9, 3, "address already in use"},
		{"ended otherwise", "no such disk", 2, 1, "no such disk"},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			s := service(t, serves)
			tries := 0
			err := s.StartOnFreePort(t.Context(), func() error {
				if tries++; tries < row.frees {
					s.Spec.Args = []string{"-c", "echo " + row.says + "; exit 1"}
				} else {
					s.Spec.Args = []string{"-c", serves, filepath.Join(filepath.Dir(s.Spec.Log), "ready")}
				}
				return nil
			})
			if tries != row.tries || (err == nil) != (row.err == "") || err != nil && !strings.Contains(err.Error(), row.err) {
				t.Errorf("after %d tries: got error %v, want %d and %q", tries, err, row.tries, row.err)
			}
		})
	}
}

// complaints are what a test would have been told.
type complaints struct {
	*testing.T
	all []string
}

func (c *complaints) Errorf(format string, args ...any) {
	c.all = append(c.all, fmt.Sprintf(format, args...))
}

func TestHeldServiceTellsItsTestWhatCannotBeDone(t *testing.T) {
	t.Parallel()
	s := service(t, serves)
	if err := s.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	told := &complaints{T: t}
	held := process.Hold(told, s)
	held.Pause()
	held.Resume()
	held.Restart()
	held.Stop()
	if told.all != nil {
		t.Errorf("it complains %q", told.all)
	}
	held.Pause()
	if want := []string{"sending stopped (signal) to sh: os: process already finished"}; !slices.Equal(told.all, want) {
		t.Errorf("it complains %q, want %q", told.all, want)
	}
}
