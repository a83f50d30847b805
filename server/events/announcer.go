package events

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/golang/glog"

	"github.com/netchecker/netchecker/server/backends"
	"github.com/netchecker/netchecker/server/findings"
	"github.com/netchecker/netchecker/server/intervals"
	"github.com/netchecker/netchecker/server/store"
)

const (
	// Every is the time between two turns.
	Every = time.Second
	// perTurn bounds the Events of a turn, far below what API servers allow a namespace
	// that have limits of their own (the admission plugin EventRateLimit).
	perTurn = 5
	// mostDecided bounds what is decided in a turn, so that it is kept by one transaction.
	mostDecided = 30
	// mostQueued bounds what waits to be sent. What is beyond is decided once there is
	// room: the intervals that it follows from are kept for a day.
	mostQueued = 1000
)

// Sender sends an Event. It returns nil, too, where the API server has it already, and a
// *RefusedError where it will never take it.
type Sender interface {
	Send(context.Context, Event) error
}

// RefusedError is that the API server will not take an Event, however often it is sent.
type RefusedError struct{ Err error }

func (e *RefusedError) Error() string { return "the API server refuses the Event: " + e.Err.Error() }

func (e *RefusedError) Unwrap() error { return e.Err }

// Config is what an Announcer needs.
type Config struct {
	Kept *Kept
	// Intervals are those that touch the last Horizon, and Refusals the backends that are
	// not sampled. Findings are all that are kept.
	Intervals func() []intervals.Interval
	Refusals  func() []backends.Refusal
	Findings  func() []*findings.Finding
	Sender    Sender
	Now       func() time.Time
}

// Announcer decides on Events and sends them, for one reign of the leader. It is of one
// goroutine.
type Announcer struct {
	cfg   Config
	state state
	began bool
}

// NewAnnouncer returns one for a reign. What earlier leaders kept is in the store's view
// by its first turn.
func NewAnnouncer(cfg Config) *Announcer { return &Announcer{cfg: cfg} }

// Turn decides what is to be told by now, keeps that, and sends what waits, as far as the
// API server takes it.
func (a *Announcer) Turn(ctx context.Context, fence store.Fence) error {
	if !a.began {
		a.state, a.began = a.cfg.Kept.read(), true
	}
	if err := a.decide(ctx, fence); err != nil {
		return err
	}
	return a.send(ctx, fence)
}

func (a *Announcer) decide(ctx context.Context, fence store.Fence) error {
	room := min(mostDecided, mostQueued-len(a.state.queue))
	now := a.cfg.Now()
	d := decide(a.cfg.Intervals(), a.state.memory, now, room)
	events := d.events
	refused, known, refusedNow := decideRefused(a.cfg.Refusals(), a.state.refused, now, room-len(events))
	events = append(events, refused...)
	found, told, foundNow := decideFindings(a.cfg.Findings(), a.state.findings, now, room-len(events))
	events = append(events, found...)

	var b batch
	for i := range events {
		b.add(queueKey(&events[i]), events[i], queueFor)
	}
	remember(&b, d.changed, d.after.lines, toldKey)
	remember(&b, refusedNow, known, refusedKey)
	remember(&b, foundNow, told, findingKey)
	if err := errors.Join(b.errs...); err != nil {
		return err
	}
	if err := a.cfg.Kept.save(ctx, fence, b.ops); err != nil {
		return err
	}
	a.state.memory, a.state.refused, a.state.findings = d.after, known, told
	a.state.queue = append(a.state.queue, events...)
	return nil
}

// batch is what a turn keeps.
type batch struct {
	ops  []store.Op
	errs []error
}

// add keeps a value under a key for ttl; nil deletes it.
func (b *batch) add(key string, value any, ttl time.Duration) {
	op, err := put(key, value, ttl)
	b.ops, b.errs = append(b.ops, op), append(b.errs, err)
}

// remember keeps what is remembered by now of those that changed.
func remember[K comparable, V any](b *batch, changed []K, after map[K]V, key func(K) string) {
	for _, k := range changed {
		if v, ok := after[k]; ok {
			b.add(key(k), v, 0)
		} else {
			b.add(key(k), nil, 0)
		}
	}
}

// send sends the oldest of those that wait, until one is not taken.
func (a *Announcer) send(ctx context.Context, fence store.Fence) error {
	a.expire()
	for n := 0; n < perTurn && len(a.state.queue) > 0; n++ {
		e := &a.state.queue[0]
		err := a.cfg.Sender.Send(ctx, *e)
		var never *RefusedError
		switch {
		case errors.As(err, &never):
			glog.Errorf("Event %s, %q, is lost: %v", e.Reason, e.Note, err)
		case err != nil:
			return fmt.Errorf("%d wait, the first since %s: %w", len(a.state.queue), clock(e.At), err)
		}
		if err := a.cfg.Kept.save(ctx, fence, []store.Op{{Key: queueKey(e)}}); err != nil {
			return err
		}
		a.state.queue = a.state.queue[1:]
	}
	return nil
}

// expire lets go of Events that the store does not keep any more.
func (a *Announcer) expire() {
	n := len(a.state.queue)
	a.state.queue = slices.DeleteFunc(a.state.queue, func(e Event) bool { return a.cfg.Now().Sub(e.At) > queueFor })
	if lost := n - len(a.state.queue); lost > 0 {
		glog.Errorf("%d Events are lost, which could not be sent for %v", lost, queueFor)
	}
}
