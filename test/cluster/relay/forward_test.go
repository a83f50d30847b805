package main

import (
	"fmt"
	"io"
	"slices"
	"testing"
	"testing/synctest"
	"time"
)

// source gives a frame each time that its pause is over, then ends.
type source []struct {
	pause time.Duration
	frame string
}

func (s *source) Read(p []byte) (int, error) {
	if len(*s) == 0 {
		return 0, io.EOF
	}
	next := (*s)[0]
	*s = (*s)[1:]
	time.Sleep(next.pause)
	return copy(p, next.frame), nil
}

// sink notes what came, and when.
type sink struct {
	begun time.Time
	came  []string
}

func (s *sink) Write(p []byte) (int, error) {
	s.came = append(s.came, fmt.Sprintf("%s at %v", p, time.Since(s.begun)))
	return len(p), nil
}

func TestFramesLeaveLaterAndInOrder(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		in := &source{{0, "a"}, {10 * time.Millisecond, "b"}, {200 * time.Millisecond, "c"}}
		out := &sink{begun: time.Now()}
		if err := forward(in, out, 50*time.Millisecond); err != nil {
			t.Fatal(err)
		}
		if want := []string{"a at 50ms", "b at 60ms", "c at 260ms"}; !slices.Equal(out.came, want) {
			t.Errorf("got %q, want %q", out.came, want)
		}
	})
}

func TestFramesBeyondTheQueueAreLost(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		in := make(source, 2*waiting)
		for i := range in {
			in[i].frame = "x"
		}
		out := &sink{begun: time.Now()}
		if err := forward(&in, out, time.Second); err != nil {
			t.Fatal(err)
		}
		// One more may have left the queue to wait for its time.
		if n := len(out.came); n < waiting || n > waiting+1 {
			t.Errorf("%d frames came of %d", n, 2*waiting)
		}
	})
}
