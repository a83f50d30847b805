package process

import (
	"context"
	"errors"
	"strings"
	"time"
)

// Service is a program that is ready some time after its start, and that can be
// started again on the same data. Its methods, but for those of Process, may not be
// called at once.
type Service struct {
	// Spec says what is run.
	Spec Spec
	// Ready says nil once it does what it is there for.
	Ready func(context.Context) error
	// Within bounds one start, and Grace how long it may take to end when asked to.
	Within, Grace time.Duration

	// Process is the one that runs, or ran last; nil before the first start.
	*Process
}

// startTries is how often StartOnFreePort tries with ports that somebody else took.
const startTries = 3

// StartOnFreePort starts the service, once configure has chosen ports (see
// FreePort) and written them into Spec. Where one of them is taken meanwhile it
// tries with others.
func (s *Service) StartOnFreePort(ctx context.Context, configure func() error) error {
	for try := 1; ; try++ {
		if err := configure(); err != nil {
			return err
		}
		err := s.Start(ctx)
		if err == nil || try == startTries || !strings.Contains(err.Error(), "address already in use") {
			return err
		}
	}
}

// Start returns once the service is ready. One that does not become so is killed,
// and the error has the end of its log.
func (s *Service) Start(ctx context.Context) error {
	p, err := Start(s.Spec)
	if err != nil {
		return err
	}
	s.Process = p
	ctx, cancel := context.WithTimeout(ctx, s.Within)
	defer cancel()
	if err := p.WaitUntil(ctx, s.Ready); err != nil {
		return errors.Join(err, p.Kill())
	}
	return nil
}

// Stop asks the service to end and waits for it.
func (s *Service) Stop() error { return s.Process.Stop(s.Grace) }

// Restart starts the service again, and returns when it is ready. One that still
// runs is killed first.
func (s *Service) Restart(ctx context.Context) error {
	if err := s.Kill(); err != nil {
		return err
	}
	return s.Start(ctx)
}

// test is what Held needs of a test.
type test interface {
	Helper()
	Context() context.Context
	Errorf(format string, args ...any)
}

// Held is a service in the hands of a test. What cannot be done marks the test as
// failed, and lets it go on: a test may well pause its service from another
// goroutine, where it cannot be ended.
type Held struct {
	test    test
	service *Service
}

// Hold is the service as t uses it.
func Hold(t test, s *Service) Held { return Held{t, s} }

// PID is the process id of what runs, or ran last.
func (h Held) PID() int { return h.service.PID() }

// Pause stops the service where it is (SIGSTOP): connections stay, nothing answers.
func (h Held) Pause() { h.test.Helper(); h.must(h.service.Pause()) }

// Resume lets a paused service go on (SIGCONT).
func (h Held) Resume() { h.test.Helper(); h.must(h.service.Resume()) }

// Kill ends the service without warning (SIGKILL).
func (h Held) Kill() { h.test.Helper(); h.must(h.service.Kill()) }

// Stop asks the service to end and waits for it.
func (h Held) Stop() { h.test.Helper(); h.must(h.service.Stop()) }

// Restart starts the service again on the same data and ports, and returns when it
// is ready. One that still runs is killed first.
func (h Held) Restart() { h.test.Helper(); h.must(h.service.Restart(h.test.Context())) }

func (h Held) must(err error) {
	h.test.Helper()
	if err != nil {
		h.test.Errorf("%v", err)
	}
}
