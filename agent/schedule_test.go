package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"testing"
	"testing/synctest"
	"time"

	"github.com/netchecker/netchecker/agent/collect"
)

func TestFirstRoundBeginsAtOnceAndTheOthersAnIntervalApart(t *testing.T) {
	s := schedule{interval: 100 * time.Second, phase: 0.25}
	for _, c := range []struct {
		n     int
		noise float64
		want  time.Duration
	}{
		{0, 0, 0}, {0, -1, 0}, {0, 1, 0},
		{1, 0, 30 * time.Second}, {1, -1, 25 * time.Second}, {1, 1, 35 * time.Second},
		{2, 0, 130 * time.Second}, {2, -1, 125 * time.Second},
		{1001, 1, 100035 * time.Second}, // nothing adds up
	} {
		if got := s.offset(c.n, c.noise); (got - c.want).Abs() > time.Microsecond {
			t.Errorf("round %d with noise %v: %v, want %v", c.n, c.noise, got, c.want)
		}
	}
}

func TestRoundsAreNeverMoreThanATenthOfAnIntervalOff(t *testing.T) {
	const interval = time.Minute
	for pod := range 100 {
		s := newSchedule(fmt.Sprint("netchecker-agent-", pod), interval)
		last := time.Duration(0)
		for n := 1; n < 50; n++ {
			at := s.offset(n, 2*rand.Float64()-1)
			least := interval * 9 / 10
			if n == 1 { // leads from the common start to this pod's own place
				least = 0
			}
			if gap := at - last; gap < least || gap > interval*11/10 {
				t.Fatalf("pod %d, round %d: %v after the one before", pod, n, gap)
			}
			last = at
		}
	}
}

func TestAgentsOfADaemonSetAreSpreadOverTheInterval(t *testing.T) {
	const agents, interval = 600, time.Minute
	perSecond := map[int]int{}
	for i := range agents {
		s := newSchedule(fmt.Sprintf("netchecker-agent-%05x", i*7919), interval)
		at := s.offset(3, 2*rand.Float64()-1) % interval
		perSecond[int(at/time.Second)]++
	}
	if len(perSecond) != 60 {
		t.Errorf("only %d of 60 seconds have reports", len(perSecond))
	}
	for second, n := range perSecond { // 10 expected
		if n > 30 {
			t.Errorf("%d of %d agents report in second %d", n, agents, second)
		}
	}
}

func TestRoundsWhoseTimeHasGoneByAreLeftOut(t *testing.T) {
	s := schedule{interval: 10 * time.Second, phase: 0.5}
	for _, c := range []struct {
		n       int
		elapsed time.Duration
		want    int
	}{
		{0, time.Second, 1},
		{1, 6 * time.Second, 2},
		{1, 15 * time.Second, 2},            // due at 15.5 s
		{1, 15900 * time.Millisecond, 2},    // late, yet within the wobble
		{1, 17 * time.Second, 3},            // due at 25.5 s
		{1, time.Hour + time.Second, 361},   // 3605.5 s
		{361, time.Hour + time.Second, 362}, // early by the wobble
	} {
		if got := s.next(c.n, c.elapsed); got != c.want {
			t.Errorf("after round %d, at %v: %d, want %d", c.n, c.elapsed, got, c.want)
		}
	}
}

func TestRoundsFollowTheScheduleUntilTheContextEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Minute+30*time.Second)
		defer cancel()
		begun, done := 0, 0
		start, last := time.Now(), time.Time{}
		rounds{
			schedule: schedule{interval: time.Minute, phase: 0.4},
			early:    func() bool { return false },
			begun: func() {
				if begun == 0 && time.Since(start) != 0 {
					t.Errorf("the first round begins after %v", time.Since(start))
				}
				if gap := time.Since(last); begun > 1 && (gap < 54*time.Second || gap > 66*time.Second) {
					t.Errorf("round %d begins %v after the one before", begun, gap)
				}
				begun, last = begun+1, time.Now()
			},
			make: func(context.Context) collect.Round { time.Sleep(10 * time.Second); return collect.Round{} },
			done: func(_ collect.Round, took time.Duration) {
				if done++; took != 10*time.Second {
					t.Errorf("took %v", took)
				}
			},
		}.run(ctx)
		// At 0, 0:27, 1:27 … 9:27, and 10:27, during which the context ends.
		if (begun != 12 && begun != 11) || done != 11 {
			t.Errorf("%d rounds were begun and %d done; want 12 and 11", begun, done)
		}
	})
}

func TestAfterTheStartRoundsComeEarlyWhereThatIsWorthItsWhile(t *testing.T) {
	for _, row := range []struct {
		name     string
		interval time.Duration
		phase    float64
		early    []bool // and no more after that
		asked    int
		want     int // early rounds
	}{
		{"not at all", time.Minute, 0.9, nil, 1, 0},
		{"once", time.Minute, 0.9, []bool{true}, 2, 1},
		{"three times at the most", time.Minute, 0.9, []bool{true, true, true, true}, 3, 3},
		{"where the next of the schedule comes soon", time.Minute, 0.1, []bool{true, true, true}, 0, 0},
		{"where all of them do", 5 * time.Second, 0.9, []bool{true, true, true}, 0, 0},
	} {
		synctest.Test(t, func(t *testing.T) {
			s := schedule{interval: row.interval, phase: row.phase}
			next := s.offset(1, -1)
			ctx, cancel := context.WithTimeout(t.Context(), next)
			defer cancel()
			start, asked := time.Now(), 0
			var begun []time.Duration
			rounds{
				schedule: s,
				early: func() bool {
					asked++
					return asked <= len(row.early) && row.early[asked-1]
				},
				begun: func() { begun = append(begun, time.Since(start)) },
				make:  func(context.Context) collect.Round { time.Sleep(time.Second); return collect.Round{} },
				done:  func(collect.Round, time.Duration) {},
			}.run(ctx)
			if asked != row.asked || len(begun) != 1+row.want {
				t.Fatalf("%s: asked %d times, and rounds began at %v; want %d and %d", row.name, asked, begun, row.asked, 1+row.want)
			}
			for i, at := range begun[1:] {
				if pause := at - begun[i] - time.Second; pause < 5*time.Second || pause > 10*time.Second || at+5*time.Second > next {
					t.Errorf("%s: rounds began at %v", row.name, begun)
				}
			}
		})
	}
}
