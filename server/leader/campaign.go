package leader

import (
	"context"
	"errors"
	"fmt"
	"strconv"

	"github.com/golang/glog"
	"go.etcd.io/etcd/api/v3/mvccpb"
	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/netchecker/netchecker/pkg/wait"
	"github.com/netchecker/netchecker/server/store"
)

// The election is that of etcd's concurrency.Election: each candidate has a key
// under the prefix, bound to its session, and the one whose key was created first
// leads. Its Campaign resigns without a deadline when it is cancelled, though, so
// that a server could not end while etcd hangs; here the lease does that.

var errKeyDeleted = errors.New("its key in etcd was deleted")

// campaign returns when this server leads.
func (e *Elector) campaign(ctx context.Context, session clientv3.LeaseID) (store.Fence, error) {
	key := e.cfg.Prefix + strconv.FormatInt(int64(session), 16)
	created, err := e.enter(ctx, key, session)
	if err != nil {
		return store.Fence{}, err
	}
	for {
		candidates, revision, err := e.list(ctx, e.cfg.Prefix)
		if err != nil {
			return store.Fence{}, err
		}
		first, entered := place(candidates, key)
		switch {
		case !entered:
			return store.Fence{}, errKeyDeleted
		case string(first.GetKey()) == key:
			return store.Fence{Key: key, CreateRevision: created}, context.Cause(ctx)
		}
		glog.V(1).Infof("Server %s leads.", first.GetValue())
		if err := e.deletion(ctx, e.cfg.Prefix, revision+1); err != nil {
			return store.Fence{}, err
		}
	}
}

// place returns the candidate who leads, and whether key is among them.
func place(candidates []*mvccpb.KeyValue, key string) (first *mvccpb.KeyValue, entered bool) {
	for _, c := range candidates {
		if first == nil || c.GetCreateRevision() < first.GetCreateRevision() {
			first = c
		}
		entered = entered || string(c.GetKey()) == key
	}
	return first, entered
}

// enter makes this server a candidate.
func (e *Elector) enter(ctx context.Context, key string, session clientv3.LeaseID) (created int64, err error) {
	ctx, cancel := context.WithTimeout(ctx, callWithin)
	defer cancel()
	answer, err := e.cfg.Client.Txn(ctx).
		If(clientv3.Compare(clientv3.CreateRevision(key), "=", 0)).
		Then(clientv3.OpPut(key, e.cfg.Identity, clientv3.WithLease(session))).
		Commit()
	if err != nil {
		return 0, fmt.Errorf("becoming a candidate: %w", err)
	}
	if !answer.Succeeded {
		return 0, fmt.Errorf("becoming a candidate: there is a key %s already", key)
	}
	return answer.Header.GetRevision(), nil
}

// list returns the keys that begin with prefix, and the revision they were read at.
func (e *Elector) list(ctx context.Context, prefix string) (keys []*mvccpb.KeyValue, revision int64, err error) {
	ctx, cancel := context.WithTimeout(ctx, callWithin)
	defer cancel()
	answer, err := e.cfg.Client.Get(ctx, prefix, clientv3.WithPrefix())
	if err != nil {
		return nil, 0, fmt.Errorf("reading the candidates: %w", err)
	}
	return answer.Kvs, answer.Header.GetRevision(), nil
}

// deletion waits until a key that begins with prefix is deleted.
func (e *Elector) deletion(ctx context.Context, prefix string, from int64) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	watch := e.cfg.Client.Watch(clientv3.WithRequireLeader(ctx), prefix,
		clientv3.WithPrefix(), clientv3.WithRev(from), clientv3.WithFilterPut())
	for response := range watch {
		if err := response.Err(); err != nil {
			return fmt.Errorf("watching the candidates: %w", err)
		}
		if len(response.Events) > 0 {
			return nil
		}
	}
	if cause := context.Cause(ctx); cause != nil {
		return cause
	}
	return errors.New("etcd closed the watch of the candidates")
}

// guard ends the reign when the leader's key is gone though its session lives:
// somebody deleted it, and another server may lead.
func (e *Elector) guard(ctx context.Context, fence store.Fence, end context.CancelCauseFunc) {
	for ctx.Err() == nil {
		keys, revision, err := e.list(ctx, fence.Key)
		if err == nil {
			if len(keys) == 0 {
				end(errKeyDeleted)
				return
			}
			err = e.deletion(ctx, fence.Key, revision+1)
		}
		if err != nil {
			wait.For(ctx, pauseBetween)
		}
	}
}
