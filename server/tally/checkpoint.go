package tally

import (
	"encoding/json"
	"slices"
	"strings"

	"github.com/golang/glog"

	"github.com/netchecker/netchecker/server/fleet"
)

// checkpoint is a shard as it is stored.
type checkpoint struct {
	// Revision: every report up to it is counted, and none after it.
	Revision int64             `json:"revision"`
	Pods     map[string]*entry `json:"pods"`
	// Retired has the labels' counts of pods that are gone.
	Retired map[string]Counts `json:"retired,omitempty"`
}

// Restore takes over a checkpoint that was read from the store. What was counted
// after its revision stays counted. data is nil where the checkpoint is gone and
// the store begins a new history, whose revisions may be lower: the counts stay.
func (t *Tally) Restore(name string, data []byte) {
	i := slices.Index(shardNames, name)
	if i < 0 {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	s := &t.shards[i]
	if data == nil {
		s.revision, s.recent, s.anew, t.seen = 0, nil, true, 0
		return
	}
	if t.leading && !s.anew {
		return // the leader's own checkpoint coming back is older than what it has
	}
	s.anew = false
	var c checkpoint
	if err := json.Unmarshal(data, &c); err != nil {
		glog.Errorf("The counters' checkpoint %q can't be read, so their agents' counts may fall: %v", name, err)
		return
	}
	if c.Revision >= s.revision {
		s.restore(c, t)
	}
}

func (s *shard) restore(c checkpoint, t *Tally) {
	now := t.now()
	old := s.entries
	s.revision = c.Revision
	s.entries = make(map[fleet.Key]*entry, len(c.Pods))
	for name, e := range c.Pods {
		namespace, pod, ok := strings.Cut(name, "/")
		if e == nil || !ok {
			continue
		}
		e.listed, e.heard = now, now
		s.entries[fleet.Key{Namespace: namespace, Name: pod}] = e
	}
	s.retired = make(map[string]*retired, len(c.Retired))
	for label, counts := range c.Retired {
		s.retired[label] = &retired{Counts: counts, listed: now}
	}
	s.forget(c.Revision)
	for _, ev := range s.recent {
		e := s.entry(ev.key)
		e.Reports++
		if had := old[ev.key]; had != nil && e.Label == "" {
			e.Label, e.listed, e.heard = had.Label, had.listed, had.heard
		}
	}
	t.seen = max(t.seen, c.Revision)
}

// forget drops the events that a checkpoint of that revision has.
func (s *shard) forget(revision int64) {
	s.recent = slices.DeleteFunc(s.recent, func(ev event) bool { return ev.revision <= revision })
}

// ResumeAfter is the revision after which report events must be replayed: the
// lowest that a checkpoint has. 0 means that there is no checkpoint.
func (t *Tally) ResumeAfter() int64 {
	t.mu.Lock()
	defer t.mu.Unlock()
	var lowest int64
	for i := range t.shards {
		if r := t.shards[i].revision; r > 0 && (lowest == 0 || r < lowest) {
			lowest = r
		}
	}
	return lowest
}

// encode renders shard i as a checkpoint up to revision, and returns what to do
// once it is stored.
func (t *Tally) encode(i int, revision int64) (data []byte, stored func()) {
	t.mu.Lock()
	defer t.mu.Unlock()
	s := &t.shards[i]
	revision = max(revision, s.revision)
	c := checkpoint{Revision: revision, Pods: make(map[string]*entry, len(s.entries)), Retired: make(map[string]Counts, len(s.retired))}
	for key, e := range s.entries {
		copied := *e
		c.Pods[key.String()] = &copied
	}
	for _, ev := range s.recent {
		if ev.revision <= revision {
			continue
		}
		if e := c.Pods[ev.key.String()]; e != nil {
			e.Reports--
		}
	}
	for label, r := range s.retired {
		c.Retired[label] = r.Counts
	}
	data, err := json.Marshal(c)
	if err != nil {
		// Maps of strings and numbers always have a JSON form.
		panic("encoding the counters: " + err.Error())
	}
	s.urgent = false
	return data, func() { t.stored(i, revision) }
}

// stored notes that the checkpoint of shard i is in the store.
func (t *Tally) stored(i int, revision int64) {
	t.mu.Lock()
	defer t.mu.Unlock()
	s := &t.shards[i]
	if revision <= s.revision {
		return
	}
	s.revision = revision
	s.forget(revision)
}

// complete is the highest revision whose events have all been counted: those of
// the newest one may still be coming.
func (t *Tally) complete() int64 {
	t.mu.Lock()
	defer t.mu.Unlock()
	return max(t.seen-1, 0)
}

var shardNames = func() (names []string) {
	for i := range shards {
		names = append(names, shardName(i))
	}
	return names
}()
