package store

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/netchecker/netchecker/server/fleet"
)

// shortGap is how many proofs may be missing before a gap counts against Steady.
const shortGap = 3

// currency is how current the view is known to be.
type currency struct {
	// limit is the age from which on the view is not current.
	limit time.Duration
	now   func() time.Time

	mu   sync.Mutex
	last fleet.Freshness
	err  error
}

func newCurrency(limit time.Duration, now func() time.Time) *currency {
	return &currency{limit: limit, now: now, err: errNotRead}
}

// proveEvery is the time between two proofs.
func (c *currency) proveEvery() time.Duration { return min(time.Second, c.limit/4) }

// confirm notes that the view has all that was committed before asOf. Where the
// time since the last confirmation was too long, whether etcd or this process was
// away, listening begins now.
func (c *currency) confirm(asOf time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	gap := asOf.Sub(c.last.AsOf)
	if c.last.AsOf.IsZero() || gap > c.limit {
		c.last.Since, c.last.Unbroken = c.now(), c.now()
	}
	if gap > shortGap*c.proveEvery() {
		c.last.Unbroken = c.now()
	}
	c.last.AsOf, c.err = asOf, nil
}

// lose notes that the view is worth nothing, because etcd has another history.
func (c *currency) lose(err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.last, c.err = fleet.Freshness{}, err
}

func (c *currency) fail(err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.err = err
}

func (c *currency) get() fleet.Freshness {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.blind() {
		return fleet.Freshness{AsOf: c.last.AsOf}
	}
	return c.last
}

// blind is called with c.mu held.
func (c *currency) blind() bool { return c.last.AsOf.IsZero() || c.now().Sub(c.last.AsOf) > c.limit }

func (c *currency) trouble() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case !c.blind():
		return ""
	case c.err != nil:
		return c.err.Error()
	}
	// A confirmation is overdue, and the attempt at one has not failed yet.
	return fmt.Sprintf("%v: nothing heard for %v", ErrUnavailable, c.now().Sub(c.last.AsOf).Round(100*time.Millisecond))
}

// probe proves about once a second how current the view is, until ctx ends.
func (s *Store) probe(ctx context.Context) {
	ticker := time.NewTicker(s.currency.proveEvery())
	defer ticker.Stop()
	for {
		s.proveOnce(ctx)
		s.view.changed.Send()
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return
		}
	}
}

func (s *Store) proveOnce(ctx context.Context) {
	began := s.cfg.Now()
	answers, err := s.prove(ctx)
	if err == nil {
		s.currency.confirm(began)
		return
	}
	s.currency.fail(err)
	// Etcd answers, but the watch does not tell what it should: another may.
	if answers && s.follower.stuckFor(s.cfg.Now()) > s.cfg.PingTimeout {
		s.follower.renew()
	}
}

// prove returns nil if the view has all that was committed before the call;
// answers says whether etcd answered at all. It takes half of PingTimeout at most,
// so that a second attempt, maybe at another member of etcd, comes in time.
func (s *Store) prove(ctx context.Context) (answers bool, err error) {
	ctx, cancel := context.WithTimeout(ctx, s.cfg.PingTimeout/2)
	defer cancel()
	cluster, position, loaded := s.follower.known()
	header, err := s.etcd.revision(ctx, s.tree)
	if err != nil {
		return false, err
	}
	if loaded && (header.GetClusterId() != cluster || header.GetRevision() < position) {
		s.follower.wentBack()
		err := fmt.Errorf("etcd was at revision %d and is at %d now: it was set back or replaced, and is read anew", position, header.GetRevision())
		s.currency.lose(err)
		return true, err
	}
	return true, s.follower.reach(ctx, header.GetRevision())
}
