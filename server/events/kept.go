package events

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/golang/glog"

	"github.com/netchecker/netchecker/pkg/report"
	"github.com/netchecker/netchecker/server/store"
)

// Kept is the kind of what was told, and of the Events that are to be sent yet:
//
//	events/told/<backend>/<connection>/<network>  a history
//	events/refused/<hash of the backend's name>   a refusal
//	events/findings/<ID of the finding>           what was told of it
//	events/queue/<ID>                             an Event
type Kept struct {
	kind store.Kind
	view *store.View[string, entry]
}

type entry struct {
	key   string
	value []byte
}

// NewKept returns the kind.
func NewKept() *Kept {
	k := &Kept{view: store.NewView(
		func(key string) (string, bool) { return key, true },
		func(key string, e store.Entry) (entry, error) { return entry{key, e.Value}, nil },
	)}
	k.kind = store.Kind{Name: "events", Keeper: k.view}
	return k
}

// Kind is its row of the store's table.
func (k *Kept) Kind() *store.Kind { return &k.kind }

// queueFor is how long an Event waits to be sent.
const queueFor = 24 * time.Hour

// state is all that is kept.
type state struct {
	memory   memory
	refused  map[string]refusal
	findings map[string]toldFinding
	// queue has what is to be sent yet, the oldest first.
	queue []Event
}

// read is what is kept. What can't be read counts as not being there.
func (k *Kept) read() state {
	s := state{memory: memory{lines: map[line]history{}}, refused: map[string]refusal{}, findings: map[string]toldFinding{}}
	for _, e := range k.view.All() {
		if err := s.take(e); err != nil {
			glog.Warningf("Going on without what was told in Events of %.128q: %v", e.key, err)
		}
	}
	slices.SortFunc(s.queue, func(a, b Event) int { return cmp.Or(a.At.Compare(b.At), cmp.Compare(a.ID, b.ID)) })
	return s
}

func (s *state) take(e entry) error {
	kind, name, _ := strings.Cut(e.key, "/")
	switch kind {
	case "told":
		part := strings.Split(name, "/")
		if len(part) != 3 {
			return fmt.Errorf("its key has %d parts", len(part))
		}
		h, err := decoded[history](e)
		s.memory.lines[line{part[0], report.Connection(part[1]), report.Network(part[2])}] = h
		return err
	case "refused":
		r, err := decoded[refusal](e)
		s.refused[r.Name] = r
		return err
	case "findings":
		told, err := decoded[toldFinding](e)
		if err == nil {
			s.findings[name] = told
		}
		return err
	case "queue":
		queued, err := decoded[Event](e)
		if err == nil {
			s.queue = append(s.queue, queued)
		}
		return err
	}
	return fmt.Errorf("there is no such kind")
}

func decoded[T any](e entry) (value T, err error) {
	err = json.Unmarshal(e.value, &value)
	return value, err
}

func toldKey(l line) string {
	return "told/" + l.backend + "/" + string(l.connection) + "/" + string(l.network)
}

func refusedKey(name string) string { return "refused/" + identity(time.Time{}, name) }

func findingKey(id string) string { return "findings/" + id }

func queueKey(e *Event) string { return "queue/" + e.ID }

// put is a value to be kept under a key for ttl; nil deletes it.
func put(key string, value any, ttl time.Duration) (store.Op, error) {
	if value == nil {
		return store.Op{Key: key}, nil
	}
	data, err := json.Marshal(value)
	if err != nil {
		return store.Op{}, fmt.Errorf("writing %s: %w", key, err)
	}
	return store.Op{Key: key, Value: data, TTL: ttl}, nil
}

// save keeps ops, while the fence stands: all of them in one transaction, where they are
// at most mostOps.
func (k *Kept) save(ctx context.Context, fence store.Fence, ops []store.Op) error {
	if err := k.kind.Save(ctx, fence, ops...); err != nil {
		return fmt.Errorf("keeping what is told in Events: %w", err)
	}
	return nil
}
