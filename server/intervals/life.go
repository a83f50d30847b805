package intervals

import (
	"time"

	"github.com/netchecker/netchecker/pkg/report"
	"github.com/netchecker/netchecker/server/fleet"
)

// alike is how much two servers' or messages' idea of when a life's clock showed zero
// may differ and still be taken for one, so that what is contiguous on the life's
// clock is so on the wall clock: a message takes its time on the way.
const alike = 250 * time.Millisecond

// state is what is known of a life.
type state struct {
	life
	// booted is what times of the life are added to now.
	booted time.Time
	// open is what a message said last, told what a report did; nil: nothing. The
	// closing is what the leader wrote, and until when that is unknown.
	open, told, closing *word
	until               time.Time
	// seen is when told was last seen to be the pod's newest report.
	seen time.Time
	// chunks are the messages with intervals that are over, by number, and over has the
	// IDs of those.
	chunks map[uint64]*chunk
	over   map[uint64]bool
	// load is what the chunks take.
	load load
}

// chunk is a message with intervals that are over.
type chunk struct {
	of     *state
	number uint64
	// list has the intervals, ids their IDs.
	list []Interval
	ids  []uint64
	// bytes is what it takes in the store, and newest when the last of it was over.
	bytes  int
	newest time.Time
	// gone says that it is not in the store any more.
	gone bool
}

// settle anchors w like the other words of the life, unless a clock has jumped.
func (s *state) settle(w *word) *word {
	if w.booted.Sub(s.booted).Abs() > alike {
		s.booted = w.booted
	}
	w.booted = s.booted
	return w
}

// empty says whether nothing is known of the life but what is in memory alone.
func (s *state) empty() bool { return s.open == nil && s.closing == nil && len(s.chunks) == 0 }

// newest is the life's last word, nil where it said nothing of what is open. closed
// says that its closing holds: it said nothing later.
func (s *state) newest() (last *word, closed bool) {
	for _, w := range []*word{s.open, s.told} {
		if w != nil && (last == nil || w.AsOf > last.AsOf) {
			last = w
		}
	}
	if c := s.closing; c != nil && (last == nil || c.AsOf >= last.AsOf) {
		return c, true
	}
	return last, false
}

// tail is what the life left open: until its last word, and as Unknown after it where
// the life is not heard any more. next is when the pod's next life began; zero: it has
// none.
func (s *state) tail(next, now time.Time) []Interval {
	last, closed := s.newest()
	if last == nil {
		return nil
	}
	closed = closed || !next.IsZero()
	tail := s.underway(last)
	for i := range last.Open {
		if s.over[last.Open[i].ID] {
			continue
		}
		known := last.interval(s.pod, &last.Open[i], true)
		known.Open = !closed
		tail = append(tail, known)
		if !closed {
			continue
		}
		if u := unknown(known, s.end(next), now); u.To.After(u.From) {
			tail = append(tail, u)
		}
	}
	return tail
}

// underway are the intervals that are not open any more by the last word, and whose
// message has not arrived: each ended where the next one of its lane begins.
func (s *state) underway(last *word) []Interval {
	begun := map[lane]time.Duration{}
	ids := map[uint64]bool{}
	for i := range last.Open {
		begun[laneOf(&last.Open[i])], ids[last.Open[i].ID] = last.Open[i].From, true
	}
	list := make([]Interval, 0, 2*len(last.Open))
	for _, w := range []*word{s.open, s.told} {
		if w == nil || w == last {
			continue
		}
		for i := range w.Open {
			one := &w.Open[i]
			to, follows := begun[laneOf(one)]
			if ids[one.ID] || s.over[one.ID] || !follows || to < one.From {
				continue
			}
			ids[one.ID] = true
			over := *one
			over.To, over.Failed = to, min(one.Failed, to-one.From)
			list = append(list, last.interval(s.pod, &over, false))
		}
	}
	return list
}

// lane is what one interval follows another of.
type lane struct {
	backend    string
	connection report.Connection
}

func laneOf(i *report.Interval) lane { return lane{i.Backend, i.Connection} }

// end is until when what the life left open is unknown; zero: it still is.
func (s *state) end(next time.Time) time.Time {
	switch until := s.until; {
	case s.closing == nil || until.IsZero():
		return next
	case next.IsZero() || until.Before(next):
		return until
	}
	return next
}

// unknown follows the interval that was known.
func unknown(known Interval, end, now time.Time) Interval {
	u := Interval{
		Backend: known.Backend, Connection: known.Connection, Network: known.Network, Node: known.Node, Pod: known.Pod,
		Level: Unknown, Message: "the agent was not heard any more", From: known.To, To: end,
	}
	if end.IsZero() {
		u.To, u.Open = now, true
	}
	return u
}

// chunkOf makes a chunk of a message of s.
func chunkOf(s *state, number uint64, w *word, bytes int) *chunk {
	c := &chunk{of: s, number: number, bytes: bytes}
	for i := range w.Sealed {
		one := w.interval(s.pod, &w.Sealed[i], false)
		c.list = append(c.list, one)
		c.ids = append(c.ids, w.Sealed[i].ID)
		if one.To.After(c.newest) {
			c.newest = one.To
		}
	}
	return c
}

// tell takes in what a report says. It is anchored as the reports are.
func (s *state) tell(agent *fleet.Agent, r *fleet.Record, now time.Time) {
	s.seen = now
	if s.told != nil && s.told.AsOf >= r.Disruption.AsOf {
		return
	}
	s.told = s.settle(&word{booted: r.Booted, node: agent.Node, network: agent.Network, Disruption: *r.Disruption})
}
