package store

import (
	"sync"

	"github.com/netchecker/netchecker/pkg/wait"
	"github.com/netchecker/netchecker/server/fleet"
)

// view has the newest record of each key. The records themselves never change.
type view struct {
	changed wait.Broadcast

	mu sync.RWMutex
	// unlisted has the records of keys that are fleet.Key.Unlisted, listed the others.
	listed, unlisted map[fleet.Key]*fleet.Record
}

func newView() *view {
	return &view{
		listed:   make(map[fleet.Key]*fleet.Record),
		unlisted: make(map[fleet.Key]*fleet.Record),
	}
}

func (v *view) of(key fleet.Key) map[fleet.Key]*fleet.Record {
	if key.Unlisted() {
		return v.unlisted
	}
	return v.listed
}

func (v *view) get(key fleet.Key) *fleet.Record {
	v.mu.RLock()
	defer v.mu.RUnlock()
	return v.of(key)[key]
}

func (v *view) set(r *fleet.Record) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.of(r.Key)[r.Key] = r
}

func (v *view) remove(key fleet.Key) {
	v.mu.Lock()
	defer v.mu.Unlock()
	delete(v.of(key), key)
}

// replace makes records all that the view has.
func (v *view) replace(records []*fleet.Record) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.listed = make(map[fleet.Key]*fleet.Record, len(records))
	v.unlisted = make(map[fleet.Key]*fleet.Record)
	for _, r := range records {
		v.of(r.Key)[r.Key] = r
	}
}

func (v *view) len() int {
	v.mu.RLock()
	defer v.mu.RUnlock()
	return len(v.listed) + len(v.unlisted)
}

// all returns the records in a slice, so that nobody's callback holds the lock.
func (v *view) all() []*fleet.Record {
	v.mu.RLock()
	defer v.mu.RUnlock()
	records := make([]*fleet.Record, 0, len(v.listed)+len(v.unlisted))
	for _, r := range v.listed {
		records = append(records, r)
	}
	for _, r := range v.unlisted {
		records = append(records, r)
	}
	return records
}

func (v *view) allUnlisted() []*fleet.Record {
	v.mu.RLock()
	defer v.mu.RUnlock()
	records := make([]*fleet.Record, 0, len(v.unlisted))
	for _, r := range v.unlisted {
		records = append(records, r)
	}
	return records
}

func (v *view) unlistedHas(key fleet.Key) (count int, has bool) {
	v.mu.RLock()
	defer v.mu.RUnlock()
	return len(v.unlisted), v.unlisted[key] != nil
}
