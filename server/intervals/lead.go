package intervals

import (
	"cmp"
	"context"
	"maps"
	"slices"
	"time"

	"github.com/netchecker/netchecker/server/fleet"
	"github.com/netchecker/netchecker/server/store"
)

// LookEvery is how often the leader should call Lead.
const LookEvery = time.Second

// Presence is how a pod is that once sampled.
type Presence struct {
	// Listed says that it should be reporting, and Silent that it does not.
	Listed, Silent bool
	// Left is when it left the list; zero: that is not known.
	Left time.Time
}

// Limits bound the history, besides its Retention.
type Limits struct {
	// Intervals and Bytes are for all that are over. One pod may have a sixteenth of
	// each, so that none can crowd out what all others tell.
	Intervals, Bytes int
}

// DefaultLimits are those that the server keeps.
func DefaultLimits() Limits { return Limits{Intervals: 100_000, Bytes: 64 << 20} }

// share are those of one pod.
func (l Limits) share() Limits { return Limits{l.Intervals / 16, l.Bytes / 16} }

// Saver writes while its writer leads.
type Saver interface {
	Save(ctx context.Context, ops ...store.Op) error
}

// Lead is a turn of the leader's: it closes what lives left open that are not heard any
// more, deletes the oldest of what is more than limits, and writes the totals.
// presence says how a pod is; nil while nothing can be known.
func (h *History) Lead(ctx context.Context, saver Saver, limits Limits, presence func(fleet.Key) Presence) error {
	now := h.now()
	if presence != nil {
		closings, err := h.closings(now, presence)
		if err != nil {
			return err
		}
		if err := save(ctx, saver, closings); err != nil {
			return err
		}
	}
	return h.reckon(ctx, saver, limits, now)
}

func save(ctx context.Context, saver Saver, ops []store.Op) error {
	if len(ops) == 0 {
		return nil
	}
	return saver.Save(ctx, ops...)
}

// closings are those that should be written.
func (h *History) closings(now time.Time, presence func(fleet.Key) Presence) ([]store.Op, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	var ops []store.Op
	for pod, lives := range h.pods {
		there := presence(pod)
		for i, s := range lives {
			var next time.Time
			if i+1 < len(lives) {
				next = lives[i+1].booted
			}
			until, due := s.due(there, next, now)
			if !due {
				continue
			}
			last, _ := s.newest()
			data, err := last.encode(until)
			if err != nil {
				return nil, err
			}
			ops = append(ops, store.Op{Key: s.key(lastKey), Value: data, TTL: Retention})
		}
	}
	slices.SortFunc(ops, func(a, b store.Op) int { return cmp.Compare(a.Key, b.Key) })
	return ops, nil
}

// due says whether a closing of s should be written, and until when what it leaves
// open is unknown; zero: it still is. next is when the pod's next life began.
//
//	the life                                 its closing        is due, until
//	---------------------------------------  -----------------  ------------------------
//	left nothing open                        any                no
//	has a next one                           none, or no end    the beginning of that
//	its pod is not in the list               none, or no end    the pod left
//	its pod is silent                        none               not known yet
//	is heard                                 any                no
func (s *state) due(there Presence, next, now time.Time) (until time.Time, due bool) {
	last, closed := s.newest()
	if last == nil || len(last.Open) == 0 {
		return time.Time{}, false
	}
	ended := closed && !s.until.IsZero()
	switch {
	case !next.IsZero():
		return next, !ended
	case !there.Listed:
		left := there.Left
		if left.IsZero() {
			left = now
		}
		return left, !ended
	}
	return time.Time{}, there.Silent && !closed
}

// restFor is how many times as long as it took the totals are left alone, so that
// reckoning takes a small part of a core however long the history is.
const restFor = 20

