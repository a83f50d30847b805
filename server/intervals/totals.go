package intervals

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"time"
)

// foldAfter is how old intervals are when they are folded into the totals' base. What
// an agent tells later of the time before is in the history, and not in the totals.
// They are kept for twice as long, so that none expires before.
const foldAfter = Retention / 2

// maxTotals bounds the keys that have totals: four for each of 16 backends, and as many
// again for those that were there before.
const maxTotals = 128

// Totals are the seconds of disruption since they were first counted, as the leader
// wrote them down. They are never changed once made.
type Totals struct {
	// Horizon: what was before is in the Base of each, what comes after is computed.
	Horizon time.Time `json:"horizon"`
	// Dropped is how many intervals were deleted to make room.
	Dropped uint64  `json:"dropped"`
	Of      []Total `json:"of"`
}

// Total is that of one key.
type Total struct {
	Key
	Base time.Duration `json:"base_ns"`
	// Shown is what is told. It never falls.
	Shown time.Duration `json:"shown_ns"`
}

// Totals returns those that the leader wrote last.
func (h *History) Totals() Totals {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.totals
}

func (h *History) takeTotals(data []byte) {
	h.totals = Totals{}
	if data == nil {
		return
	}
	var t Totals
	if err := json.Unmarshal(data, &t); err != nil {
		h.complain(totalsKey, err)
		return
	}
	h.totals = t
}

// next are the totals as of now, where before had been kept and of that only kept goes
// on being so. What was known before and is not known after stays counted:
//
//	base + seconds(before, from the old horizon) = base' + seconds(kept, from the new one)
func (t Totals) next(before, kept timeline, now time.Time) Totals {
	n := Totals{Horizon: t.Horizon, Dropped: t.Dropped}
	if n.Horizon.IsZero() {
		n.Horizon = now.Add(-foldAfter).Round(0)
	}
	// Moved now and then, since each move costs a second sum.
	if h := now.Add(-foldAfter); h.Sub(n.Horizon) > foldAfter/12 {
		n.Horizon = h.Round(0)
	}
	from := t.Horizon
	if from.IsZero() {
		from = n.Horizon
	}
	had := disrupted(before, span{from, now})
	have := had
	if !n.Horizon.Equal(from) || len(kept.sorted) != len(before.sorted) {
		have = disrupted(kept, span{n.Horizon, now})
	}
	for _, k := range t.keys(had) {
		was := t.find(k)
		base := was.Base + had[k] - have[k]
		n.Of = append(n.Of, Total{Key: k, Base: base, Shown: max(was.Shown, base+have[k])})
	}
	return n
}

// disrupted is how long each key was in that span, of all that have intervals.
func disrupted(t timeline, w span) map[Key]time.Duration {
	unions := map[Key]*union{}
	for i := range t.all() {
		u := unions[i.Key()]
		if u == nil {
			u = &union{}
			unions[i.Key()] = u
		}
		u.add(i.failed(w), 0)
	}
	lengths := make(map[Key]time.Duration, len(unions))
	for k, u := range unions {
		lengths[k] = u.length()
	}
	return lengths
}

// keys are those that have totals, in order; of more than there may be, those that had
// some already go first.
func (t Totals) keys(now map[Key]time.Duration) []Key {
	var had, come []Key
	for _, k := range slices.SortedFunc(maps.Keys(now), Key.Compare) {
		if t.find(k) != (Total{}) {
			had = append(had, k)
		} else {
			come = append(come, k)
		}
	}
	room := max(0, maxTotals-len(had))
	keys := append(had, come[:min(room, len(come))]...)
	slices.SortFunc(keys, Key.Compare)
	return keys
}

func (t Totals) find(k Key) Total {
	i, found := slices.BinarySearchFunc(t.Of, k, func(o Total, k Key) int { return o.Key.Compare(k) })
	if !found {
		return Total{}
	}
	return t.Of[i]
}

func (t Totals) encode() ([]byte, error) {
	data, err := json.Marshal(t)
	if err != nil {
		return nil, fmt.Errorf("writing the totals: %w", err)
	}
	return data, nil
}

func (t Totals) equal(o Totals) bool {
	return t.Horizon.Equal(o.Horizon) && t.Dropped == o.Dropped && slices.Equal(t.Of, o.Of)
}
