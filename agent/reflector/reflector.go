// Package reflector answers the probes of other agents, over UDP and TCP at one port
// number, and knows by what it hears how their sessions with it are.
//
// Whoever can send a datagram can send one with a forged source, so an answer is never
// larger than its question, nor are there more answers than questions, nor is anything but
// a question answered: nothing can be made larger or kept going by it. Only who knows the
// agent's boot id, which the server tells those who are to probe it, gets an answer; others
// get a "not me", and few of those. The kernel itself parts the ones from the others, so
// that no number of strangers takes room or time that belongs to sessions.
package reflector

import (
	"context"
	"net"
	"net/netip"
	"sync"
	"time"

	"github.com/netchecker/netchecker/agent/socket"
	"github.com/netchecker/netchecker/pkg/report"
	"github.com/netchecker/netchecker/pkg/wait"
)

// farewell is for how long an agent that ends says so to those who ask: each of them asks
// once a second, or a little later where it is busy.
const farewell = 1500 * time.Millisecond

// Reflector is the answering side of probes.
type Reflector struct {
	book     *Book
	port     uint16
	farewell time.Duration

	// Of each address family that the host has.
	known, strangers []*socket.Socket
	listeners        []net.Listener
	guests           *guests
}

// Port is the number that it listens at.
func (r *Reflector) Port() uint16 { return r.port }

// Heard returns the sessions of others that are not as they should be, the worst first, at
// most report.MaxHeard: those that are silent though more was announced, and those whose
// prober does not get the answers.
func (r *Reflector) Heard(now time.Time) []report.Heard { return r.book.Heard(now) }

// Run answers until ctx ends, and then for a second and a half more, where there is a
// session, that the agent is leaving. It is to be called once.
func (r *Reflector) Run(ctx context.Context) error {
	life, end := context.WithCancel(context.WithoutCancel(ctx))
	defer end()
	var all sync.WaitGroup
	for _, s := range r.known {
		all.Go(func() { r.answer(life, s, knownPace) })
	}
	for _, s := range r.strangers {
		all.Go(func() { r.answer(life, s, strangerPace) })
	}
	for _, l := range r.listeners {
		all.Go(func() { r.accept(life, l) })
	}
	<-ctx.Done()
	if r.book.Leave(time.Now()) {
		wait.For(life, r.farewell)
	}
	end()
	err := r.Close()
	all.Wait()
	return err
}

// Close is for a Reflector that is not run.
func (r *Reflector) Close() error {
	var first error
	for _, s := range append(r.known, r.strangers...) {
		if err := s.Close(); first == nil {
			first = err
		}
	}
	for _, l := range r.listeners {
		if err := l.Close(); first == nil {
			first = err
		}
	}
	return first
}

// Source is who asks.
type Source struct {
	Address netip.AddrPort
	Session uint32
}
