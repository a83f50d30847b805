package main

import (
	"crypto/sha256"
	"encoding/binary"
	"math"
	"time"
)

// wobble is how far a round may be off its place, as a part of the interval.
// Two rounds that are off in opposite ways are then a tenth of an interval more
// or less than one interval apart.
const wobble = 0.05

// schedule says when rounds begin: the first at once, the others an interval
// apart, each at a place of this agent's own within the interval, and a little
// off it by chance.
//
//	round     0        1              2              3
//	begins    0        phase+wobble   +1 interval    +2 intervals   (each ± wobble)
//
// So agents that were started together, as those of a DaemonSet are, do not
// report together, and no place is more than 1.1 intervals after the one before:
// far from the two intervals after which a report is outdated.
type schedule struct {
	interval time.Duration
	phase    float64 // from [0, 1)
}

// newSchedule gives each pod a phase of its own, the same in each life.
func newSchedule(podName string, interval time.Duration) schedule {
	sum := sha256.Sum256([]byte(podName))
	return schedule{interval, float64(binary.BigEndian.Uint64(sum[:])>>11) / (1 << 53)}
}

// offset is when round n begins, after the begin of round 0. Noise is from
// [-1, 1) and moves it.
func (s schedule) offset(n int, noise float64) time.Duration {
	if n == 0 {
		return 0
	}
	return time.Duration((s.phase + wobble + float64(n-1) + noise*wobble) * float64(s.interval))
}

// next is the round to make after round n, at the time elapsed since round 0
// began: the one that follows, unless the agent was held up for so long that its
// time has gone by as well.
func (s schedule) next(n int, elapsed time.Duration) int {
	due := float64(elapsed)/float64(s.interval) - s.phase - 2*wobble + 1
	return max(n+1, int(math.Ceil(due)))
}
