// Package shared asks what all agents of a cluster depend on, each at the pace that the
// server tells, so that all together stay within a budget however many they are: the name
// service, as it is configured and at its servers themselves, since the configured one is
// a Service and only both tell one from the other; netchecker's own Service, by name, by
// address and by the node's port; and the Kubernetes API server.
//
//	questionsOf   what to ask, of what the server tells
//	record        what came of it, and when to ask again
//	Agenda        both for all that is asked
//	Ways.Ask      asks once
package shared

import (
	"context"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/netchecker/netchecker/pkg/assignment"
	"github.com/netchecker/netchecker/pkg/report"
	"github.com/netchecker/netchecker/pkg/wait"
)

// Patience is what a question may take.
const Patience = 2 * time.Second

// Config says what an Asker has.
type Config struct {
	Place Place
	Ways  Ways
	// Clock is the agent's monotonic clock.
	Clock func() time.Duration
	// Suspect says whether the agent was starved at any time from one to another.
	Suspect func(from, to time.Duration) bool
}

// Asker is an Agenda in the time that goes by. Make it with New. Its methods may be called by
// many goroutines at once.
type Asker struct {
	cfg Config

	mu     sync.Mutex
	agenda *Agenda
	news   wait.Broadcast
	asking sync.WaitGroup
}

// New returns an Asker that asks nothing until Run, and nothing that it was not told.
func New(c Config) *Asker {
	return &Asker{cfg: c, agenda: NewAgenda(c.Place, rand.New(rand.NewPCG(rand.Uint64(), rand.Uint64())))}
}

// Take is Agenda.Take.
func (a *Asker) Take(s *assignment.Shared) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.agenda.Take(s, a.cfg.Clock())
	a.news.Send()
}

// Rows is Agenda.Rows.
func (a *Asker) Rows() []report.Shared {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.agenda.Rows()
}

// Run asks until ctx ends. It is called once.
func (a *Asker) Run(ctx context.Context) {
	defer a.asking.Wait()
	for {
		news := a.news.Next()
		next, some := a.look(ctx)
		if !some {
			select {
			case <-ctx.Done():
				return
			case <-news:
			}
			continue
		}
		select {
		case <-ctx.Done():
			return
		case <-news:
		case <-time.After(next):
		}
	}
}

// look asks what is due, and says after how long there is something again; some is false
// where that depends on others.
func (a *Asker) look(ctx context.Context) (next time.Duration, some bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	due, next, some := a.agenda.Due(a.cfg.Clock())
	for _, d := range due {
		a.asking.Go(func() { a.ask(ctx, d) })
	}
	return next, some
}

// ask asks once.
func (a *Asker) ask(ctx context.Context, d *Due) {
	within, cancel := context.WithTimeout(ctx, Patience)
	defer cancel()
	began := a.cfg.Clock()
	o := a.cfg.Ways.Ask(within, d)
	now := a.cfg.Clock()
	suspect := a.cfg.Suspect(began, now)
	a.mu.Lock()
	defer a.mu.Unlock()
	a.agenda.Done(d, o, now-began, now, suspect)
	a.news.Send()
}
