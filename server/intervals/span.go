package intervals

import "time"

// span is [from, to).
type span struct{ from, to time.Time }

func (s span) length() time.Duration { return s.to.Sub(s.from) }

// within is the part of s in w; it may have no length.
func (s span) within(w span) span {
	if s.from.Before(w.from) {
		s.from = w.from
	}
	if s.to.After(w.to) {
		s.to = w.to
	}
	return s
}

// union is the union of spans that are added by their beginning: its parts, none of
// which touch.
type union []span

// add adds s, and closes a gap before it that is shorter than gap.
func (u *union) add(s span, gap time.Duration) {
	if !s.to.After(s.from) {
		return
	}
	if n := len(*u); n > 0 {
		last := &(*u)[n-1]
		if between := s.from.Sub(last.to); between <= 0 || between < gap {
			if s.to.After(last.to) {
				last.to = s.to
			}
			return
		}
	}
	*u = append(*u, s)
}

func (u union) length() time.Duration {
	var sum time.Duration
	for _, s := range u {
		sum += s.length()
	}
	return sum
}

// gaps are the parts of w that are not in u, but for those shorter than least.
func (u union) gaps(w span, least time.Duration) []span {
	var gaps []span
	from := w.from
	for _, s := range append(u[:len(u):len(u)], span{w.to, w.to}) {
		if gap := (span{from, s.from}); gap.length() >= least {
			gaps = append(gaps, gap)
		}
		from = s.to
	}
	return gaps
}
