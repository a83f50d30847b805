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
// buckets are of this process and its clock; servers do not share them.
type leases struct {
	client pb.LeaseClient
	bucket time.Duration
	now    func() time.Time
	// start is when the buckets begin to be counted.
	start time.Time

	mu       sync.Mutex
	byBucket map[int64]*lease
}

// lease is granted by who asks for it first; others wait until it is.
type lease struct {
	granted chan struct{} // closed when id or err is set
	id      int64
	err     error
}

func newLeases(client pb.LeaseClient, bucket time.Duration, now func() time.Time) *leases {
	return &leases{client: client, bucket: bucket, now: now, start: now(), byBucket: make(map[int64]*lease)}
}

// get returns a lease that lasts for ttl at least, and a bucket longer at most.
func (l *leases) get(ctx context.Context, ttl time.Duration) (int64, error) {
	elapsed := l.now().Sub(l.start)
	// The first bucket that ends no earlier than the key may.
	bucket := int64((elapsed + ttl + l.bucket - 1) / l.bucket)
	l.mu.Lock()
	found := l.byBucket[bucket]
	if found == nil {
		found = &lease{granted: make(chan struct{})}
		l.byBucket[bucket] = found
		l.sweep(elapsed)
		l.mu.Unlock()
		l.grant(ctx, bucket, found, time.Duration(bucket)*l.bucket-elapsed)
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

func (l *leases) grant(ctx context.Context, bucket int64, into *lease, lasting time.Duration) {
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
	if l.byBucket[bucket] == into {
		delete(l.byBucket, bucket)
	}
}

// sweep lets go of the leases whose bucket has ended.
func (l *leases) sweep(elapsed time.Duration) {
	for bucket := range l.byBucket {
		if time.Duration(bucket)*l.bucket < elapsed {
			delete(l.byBucket, bucket)
		}
	}
}

// forget lets go of leases that etcd does not know.
func (l *leases) forget(ids []int64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for bucket, held := range l.byBucket {
		select {
		case <-held.granted:
			if slices.Contains(ids, held.id) {
				delete(l.byBucket, bucket)
			}
		default:
		}
	}
}
