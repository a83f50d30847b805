package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/netip"
	"sync"
	"time"

	"github.com/netchecker/netchecker/agent/probe"
	"github.com/netchecker/netchecker/pkg/datagram"
)

const (
	// tcpEvery is the time between two connections.
	tcpEvery = 5 * time.Second
	// turn is how often is looked whether something is due.
	turn = 20 * time.Millisecond
	// calm is for how long nothing may have been lost for a silence about a size to mean
	// something.
	calm = 5 * time.Second
)

// byHand is a session by hand. All of it is one goroutine's, but for what waits.
type byHand struct {
	o       probeOptions
	to      netip.AddrPort
	session uint32
	tally   *tally
	// small and large are flows for small datagrams, and for those that show what passes.
	small, large *probe.Flow
	sizing       *probe.Sizing
	began        time.Time

	waiting   sync.WaitGroup
	arrivals  chan arrived
	exchanges chan exchanged

	open           map[uint32]asked // by sequence
	last           uint32           // sequence
	sent           uint             // small ones
	dialing        int
	dueUDP, dueTCP time.Time
	// answered says whether a small one was at all, and lost is when one was not.
	answered bool
	lost     time.Time
}

// asked is a question that is open.
type asked struct {
	at    time.Time
	large bool
	size  probe.SizeQuestion
}

type arrived struct {
	probe.Arrival
	err error
}

type exchanged struct {
	probe.Exchanged
	err error
}

func newByHand(o probeOptions, to netip.AddrPort, out io.Writer) (*byHand, error) {
	now := time.Now()
	b := &byHand{
		o: o, to: to, session: rand.Uint32(), tally: newTally(out), began: now,
		arrivals: make(chan arrived), exchanges: make(chan exchanged), open: map[uint32]asked{}, dueUDP: now, dueTCP: now,
	}
	var err error
	if b.small, err = probe.OpenFlow(to, probe.FlowOptions{}); err != nil {
		return nil, err
	}
	if b.large, err = probe.OpenFlow(to, probe.FlowOptions{Unfragmented: true}); err != nil {
		return nil, errors.Join(err, b.small.Close())
	}
	mtu, err := b.large.MTU()
	if err != nil {
		return nil, errors.Join(err, b.small.Close(), b.large.Close())
	}
	b.sizing = probe.NewSizing(to.Addr().Is6(), mtu, 0)
	return b, nil
}

// run asks until ctx ends or enough was asked, tells the sums, and returns how the program
// should end.
func (b *byHand) run(ctx context.Context) error {
	asking, cancel := context.WithCancel(ctx)
	b.waiting.Go(func() { b.receive(asking, b.small) })
	b.waiting.Go(func() { b.receive(asking, b.large) })
	b.loop(asking)
	cancel()
	err := errors.Join(b.small.Close(), b.large.Close())
	b.waiting.Wait()
	return errors.Join(b.tally.conclude(b.to, time.Since(b.began), b.sizing.Result(), b.o.sizes), err)
}

func (b *byHand) loop(ctx context.Context) {
	ticks := time.NewTicker(turn)
	defer ticks.Stop()
	b.turn(ctx, time.Now())
	for {
		select {
		case <-ctx.Done():
			return
		case a := <-b.arrivals:
			b.arrive(a)
		case e := <-b.exchanges:
			b.dialing--
			b.tally.exchange(e.Exchanged, e.err)
		case now := <-ticks.C:
			b.turn(ctx, now)
		}
		if b.o.count > 0 && b.sent >= b.o.count && len(b.open) == 0 && b.dialing == 0 {
			return
		}
	}
}

// receive hands on what comes to a flow, until that is closed, or fails.
func (b *byHand) receive(ctx context.Context, f *probe.Flow) {
	for {
		a, err := f.Receive()
		if err != nil && !errors.Is(err, probe.ErrRefused) && !errors.Is(err, probe.ErrUnreachable) && !errors.Is(err, probe.ErrTooLarge) {
			return
		}
		select {
		case <-ctx.Done():
			return
		case b.arrivals <- arrived{a, err}:
		}
	}
}

