package mesh

import (
	"slices"
	"time"
)

const (
	// hiccupTakes is how long a hiccup takes at most, and hiccupLosses and hiccupNodes how
	// many losses it has at least, on the ways to how many nodes.
	hiccupTakes               = 500 * time.Millisecond
	hiccupLosses, hiccupNodes = 3, 2
)

// sample is one question in the order in which an agent sent all of its own to other
// nodes.
type sample struct {
	at   time.Duration
	node string
	// lost says that no answer came in time, and alone that the one before it and the one
	// after it, of the same session, were answered, or may still be.
	lost, alone bool
}

// hiccups says which samples, each by its index, were lost by a hiccup of this host: a
// run of losses without any answer between them, on the ways to several nodes, all within
// half a second, of sessions that were well right before and after, and with answered
// ones on both sides. What it takes is what independent losses hardly ever come to: of
// 5% of all, three in a row are 1 in 8,000.
//
//	. answered   x lost alone   X lost, and its session lost more
//
//	. . x x x x . .    a hiccup
//	. . x x . . . .    two losses
//	. x . x . x . .    three losses
//	. . X X X X . .    four sessions in trouble
//	. . X x x x X .    a hiccup, beside two sessions in trouble
//	. x x x            not known yet
func hiccups(samples []sample) (by []int) {
	var run []int
	begun := false // what was before the first answer is not known
	for i, s := range samples {
		switch {
		case !s.lost:
			if isHiccup(samples, run) {
				by = append(by, run...)
			}
			run, begun = run[:0], true
		case s.alone && begun:
			run = append(run, i)
		}
	}
	return by
}

func isHiccup(samples []sample, run []int) bool {
	if len(run) < hiccupLosses || samples[run[len(run)-1]].at-samples[run[0]].at > hiccupTakes {
		return false
	}
	var nodes []string
	for _, i := range run {
		if n := samples[i].node; !slices.Contains(nodes, n) {
			nodes = append(nodes, n)
		}
	}
	return len(nodes) >= hiccupNodes
}
