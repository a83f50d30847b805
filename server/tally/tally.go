// Package tally keeps the two counters that users alert on, the reports and the
// errors of each agent, so that they survive a restart and are the same on every
// server.
//
// Reports are not counted where they are taken in, but where every server sees
// them: each write of a report is one event of the store, with a revision, and
// the count is a fold over those events. Now and then the leader writes a
// checkpoint, which says: up to this revision the counts were these. A server
// that starts reads the checkpoint and the events after it, and so knows each
// count exactly, without a single write more per report. A follower does the
// same with each checkpoint that it sees go by.
//
// Errors follow from the agents' states, which are a matter of time and not of events, so
// only the leader counts them: one when an agent begins to fail, and one for each
// further report interval that it goes on failing. The others learn them from the
// checkpoint, which is written within a second then.
//
// Counts are kept under the agent's label (its node and network) once its pod is
// gone, so that the next pod on that node goes on counting where it stopped.
package tally

import (
	"hash/fnv"
	"iter"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/netchecker/netchecker/server/fleet"
)

// shards is how many checkpoints the counters are spread over, so that one of
// 100,000 agents fits into a value of the store (about 3,000 agents of 100
// bytes each, where etcd takes 1.5 MiB). Changing it makes every server begin
// anew.
const shards = 32

// Counts are the counters of one label.
type Counts struct {
	Reports, Errors uint64
}

// entry is what is counted of one pod.
type entry struct {
	Label   string `json:"label,omitempty"`
	Reports uint64 `json:"reports,omitempty"`
	Errors  uint64 `json:"errors,omitempty"`
	// Failing says that the beginning of the present failure is counted.
	Failing bool `json:"failing,omitempty"`

	// next is when the failure counts once more; the leader's alone.
	next time.Time
	// listed is when the pod was last among the expected agents, and heard when
	// it last reported, as far as this server knows.
	listed, heard time.Time
}

// retired is what pods counted that are gone, under the label that goes on.
type retired struct {
	Counts
	// listed is when a pod of that label was last among the expected agents.
	listed time.Time
}

// event is one report that the checkpoint may not have yet.
type event struct {
	revision int64
	key      fleet.Key
}

type shard struct {
	// revision is that of the last checkpoint: it has all events up to there.
	revision int64
	entries  map[fleet.Key]*entry
	retired  map[string]*retired
	// recent has the events after revision, in order.
	recent []event
	// urgent says that the next checkpoint should not wait: an error was counted.
	urgent bool
	// anew says that the store has lost the checkpoint, so that whatever it has
	// next is from another history.
	anew bool
}

// Tally is safe for use by many goroutines.
type Tally struct {
	now func() time.Time

	mu     sync.Mutex
	shards [shards]shard
	// seen is the highest revision of a report, whose events may not be complete.
	seen    int64
	leading bool

	// Of the leader alone, which is one goroutine:

	// written is when each shard was written last, and restUntil until when nothing is.
	written   [shards]time.Time
	restUntil time.Time
}

// New returns an empty Tally.
func New(now func() time.Time) *Tally {
	t := &Tally{now: now}
	for i := range t.shards {
		t.shards[i] = shard{entries: map[fleet.Key]*entry{}, retired: map[string]*retired{}}
	}
	return t
}

// shardOf spreads keys evenly; the name alone tells most of them apart. It is
// part of what is stored, so it must not change (FNV-1a).
func shardOf(key fleet.Key) int {
	h := fnv.New32a()
	_, _ = h.Write([]byte(key.Name))
	return int(h.Sum32() % shards)
}

func shardName(i int) string { return strconv.Itoa(i) }

// maxRecent bounds the events that a shard remembers while nobody writes
// checkpoints. Beyond that the oldest are forgotten as events; they stay counted
// until the next checkpoint, which has them too if its writer saw them.
const maxRecent = 1 << 15

// Reported counts one report of key. Revisions never fall, but those of one
// transaction of the store are equal.
func (t *Tally) Reported(key fleet.Key, revision int64) {
	t.mu.Lock()
	defer t.mu.Unlock()
	s := &t.shards[shardOf(key)]
	if revision <= s.revision {
		return
	}
	t.seen = max(t.seen, revision)
	e := s.entry(key)
	e.Reports++
	e.heard = t.now()
	if len(s.recent) >= maxRecent {
		s.recent = slices.Delete(s.recent, 0, maxRecent/2)
	}
	s.recent = append(s.recent, event{revision, key})
}

func (s *shard) entry(key fleet.Key) *entry {
	e := s.entries[key]
	if e == nil {
		e = &entry{}
		s.entries[key] = e
	}
	return e
}

// Counts returns the counters by label. labels says which label the reports of
// each key count under. It changes nothing.
func (t *Tally) Counts(labels iter.Seq2[fleet.Key, string]) map[string]Counts {
	t.mu.Lock()
	defer t.mu.Unlock()
	sum := map[string]Counts{}
	add := func(label string, reports, errors uint64) {
		had := sum[label]
		sum[label] = Counts{had.Reports + reports, had.Errors + errors}
	}
	for i := range t.shards {
		for _, e := range t.shards[i].entries {
			if e.Label != "" {
				add(e.Label, e.Reports, e.Errors)
			}
		}
		for label, r := range t.shards[i].retired {
			add(label, r.Reports, r.Errors)
		}
	}
	for key, label := range labels {
		e := t.shards[shardOf(key)].entries[key]
		if e == nil || e.Label == label {
			continue
		}
		// The leader has not noted that label yet.
		if e.Label != "" {
			add(e.Label, -e.Reports, -e.Errors)
		}
		add(label, e.Reports, e.Errors)
	}
	return sum
}

// bind notes the label of each key that is expected now.
func (t *Tally) bind(labels iter.Seq2[fleet.Key, string], now time.Time) {
	for key, label := range labels {
		if e := t.shards[shardOf(key)].entries[key]; e != nil {
			e.Label, e.listed = label, now
		}
	}
}
