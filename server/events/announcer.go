package events

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/golang/glog"

	"github.com/netchecker/netchecker/server/backends"
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
	// not sampled.
	Intervals func() []intervals.Interval
	Refusals  func() []backends.Refusal
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
	refused, known, changed := decideRefused(a.cfg.Refusals(), a.state.refused, now, room-len(d.events))
	events := append(d.events, refused...)

	ops := make([]store.Op, 0, len(events)+len(d.changed)+len(changed))
	var errs []error
	add := func(key string, value any, ttl time.Duration) {
		op, err := put(key, value, ttl)
		ops, errs = append(ops, op), append(errs, err)
	}
	for i := range events {
		add(queueKey(&events[i]), events[i], queueFor)
	}
	for _, l := range d.changed {
		add(toldKey(l), orNil(d.after.lines, l), 0)
	}
	for _, name := range changed {
		add(refusedKey(name), orNil(known, name), 0)
	}
	if err := errors.Join(errs...); err != nil {
		return err
	}
	if err := a.cfg.Kept.save(ctx, fence, ops); err != nil {
		return err
	}
	a.state.memory, a.state.refused = d.after, known
	a.state.queue = append(a.state.queue, events...)
	return nil
}

// orNil is what m has, or nil.
func orNil[K comparable, V any](m map[K]V, key K) any {
	if v, ok := m[key]; ok {
		return v
	}
	return nil
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
