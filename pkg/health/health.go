// Package health answers "is this process all right" over HTTP: named checks,
// run side by side under one deadline, told as plain text in the way that
// Kubernetes' own components do.
//
// Whoever asks (a kubelet, every few seconds, for as long as the process lives)
// must not be able to do harm by asking. So a question costs one deadline and
// not one for each dependency that hangs, and a check that ignores its deadline
// is told as failed and never started a second time while its first run goes
// on: later questions join that run. A [Set] has at most one goroutine for each
// of its checks, and [Set.Close] waits for them.
//
// [Circuit] and [Pulse] are the two checks that need nothing but the process
// itself: may it be asked, and is its loop turning.
package health

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"strings"
	"sync"
	"time"

	"github.com/golang/glog"
)

// DefaultDeadline is how long the checks of a Set may take together, unless its
// owner says otherwise.
const DefaultDeadline = 2 * time.Second

var errClosing = errors.New("the process is shutting down")

// Check is one thing that must be well.
type Check struct {
	// Name is how the check is called in answers and in the URL, so it should be
	// a lower-case word: etcd, pods, serving.
	Name string
	// Run returns nil when all is well, else the reason. It should end when ctx
	// does; when it ends later, its result is not heard. Runs of one Set's check
	// never overlap. A panic counts as a failure.
	Run func(ctx context.Context) error
}

// Set is a list of checks that are asked together. Its methods may be called
// from many goroutines at once. It must be closed.
type Set struct {
	deadline time.Duration
	checks   []Check

	// life is the parent of every run. A run may be shared by several requests,
	// so it can't have the context of any one of them.
	life context.Context
	end  context.CancelFunc

	mu     sync.Mutex
	closed bool
	runs   []*run // what is under way, by the check's index; nil: nothing
}

// New makes a Set of checks, told in that order. The deadline is for all of them
// together; 0 or less means DefaultDeadline.
func New(deadline time.Duration, checks ...Check) *Set {
	if deadline <= 0 {
		deadline = DefaultDeadline
	}
	life, end := context.WithCancel(context.Background())
	return &Set{
		deadline: deadline,
		checks:   checks,
		life:     life,
		end:      end,
		runs:     make([]*run, len(checks)),
	}
}

// Close ends the checks' contexts and waits for those that are under way, at
// most the Set's deadline. The error names the checks that still had not ended
// then. From its call on, every check is answered as failed.
func (s *Set) Close() error {
	s.mu.Lock()
	s.closed = true
	pending := append([]*run(nil), s.runs...)
	s.mu.Unlock()
	s.end()

	patience, cancel := context.WithTimeout(context.Background(), s.deadline)
	defer cancel()
	var stuck []string
	for i, r := range pending {
		if r != nil && !r.endsWithin(patience) {
			stuck = append(stuck, s.checks[i].Name)
		}
	}
	if stuck != nil {
		return fmt.Errorf("health checks that did not end within %v of being told to: %s", s.deadline, strings.Join(stuck, ", "))
	}
	return nil
}

// ask runs the checks at the indices side by side and returns their results in
// that order, after the Set's deadline at the latest.
func (s *Set) ask(ctx context.Context, indices []int) []result {
	runs := make([]*run, len(indices))
	for i, index := range indices {
		runs[i] = s.join(index)
	}
	results := make([]result, len(indices))
	for i, r := range runs {
		results[i] = s.await(ctx, r)
		results[i].name = s.checks[indices[i]].Name
	}
	return results
}

// join returns the run of a check that is under way, or starts one. It returns
// nil when the Set is closed.
func (s *Set) join(index int) *run {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return nil
	}
	if r := s.runs[index]; r != nil {
		return r
	}
	ctx, cancel := context.WithTimeout(s.life, s.deadline)
	r := &run{ctx: ctx, began: time.Now(), done: make(chan struct{})}
	s.runs[index] = r
	go func() {
		defer cancel()
		s.conduct(index, r)
	}()
	return r
}

// conduct runs the check and leaves its result in r.
func (s *Set) conduct(index int, r *run) {
	err := guarded(r.ctx, s.checks[index])
	took := time.Since(r.began)
	if took >= s.deadline {
		// Those who asked have been told this already; who joined last must not
		// hear otherwise.
		err = s.noAnswer()
	}
	s.mu.Lock()
	s.runs[index] = nil
	s.mu.Unlock()
	r.result = result{err: err, took: took}
	close(r.done)
}

// await returns the result of r, or what can be said of it when it is overdue.
func (s *Set) await(ctx context.Context, r *run) result {
	if r == nil {
		return result{err: errClosing}
	}
	select {
	case <-r.done:
		return r.result
	case <-r.ctx.Done():
	case <-ctx.Done():
	}
	took := time.Since(r.began)
	switch {
	case s.life.Err() != nil:
		return result{err: errClosing, took: took}
	case r.ctx.Err() != nil:
		// The run may have ended well just now, which also ends its context.
		select {
		case <-r.done:
			return r.result
		default:
			return result{err: s.noAnswer(), took: took}
		}
	default:
		return result{err: fmt.Errorf("whoever asked is gone: %w", ctx.Err()), took: took}
	}
}

func (s *Set) noAnswer() error { return fmt.Errorf("no answer within %v", s.deadline) }

// run is one execution of a check, shared by all who ask while it goes on.
type run struct {
	ctx    context.Context // ends at the deadline
	began  time.Time
	done   chan struct{}
	result result // may be read once done is closed
}

func (r *run) endsWithin(patience context.Context) bool {
	select {
	case <-r.done:
		return true
	case <-patience.Done():
		return false
	}
}

// result is what one check said.
type result struct {
	name string
	err  error
	took time.Duration
}

// guarded runs a check so that its panic is a failed check and not the end of
// the process.
func guarded(ctx context.Context, c Check) (err error) {
	defer func() {
		if v := recover(); v != nil {
			glog.Errorf("health check %s panicked: %v\n%s", c.Name, v, debug.Stack())
			err = fmt.Errorf("panicked: %v", v)
		}
	}()
	return c.Run(ctx)
}
