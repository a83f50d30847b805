// Package store keeps reports and counters in etcd, and has a view of them in
// memory that every server sharing that etcd holds alike.
//
// Writes are grouped: whatever waits goes into one transaction, a few of which are
// under way at a time, so that etcd's cost of a write (a round of consensus, an
// fsync) is paid once for many reports. Put returns when etcd has committed.
// Keys expire by leases, which are shared by time bucket and only collect garbage.
//
// Reads cost etcd nothing: the view is read once, in pages at one revision, and
// then kept by a watch. How current it is, is proved about once a second: ask etcd
// by a linearizable read which revision it is at, then have the watch confirm
// that it has told everything up to there. The view then holds whatever was
// committed before the question was put. Whatever hangs (etcd, the watch, a
// partition) shows as a proof that does not come, and so as a view that gets old.
//
// Keys, under the tree of the configuration:
//
//	agents/<namespace>/<pod>  the newest report of a pod
//	counters/<shard>          a checkpoint of the counters
//	leader/...                the election, see package leader
//
// It speaks to etcd 3.4 and newer. Releases before 3.4.25 and 3.5.8 may confirm a
// watch that is a few events behind (etcd issue 15220), so confirmations are not
// believed before the events that this server knows of have come.
package store

import (
	"context"
	"sync"
	"time"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/netchecker/netchecker/server/fleet"
)

// Store is safe for use by many goroutines. Run has to be running for anything
// to come of a Put or into the view.
type Store struct {
	cfg    Config
	tree   tree
	client *clientv3.Client
	etcd   etcd

	queue    *queue
	pool     sync.Pool
	leases   *leases
	view     *view
	follower *follower
	currency *currency
	space    *space
	close    func() error
}

// etcd is the client's connection, called without the client's own retries: the
// store has deadlines and retries of its own, and wants to know the cause of a
// failure rather than that the last retry was cut short.
type etcd struct {
	kv          pb.KVClient
	lease       pb.LeaseClient
	maintenance pb.MaintenanceClient
}

// Open checks cfg and the files it names. It never waits for etcd, which may come
// later. The Store is closed by Run, or by Close where Run is never called.
func Open(cfg Config) (*Store, error) {
	cfg.setDefaults()
	client, err := connect(&cfg)
	if err != nil {
		return nil, err
	}
	conn := client.ActiveConnection()
	s := &Store{
		cfg:    cfg,
		tree:   newTree(cfg.Tree),
		client: client,
		etcd:   etcd{pb.NewKVClient(conn), pb.NewLeaseClient(conn), pb.NewMaintenanceClient(conn)},
		queue:  newQueue(),
		view:   newView(),
		close:  sync.OnceValue(client.Close),
	}
	s.pool.New = func() any { return newPending() }
	s.leases = newLeases(s.etcd.lease, cfg.LeaseBucket, cfg.Now)
	s.follower = newFollower(s)
	s.currency = newCurrency(cfg.PingTimeout, cfg.Now)
	s.space = newSpace(s.etcd, cfg.Own)
	return s, nil
}

// Run writes, watches and probes until ctx ends, and returns nil when all of that
// has ended and the connection is closed. It survives any outage of etcd. Run is
// called once.
func (s *Store) Run(ctx context.Context) error {
	defer s.Close()
	defer context.AfterFunc(ctx, s.queue.close)()
	var parts sync.WaitGroup
	for range s.cfg.InFlight {
		parts.Go(newWriter(s).run)
	}
	parts.Go(func() { s.follower.run(ctx) })
	parts.Go(func() { s.probe(ctx) })
	parts.Go(func() { s.space.run(ctx) })
	parts.Wait()
	return nil
}

// Close closes the connection to etcd. Nothing can be done with s afterwards.
func (s *Store) Close() error {
	s.queue.close()
	return s.close()
}

// Client is the client of the same etcd, for elections. It is closed with s.
func (s *Store) Client() *clientv3.Client { return s.client }

// LeaderPrefix begins the keys of the election.
func (s *Store) LeaderPrefix() string { return s.tree.leader() }

// Get returns the newest report under key, or nil.
func (s *Store) Get(key fleet.Key) *fleet.Record { return s.view.get(key) }

// Len is how many records the view has.
func (s *Store) Len() int { return s.view.len() }

// Each calls f with every record of the view, in no order.
func (s *Store) Each(f func(*fleet.Record)) {
	for _, r := range s.view.all() {
		f(r)
	}
}

// EachUnlisted calls f with every record under a key of fleet.UnlistedKey.
func (s *Store) EachUnlisted(f func(*fleet.Record)) {
	for _, r := range s.view.allUnlisted() {
		f(r)
	}
}

// Unlisted returns how many records are under keys of fleet.UnlistedKey, and
// whether one is under key.
func (s *Store) Unlisted(key fleet.Key) (count int, has bool) { return s.view.unlistedHas(key) }

// CurrentAsOf is a moment before which nothing was committed that the view does
// not have. Zero: the view was never read.
func (s *Store) CurrentAsOf() time.Time { return s.currency.get().AsOf }

// ListeningSince is since when the view has been current without a gap longer
// than Config.PingTimeout. Zero: never, or not now.
func (s *Store) ListeningSince() time.Time { return s.currency.get().Since }

// Freshness is both of these and more, as of one moment.
func (s *Store) Freshness() fleet.Freshness { return s.currency.get() }

// Trouble says in a few words why the view is not current, or "" where it is.
func (s *Store) Trouble() string { return s.currency.trouble() }

// Changed is closed by the next change of the view or of the Freshness. Any number of
// readers may wait for it; one that takes it before it looks misses none.
func (s *Store) Changed() <-chan struct{} { return s.view.changed.Next() }

// Revision is the revision of etcd up to which the view and the counters have
// everything; 0 before the view was read.
func (s *Store) Revision() int64 { return s.follower.at() }

// Status is the store's health in plain data.
type Status struct {
	// Trouble is that of Store.Trouble.
	Trouble string
	// Revision is that of Store.Revision.
	Revision int64
	// OutOfSpace says that etcd refuses writes for want of space.
	OutOfSpace bool
	// DatabaseBytes is the size of etcd's database; 0 where it is not known.
	DatabaseBytes int64
}

// Status is what was last found out; it asks nobody.
func (s *Store) Status() Status {
	full, size := s.space.last()
	return Status{Trouble: s.Trouble(), Revision: s.Revision(), OutOfSpace: full, DatabaseBytes: size}
}

// Check asks etcd for a linearizable read and for its alarms, and says whether the
// view was read at all. The error says in an operator's words what is wrong.
func (s *Store) Check(ctx context.Context) error {
	if _, err := s.etcd.revision(ctx, s.tree); err != nil {
		return err
	}
	if s.CurrentAsOf().IsZero() {
		return errNotRead
	}
	return s.space.look(ctx)
}
