package store

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
)

// leases has one lease for each bucket of time in which keys are to expire. The
// buckets are of this process and its clock; servers do not share them. They grow with
// the time to live, so that keys which are kept for a day take few more leases than
// those which are kept for minutes.
type leases struct {
	client pb.LeaseClient
	// shortest is the length of the smallest buckets.
	shortest time.Duration
	now      func() time.Time
	// start is when the buckets begin to be counted.
	start time.Time

	mu       sync.Mutex
	byBucket map[bucket]*lease
}

// bucket is a stretch of time: the n-th of that length since the start.
type bucket struct {
	length time.Duration
	n      int64
}

func (b bucket) end() time.Duration { return time.Duration(b.n) * b.length }

// bucketsOfTTL is about how many buckets keys of one time to live are spread over.
const bucketsOfTTL = 16

// bucketFor is the first bucket that ends no earlier than a key may that is written
// after so long and kept for ttl. Its length is the shortest, doubled while that is
// no more than a part of the ttl.
func (l *leases) bucketFor(elapsed, ttl time.Duration) bucket {
	length := l.shortest
	for 2*length <= ttl/bucketsOfTTL {
		length *= 2
	}
	return bucket{length, int64((elapsed + ttl + length - 1) / length)}
}

// lease is granted by who asks for it first; others wait until it is.
type lease struct {
	granted chan struct{} // closed when id or err is set
	id      int64
	err     error
}

func newLeases(client pb.LeaseClient, shortest time.Duration, now func() time.Time) *leases {
	return &leases{client: client, shortest: shortest, now: now, start: now(), byBucket: make(map[bucket]*lease)}
}

// get returns a lease that lasts for ttl at least, and a bucket longer at most; 0,
// which is none, where there is no ttl.
func (l *leases) get(ctx context.Context, ttl time.Duration) (int64, error) {
	if ttl <= 0 {
		return 0, nil
	}
	elapsed := l.now().Sub(l.start)
	b := l.bucketFor(elapsed, ttl)
	l.mu.Lock()
	found := l.byBucket[b]
	if found == nil {
		found = &lease{granted: make(chan struct{})}
		l.byBucket[b] = found
		l.sweep(elapsed)
		l.mu.Unlock()
		l.grant(ctx, b, found, b.end()-elapsed)
		return found.id, found.err
	}
	l.mu.Unlock()
	select {
	case <-found.granted:
		return found.id, found.err
	case <-ctx.Done():
		return 0, fmt.Errorf("waiting for a lease: %w", ctx.Err())
	}
}

func (l *leases) grant(ctx context.Context, b bucket, into *lease, lasting time.Duration) {
	defer close(into.granted)
	// Etcd counts whole seconds.
	seconds := int64((lasting + time.Second - 1) / time.Second)
	response, err := l.client.LeaseGrant(ctx, &pb.LeaseGrantRequest{TTL: seconds})
	if err == nil {
		into.id = response.GetID()
		return
	}
	into.err = err
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.byBucket[b] == into {
		delete(l.byBucket, b)
	}
}

// sweep lets go of the leases whose bucket has ended.
func (l *leases) sweep(elapsed time.Duration) {
	for b := range l.byBucket {
		if b.end() < elapsed {
			delete(l.byBucket, b)
		}
	}
}

// forget lets go of leases that etcd does not know.
func (l *leases) forget(ids []int64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for b, held := range l.byBucket {
		select {
		case <-held.granted:
			if slices.Contains(ids, held.id) {
				delete(l.byBucket, b)
			}
		default:
		}
	}
}
