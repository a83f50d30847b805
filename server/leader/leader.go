// Package leader elects one of the servers that share an etcd, for what must be
// done by one alone, and does it: a list of duties (duty.go), each at its own pace.
//
// The election is in etcd and not in Kubernetes, because every server has an
// etcd, it needs no right in the cluster, and the leader's key fences what the
// leader writes: a server that was stopped while another took over can't write
// any more, whatever it believes of itself.
//
// A leader keeps a session, a lease of etcd, alive. When it ends its reign by
// itself, another takes over at once; when it dies or is cut off, after the
// session's time to live.
package leader

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/golang/glog"
	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	clientv3 "go.etcd.io/etcd/client/v3"
	"go.etcd.io/etcd/client/v3/concurrency"

	"github.com/netchecker/netchecker/pkg/wait"
	"github.com/netchecker/netchecker/server/store"
)

// Config is what an Elector needs.
type Config struct {
	Client *clientv3.Client
	// Prefix begins the keys of the election: store.LeaderPrefix.
	Prefix string
	// Identity names this server among the others, for people.
	Identity string
	// SessionTTL is how long a leader that died stays one. In whole seconds;
	// default 10 s.
	SessionTTL time.Duration
}

// Lead is what the leader does. It returns soon after ctx ended, and may return
// earlier: the reign is over then, and another server, or this one, begins one.
type Lead func(ctx context.Context, fence store.Fence) error

// Elector takes part in the election. Its methods may be called at any time.
type Elector struct {
	cfg Config

	leading atomic.Bool
}

// New returns an Elector that does nothing before Run.
func New(cfg Config) *Elector {
	if cfg.SessionTTL <= 0 {
		cfg.SessionTTL = 10 * time.Second
	}
	return &Elector{cfg: cfg}
}

// Leading says whether this server leads, as far as it knows.
func (e *Elector) Leading() bool { return e.leading.Load() }

const (
	// callWithin bounds the calls of etcd that should be answered at once.
	callWithin = 3 * time.Second
	// pauseBetween is how long a server that lost a session, or could not get
	// one, waits before the next.
	pauseBetween = time.Second
)

// Run campaigns, calls lead while this server leads, and campaigns again, until
// ctx ends. It waits for lead, and then lets another server take over. Outages of
// etcd end a reign and nothing else; the error is nil.
func (e *Elector) Run(ctx context.Context, lead Lead) error {
	for ctx.Err() == nil {
		if err := e.session(ctx, lead); err != nil && ctx.Err() == nil {
			glog.V(1).Infof("Electing a leader: %v", err)
		}
		wait.For(ctx, pauseBetween)
	}
	return nil
}

// session campaigns in one session, and leads at most once.
func (e *Elector) session(ctx context.Context, lead Lead) (err error) {
	session, end, err := e.begin(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, end()) }()
	// What is done in the session ends when the session does.
	within, cancel := context.WithCancelCause(ctx)
	var watchers sync.WaitGroup
	defer watchers.Wait()
	defer cancel(nil)
	watchers.Go(func() {
		select {
		case <-session.Done():
			cancel(errors.New("its session with etcd was lost"))
		case <-within.Done():
		}
	})
	fence, err := e.campaign(within, session.Lease())
	if err != nil {
		return fmt.Errorf("campaigning: %w", err)
	}
	watchers.Go(func() { e.guard(within, fence, cancel) })
	return e.reign(within, fence, lead)
}

func (e *Elector) reign(ctx context.Context, fence store.Fence, lead Lead) error {
	e.leading.Store(true)
	defer e.leading.Store(false)
	glog.Infof("This server (%s) leads.", e.cfg.Identity)
	err := lead(ctx, fence)
	if cause := context.Cause(ctx); cause != nil {
		glog.Infof("This server (%s) does not lead any more: %v", e.cfg.Identity, cause)
	}
	if err != nil {
		return fmt.Errorf("leading: %w", err)
	}
	return nil
}

// begin makes a session. end gives it up, and with it what was won: another
// server takes over at once.
func (e *Elector) begin(ctx context.Context) (session *concurrency.Session, end func() error, err error) {
	granting, cancel := context.WithTimeout(ctx, callWithin)
	defer cancel()
	lease, err := e.cfg.Client.Grant(granting, int64((e.cfg.SessionTTL+time.Second-1)/time.Second))
	if err != nil {
		return nil, nil, fmt.Errorf("asking etcd for a session: %w", err)
	}
	// The session outlives ctx, for lead to finish under it.
	living, die := context.WithCancel(context.WithoutCancel(ctx))
	session, err = concurrency.NewSession(e.cfg.Client, concurrency.WithLease(lease.ID), concurrency.WithContext(living))
	if err != nil {
		die()
		return nil, nil, fmt.Errorf("beginning a session with etcd: %w", err)
	}
	return session, func() error {
		die()
		session.Orphan()
		return e.revoke(context.WithoutCancel(ctx), lease.ID)
	}, nil
}

// revoke deletes whatever is kept under the lease. Where that fails, etcd does so
// after the session's time to live.
func (e *Elector) revoke(ctx context.Context, id clientv3.LeaseID) error {
	ctx, cancel := context.WithTimeout(ctx, callWithin)
	defer cancel()
	if _, err := e.cfg.Client.Revoke(ctx, id); err != nil && !errors.Is(err, rpctypes.ErrLeaseNotFound) {
		return fmt.Errorf("ending the session with etcd: %w", err)
	}
	return nil
}
