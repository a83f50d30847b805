package pods

import (
	"fmt"
	"sync"
	"time"

	"github.com/golang/glog"
	"k8s.io/apimachinery/pkg/watch"
)

// openWatch is a watch that the reflector reads. It always stops it, too, when it
// has ended by itself.
type openWatch struct {
	watch.Interface
	ended func()
}

func (w *openWatch) Stop() {
	w.Interface.Stop()
	w.ended()
}

// state is how a feed is doing. Each change of it is logged once, in one line.
type state struct {
	what    string
	without string        // what it means that they can't be read, for the log
	every   time.Duration // between two polls, for the log
	changed func()        // called when the mode changed
	log     func(err error, line string)

	mu        sync.Mutex
	mode      Mode
	err       error
	open      *openWatch
	read      bool      // listed once
	listStart time.Time // of the list under way
	current   time.Time
	told      string
}

func newState(what string, every time.Duration, changed func()) *state {
	return &state{what: what, every: every, changed: changed, log: logLine}
}

func (s *state) get() (Mode, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.mode, s.err
}

func (s *state) currentMode() Mode {
	mode, _ := s.get()
	return mode
}

func (s *state) asOf() time.Time {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.current
}

func (s *state) openWatch() *openWatch {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.open
}

// listing says that the first page of a list is asked for at that time.
func (s *state) listing(at time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.listStart = at
}

// listed says that the list which was under way has been taken in.
func (s *state) listed() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.read = true
	s.err = nil
	s.advance(s.listStart)
	s.tell()
}

// opened says that w is open.
func (s *state) opened(w *openWatch) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.open = w
	s.err = nil
	s.setMode(Watching)
	s.tell()
}

// closed says that w has ended.
func (s *state) closed(w *openWatch) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.open == w {
		s.open = nil
	}
}

// beaten says that the API server answered a request made at start, when w was
// open. If w still is, it has told all that had happened by then.
func (s *state) beaten(w *openWatch, start time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.open != w {
		return
	}
	s.err = nil
	s.advance(start)
	s.tell()
}

// failed says that a request failed, for a reason that somebody should know.
func (s *state) failed(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.err = err
	s.tell()
}

func (s *state) enter(m Mode) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.setMode(m)
	s.tell()
}

func (s *state) setMode(m Mode) {
	if s.mode != m {
		s.mode = m
		s.changed()
	}
}

func (s *state) advance(to time.Time) {
	if to.After(s.current) {
		s.current = to
	}
}

// tell logs the state, if it is not the one that was told last.
func (s *state) tell() {
	line := s.line()
	if line == s.told || line == "" {
		return
	}
	s.told = line
	s.log(s.err, line)
}

func logLine(err error, line string) {
	if err != nil {
		glog.Warning(line)
	} else {
		glog.Info(line)
	}
}

func (s *state) line() string {
	switch {
	case s.err != nil && s.read:
		return fmt.Sprintf("The list of %s is no longer current: %v", s.what, s.err)
	case s.err != nil:
		return fmt.Sprintf("The list of %s can't be read: %v%s", s.what, s.err, s.without)
	case s.mode == Watching:
		return fmt.Sprintf("The list of %s is current, and watched", s.what)
	case s.mode == Polling:
		return fmt.Sprintf("The list of %s is current, and read every %v, as the role allows no watch", s.what, s.every)
	}
	return ""
}
