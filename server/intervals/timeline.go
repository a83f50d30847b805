package intervals

import (
	"iter"
	"slices"
	"time"
)

// timeline is all intervals at one moment.
type timeline struct {
	// sorted are those that are over, and tail those that the lives left open, both by
	// their beginning.
	sorted []entry
	tail   []*Interval
}

// timeline returns that of now.
func (h *History) timeline(now time.Time) timeline {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.tidy()
	t := timeline{sorted: h.sorted}
	for _, lives := range h.pods {
		for i, s := range lives {
			var next time.Time
			if i+1 < len(lives) {
				next = lives[i+1].booted
			}
			for tail := s.tail(next, now); len(tail) > 0; tail = tail[1:] {
				t.tail = append(t.tail, &tail[0])
			}
		}
	}
	slices.SortFunc(t.tail, (*Interval).compare)
	return t
}

// tidy brings sorted up to date, for callers that hold the lock. Readers may have the
// slice that it was.
func (h *History) tidy() {
	if len(h.fresh) == 0 && !h.stale {
		return
	}
	var fresh []entry
	for _, c := range h.fresh {
		for i := range c.list {
			fresh = append(fresh, entry{&c.list[i], c})
		}
	}
	compare := func(a, b entry) int { return a.compare(b.Interval) }
	slices.SortFunc(fresh, compare)
	merged := make([]entry, 0, len(h.sorted)+len(fresh))
	next := 0
	for _, e := range h.sorted {
		for ; next < len(fresh) && compare(fresh[next], e) < 0; next++ {
			merged = append(merged, fresh[next])
		}
		merged = append(merged, e)
	}
	merged = append(merged, fresh[next:]...)
	h.sorted = slices.DeleteFunc(merged, func(e entry) bool { return e.of.gone })
	h.fresh, h.stale = nil, false
}

// all are the intervals by their beginning. They must not be changed.
func (t timeline) all() iter.Seq[*Interval] {
	return func(yield func(*Interval) bool) {
		next := 0
		for _, e := range t.sorted {
			for ; next < len(t.tail) && t.tail[next].compare(e.Interval) < 0; next++ {
				if !yield(t.tail[next]) {
					return
				}
			}
			if !yield(e.Interval) {
				return
			}
		}
		for ; next < len(t.tail); next++ {
			if !yield(t.tail[next]) {
				return
			}
		}
	}
}

// Between returns the intervals that touch [from, to), by their beginning.
func (h *History) Between(from, to time.Time) []Interval {
	var list []Interval
	for i := range h.timeline(h.now()).all() {
		if i.touches(from, to) {
			list = append(list, *i)
		}
	}
	return list
}

// touches says whether i has a part in [from, to); one without length has, where it
// begins in it.
func (i *Interval) touches(from, to time.Time) bool {
	return i.From.Before(to) && (i.To.After(from) || !i.From.Before(from))
}
