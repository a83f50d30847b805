package store

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/netchecker/netchecker/pkg/report"
	"github.com/netchecker/netchecker/server/fleet"
)

// Counters counts the reports, as a fold over the store's events. One goroutine
// calls it.
type Counters interface {
	// Restore is told of a checkpoint that was read, or seen to be written. data
	// is nil where it was deleted, or where etcd was found to have another history,
	// whose revisions may be lower.
	Restore(shard string, data []byte)
	// ResumeAfter is asked after the checkpoints were read: the reports after this
	// revision are told by Reported. 0: there were none; then those of the keys that
	// are there are told, as far back as etcd has them.
	ResumeAfter() int64
	// Reported is told of each report written, once, in the order of revisions.
	// The reports of one transaction have the same revision.
	Reported(key fleet.Key, revision int64)
}

// waitingReports is the reports' share: two seconds' worth of what etcd takes, and far
// more than the agents of 10,000 nodes have under way.
const waitingReports = 4096

// Reports is the kind of the newest report of each pod, and that of their lives (see
// lives), which are part of its records. It is safe for use by many goroutines.
type Reports struct {
	kind, beside Kind
	// unlisted has the records of keys that are fleet.Key.Unlisted, listed the others.
	listed, unlisted *View[fleet.Key, *fleet.Record]
	counters         Counters

	// Of the goroutine that calls Load and Apply:

	// loadedAt is the revision that the views were read at. Events up to it are told
	// to the counters only.
	loadedAt int64
	// counted is the revision up to which the counters know all reports, and counting
	// the one whose reports they are being told.
	counted, counting int64
	// oldest is the revision at which the oldest of the keys that were read was made.
	oldest int64
}

// NewReports returns the kind of reports, which tells counters of each; nil: nobody
// is told.
func NewReports(counters Counters, now func() time.Time) *Reports {
	lives := newLives()
	decode := func(key fleet.Key, e Entry) (*fleet.Record, error) {
		decoded, err := report.DecodeRecord(e.Value)
		if err != nil {
			return nil, err
		}
		lives.join(&decoded, key, e.Revision)
		return &fleet.Record{Key: key, Record: decoded, Learned: now(), Read: e.Read, Revision: e.Revision}, nil
	}
	only := func(unlisted bool) func(string) (fleet.Key, bool) {
		return func(s string) (fleet.Key, bool) {
			key, ok := reportOf(s)
			return key, ok && key.Unlisted() == unlisted
		}
	}
	r := &Reports{counters: counters, listed: NewView(only(false), decode), unlisted: NewView(only(true), decode)}
	r.kind = Kind{Name: "agents", Share: waitingReports, Keeper: r}
	// A life is written along with its report, so none ever waits.
	r.beside = Kind{Name: "lives", Share: 1, Keeper: lives}
	return r
}

// Kinds are the reports' rows of the table, in the order in which they are read: a
// report is read once its life is.
func (r *Reports) Kinds() []*Kind { return []*Kind{&r.beside, &r.kind} }

// Put keeps as the newest report under key, for ttl, what report.AppendRecord and
// report.AppendLife write; life is empty where nothing is to be kept of it. Otherwise it
// is as Kind.Put.
func (r *Reports) Put(ctx context.Context, key fleet.Key, record, life []byte, ttl time.Duration) (revision int64, err error) {
	name, err := reportKey(key)
	if err != nil {
		return 0, err
	}
	op := Op{Key: name, Value: record, TTL: ttl}
	if len(life) == 0 {
		return r.kind.Put(ctx, op)
	}
	// Changes are told in the order of the ops: the life first.
	return r.kind.Put(ctx, Op{Beside: &r.beside, Key: name, Value: life, TTL: ttl}, op)
}

// Get returns the newest report under key, or nil.
func (r *Reports) Get(key fleet.Key) *fleet.Record {
	record, _ := r.of(key).Get(key)
	return record
}

func (r *Reports) of(key fleet.Key) *View[fleet.Key, *fleet.Record] {
	if key.Unlisted() {
		return r.unlisted
	}
	return r.listed
}

// EachUnlisted calls f with every record under a key of fleet.UnlistedKey.
func (r *Reports) EachUnlisted(f func(*fleet.Record)) {
	for _, record := range r.unlisted.All() {
		f(record)
	}
}

// Unlisted returns how many records are under keys of fleet.UnlistedKey, and
// whether one is under key.
func (r *Reports) Unlisted(key fleet.Key) (count int, has bool) {
	_, has = r.unlisted.Get(key)
	return r.unlisted.Len(), has
}

// Load implements Keeper.
func (r *Reports) Load(anew bool) (put func(Entry), done func(at int64)) {
	putListed, listed := r.listed.Load(anew)
	putUnlisted, unlisted := r.unlisted.Load(anew)
	var oldest int64
	put = func(e Entry) {
		if oldest == 0 || e.Created < oldest {
			oldest = e.Created
		}
		putListed(e)
		putUnlisted(e)
	}
	return put, func(at int64) {
		listed(at)
		unlisted(at)
		r.loadedAt, r.oldest = at, oldest
		if anew {
			r.counted, r.counting = 0, 0
		}
	}
}

// ResumeAfter implements Resumer: what no checkpoint has and was not told is told.
func (r *Reports) ResumeAfter() int64 {
	if r.counters == nil {
		return 0
	}
	checkpoint := r.counters.ResumeAfter()
	r.counted = max(r.counted, r.counting)
	if checkpoint == 0 && r.counted == 0 && r.oldest > 0 {
		// Nobody wrote a checkpoint yet: the reports of the keys that are there
		// count, as far back as etcd has them.
		r.counted = r.oldest - 1
	}
	r.counted = min(max(r.counted, checkpoint), r.loadedAt)
	return r.counted
}

// Apply implements Keeper.
func (r *Reports) Apply(e Entry) {
	key, ok := reportOf(e.Key)
	if !ok {
		return
	}
	if e.Revision > r.loadedAt {
		r.of(key).apply(key, e)
	}
	if e.Revision > r.counting {
		// Those of one transaction have one revision; the one before is complete.
		r.counted, r.counting = max(r.counted, r.counting), e.Revision
	}
	if e.Value != nil && r.counters != nil && e.Revision > r.counted {
		r.counters.Reported(key, e.Revision)
	}
}

// noNamespace stands for a namespace that is empty. No namespace is called so,
// nor does an unlisted key's begin so.
const noNamespace = "-"

// reportKey is where a pod's report is kept.
func reportKey(k fleet.Key) (string, error) {
	if k.Name == "" || k.Namespace == noNamespace || strings.Contains(k.Name, "/") || strings.Contains(k.Namespace, "/") {
		return "", fmt.Errorf("a report can't be kept under namespace %q and name %q", k.Namespace, k.Name)
	}
	if k.Namespace == "" {
		return noNamespace + "/" + k.Name, nil
	}
	return k.Namespace + "/" + k.Name, nil
}

// reportOf reads what reportKey wrote.
func reportOf(key string) (fleet.Key, bool) {
	namespace, name, ok := strings.Cut(key, "/")
	if !ok || namespace == "" || name == "" || strings.Contains(name, "/") {
		return fleet.Key{}, false
	}
	if namespace == noNamespace {
		namespace = ""
	}
	return fleet.Key{Namespace: namespace, Name: name}, true
}