// turn does what is due.
func (b *byHand) turn(ctx context.Context, now time.Time) {
	b.expire(now)
	more := b.o.count == 0 || b.sent < b.o.count
	if more && !now.Before(b.dueUDP) {
		b.dueUDP = now.Add(b.o.interval)
		b.sent++
		b.ask(b.small, asked{}, datagram.Size, datagram.Size)
	}
	if more && b.o.tcp && !now.Before(b.dueTCP) {
		b.dueTCP = now.Add(tcpEvery)
		b.dial(ctx)
	}
	if more && b.o.sizes && b.answered {
		if size, ok := b.sizing.Next(now.Sub(b.began), now.Sub(b.lost) > calm); ok {
			b.ask(b.large, asked{large: true, size: size}, size.Size, size.Reply)
		}
	}
}

// ask sends a question.
func (b *byHand) ask(f *probe.Flow, q asked, size, reply int) {
	b.last++
	q.at = time.Now()
	b.open[b.last] = q
	d := datagram.Datagram{Kind: datagram.Question, Session: b.session, Sequence: b.last, Reply: uint16(reply)}
	if err := f.Send(&d, size); err != nil {
		b.fail(b.last, err)
	}
}

func (b *byHand) dial(ctx context.Context) {
	b.last++
	q := datagram.Datagram{Kind: datagram.Question, Session: b.session, Sequence: b.last, Reply: datagram.Size}
	b.dialing++
	b.waiting.Go(func() {
		within, cancel := context.WithTimeout(ctx, b.o.timeout)
		defer cancel()
		e, err := probe.Exchange(within, b.to, &q)
		select {
		case <-ctx.Done():
		case b.exchanges <- exchanged{e, err}:
		}
	})
}

// expire gives up what was not answered in time.
func (b *byHand) expire(now time.Time) {
	for sequence, q := range b.open {
		if now.Sub(q.at) >= b.o.timeout {
			b.fail(sequence, errLost)
		}
	}
}

var errLost = errors.New("lost")

// arrive takes what came.
func (b *byHand) arrive(a arrived) {
	q, is := b.open[a.Sequence]
	switch {
	case !is || a.Session != b.session: // late, or somebody else's
	case a.err != nil:
		b.fail(a.Sequence, a.err)
	case q.large:
		delete(b.open, a.Sequence)
		b.sized(q, probe.SizeOutcome{Fate: probe.SizePassed}, "passes there")
	default:
		delete(b.open, a.Sequence)
		b.answered = true
		b.tally.answer(wayUDP, a.Kind, max(0, a.At.Sub(q.at)-a.Took))
	}
}

// fail tells why a question is not answered.
func (b *byHand) fail(sequence uint32, err error) {
	q := b.open[sequence]
	delete(b.open, sequence)
	if !q.large {
		if !errors.Is(err, probe.ErrRefused) {
			b.lost = time.Now()
		}
		b.tally.fail(wayUDP, err)
		return
	}
	switch {
	case errors.Is(err, errLost):
		b.sized(q, probe.SizeOutcome{Fate: probe.SizeSilent}, "is lost")
	case errors.Is(err, probe.ErrTooLarge):
		mtu, err := b.large.MTU()
		if err != nil {
			mtu = 0 // unknown
		}
		b.sized(q, probe.SizeOutcome{Fate: probe.SizeTooLarge, MTU: mtu}, fmt.Sprintf("is too large, as the route knows, which takes %d", mtu))
	default:
		b.sized(q, probe.SizeOutcome{Fate: probe.SizeVoid}, err.Error())
	}
}

// sized tells what came of a size.
func (b *byHand) sized(q asked, o probe.SizeOutcome, says string) {
	b.sizing.Done(q.size, o, time.Since(b.began))
	b.tally.say(waySize, fmt.Sprintf("a packet of %d bytes %s", q.size.Size+overhead(b.to), says))
}

// overhead is that of IP and UDP, in bytes.
func overhead(to netip.AddrPort) int {
	if to.Addr().Is6() {
		return 48
	}
	return 28
}
