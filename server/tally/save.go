package tally

import "context"

// Saver writes checkpoints, while the leader leads. It is the store's.
type Saver interface {
	// Save stores the checkpoints by shard, or fails where another leads.
	Save(ctx context.Context, checkpoints map[string][]byte) error
}

// batchBytes is how much is written at once: well under the 1.5 MiB that etcd
// takes in a request.
const batchBytes = 512 << 10

// save writes the shards of which regular says that their turn has come, and those with new
// errors.
func (t *Tally) save(ctx context.Context, saver Saver, regular func(shard int) bool) error {
	revision := t.complete()
	batch, size := map[string][]byte{}, 0
	var done []func()
	write := func() error {
		if len(batch) == 0 {
			return nil
		}
		if err := saver.Save(ctx, batch); err != nil {
			t.hurry()
			return err
		}
		for _, f := range done {
			f()
		}
		clear(batch)
		size, done = 0, done[:0]
		return nil
	}
	for i := range shards {
		if !t.due(i, revision, regular(i)) {
			continue
		}
		data, stored := t.encode(i, revision)
		if size+len(data) > batchBytes {
			if err := write(); err != nil {
				return err
			}
		}
		batch[shardName(i)] = data
		size += len(data)
		done = append(done, stored)
	}
	return write()
}

// due says whether shard i should be written. A shard that was never stored is
// always, lest the replay after a restart begins behind its first events.
func (t *Tally) due(i int, revision int64, regular bool) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	s := &t.shards[i]
	filled := len(s.entries)+len(s.retired) > 0
	switch {
	case s.urgent:
		return true
	case s.revision == 0:
		return filled
	}
	return regular && revision > s.revision
}

// hurry makes every shard urgent, because some may not have been written.
func (t *Tally) hurry() {
	t.mu.Lock()
	defer t.mu.Unlock()
	for i := range t.shards {
		if s := &t.shards[i]; s.revision > 0 || len(s.entries) > 0 {
			s.urgent = true
		}
	}
}
