package findings

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/netchecker/netchecker/server/store"
)

// refresh notes what counts otherwise than is kept, now and then.
func (r *Reign) refresh(now time.Time, leftOut int) {
	if now.Sub(r.refreshed) < refreshEvery {
		return
	}
	r.refreshed, r.state.LeftOut = now, leftOut
	for _, h := range r.hold.Held() {
		is := of(h)
		if was, _ := r.cfg.Kept.view.Get(h.ID); was.Finding == nil || was.Sentence != is.Sentence {
			r.unsaved[h.ID] = is
		}
	}
}

// save writes what is to be written, in one transaction where it is not too much.
func (r *Reign) save(ctx context.Context, saver Saver) error {
	var ops []store.Op
	for _, id := range slices.Sorted(maps.Keys(r.unsaved)) {
		f := r.unsaved[id]
		ttl := Retention
		if f.Lasts() {
			ttl = 0
		}
		op, err := put(id, f, ttl)
		if err != nil {
			return err
		}
		ops = append(ops, op)
	}
	switch is, said := r.cfg.Kept.view.Get(stateKey); {
	case r.looks && (!said || is.state != r.state):
		op, err := put(stateKey, r.state, 0)
		if err != nil {
			return err
		}
		ops = append(ops, op)
	case !r.looks && said:
		ops = append(ops, store.Op{Key: stateKey})
	}
	if r.trim {
		for _, id := range r.cfg.Kept.excess(MostPast) {
			ops = append(ops, store.Op{Key: id})
		}
	}
	if len(ops) > 0 {
		if err := saver.Save(ctx, ops...); err != nil {
			return fmt.Errorf("writing findings: %w", err)
		}
	}
	clear(r.unsaved)
	r.trim = false
	return nil
}

func put(key string, value any, ttl time.Duration) (store.Op, error) {
	data, err := json.Marshal(value)
	if err != nil {
		return store.Op{}, fmt.Errorf("writing the finding %s: %w", key, err)
	}
	return store.Op{Key: key, Value: data, TTL: ttl}, nil
}

// excess are those that are over and more than most, the first to end first.
func (k *Kept) excess(most int) (ids []string) {
	past := slices.DeleteFunc(k.All(), (*Finding).Lasts)
	if len(past) <= most {
		return nil
	}
	slices.SortFunc(past, func(a, b *Finding) int { return cmp.Or(a.Ended.Compare(b.Ended), cmp.Compare(a.ID, b.ID)) })
	for _, f := range past[:len(past)-most] {
		ids = append(ids, f.ID)
	}
	return ids
}
