package store

import (
	"context"
	"errors"
	"fmt"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
)

// Fence is the right to write what the leader writes: it holds as long as the
// leader's key has the revision that it was created at. Package leader makes it.
type Fence struct {
	// Key is the leader's, in full.
	Key string
	// CreateRevision is what etcd says of Key.
	CreateRevision int64
}

// compare is the condition that f holds.
func (f Fence) compare() []*pb.Compare {
	return []*pb.Compare{{
		Key: []byte(f.Key), Target: pb.Compare_CREATE, Result: pb.Compare_EQUAL,
		TargetUnion: &pb.Compare_CreateRevision{CreateRevision: f.CreateRevision},
	}}
}

// Save writes ops while fence holds; ErrNotLeader says that it does not. What is more
// than one transaction takes is written in several, in the order of ops, of which the
// first ones may then be written and the others not. Other errors are those of Put.
func (k *Kind) Save(ctx context.Context, fence Fence, ops ...Op) error {
	if fence.Key == "" || fence.CreateRevision <= 0 {
		return ErrNotLeader
	}
	for len(ops) > 0 {
		n := fitting(ops)
		if err := k.saveGroup(ctx, fence, ops[:n]); err != nil {
			return err
		}
		ops = ops[n:]
	}
	return nil
}

// fitting is how many of ops go into one transaction, at least one.
func fitting(ops []Op) int {
	size := 0
	for i := range ops {
		if size += len(ops[i].Value); i == maxOps || i > 0 && size > maxBytes {
			return i
		}
	}
	return len(ops)
}

func (k *Kind) saveGroup(ctx context.Context, fence Fence, ops []Op) error {
	request := &pb.TxnRequest{Compare: fence.compare()}
	for i := range ops {
		if err := ops[i].validate(); err != nil {
			return err
		}
		lease, err := k.store.leases.get(ctx, ops[i].TTL)
		if err != nil {
			return explain(err)
		}
		request.Success = append(request.Success, ops[i].request(k.name(&ops[i]), lease))
	}
	response, err := k.store.etcd.kv.Txn(ctx, request)
	if err != nil {
		if err = explain(err); errors.Is(err, ErrNoSpace) {
			k.store.space.refused()
		}
		return fmt.Errorf("saving %s: %w", k.Name, err)
	}
	if !response.GetSucceeded() {
		return ErrNotLeader
	}
	return nil
}

// request is o as etcd takes it, under the key that is called so in full.
func (o *Op) request(name string, lease int64) *pb.RequestOp {
	key := []byte(name)
	if o.Value == nil {
		return &pb.RequestOp{Request: &pb.RequestOp_RequestDeleteRange{RequestDeleteRange: &pb.DeleteRangeRequest{Key: key}}}
	}
	put := &pb.RequestOp{Request: &pb.RequestOp_RequestPut{RequestPut: &pb.PutRequest{Key: key, Value: o.Value, Lease: lease}}}
	if !o.Once {
		return put
	}
	return &pb.RequestOp{Request: &pb.RequestOp_RequestTxn{RequestTxn: &pb.TxnRequest{
		Compare: []*pb.Compare{{
			Key: key, Target: pb.Compare_CREATE, Result: pb.Compare_EQUAL,
			TargetUnion: &pb.Compare_CreateRevision{CreateRevision: 0},
		}},
		Success: []*pb.RequestOp{put},
	}}}
}
