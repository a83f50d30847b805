// Package intake takes reports in: is this one acceptable, whose is it, and where
// is it kept? A report that Accept returned nil for is in the store; one that it
// refused left no trace.
//
// Who reports is not proved by anything: whoever reaches the server can report
// for any pod. What intake does guarantee is that nothing a report says can cost
// more than a bounded amount of memory and of the store, or touch what belongs
// to another pod's name.
package intake

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/netchecker/netchecker/pkg/report"
	"github.com/netchecker/netchecker/server/fleet"
)

// MaxUnlisted is how many reports of pods that the list does not know are kept
// at a time.
const MaxUnlisted = 1000

// MaxUnlistedBytes bounds each of them; with them all, what they take is bounded.
const MaxUnlistedBytes = 64 << 10

// MaxStored bounds a report as it is stored, in bytes: below the 1.5 MiB that etcd
// takes in a request. It is larger than what was sent where bytes that are no
// UTF-8 are replaced.
const MaxStored = 1 << 20

// UnlistedLimitError says that MaxUnlisted was reached.
type UnlistedLimitError struct{ Pod string }

func (e *UnlistedLimitError) Error() string {
	return fmt.Sprintf("podname: %q is not in the list of agent pods, and %d reports of such pods are waiting already; it is taken once the list knows the pod", e.Pod, MaxUnlisted)
}

// UnknownKindError says that there are no messages of that kind.
type UnknownKindError struct{ Kind string }

func (e *UnknownKindError) Error() string {
	return fmt.Sprintf("there are no messages of the kind %.64q", e.Kind)
}

// Store keeps reports. Put returns once the report is durable.
type Store interface {
	Put(ctx context.Context, key fleet.Key, value []byte, ttl time.Duration) (revision int64, err error)
	// Unlisted returns how many reports are kept under unlisted keys, and
	// whether one is kept under this one.
	Unlisted(key fleet.Key) (count int, has bool)
}

// Lister knows who is expected. List returns nil where that was never read.
type Lister interface {
	List() *fleet.List
}

// Intake accepts reports. It is safe for use by many goroutines.
type Intake struct {
	store Store
	pods  Lister
	ttl   time.Duration
	now   func() time.Time
	bufs  sync.Pool

	mu sync.Mutex
	// waiting has the unlisted keys whose reports are on their way to the store,
	// or were committed and may not have come into its view.
	waiting map[fleet.Key]*passage
}

// passage is an unlisted report between its admission and the store's view.
type passage struct {
	underway int
	// done is when the last one was committed.
	done time.Time
}

// New returns an Intake that keeps reports for at least ttl.
func New(store Store, pods Lister, ttl time.Duration, now func() time.Time) *Intake {
	return &Intake{
		store: store, pods: pods, ttl: ttl, now: now,
		bufs:    sync.Pool{New: func() any { return new([]byte) }},
		waiting: map[fleet.Key]*passage{},
	}
}

// Accept reads the report in body, which was sent for the pod of that name, and
// stores it. The error is a *report.FieldError, a *fleet.AmbiguousError, an
// *UnlistedLimitError, or the store's, after which nobody knows whether the
// report is stored. body is not kept. What is to be said in reply is JSON, and empty
// where there is nothing to say.
func (in *Intake) Accept(ctx context.Context, pod string, body []byte) (reply []byte, err error) {
	return nil, in.accept(ctx, pod, body)
}

// AcceptMessage takes a message in that was sent beside the report. The error is as
// that of Accept, or an *UnknownKindError.
func (in *Intake) AcceptMessage(_ context.Context, _, kind string, _ []byte) (reply []byte, err error) {
	return nil, &UnknownKindError{Kind: kind}
}

func (in *Intake) accept(ctx context.Context, pod string, body []byte) error {
	r, err := report.Decode(body)
	if err != nil {
		return err
	}
	if err := r.Validate(); err != nil {
		return err
	}
	if r.PodName != pod {
		return &report.FieldError{Field: "podname", Reason: fmt.Sprintf("is %q; it should be %q, as in the URL", r.PodName, pod)}
	}
	agent, err := in.pods.List().Identify(&r)
	if err != nil {
		return err
	}
	if agent != nil {
		return in.put(ctx, agent.Key, &r)
	}
	if len(body) > MaxUnlistedBytes {
		return &report.FieldError{Field: "body", Reason: fmt.Sprintf("has %d bytes; of a pod that is not in the list of agent pods it should have at most %d", len(body), MaxUnlistedBytes)}
	}
	key := fleet.UnlistedKey(r.Namespace, r.PodName)
	if !in.admit(key) {
		return &UnlistedLimitError{Pod: r.PodName}
	}
	err = in.put(ctx, key, &r)
	in.settle(key, err)
	return err
}

// put stores r as the record of key.
func (in *Intake) put(ctx context.Context, key fleet.Key, r *report.Report) error {
	buf := in.bufs.Get().(*[]byte)
	defer in.bufs.Put(buf)
	rec := report.Record{Report: *r, LastUpdated: in.now().UTC()}
	*buf = report.AppendRecord((*buf)[:0], &rec)
	if len(*buf) > MaxStored {
		return &report.FieldError{Field: "body", Reason: fmt.Sprintf("takes %d bytes to store; it should take at most %d", len(*buf), MaxStored)}
	}
	// The store owns what it is given, and outlives this call where ctx ends.
	value := append([]byte(nil), *buf...)
	_, err := in.store.Put(ctx, key, value, in.keepFor(r))
	return err
}

// keepFor is how long a report is kept: long enough that its agent becomes
// Outdated, after two intervals, before it becomes Absent.
func (in *Intake) keepFor(r *report.Report) time.Duration {
	return max(in.ttl, 3*time.Duration(r.ReportInterval)*time.Second)
}

// admit says whether there is room for one more unlisted report, and keeps it
// for key until settle.
func (in *Intake) admit(key fleet.Key) bool {
	in.mu.Lock()
	defer in.mu.Unlock()
	p := in.waiting[key]
	if count, has := in.store.Unlisted(key); p == nil && !has && count+len(in.waiting) >= MaxUnlisted && in.occupied() >= MaxUnlisted {
		return false
	}
	if p == nil {
		p = &passage{}
		in.waiting[key] = p
	}
	p.underway++
	return true
}

// settle ends what admit began, with what came of it.
func (in *Intake) settle(key fleet.Key, err error) {
	in.mu.Lock()
	defer in.mu.Unlock()
	p := in.waiting[key]
	p.underway--
	switch {
	case err == nil:
		p.done = in.now()
	case p.underway == 0 && p.done.IsZero():
		delete(in.waiting, key)
	}
}

// viewLag is far more than the store's view takes to show what was committed.
const viewLag = 10 * time.Second

// occupied counts the places that are taken, and lets go of the passages that
// have ended. What comes into the view meanwhile may count twice, and never not
// at all.
func (in *Intake) occupied() int {
	underway := 0
	for key, p := range in.waiting {
		_, has := in.store.Unlisted(key)
		switch {
		case p.underway == 0 && (has || in.now().Sub(p.done) > viewLag):
			delete(in.waiting, key)
		case !has:
			underway++
		}
	}
	count, _ := in.store.Unlisted(fleet.Key{})
	return count + underway
}
