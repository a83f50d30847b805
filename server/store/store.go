package store

import (
	"cmp"
	"context"
	"sync"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/netchecker/netchecker/pkg/wait"
	"github.com/netchecker/netchecker/server/fleet"
)

// Store is safe for use by many goroutines. Run has to be running for anything
// to come of a Put or into the views.
type Store struct {
	cfg    Config
	tree   tree
	kinds  []*Kind
	client *clientv3.Client
	etcd   etcd

	queue     *queue
	pool      sync.Pool
	leases    *leases
	follower  *follower
	freshness *freshness
	space     *space
	changed   wait.Broadcast
	close     func() error
}

// etcd is the client's connection, called without the client's own retries: the
// store has deadlines and retries of its own, and wants to know the cause of a
// failure rather than that the last retry was cut short.
type etcd struct {
	kv          pb.KVClient
	lease       pb.LeaseClient
	maintenance pb.MaintenanceClient
}

// Open checks cfg and the files it names, and makes kinds the table of what is kept;
// the first of them is read first. It never waits for etcd, which may come later. The
// Store is closed by Run, or by Close where Run is never called.
func Open(cfg Config, kinds ...*Kind) (*Store, error) {
	cfg.setDefaults()
	client, err := connect(&cfg)
	if err != nil {
		return nil, err
	}
	conn := client.ActiveConnection()
	s := &Store{
		cfg:    cfg,
		tree:   newTree(cfg.Tree),
		kinds:  kinds,
		client: client,
		etcd:   etcd{pb.NewKVClient(conn), pb.NewLeaseClient(conn), pb.NewMaintenanceClient(conn)},
		close:  sync.OnceValue(client.Close),
	}
	s.pool.New = func() any { return newPending() }
	s.queue = newQueue(s.register()...)
	s.leases = newLeases(s.etcd.lease, cfg.LeaseBucket, cfg.Now)
	s.follower = newFollower(s)
	s.freshness = newFreshness(cfg.PingTimeout, cfg.Now)
	s.space = newSpace(s.etcd, cfg.Own)
	return s, nil
}

// defaultShare is that of kinds of which little is written.
const defaultShare = 1024

// register tells each kind where it belongs, and returns their lanes.
func (s *Store) register() []*lane {
	lanes := make([]*lane, len(s.kinds))
	for i, k := range s.kinds {
		k.store, k.prefix = s, s.tree.kind(k.Name)
		k.lane.share = cmp.Or(k.Share, defaultShare)
		k.lane.bound = cmp.Or(k.Waiting, k.lane.share)
		lanes[i] = &k.lane
	}
	return lanes
}

// Run writes, watches and confirms until ctx ends, and returns nil when all of that
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
	parts.Go(func() { s.keepConfirming(ctx) })
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

// Freshness is how current the views are known to be. A view that was never read, or
// not confirmed for Config.PingTimeout, is not being listened to.
func (s *Store) Freshness() fleet.Freshness { return s.freshness.get() }

// Trouble says in a few words why the views are not current, or "" where they are.
func (s *Store) Trouble() string { return s.freshness.trouble() }

// Changed is closed by the next change of a view or of the Freshness. Any number of
// readers may wait for it; one that takes it before it looks at a view misses none.
func (s *Store) Changed() <-chan struct{} { return s.changed.Next() }

// OutOfSpace says that etcd refuses writes for want of space, as far as was last
// found out.
func (s *Store) OutOfSpace() bool { return s.space.last() }

// Check asks etcd for a linearizable read and for its alarms, and says whether the
// views were read at all. The error says in an operator's words what is wrong.
func (s *Store) Check(ctx context.Context) error {
	if _, err := s.etcd.revision(ctx, s.tree); err != nil {
		return err
	}
	if s.Freshness().AsOf.IsZero() {
		return errNotRead
	}
	return s.space.look(ctx)
}
