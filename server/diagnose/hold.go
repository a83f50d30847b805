package diagnose

import (
	"cmp"
	"slices"
	"time"
)

const (
	// beginsAfter is how long after an evaluation that saw a fault another has to see it
	// for it to begin.
	beginsAfter = 2 * time.Second
	// endsAfter is for how long what was dead has to be well; a loss, whose own sums say
	// when it is over, ends at once.
	endsAfter = 10 * time.Second
	// sameWithin is within what time what comes again is the same.
	sameWithin = time.Minute
)

// Held is a finding that has begun, and may be over.
type Held struct {
	Finding
	// ID tells it from all others of one Hold, and stays the same while it grows sharper.
	ID string `json:"id"`
	// Began is when it was told first; Ended when it was over, zero while it lasts.
	Began time.Time `json:"began"`
	Ended time.Time `json:"ended,omitzero"`
	// Why says what ended it: "well", or that its subject is not there any more.
	Why string `json:"why,omitempty"`
}

// Change is what became of a finding.
type Change uint8

const (
	// Begins: it is new, or came again; it is the same as before then.
	Begins Change = iota
	// Sharpens: its kind, direction or anything else that is told has changed.
	Sharpens
	// Ends: it is over.
	Ends
)

// Event is a change of a finding.
type Event struct {
	Change Change
	Held   Held
}

// Look is what an evaluation saw.
type Look struct {
	Now time.Time
	// Blind says that nothing can be known now: all stands still.
	Blind bool
	// Findings are the evaluation's.
	Findings []Finding
	// Gone says why a subject is not there any more, such as "node deleted"; empty while it
	// is. nil: all are there.
	Gone func(Subject) string
}

// gone says why a subject is not there any more.
func (l *Look) gone(s Subject) string {
	if l.Gone == nil {
		return ""
	}
	return l.Gone(s)
}

// Hold keeps findings from one evaluation to the next, so that what is there for a moment is
// none, and what comes and goes is one. It is pure. The zero value holds nothing. It is not
// safe for use by many goroutines at once.
//
//	seen                                     then
//	---------------------------------------  ------------------------------------------
//	for the first time                       nothing
//	again, 2 s after the first time or more  it begins
//	while it lasts                           it goes on, and may grow sharper
//	no more                                  it ends after 10 s; a loss at once
//	again within 60 s of its end             the same one begins again; what was dead, if
//	                                           as the same kind
//	its subject is gone                      it ends
//	nothing can be known                     all stands still
//
// A finding that grows sharper is one of the same place that says more: of a loss that what
// was lossy is dead, of a direction that it is both. It keeps its ID, and since when it is.
type Hold struct {
	// New makes an ID for a finding that begins; nil for none.
	New func(*Finding) string

	candidates []candidate
	held       []*holding
	// stopped is when nothing could be known first, zero while something can.
	stopped time.Time
}

// candidate was seen, and has not begun.
type candidate struct {
	finding     Finding
	first, last time.Time
}

// holding is a finding that began, and seen when an evaluation saw it last.
type holding struct {
	Held
	seen time.Time
}

// Take restores what another Hold held, as a successor does, who should not Step before it
// knows enough, but for steps that are Blind. Times are read on the clock of now.
func (h *Hold) Take(all []Held, now time.Time) {
	for _, one := range all {
		seen := now
		if !one.Ended.IsZero() {
			seen = one.Ended
		}
		h.held = append(h.held, &holding{one, seen})
	}
}

// Held are those that last.
func (h *Hold) Held() (all []Held) {
	for _, one := range h.held {
		if one.Ended.IsZero() {
			all = append(all, one.Held)
		}
	}
	return all
}

// Step takes in what an evaluation saw, and returns what changed.
func (h *Hold) Step(look Look) (events []Event) {
	if look.Blind {
		if h.stopped.IsZero() {
			h.stopped = look.Now
		}
		return nil
	}
	h.resume(look.Now)
	note := func(e Event, changed bool) {
		if changed {
			events = append(events, e)
		}
	}
	// Those that are just as they were go on first, so that no other takes their place.
	var others []*Finding
	for i := range look.Findings {
		f := &look.Findings[i]
		switch one := h.exactly(f); {
		case look.gone(f.Subject) != "":
		case one != nil:
			note(one.goOn(f, look.Now))
		default:
			others = append(others, f)
		}
	}
	for _, f := range others {
		note(h.see(f, look.Now))
	}
	h.candidates = slices.DeleteFunc(h.candidates, func(c candidate) bool { return c.last != look.Now })
	return append(events, h.end(&look)...)
}