// reckon deletes what is too much, and writes the totals where they changed. Both go
// into one transaction, so that what is deleted is counted once; what does not fit
// comes in the next.
func (h *History) reckon(ctx context.Context, saver Saver, limits Limits, now time.Time) error {
	if now.Before(h.restUntil) {
		return nil
	}
	defer func() { h.restUntil = now.Add(restFor * h.now().Sub(now)) }()
	for range mostGoes {
		drop := h.tooMuch(limits)
		if err := h.reckonOnce(ctx, saver, drop[:min(len(drop), mostDropped)], now); err != nil || len(drop) <= mostDropped {
			return err
		}
	}
	return nil
}

// mostDropped is how many messages are deleted in one transaction, and mostGoes how
// many of those there are in a turn.
const mostDropped, mostGoes = 100, 16

func (h *History) reckonOnce(ctx context.Context, saver Saver, drop []*chunk, now time.Time) error {
	before, was := h.timeline(now), h.Totals()
	next := was.next(before, before.without(drop), now)
	var ops []store.Op
	for _, c := range drop {
		next.Dropped += uint64(len(c.list))
		ops = append(ops, store.Op{Key: c.of.numbered(c.number)})
	}
	if next.equal(was) || len(drop)+len(was.Of)+len(next.Of) == 0 {
		return nil
	}
	data, err := next.encode()
	if err != nil {
		return err
	}
	if err := saver.Save(ctx, append([]store.Op{{Key: totalsKey, Value: data}}, ops...)...); err != nil {
		return err
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	// The store tells both a moment later; the next turn goes on from here.
	h.totals = next
	for _, c := range drop {
		h.loseChunk(c.of, c.number)
	}
	return nil
}

// tooMuch are the chunks to drop.
func (h *History) tooMuch(limits Limits) []*chunk {
	h.mu.Lock()
	defer h.mu.Unlock()
	var all load
	over := false
	for _, lives := range h.pods {
		var own load
		for _, s := range lives {
			own = own.and(s.load)
		}
		all = all.and(own)
		over = over || own.more(limits.share())
	}
	if !over && !all.more(limits) {
		return nil
	}
	var chunks []*chunk
	for _, s := range h.lives {
		chunks = slices.AppendSeq(chunks, maps.Values(s.chunks))
	}
	return excess(chunks, limits)
}

// excess are the chunks to drop so that what stays is within limits, the oldest first:
// those of each pod that has more than its share, and of all.
func excess(chunks []*chunk, limits Limits) []*chunk {
	slices.SortFunc(chunks, func(a, b *chunk) int {
		return cmp.Or(b.newest.Compare(a.newest), b.of.pod.Compare(a.of.pod), cmp.Compare(b.number, a.number))
	})
	var (
		drop []*chunk
		all  load
		of   = map[fleet.Key]load{}
	)
	for _, c := range chunks { // the newest first
		own := of[c.of.pod].and(c.load())
		if own.more(limits.share()) {
			drop = append(drop, c)
			continue
		}
		of[c.of.pod] = own
		if all = all.and(c.load()); all.more(limits) {
			drop = append(drop, c)
		}
	}
	slices.Reverse(drop)
	return drop
}

// load is what chunks take.
type load struct{ intervals, bytes int }

func (c *chunk) load() load { return load{len(c.list), c.bytes} }

func (l load) and(o load) load { return load{l.intervals + o.intervals, l.bytes + o.bytes} }

func (l load) more(than Limits) bool { return l.intervals > than.Intervals || l.bytes > than.Bytes }

// without is t without the intervals of those chunks.
func (t timeline) without(drop []*chunk) timeline {
	if len(drop) == 0 {
		return t
	}
	gone := make(map[*chunk]bool, len(drop))
	for _, c := range drop {
		gone[c] = true
	}
	kept := timeline{tail: t.tail, sorted: make([]entry, 0, len(t.sorted))}
	for _, e := range t.sorted {
		if !gone[e.of] {
			kept.sorted = append(kept.sorted, e)
		}
	}
	return kept
}
