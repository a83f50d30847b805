package store

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"time"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
)

func (s *Store) put(ctx context.Context, k *Kind, ops []Op) (revision int64, err error) {
	p := s.pool.Get().(*pending)
	p.deadline = time.Now().Add(s.cfg.WriteTimeout)
	if err = p.fill(k, ops); err == nil {
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
	for i := range p.ops {
		p.ops[i] = pendingOp{key: p.ops[i].key}
	}
	s.pool.Put(p)
}

// writer writes one group after the other. Its request is used again and again:
// a call has done with it when it returns.
type writer struct {
	s       *Store
	group   []*pending
	request pb.TxnRequest
	// plain are the requests of ordinary puts, made ahead, and puts what is in them.
	plain []*pb.RequestOp
	puts  []*pb.PutRequest
	// used are the leases of the request.
	used []int64
}

func newWriter(s *Store) *writer {
	w := &writer{s: s, group: make([]*pending, 0, maxOps)}
	for range maxOps {
		put := &pb.PutRequest{}
		w.puts = append(w.puts, put)
		w.plain = append(w.plain, &pb.RequestOp{Request: &pb.RequestOp_RequestPut{RequestPut: put}})
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
	revision, wrote, err := w.write(ctx, group)
	cancel()
	if tooLarge(err) && len(group) > 1 {
		if is(err, rpctypes.ErrTooManyOps) {
			w.s.queue.smaller(len(w.request.Success) / 2)
		}
		half := len(group) / 2
		w.commit(group[:half])
		w.commit(group[half:])
		return
	}
	w.s.cfg.Observer.Group(len(group), time.Since(began), err)
	if wrote {
		w.s.follower.expect(revision)
	}
	w.answer(group, revision, w.explain(err, group))
}

func (w *writer) explain(err error, group []*pending) error {
	if tooLarge(err) {
		return fmt.Errorf("%w: %d bytes", ErrTooLarge, group[0].bytes)
	}
	err = explain(err)
	if errors.Is(err, ErrNoSpace) {
		w.s.space.refused()
	}
	return err
}

func (w *writer) answer(group []*pending, revision int64, err error) {
	w.s.queue.done(group)
	for _, p := range group {
		p.reply <- reply{revision, err}
	}
}

// write commits group in one transaction. wrote says that this made an event, which
// the deletion of a key that is not there and a second copy do not.
func (w *writer) write(ctx context.Context, group []*pending) (revision int64, wrote bool, err error) {
	response, err := w.try(ctx, group)
	if is(err, rpctypes.ErrLeaseNotFound) {
		// Etcd lost it, or somebody revoked it.
		w.s.leases.forget(w.used)
		response, err = w.try(ctx, group)
	}
	if err != nil {
		return 0, false, err
	}
	return response.GetHeader().GetRevision(), changed(response), nil
}

// changed says whether a transaction changed anything.
func changed(response *pb.TxnResponse) bool {
	for _, r := range response.GetResponses() {
		switch {
		case r.GetResponsePut() != nil,
			r.GetResponseTxn().GetSucceeded(),
			r.GetResponseDeleteRange().GetDeleted() > 0:
			return true
		}
	}
	return false
}

func (w *writer) try(ctx context.Context, group []*pending) (*pb.TxnResponse, error) {
	if err := w.build(ctx, group); err != nil {
		return nil, err
	}
	response, err := w.s.etcd.kv.Txn(ctx, &w.request)
	for _, put := range w.puts {
		if put.Key == nil {
			break
		}
		put.Key, put.Value = nil, nil
	}
	return response, err
}

// build makes the request of group.
func (w *writer) build(ctx context.Context, group []*pending) error {
	w.used, w.request.Success = w.used[:0], w.request.Success[:0]
	plain := 0
	for _, p := range group {
		var id int64
		for i := range p.ops {
			op := &p.ops[i]
			// Asked for twice, a lease may be that of the next bucket.
			if i == 0 || op.TTL != p.ops[i-1].TTL {
				var err error
				if id, err = w.lease(ctx, op.TTL); err != nil {
					return err
				}
			}
			if op.Once || op.Value == nil {
				w.request.Success = append(w.request.Success, op.request(op.name, id))
				continue
			}
			put := w.puts[plain]
			put.Key, put.Value, put.Lease = op.key, op.Value, id
			w.request.Success = append(w.request.Success, w.plain[plain])
			plain++
		}
	}
	return nil
}

// lease returns a lease for a key that is kept so long, and notes its use; 0 where it
// is kept for good.
func (w *writer) lease(ctx context.Context, ttl time.Duration) (int64, error) {
	id, err := w.s.leases.get(ctx, ttl)
	if err == nil && (len(w.used) == 0 || w.used[len(w.used)-1] != id) {
		w.used = append(w.used, id)
	}
	return id, err
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