// resume has the time in which nothing could be known not count.
func (h *Hold) resume(now time.Time) {
	if h.stopped.IsZero() {
		return
	}
	blind := now.Sub(h.stopped)
	for _, one := range h.held {
		if one.seen = one.seen.Add(blind); !one.Ended.IsZero() {
			one.Ended = one.Ended.Add(blind)
		}
	}
	h.candidates, h.stopped = nil, time.Time{}
}

// exactly is the one that lasts and is the same in all that tells findings apart.
func (h *Hold) exactly(f *Finding) *holding {
	i := slices.IndexFunc(h.held, func(one *holding) bool { return one.Ended.IsZero() && one.Key() == f.Key() })
	if i < 0 {
		return nil
	}
	return h.held[i]
}

// see takes in one finding.
func (h *Hold) see(f *Finding, now time.Time) (Event, bool) {
	if one := h.of(f, now); one != nil && one.Ended.IsZero() {
		return one.goOn(f, now)
	}
	i := slices.IndexFunc(h.candidates, func(c candidate) bool { return same(&c.finding, f) })
	if i < 0 {
		h.candidates = append(h.candidates, candidate{*f, now, now})
		return Event{}, false
	}
	c := &h.candidates[i]
	if c.last = now; now.Sub(c.first) < beginsAfter {
		c.finding = *f
		return Event{}, false
	}
	h.candidates = slices.Delete(h.candidates, i, i+1)
	return h.begin(f, now), true
}

// of is the one that f is again, or still; one that lasts before one that is over.
func (h *Hold) of(f *Finding, now time.Time) (found *holding) {
	for _, one := range h.held {
		over := !one.Ended.IsZero()
		if !same(&one.Finding, f) || one.seen.Equal(now) || over && (one.Kind != f.Kind && one.Kind != Loss || now.Sub(one.Ended) > sameWithin) {
			continue
		}
		if found == nil || !over || one.Key() == f.Key() && !found.Ended.IsZero() {
			found = one
		}
	}
	return found
}

// begin begins a finding, or one that was over a moment ago again.
func (h *Hold) begin(f *Finding, now time.Time) Event {
	one := h.of(f, now)
	if one == nil {
		one = &holding{Held: Held{Began: now}}
		if h.New != nil {
			one.ID = h.New(f)
		}
		h.held = append(h.held, one)
		one.Finding = *f
	}
	one.Ended, one.Why, one.seen = time.Time{}, "", now
	one.sharpen(f)
	return Event{Begins, one.Held}
}

// goOn notes that a finding lasts.
func (one *holding) goOn(f *Finding, now time.Time) (Event, bool) {
	before := one.Key()
	size, sure := one.Size, one.Sure
	one.seen = now
	one.sharpen(f)
	if one.Key() != before || one.Size != size || one.Sure != sure {
		return Event{Sharpens, one.Held}, true
	}
	return Event{}, false
}

// sharpen takes what is known now; since when it is stays as it was.
func (one *holding) sharpen(f *Finding) {
	since := one.Since
	direction := one.Direction
	one.Finding = *f
	if f.Direction.vaguer(direction) {
		one.Direction = direction
	}
	if !since.IsZero() && since.Before(f.Since) {
		one.Since = since
	}
}

// end ends what is over, and forgets what was so for long.
func (h *Hold) end(look *Look) (events []Event) {
	for _, one := range h.held {
		if !one.Ended.IsZero() {
			continue
		}
		why := look.gone(one.Subject)
		if why == "" && one.seen.Before(look.Now) && (one.Kind == Loss || look.Now.Sub(one.seen) >= endsAfter) {
			why = "well"
		}
		if why != "" {
			one.Ended, one.Why = look.Now, why
			events = append(events, Event{Ends, one.Held})
		}
	}
	h.held = slices.DeleteFunc(h.held, func(one *holding) bool { return !one.Ended.IsZero() && look.Now.Sub(one.Ended) > sameWithin })
	slices.SortStableFunc(events, func(a, b Event) int { return cmp.Compare(a.Change, b.Change) })
	return events
}

// networks are the kinds that say of a place how ill its paths are; one may become another.
var networks = map[Kind]bool{NodeUnreachable: true, Underlay: true, PodNetwork: true, PodAttachment: true, Loss: true}

// same says whether two findings are one fault: of one place and kind, whatever is known of
// the direction and the family, and of who it is that misses what all share; or of kinds of which the one is a sharper word for the other.
func same(a, b *Finding) bool {
	if a.Subject != b.Subject {
		return false
	}
	if a.Kind == b.Kind {
		return a.Class == b.Class || a.Kind == Loss || a.Kind.shares()
	}
	return networks[a.Kind] && networks[b.Kind]
}
