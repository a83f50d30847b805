package intervals

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/netchecker/netchecker/pkg/report"
	"github.com/netchecker/netchecker/server/fleet"
	"github.com/netchecker/netchecker/server/intake"
	"github.com/netchecker/netchecker/server/store"
)

// Retention is how long intervals are kept after they were told.
const Retention = 24 * time.Hour

// messagesAMinute bounds the messages that are taken from one pod. Agents send one in
// 5 s, and after an outage the 64 that they keep.
const messagesAMinute = 90

// TooManyError says that a pod sends more than agents do. It should wait.
type TooManyError struct{ Pod fleet.Key }

func (e *TooManyError) Error() string {
	return fmt.Sprintf("podname: %q has sent %d messages of intervals within a minute, which is all that is taken; the rest should be sent later", e.Pod.Name, messagesAMinute)
}

// Kind is what intake needs to take intervals in.
func (h *History) Kind() intake.Kind { return intake.Kind{Name: report.IntervalsKind, Keep: h.keep} }

// keep stores a message: its intervals that are over under its number, once, and what
// is open in the place of what was. The error is a *report.FieldError, a
// *TooManyError or the store's.
func (h *History) keep(ctx context.Context, s intake.Sent) error {
	d, err := report.DecodeDisruption(s.Body)
	if err != nil {
		return report.Within("body", err)
	}
	if d.AsOf > s.Clock {
		return &report.FieldError{Field: "body.as_of_ms", Reason: fmt.Sprintf("is %d; it should be at most clock_ms, which is %d", d.AsOf.Milliseconds(), s.Clock.Milliseconds())}
	}
	if !h.gate.admit(s.From.Key, h.now()) {
		return &TooManyError{s.From.Key}
	}
	ops, err := opsOf(&s, d)
	if err != nil {
		return err
	}
	_, err = h.kind.Put(ctx, ops...)
	return err
}

// opsOf is how a message is stored, whose body is d.
func opsOf(s *intake.Sent, d report.Disruption) ([]store.Op, error) {
	l := life{s.From.Key, s.BootID}
	w := word{booted: s.Booted, node: s.From.Node, network: s.From.Network, Disruption: d}
	w.Sealed = nil
	open, err := w.encode(time.Time{})
	if err != nil {
		return nil, err
	}
	ops := []store.Op{{Key: l.key(openKey), Value: open, TTL: Retention}}
	if len(d.Sealed) == 0 {
		return ops, nil
	}
	w.Disruption = report.Disruption{AsOf: d.AsOf, Sealed: d.Sealed}
	sealed, err := w.encode(time.Time{})
	if err != nil {
		return nil, err
	}
	return append(ops, store.Op{Key: s.Key(), Value: sealed, TTL: Retention, Once: true}), nil
}

// gate counts each pod's messages, minute by minute.
type gate struct {
	mu    sync.Mutex
	began time.Time
	count map[fleet.Key]int
}

// admit says whether one more of that pod is taken.
func (g *gate) admit(pod fleet.Key, now time.Time) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.count == nil || now.Sub(g.began) >= time.Minute {
		g.began, g.count = now, map[fleet.Key]int{}
	}
	if g.count[pod] >= messagesAMinute {
		return false
	}
	g.count[pod]++
	return true
}
