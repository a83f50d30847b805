package pods

import (
	"errors"
	"slices"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/watch"
)

func TestEachChangeOfStateIsLoggedOnce(t *testing.T) {
	var lines []string
	s := newState("pods", 10*time.Second, func() {})
	s.log = func(err error, line string) { lines = append(lines, line) }
	away, refused := errors.New("away"), errors.New("refused")
	w := &openWatch{Interface: watch.NewEmptyWatch()}
	for range 3 {
		s.failed(away)
	}
	s.listing(time.Now())
	s.listed()
	for range 3 {
		s.opened(w)
		s.beaten(w, time.Now())
	}
	for range 3 {
		s.failed(away)
	}
	s.failed(refused)
	s.beaten(w, time.Now())
	for range 3 {
		s.enter(Polling)
		s.listed()
	}
	want := []string{
		"The list of pods can't be read: away",
		"The list of pods is current, and watched",
		"The list of pods is no longer current: away",
		"The list of pods is no longer current: refused",
		"The list of pods is current, and watched",
		"The list of pods is current, and read every 10s, as the role allows no watch",
	}
	if !slices.Equal(lines, want) {
		t.Errorf("logged was\n%q, want\n%q", lines, want)
	}
}

func TestListIsAsOfItsLastProof(t *testing.T) {
	s := newState("pods", time.Second, func() {})
	at := func(seconds int) time.Time { return time.Unix(1_000_000, 0).Add(time.Duration(seconds) * time.Second) }
	first, second := &openWatch{Interface: watch.NewEmptyWatch()}, &openWatch{Interface: watch.NewEmptyWatch()}
	for _, step := range []struct {
		name string
		do   func()
		want time.Time
	}{
		{"nothing read", func() {}, time.Time{}},
		{"a list is under way", func() { s.listing(at(1)) }, time.Time{}},
		{"it is taken in, as of its start", s.listed, at(1)},
		{"a watch opens", func() { s.opened(first) }, at(1)},
		{"an answer while it is open", func() { s.beaten(first, at(5)) }, at(5)},
		{"a late answer to an earlier question", func() { s.beaten(first, at(4)) }, at(5)},
		{"the watch ends", func() { s.closed(first) }, at(5)},
		{"an answer after it ended", func() { s.beaten(first, at(6)) }, at(5)},
		{"another watch opens", func() { s.opened(second) }, at(5)},
		{"an answer to a question from before", func() { s.beaten(first, at(7)) }, at(5)},
		{"the first one's end is told again", func() { s.closed(first) }, at(5)},
		{"an answer while the second is open", func() { s.beaten(second, at(8)) }, at(8)},
	} {
		step.do()
		if got := s.asOf(); !got.Equal(step.want) {
			t.Errorf("%s: the list is as of %v, want %v", step.name, got, step.want)
		}
	}
}
