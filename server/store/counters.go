package store

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// Checkpoints is the kind of the counters' checkpoints, which are handed on to the
// Counters as they come.
type Checkpoints struct {
	kind     Kind
	counters Counters
	// shards are those that there are; of the goroutine that calls Load and Apply.
	shards map[string]bool
}

// NewCheckpoints returns the kind of the checkpoints of counters.
func NewCheckpoints(counters Counters) *Checkpoints {
	c := &Checkpoints{counters: counters}
	// They are written by Save alone, so none ever waits.
	c.kind = Kind{Name: "counters", Share: 1, Keeper: c, Needs: counters.ResumeAfter}
	return c
}

// Kind is the checkpoints' row of the table.
func (c *Checkpoints) Kind() *Kind { return &c.kind }

// Save writes checkpoints by shard, and deletes those that are nil, as Kind.Save.
func (c *Checkpoints) Save(ctx context.Context, fence Fence, shards map[string][]byte) error {
	ops := make([]Op, 0, len(shards))
	for _, shard := range slices.Sorted(maps.Keys(shards)) {
		if shard == "" || strings.Contains(shard, "/") {
			return fmt.Errorf("there can't be a shard %q of the counters", shard)
		}
		ops = append(ops, Op{Key: shard, Value: shards[shard]})
	}
	if err := c.kind.Save(ctx, fence, ops...); err != nil {
		return fmt.Errorf("writing the counters: %w", err)
	}
	return nil
}

// Load implements Keeper.
func (c *Checkpoints) Load(anew bool) (put func(Entry), done func(at int64)) {
	data := make(map[string][]byte)
	put = func(e Entry) { data[e.Key] = e.Value }
	return put, func(int64) {
		for shard := range c.shards {
			// After a loss, what the counters know of revisions is void; what they
			// counted is not.
			if _, there := data[shard]; anew || !there {
				c.counters.Restore(shard, nil)
			}
		}
		c.shards = make(map[string]bool, len(data))
		for shard, value := range data {
			c.shards[shard] = true
			c.counters.Restore(shard, value)
		}
	}
}

// Apply implements Keeper.
func (c *Checkpoints) Apply(e Entry) {
	if e.Value == nil {
		delete(c.shards, e.Key)
	} else {
		c.shards[e.Key] = true
	}
	c.counters.Restore(e.Key, e.Value)
}
