package tally

import (
	"context"
	"iter"
	"time"

	"github.com/netchecker/netchecker/server/fleet"
)

// Failing is an agent whose errors count: Outdated or Absent.
type Failing struct {
	Key   fleet.Key
	Label string
	// Interval is the time between two reports of the agent, after which the
	// failure counts once more.
	Interval time.Duration
}

// Agents is what the counters need to know of the agents at one moment.
type Agents struct {
	// Known is false while the server is blind, when nothing counts.
	Known bool
	// Labels has the label that each key counts under.
	Labels iter.Seq2[fleet.Key, string]
	// Failing are those who fail.
	Failing []Failing
}

// LookEvery is how often the leader should call Lead: how often failures are counted,
// and written if there are new ones.
const LookEvery = time.Second

// writeEvery is how often each shard is written. They take turns: all at once, those of a large
// cluster would keep the store from everything else for a moment.
const writeEvery = 5 * time.Second

// forgetAfter is how long the counts of a label, or of a pod that was never
// listed, are kept after it was last seen.
const forgetAfter = time.Hour

// Lead is a turn of the leader's: it counts errors, and writes checkpoints where that
// is due. Its first call begins a reign, which Resign ends; the store has told
// everything then that an earlier leader wrote.
func (t *Tally) Lead(ctx context.Context, agents Agents, saver Saver) error {
	if !t.isLeading() {
		t.setLeading(true)
		t.written, t.restUntil = [shards]time.Time{}, time.Time{}
	}
	t.look(agents)
	began := t.now()
	if began.Before(t.restUntil) {
		return nil
	}
	regular := func(shard int) bool { return began.Sub(t.written[shard]) >= writeEvery }
	err := t.save(ctx, saver, regular)
	if err == nil {
		t.noteWritten(began, regular)
	}
	// Writing takes a twentieth of the store's time at most, and still
	// happens every 5 s.
	t.restUntil = began.Add(min(20*t.now().Sub(began), writeEvery))
	return err
}

// noteWritten notes which shards were written. After the first turn of a reign, which writes all
// of them, each has a second of its own.
func (t *Tally) noteWritten(now time.Time, regular func(shard int) bool) {
	for i := range t.written {
		switch {
		case t.written[i].IsZero():
			t.written[i] = now.Add(-time.Duration(i) * LookEvery % writeEvery)
		case regular(i):
			t.written[i] = now
		}
	}
}

// Resign ends a reign with a last checkpoint.
func (t *Tally) Resign(ctx context.Context, saver Saver) error {
	defer t.setLeading(false)
	return t.save(ctx, saver, func(int) bool { return true })
}

func (t *Tally) isLeading() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.leading
}

// setLeading begins or ends the reign. What an earlier one had due is void.
func (t *Tally) setLeading(on bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.leading = on
	t.pause()
}

// look counts the errors that have come due, and lets go of what is gone.
func (t *Tally) look(agents Agents) {
	now := t.now()
	t.mu.Lock()
	defer t.mu.Unlock()
	if !agents.Known {
		t.pause()
		return
	}
	t.bind(agents.Labels, now)
	fails := make(map[fleet.Key]bool, len(agents.Failing))
	for _, f := range agents.Failing {
		fails[f.Key] = true
		t.fail(f, now)
	}
	t.keepLabels(agents.Labels, now)
	for i := range t.shards {
		s := &t.shards[i]
		s.recover(fails)
		s.retire(now)
	}
}

// pause puts off all that would come due while nothing can be known.
func (t *Tally) pause() {
	for i := range t.shards {
		for _, e := range t.shards[i].entries {
			e.next = time.Time{}
		}
	}
}

// fail counts what has come due of one failing agent.
func (t *Tally) fail(f Failing, now time.Time) {
	s := &t.shards[shardOf(f.Key)]
	e := s.entry(f.Key)
	e.Label, e.listed = f.Label, now
	switch {
	case !e.Failing:
		e.Failing = true
		e.Errors++
		s.urgent = true
		e.next = now.Add(f.Interval)
	case e.next.IsZero():
		// Its beginning was counted, by an earlier leader or before the server
		// was blind.
		e.next = now.Add(f.Interval)
	case !now.Before(e.next):
		e.Errors++
		s.urgent = true
		e.next = e.next.Add(f.Interval)
	}
}

// keepLabels notes which of the retired labels still have pods.
func (t *Tally) keepLabels(labels iter.Seq2[fleet.Key, string], now time.Time) {
	of := map[string][]*retired{}
	for i := range t.shards {
		for label, r := range t.shards[i].retired {
			of[label] = append(of[label], r)
		}
	}
	if len(of) == 0 {
		return
	}
	for _, label := range labels {
		for _, r := range of[label] {
			r.listed = now
		}
	}
}

// recover ends the failures of those who do not fail any more.
func (s *shard) recover(fails map[fleet.Key]bool) {
	for key, e := range s.entries {
		if e.Failing && !fails[key] {
			e.Failing = false
			e.next = time.Time{}
			s.urgent = true
		}
	}
}

// retire moves the counts of pods that are gone to their label, and forgets
// labels and strangers after forgetAfter.
func (s *shard) retire(now time.Time) {
	for key, e := range s.entries {
		switch {
		case e.Label == "" && now.Sub(e.heard) > forgetAfter:
			delete(s.entries, key)
		case e.Label != "" && e.listed.Before(now) && !s.hasRecent(key):
			r := s.retired[e.Label]
			if r == nil {
				r = &retired{listed: now}
				s.retired[e.Label] = r
			}
			r.Reports += e.Reports
			r.Errors += e.Errors
			delete(s.entries, key)
			s.urgent = true
		}
	}
	for label, r := range s.retired {
		if now.Sub(r.listed) > forgetAfter {
			delete(s.retired, label)
			s.urgent = true
		}
	}
}

// hasRecent says whether an event of that pod is not in the checkpoint yet. Its
// entry has to stay until then, so that the event is not counted twice.
func (s *shard) hasRecent(key fleet.Key) bool {
	for _, ev := range s.recent {
		if ev.key == key {
			return true
		}
	}
	return false
}
