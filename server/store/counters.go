package store

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

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

// SaveCounters writes checkpoints by shard, and deletes those that are nil, while
// fence holds; ErrNotLeader says that it does not. What is more than one
// transaction takes is written in several, in the order of the shards' names, of
// which the first ones may then be written and the others not.
func (s *Store) SaveCounters(ctx context.Context, fence Fence, shards map[string][]byte) error {
	var ops []*pb.RequestOp
	size := 0
	for _, shard := range slices.Sorted(maps.Keys(shards)) {
		if shard == "" || strings.Contains(shard, "/") {
			return fmt.Errorf("there can't be a shard %q of the counters", shard)
		}
		data := shards[shard]
		if len(ops) > 0 && (len(ops) == maxOps || size+len(data) > maxBytes) {
			if err := s.saveFenced(ctx, fence, ops); err != nil {
				return err
			}
			ops, size = nil, 0
		}
		ops = append(ops, counterOp([]byte(s.tree.counter(shard)), data))
		size += len(data)
	}
	if len(ops) == 0 {
		return nil
	}
	return s.saveFenced(ctx, fence, ops)
}

func counterOp(key, data []byte) *pb.RequestOp {
	if data == nil {
		return &pb.RequestOp{Request: &pb.RequestOp_RequestDeleteRange{RequestDeleteRange: &pb.DeleteRangeRequest{Key: key}}}
	}
	return &pb.RequestOp{Request: &pb.RequestOp_RequestPut{RequestPut: &pb.PutRequest{Key: key, Value: data}}}
}

func (s *Store) saveFenced(ctx context.Context, fence Fence, ops []*pb.RequestOp) error {
	if fence.Key == "" || fence.CreateRevision <= 0 {
		return ErrNotLeader
	}
	response, err := s.etcd.kv.Txn(ctx, &pb.TxnRequest{
		Compare: []*pb.Compare{{
			Key: []byte(fence.Key), Target: pb.Compare_CREATE, Result: pb.Compare_EQUAL,
			TargetUnion: &pb.Compare_CreateRevision{CreateRevision: fence.CreateRevision},
		}},
		Success: ops,
	})
	if err != nil {
		err = explain(err)
		if errors.Is(err, ErrNoSpace) {
			s.space.refused()
		}
		return fmt.Errorf("writing the counters: %w", err)
	}
	if !response.GetSucceeded() {
		return ErrNotLeader
	}
	return nil
}

// Compact drops the revisions of etcd before that one, of all its keys. The
// counters can't be replayed from before it any more.
func (s *Store) Compact(ctx context.Context, revision int64) error {
	if err := s.etcd.compact(ctx, revision, false); err != nil {
		return fmt.Errorf("compacting etcd at revision %d: %w", revision, explain(err))
	}
	return nil
}
