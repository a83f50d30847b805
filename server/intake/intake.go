// Package intake takes in what agents send: is this report or message acceptable, whose
// is it, where is it kept, and what is there to say in reply? What Accept and
// AcceptMessage returned no error for is in the store; what they refused left no trace.
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

// MaxStored bounds a report as it is stored, with its life, in bytes: below the 1.5 MiB that etcd
// takes in a request. It is larger than what was sent where bytes that are no
// UTF-8 are replaced.
const MaxStored = 1 << 20

// UnlistedLimitError says that MaxUnlisted was reached.
type UnlistedLimitError struct{ Pod string }

func (e *UnlistedLimitError) Error() string {
	return fmt.Sprintf("podname: %q is not in the list of agent pods, and %d reports of such pods are waiting already; it is taken once the list knows the pod", e.Pod, MaxUnlisted)
}

// Store keeps reports. Put returns once the report is durable, as report.AppendRecord and
// report.AppendLife write it; the latter is empty where nothing is to be kept of its life.
type Store interface {
	Put(ctx context.Context, key fleet.Key, record, life []byte, ttl time.Duration) (revision int64, err error)
	// Unlisted returns how many reports are kept under unlisted keys, and
	// whether one is kept under this one.
	Unlisted(key fleet.Key) (count int, has bool)
}

// Lister knows who is expected. List returns nil where that was never read.
type Lister interface {
	List() *fleet.List
}

// Config is what an Intake needs. Kinds and Topics may be empty.
type Config struct {
	Store Store
	Pods  Lister
	// TTL is how long reports are kept at the least.
	TTL time.Duration
	// Kinds are those of the messages that are taken in beside reports.
	Kinds []Kind
	// Topics are what replies may tell, in the order of their urgency.
	Topics []Topic
	// Now is the clock; both of its readings are used.
	Now func() time.Time
}

// Intake accepts reports and messages. It is safe for use by many goroutines.
type Intake struct {
	store  Store
	pods   Lister
	ttl    time.Duration
	kinds  []Kind
	topics []Topic
	now    func() time.Time
	bufs   sync.Pool

	mu sync.Mutex
	// waiting has the unlisted keys whose reports are on their way to the store,
	// or were committed and may not have come into its view.
	waiting map[fleet.Key]*admission
}

// admission is an unlisted report between being let in and being in the store's view.
type admission struct {
	underway int
	// done is when the last one was committed.
	done time.Time
}

// New returns an Intake.
func New(cfg Config) *Intake {
	return &Intake{
		store: cfg.Store, pods: cfg.Pods, ttl: cfg.TTL, kinds: cfg.Kinds, topics: cfg.Topics, now: cfg.Now,
		bufs:    sync.Pool{New: func() any { return new([]byte) }},
		waiting: map[fleet.Key]*admission{},
	}
}

// Accept reads the report in body, which was sent for the pod of that name, and
// stores it. The reply is JSON, and empty where there is nothing to say. The error is a
// *report.FieldError, a *fleet.AmbiguousError, an *UnlistedLimitError, or the store's,
// after which nobody knows whether the report is stored. body is not kept.
func (in *Intake) Accept(ctx context.Context, pod string, body []byte) (reply []byte, err error) {
	r, err := report.Decode(body)
	if err != nil {
		return nil, err
	}
	if err := r.Validate(); err != nil {
		return nil, err
	}
	if err := samePod(r.PodName, pod); err != nil {
		return nil, err
	}
	agent, err := in.pods.List().Identify(&r)
	if err != nil {
		return nil, err
	}
	if agent == nil {
		return nil, in.acceptUnlisted(ctx, &r, len(body))
	}
	if err := in.put(ctx, agent.Key, &r, in.keepFor(&r)); err != nil {
		return nil, err
	}
	return in.reply(agent, r.Understands), nil
}

// samePod holds the name in a body against the one in the URL.
func samePod(said, pod string) error {
	if said != pod {
		return &report.FieldError{Field: "podname", Reason: fmt.Sprintf("is %q; it should be %q, as in the URL", said, pod)}
	}
	return nil
}

// acceptUnlisted keeps a report of a pod that the list does not know, no longer than
// others whatever its interval: anybody may send such.
func (in *Intake) acceptUnlisted(ctx context.Context, r *report.Report, size int) error {
	if size > MaxUnlistedBytes {
		return &report.FieldError{Field: "body", Reason: fmt.Sprintf("has %d bytes; of a pod that is not in the list of agent pods it should have at most %d", size, MaxUnlistedBytes)}
	}
	key := fleet.UnlistedKey(r.Namespace, r.PodName)
	if !in.admit(key) {
		return &UnlistedLimitError{Pod: r.PodName}
	}
	err := in.put(ctx, key, r, in.ttl)
	in.settle(key, err)
	return err
}

// put stores r as the record of key for ttl.
func (in *Intake) put(ctx context.Context, key fleet.Key, r *report.Report, ttl time.Duration) error {
	buf := in.bufs.Get().(*[]byte)
	defer in.bufs.Put(buf)
	now := in.now()
	rec := report.Record{Report: *r, LastUpdated: now.UTC(), Booted: booted(now, r.Clock)}
	*buf = report.AppendRecord((*buf)[:0], &rec)
	size := len(*buf)
	if r.Disruption != nil || r.Mesh != nil { // else nobody asks which life the report is of
		*buf = report.AppendLife(*buf, &rec)
	}
	if len(*buf) > MaxStored {
		return &report.FieldError{Field: "body", Reason: fmt.Sprintf("takes %d bytes to store; it should take at most %d", len(*buf), MaxStored)}
	}
	// The store owns what it is given, and outlives this call where ctx ends.
	both := append([]byte(nil), *buf...)
	_, err := in.store.Put(ctx, key, both[:size:size], both[size:], ttl)
	return err
}

// booted is what the wall clock showed as an agent's clock showed zero that shows clock
// now, so far as what says so took no time to get here.
func booted(now time.Time, clock time.Duration) time.Time {
	return now.Add(-clock).Round(0).UTC()
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
		p = &admission{}
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

// occupied counts the places that are taken, and lets go of the admissions that
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
