package main

import (
	"errors"
	"fmt"
	"io"
	"net/netip"
	"time"

	"github.com/netchecker/netchecker/agent/probe"
	"github.com/netchecker/netchecker/pkg/cli"
	"github.com/netchecker/netchecker/pkg/datagram"
	"github.com/netchecker/netchecker/pkg/report"
)

// way is by what is asked.
type way string

const (
	wayUDP  way = "udp"
	wayTCP  way = "tcp"
	waySize way = "size"
)

// tally tells outcomes as they come, and their sums.
type tally struct {
	out  io.Writer
	sums map[way]*sum
}

type sum struct {
	answered, notMe, refused, lost, unsent int
	total, least, most                     time.Duration // round trips
}

func newTally(out io.Writer) *tally {
	return &tally{out, map[way]*sum{wayUDP: {}, wayTCP: {}}}
}

// say prints a line.
func (t *tally) say(w way, text string) {
	at := time.Now().UTC().Format("2006-01-02T15:04:05.000Z")
	_, _ = fmt.Fprintf(t.out, "%s  %-4s  %s\n", at, w, text)
}

// answer tells an answer.
func (t *tally) answer(w way, kind datagram.Kind, took time.Duration) {
	s := t.sums[w]
	if s.answered == 0 {
		s.least = took
	}
	s.answered++
	s.total += took
	s.least, s.most = min(s.least, took), max(s.most, took)
	says := "answered"
	if kind == datagram.NotMe {
		s.notMe++
		says = "answered (not me)"
	}
	t.say(w, fmt.Sprintf("%s in %v", says, took.Round(time.Microsecond)))
}

// exchange tells what came of a connection.
func (t *tally) exchange(e probe.Exchanged, err error) {
	if err != nil {
		t.fail(wayTCP, err)
		return
	}
	t.answer(wayTCP, e.Answer.Kind, e.Took)
}

// fail tells why there was no answer.
func (t *tally) fail(w way, err error) {
	s := t.sums[w]
	switch {
	case errors.Is(err, probe.ErrRefused):
		s.refused++
		t.say(w, "refused: the path is well, and no agent answers there")
	case errors.Is(err, errLost), errors.Is(err, probe.ErrUnreachable), errors.Is(err, probe.ErrUnanswered), errors.Is(err, probe.ErrMute):
		s.lost++
		t.say(w, err.Error())
	default:
		s.unsent++
		t.say(w, "not sent: "+err.Error())
	}
}

// conclude prints the sums, and returns how the program should end.
func (t *tally) conclude(to netip.AddrPort, lasted time.Duration, r probe.SizeResult, sizes bool) error {
	_, _ = fmt.Fprintf(t.out, "\n%v, for %v:\n", to, lasted.Round(100*time.Millisecond))
	failed, answered, notMe := 0, 0, 0
	for _, w := range []way{wayUDP, wayTCP} {
		s := t.sums[w]
		_, _ = fmt.Fprintf(t.out, "%-4s  answered %d, refused %d, lost %d, not sent %d", w, s.answered, s.refused, s.lost, s.unsent)
		if s.answered > 0 {
			_, _ = fmt.Fprintf(t.out, "; in %v, from %v to %v",
				(s.total / time.Duration(s.answered)).Round(time.Microsecond), s.least.Round(time.Microsecond), s.most.Round(time.Microsecond))
		}
		_, _ = fmt.Fprintln(t.out)
		failed += s.refused + s.lost + s.unsent
		answered += s.answered
		notMe += s.notMe
	}
	if sizes {
		_, _ = fmt.Fprintf(t.out, "%-4s  %s\n", waySize, sizeSays(r))
	}
	if notMe > 0 {
		_, _ = fmt.Fprintln(t.out, `"Not me" shows that the path is well both ways. It is small, so large packets were tried on the way there alone.`)
	}
	switch {
	case failed+answered == 0:
		return errors.New("it ended before anything could be answered")
	case failed > 0 || r.Hole != report.NoHole:
		return &cli.Exit{Code: cli.ExitError}
	}
	return nil
}

// sizeSays is what is known of sizes on the way there.
func sizeSays(r probe.SizeResult) string {
	switch {
	case r.Hole != report.NoHole:
		return fmt.Sprintf("packets of %d bytes, which the route takes, vanish on the way there; such of %d pass", r.MTU, r.There)
	case r.Sized+r.Resized == 0:
		return "no large packet was tried, since no small one was answered"
	case r.There == 0:
		return "no large packet was answered"
	}
	return fmt.Sprintf("packets of up to %d bytes pass on the way there; the route takes %d", r.There, r.MTU)
}
