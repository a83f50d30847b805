package store

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"time"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"

	"github.com/netchecker/netchecker/server/fleet"
)

// Put keeps value under key for ttl, up to Config.LeaseBucket longer, and returns
// the revision at which etcd committed it. It owns value from now on, which must
// be what report.AppendRecord writes. Two puts of one key are committed in the
// order in which they were called.
//
// Put returns within Config.WriteTimeout, whatever etcd does. The error is
// ErrUnavailable, ErrNoSpace, ErrBusy or ErrTooLarge, wrapped with the cause; after
// ErrUnavailable the value may be stored all the same.
func (s *Store) Put(ctx context.Context, key fleet.Key, value []byte, ttl time.Duration) (revision int64, err error) {
	p := s.pool.Get().(*pending)
	p.key, p.value, p.ttl = key, value, ttl
	p.taken, p.dropped, p.next = false, false, nil
	p.deadline = time.Now().Add(s.cfg.WriteTimeout)
	if p.name, err = s.tree.appendAgent(p.name[:0], key); err == nil {
		err = s.queue.add(p)
	}
	if err != nil {
		s.recycle(p)
		return 0, err
	}
	p.timer.Reset(s.cfg.WriteTimeout)
	select {
	case r := <-p.reply:
		p.timer.Stop()
		s.recycle(p)
		return r.revision, r.err
	case <-p.timer.C:
		err = fmt.Errorf("%w within %v", ErrUnavailable, s.cfg.WriteTimeout)
	case <-ctx.Done():
		p.timer.Stop()
		err = fmt.Errorf("%w before the request ended: %w", ErrUnavailable, context.Cause(ctx))
	}
	// A writer may still have p, so it does not go back to the pool.
	s.queue.drop(p)
	return 0, err
}

// recycle is for puts that nobody else has.
func (s *Store) recycle(p *pending) {
	p.value = nil
	s.pool.Put(p)
}

// writer writes one group after the other. Its request is used again and again:
// a call has done with it when it returns.
type writer struct {
	s       *Store
	group   []*pending
	request pb.TxnRequest
	success []*pb.RequestOp
	puts    []*pb.PutRequest
	// used are the leases of the request.
	used []int64
}

func newWriter(s *Store) *writer {
	w := &writer{s: s, group: make([]*pending, 0, maxOps)}
	for range maxOps {
		put := &pb.PutRequest{}
		w.puts = append(w.puts, put)
		w.success = append(w.success, &pb.RequestOp{Request: &pb.RequestOp_RequestPut{RequestPut: put}})
	}
	return w
}

// run writes until the queue is closed. A group that was taken is answered first.
func (w *writer) run() {
	for {
		w.group = w.s.queue.take(w.group[:0])
		if len(w.group) == 0 {
			return
		}
		w.commit(w.group)
		clear(w.group)
		// Those who were just answered may have more to put: let them, so that
		// the next group is not the one of them who was fastest.
		runtime.Gosched()
	}
}

// commit writes group, in halves if it is more than etcd takes, and answers it.
func (w *writer) commit(group []*pending) {
	began := time.Now()
	// When nobody waits any more, there is no point in going on.
	ctx, cancel := context.WithDeadline(context.Background(), latest(group))
	revision, err := w.write(ctx, group)
	cancel()
	if tooLarge(err) && len(group) > 1 {
		if is(err, rpctypes.ErrTooManyOps) {
			w.s.queue.smaller(len(group) / 2)
		}
		half := len(group) / 2
		w.commit(group[:half])
		w.commit(group[half:])
		return
	}
	w.s.cfg.Observer.Group(len(group), time.Since(began), err)
	w.answer(group, revision, w.explain(err, group))
}

func (w *writer) explain(err error, group []*pending) error {
	if tooLarge(err) {
		return fmt.Errorf("%w: %d bytes", ErrTooLarge, len(group[0].value))
	}
	err = explain(err)
	if errors.Is(err, ErrNoSpace) {
		w.s.space.refused()
	}
	return err
}

func (w *writer) answer(group []*pending, revision int64, err error) {
	if err == nil {
		w.s.follower.expect(revision)
	}
	w.s.queue.done(group)
	for _, p := range group {
		p.reply <- reply{revision, err}
	}
}

// write commits group in one transaction.
func (w *writer) write(ctx context.Context, group []*pending) (revision int64, err error) {
	revision, err = w.try(ctx, group)
	if is(err, rpctypes.ErrLeaseNotFound) {
		// Etcd lost it, or somebody revoked it.
		w.s.leases.forget(w.used)
		revision, err = w.try(ctx, group)
	}
	return revision, err
}

func (w *writer) try(ctx context.Context, group []*pending) (revision int64, err error) {
	w.used = w.used[:0]
	for i, p := range group {
		id, err := w.s.leases.get(ctx, p.ttl)
		if err != nil {
			return 0, err
		}
		if len(w.used) == 0 || w.used[len(w.used)-1] != id {
			w.used = append(w.used, id)
		}
		put := w.puts[i]
		put.Key, put.Value, put.Lease = p.name, p.value, id
	}
	w.request.Success = w.success[:len(group)]
	response, err := w.s.etcd.kv.Txn(ctx, &w.request)
	for _, put := range w.puts[:len(group)] {
		put.Key, put.Value = nil, nil
	}
	if err != nil {
		return 0, err
	}
	return response.GetHeader().GetRevision(), nil
}

func latest(group []*pending) time.Time {
	last := group[0].deadline
	for _, p := range group[1:] {
		if p.deadline.After(last) {
			last = p.deadline
		}
	}
	return last
}
