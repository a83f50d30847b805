package sender

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"sync"
	"time"

	"github.com/netchecker/netchecker/pkg/report"
)

const (
	// patience is how long a lookup is waited for where there is an address without
	// it, and of a short deadline no more than half.
	patience = time.Second
	// askAgain is when a lookup that was not answered yet begins a second time, beside
	// the first. Its queries have other source ports, so that they may reach another
	// of several name servers, and make up for a packet that was lost: resolvers
	// themselves wait 5 s (resolv.conf's timeout) before they repeat a query, with
	// every suffix of the search list anew, which is too late here.
	askAgain = 400 * time.Millisecond
	// longestLookup is what a lookup has altogether. Nobody may wait for it any more
	// when it is over, but what it finds is good for the next delivery.
	longestLookup = 10 * time.Second
)

// book knows the addresses of one host: those of the newest lookup that went
// well. At most two lookups begin with each find, and none outlives close.
type book struct {
	host   string
	lookup Lookup
	life   context.Context
	end    context.CancelFunc
	asks   sync.WaitGroup

	mu    sync.Mutex
	known []netip.Addr
	asOf  time.Time // when the lookup began that found them
}

func newBook(host string, lookup Lookup) *book {
	b := &book{host: host, lookup: lookup}
	b.life, b.end = context.WithCancel(context.Background())
	return b
}

func (b *book) close() {
	b.end()
	b.asks.Wait()
}

// find returns the addresses to try, in order, and what looking them up met with.
// An error says that there are none, not even old ones.
func (b *book) find(ctx context.Context) ([]netip.Addr, report.Delivery, error) {
	if ip, err := netip.ParseAddr(b.host); err == nil {
		return []netip.Addr{ip}, report.Delivery{}, nil
	}
	within := timeLeft(ctx)
	if b.latest() != nil {
		within = min(patience, within/2)
	}
	ctx, cancel := context.WithTimeout(ctx, within)
	defer cancel()
	begun := time.Now()
	found, err := b.ask(ctx)
	told := report.Delivery{Lookup: time.Since(begun)}
	if err == nil {
		return found, told, nil
	}
	if errors.Is(err, context.DeadlineExceeded) {
		err = fmt.Errorf("looking up %s: no answer within %v", b.host, within.Round(10*time.Millisecond))
	}
	told.LookupError = err.Error()
	if known := b.latest(); known != nil { // by an earlier lookup that was late, it may be
		return known, told, nil
	}
	return nil, told, err
}

func timeLeft(ctx context.Context) time.Duration {
	if deadline, ok := ctx.Deadline(); ok {
		return time.Until(deadline)
	}
	return longestLookup
}

type answer struct {
	found []netip.Addr
	err   error
}

// ask returns the first good answer to one lookup or two, and an error once ctx
// ends or nobody is left who might give one.
func (b *book) ask(ctx context.Context) ([]netip.Addr, error) {
	answers := make(chan answer, 2) // has room for both, so that no lookup waits for us
	b.begin(answers)
	begun, over := 1, 0
	again := time.NewTimer(askAgain)
	defer again.Stop()
	for {
		select {
		case <-again.C:
			b.begin(answers)
			begun++
		case a := <-answers:
			if over++; a.err == nil || over == begun {
				return a.found, a.err
			}
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

// begin begins a lookup.
func (b *book) begin(answers chan<- answer) {
	begun := time.Now()
	b.asks.Go(func() {
		ctx, cancel := context.WithTimeout(b.life, longestLookup)
		defer cancel()
		found, err := b.lookup(ctx, b.host)
		if err == nil {
			b.learn(found, begun)
		}
		answers <- answer{found, err}
	})
}

// learn keeps what a lookup found, unless one that began later was faster.
func (b *book) learn(found []netip.Addr, begun time.Time) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if begun.After(b.asOf) {
		b.known, b.asOf = found, begun
	}
}

func (b *book) latest() []netip.Addr {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.known
}
