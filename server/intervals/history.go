package intervals

import (
	"slices"
	"sync"
	"time"

	"github.com/golang/glog"

	"github.com/netchecker/netchecker/server/fleet"
	"github.com/netchecker/netchecker/server/store"
)

// forgetAfter is how long a life is remembered of which the store has nothing, after
// its report was last seen.
const forgetAfter = 10 * time.Minute

// The agents that all see one backend fail in the same second have two keys each. Those
// of 5,000 may wait, a little memory each, rather than be told to come again; they are
// written no faster for that, so that reports have their part of the time.
const share, waiting = 1024, 16384

// History is what is known of all lives: it holds what the store has of them, and is
// told the reports. It is safe for use by many goroutines.
type History struct {
	kind store.Kind
	now  func() time.Time
	gate gate

	mu    sync.Mutex
	lives map[life]*state
	// pods has each pod's lives in the order in which they began.
	pods map[fleet.Key][]*state
	// sorted has the intervals that are over, by their beginning; it is never changed
	// once made. Those of fresh are to be added to it, and where stale those left out
	// whose chunk is gone.
	sorted []entry
	fresh  []*chunk
	stale  bool
	totals Totals
	// complained says that a value was found that can't be read.
	complained bool

	// restUntil is until when the totals are left alone; of the leader's goroutine.
	restUntil time.Time
}

// entry is an interval that is over.
type entry struct {
	*Interval
	of *chunk
}

// New returns an empty History. Both readings of now are used.
func New(now func() time.Time) *History {
	h := &History{now: now}
	h.clear()
	h.kind = store.Kind{Name: "intervals", Share: share, Waiting: waiting, Keeper: h}
	return h
}

// Kept is the intervals' row of the store's table.
func (h *History) Kept() *store.Kind { return &h.kind }

func (h *History) clear() {
	h.lives, h.pods = map[life]*state{}, map[fleet.Key][]*state{}
	h.sorted, h.fresh, h.stale, h.totals = nil, nil, false, Totals{}
}

// Load implements store.Keeper. What reports have told is kept.
func (h *History) Load(bool) (put func(store.Entry), done func(at int64)) {
	var all []store.Entry
	put = func(e store.Entry) { all = append(all, e) }
	return put, func(int64) {
		h.mu.Lock()
		defer h.mu.Unlock()
		before := h.lives
		h.clear()
		for _, e := range all {
			h.take(e)
		}
		for l, s := range before {
			if s.told != nil {
				now := h.life(l)
				now.told, now.seen = now.settle(s.told), s.seen
				h.order(l.pod)
			}
		}
	}
}

// Apply implements store.Keeper.
func (h *History) Apply(e store.Entry) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.take(e)
}

// take takes in a change, for callers that hold the lock.
func (h *History) take(e store.Entry) {
	if e.Key == totalsKey {
		h.takeTotals(e.Value)
		return
	}
	l, what, number, ok := parseKey(e.Key)
	if !ok {
		return
	}
	if e.Value == nil {
		h.lose(l, what, number)
		return
	}
	w, until, err := decodeWord(e.Value)
	if err != nil {
		h.complain(e.Key, err)
		return
	}
	s := h.life(l)
	s.settle(&w)
	switch what {
	case openKey:
		s.open = &w
	case lastKey:
		s.closing, s.until = &w, until
	default:
		h.loseChunk(s, number)
		h.add(chunkOf(s, number, &w, len(e.Key)+len(e.Value)))
	}
	h.order(l.pod)
}

// complain says once that there are values that can't be read; they count as not
// being there.
func (h *History) complain(key string, err error) {
	if !h.complained {
		h.complained = true
		glog.Warningf("Ignoring the value of %.128q in etcd, and maybe others: %v", key, err)
	}
}

// life is the state of that life, made where there was none.
func (h *History) life(l life) *state {
	s := h.lives[l]
	if s == nil {
		s = &state{life: l, chunks: map[uint64]*chunk{}, over: map[uint64]bool{}}
		h.lives[l] = s
		h.pods[l.pod] = append(h.pods[l.pod], s)
	}
	return s
}

// order puts the lives of a pod in the order in which they began.
func (h *History) order(pod fleet.Key) {
	slices.SortStableFunc(h.pods[pod], func(a, b *state) int { return a.booted.Compare(b.booted) })
}

func (h *History) add(c *chunk) {
	c.of.chunks[c.number] = c
	c.of.load = c.of.load.and(c.load())
	for _, id := range c.ids {
		c.of.over[id] = true
	}
	h.fresh = append(h.fresh, c)
}

// lose takes in that a key is gone.
func (h *History) lose(l life, what string, number uint64) {
	s := h.lives[l]
	if s == nil {
		return
	}
	switch what {
	case openKey:
		s.open = nil
	case lastKey:
		s.closing, s.until = nil, time.Time{}
	default:
		h.loseChunk(s, number)
	}
	if s.empty() && s.told == nil {
		h.forget(s)
	}
}

func (h *History) loseChunk(s *state, number uint64) {
	c := s.chunks[number]
	if c == nil {
		return
	}
	delete(s.chunks, number)
	s.load = load{s.load.intervals - len(c.list), s.load.bytes - c.bytes}
	for _, id := range c.ids {
		delete(s.over, id)
	}
	c.gone, h.stale = true, true
}

func (h *History) forget(s *state) {
	delete(h.lives, s.life)
	h.pods[s.pod] = slices.DeleteFunc(h.pods[s.pod], func(o *state) bool { return o == s })
	if len(h.pods[s.pod]) == 0 {
		delete(h.pods, s.pod)
	}
}

// Look takes in what the newest reports of agents say; records has nil for those that
// have none. It should be called about once a second.
func (h *History) Look(agents []fleet.Agent, records []*fleet.Record) {
	now := h.now()
	h.mu.Lock()
	defer h.mu.Unlock()
	for i, r := range records {
		if r == nil || r.Disruption == nil || r.BootID == "" {
			continue
		}
		l := life{agents[i].Key, r.BootID}
		known := len(h.lives)
		s := h.life(l)
		if s.tell(&agents[i], r, now); len(h.lives) != known {
			h.order(l.pod)
		}
	}
	for _, s := range h.lives {
		if s.empty() && now.Sub(s.seen) > forgetAfter {
			h.forget(s)
		}
	}
}
