package store

import (
	"sync"

	"github.com/golang/glog"
)

// View is the Keeper of a kind whose keys are read as K and whose values as T. It is
// safe for use by many goroutines. What it gives is never changed once made, so
// whoever has it may keep it.
type View[K comparable, T any] struct {
	parse  func(key string) (K, bool)
	decode func(K, Entry) (T, error)

	mu    sync.RWMutex
	items map[K]item[T]

	// Of the goroutine that calls Load and Apply:
	complaints complaints
}

type item[T any] struct {
	value    T
	revision int64
}

// NewView returns an empty View. Keys that parse does not know, and values that
// decode refuses, count as not being there, so that all servers have the same view
// whenever they read it.
func NewView[K comparable, T any](parse func(key string) (K, bool), decode func(K, Entry) (T, error)) *View[K, T] {
	return &View[K, T]{parse: parse, decode: decode, items: make(map[K]item[T]), complaints: make(complaints)}
}

// Get returns what is kept under key; ok is false where nothing is.
func (v *View[K, T]) Get(key K) (value T, ok bool) {
	v.mu.RLock()
	defer v.mu.RUnlock()
	found, ok := v.items[key]
	return found.value, ok
}

// Len is how many keys there are.
func (v *View[K, T]) Len() int {
	v.mu.RLock()
	defer v.mu.RUnlock()
	return len(v.items)
}

// All returns all values, in no order, in a slice of the caller's own.
func (v *View[K, T]) All() []T {
	v.mu.RLock()
	defer v.mu.RUnlock()
	all := make([]T, 0, len(v.items))
	for _, i := range v.items {
		all = append(all, i.value)
	}
	return all
}

// Load implements Keeper. A value whose revision is the one that is known stays what
// it is.
func (v *View[K, T]) Load(anew bool) (put func(Entry), done func(at int64)) {
	before := v.items // only this goroutine writes it
	if anew {
		before = nil
	}
	items := make(map[K]item[T], len(before))
	put = func(e Entry) {
		key, ok := v.parse(e.Key)
		if !ok {
			return
		}
		if had, known := before[key]; known && had.revision == e.Revision {
			items[key] = had
		} else if value, ok := v.read(key, e); ok {
			items[key] = item[T]{value, e.Revision}
		}
	}
	return put, func(int64) {
		v.mu.Lock()
		defer v.mu.Unlock()
		v.items = items
	}
}

// Apply implements Keeper.
func (v *View[K, T]) Apply(e Entry) {
	if key, ok := v.parse(e.Key); ok {
		v.apply(key, e)
	}
}

func (v *View[K, T]) apply(key K, e Entry) {
	value, ok := v.read(key, e)
	v.mu.Lock()
	defer v.mu.Unlock()
	if ok {
		v.items[key] = item[T]{value, e.Revision}
	} else {
		delete(v.items, key)
	}
}

// read decodes a value, if there is one.
func (v *View[K, T]) read(key K, e Entry) (value T, ok bool) {
	if e.Value == nil {
		return value, false
	}
	value, err := v.decode(key, e)
	if err != nil {
		v.complaints.about(e.Key, err)
	}
	return value, err == nil
}

// complaints has the keys whose values were complained about, once each.
type complaints map[string]bool

// maxComplaints bounds them.
const maxComplaints = 100

func (c complaints) about(key string, err error) {
	if c[key] || len(c) >= maxComplaints {
		return
	}
	c[key] = true
	glog.Warningf("Ignoring the value of %.128q in etcd, which can't be read: %v", key, err)
}
