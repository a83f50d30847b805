package reflector

import "time"

// bucket lets through what comes at a rate, and as much at once as comes at that rate in
// a second.
type bucket struct {
	rate float64 // a second
	had  float64
	at   time.Time
}

func newBucket(rate float64, now time.Time) bucket { return bucket{rate, rate, now} }

// take says whether one may pass now.
func (b *bucket) take(now time.Time) bool {
	if passed := now.Sub(b.at); passed > 0 {
		b.had = min(b.rate, b.had+passed.Seconds()*b.rate)
		b.at = now
	}
	if b.had < 1 {
		return false
	}
	b.had--
	return true
}

// pace bounds how often something is done: it says after each time for how long to rest.
type pace struct {
	most  int // in a slot
	count int
	until time.Time // the end of the slot
}

const slot = 100 * time.Millisecond

func (p *pace) rest(now time.Time) time.Duration {
	if !now.Before(p.until) {
		p.count, p.until = 0, now.Add(slot)
	}
	if p.count++; p.count < p.most {
		return 0
	}
	return p.until.Sub(now)
}
