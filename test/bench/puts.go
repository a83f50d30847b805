package main

import (
	"context"
	"fmt"
	"sync/atomic"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"
	"golang.org/x/sync/errgroup"

	"github.com/netchecker/netchecker/test/etcdtest"
)

// puts writes the values of a crew one by one, each under a key of its own like
// the server's, all with one lease.
type puts struct {
	client       *clientv3.Client
	lease        clientv3.LeaseID
	keys, values []string
}

func (s *stage) newPuts(ctx context.Context, etcd *etcdtest.Server, crew []agent) (*puts, error) {
	client, err := etcd.Connect()
	if err != nil {
		return nil, fmt.Errorf("connecting to etcd: %w", err)
	}
	s.onEnd(client.Close)
	lease, err := client.Grant(ctx, int64(time.Hour/time.Second))
	if err != nil {
		return nil, fmt.Errorf("granting a lease: %w", err)
	}
	p := &puts{client: client, lease: lease.ID}
	for _, a := range crew {
		// Not below the server's own tree, which it watches.
		p.keys = append(p.keys, "comparison/agents/"+namespace+"/"+a.name)
		p.values = append(p.values, string(a.record(steadyInterval)))
	}
	return p, nil
}

// flood puts as fast as etcd answers, from as many goroutines as there are
// senders, for d, and returns how many puts were answered per second.
func (p *puts) flood(ctx context.Context, d time.Duration) (perSecond float64, err error) {
	var answered atomic.Int64
	began := time.Now()
	end := began.Add(d)
	group, ctx := errgroup.WithContext(ctx)
	for first := range senders {
		group.Go(func() error {
			for i := first; time.Now().Before(end); i += senders {
				at := i % len(p.keys)
				if _, err := p.client.Put(ctx, p.keys[at], p.values[at], clientv3.WithLease(p.lease)); err != nil {
					return fmt.Errorf("putting into etcd: %w", err)
				}
				answered.Add(1)
			}
			return nil
		})
	}
	err = group.Wait()
	return float64(answered.Load()) / time.Since(began).Seconds(), err
}
