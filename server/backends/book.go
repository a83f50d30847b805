package backends

import (
	"context"
	"fmt"
	"slices"
	"sync/atomic"
	"time"

	"github.com/golang/glog"

	"github.com/netchecker/netchecker/pkg/wait"
	"github.com/netchecker/netchecker/server/declared"
	"github.com/netchecker/netchecker/server/fleet"
)

// Pods knows who is expected.
type Pods interface {
	// List returns nil where that was never read.
	List() *fleet.List
	// Changed is closed as the next List is there.
	Changed() <-chan struct{}
}

// Config is what a Book needs.
type Config struct {
	// Path is that of the file with the declarations; empty: there are none.
	Path string
	Pods Pods
	// PerSecond is how many requests a second all agents together may make to one
	// backend.
	PerSecond int
	// AllowLoopback lets agents be aimed at loopback addresses, for tests.
	AllowLoopback bool
	// Every and Settle are declared.Config's.
	Every, Settle time.Duration
}

// Book has the backends that are declared, and who samples them. Its methods may be
// called at once; Run is called once.
type Book struct {
	cfg     Config
	file    *declared.File // nil where there is none
	changed wait.Broadcast
	entries atomic.Pointer[entries]
	plan    atomic.Pointer[plan] // nil until the agents are known
}

// entries are what the file says.
type entries struct {
	good    []Declaration
	refused []Refused
}

// Open reads the file, which must be one that makes sense as a whole.
func Open(cfg Config) (*Book, error) {
	b := &Book{cfg: cfg}
	b.entries.Store(&entries{})
	if cfg.Path == "" {
		return b, nil
	}
	var err error
	b.file, err = declared.Open(declared.Config{
		Path: cfg.Path, What: "backends", MaxBytes: MaxFile, Load: b.load, Every: cfg.Every, Settle: cfg.Settle,
	})
	if err != nil {
		return nil, err
	}
	return b, nil
}

func (b *Book) load(text []byte) error {
	good, refused, err := parse(text, b.cfg.AllowLoopback)
	if err != nil {
		return err
	}
	b.entries.Store(&entries{good, refused})
	b.changed.Send()
	return nil
}

// rest is the least time between two plans: a list changes often while agents are
// rolled out.
const rest = 200 * time.Millisecond

// Run follows the file and the list of agents until ctx ends, then returns nil.
func (b *Book) Run(ctx context.Context) error {
	followed := make(chan error, 1)
	go func() { followed <- b.follow(ctx) }()
	var told []Refused
	for {
		file, list := b.changed.Next(), b.cfg.Pods.Changed()
		b.renew()
		told = logRefused(told, b.refused())
		select {
		case <-ctx.Done():
		case <-file:
		case <-list:
		}
		if !wait.For(ctx, rest) {
			return <-followed
		}
	}
}

func (b *Book) follow(ctx context.Context) error {
	if b.file == nil {
		return nil
	}
	return b.file.Run(ctx)
}

// renew makes the plan anew.
func (b *Book) renew() {
	list := b.cfg.Pods.List()
	if list == nil {
		return
	}
	p, err := newPlan(b.entries.Load().good, list, b.cfg.PerSecond)
	if err != nil {
		glog.Errorf("Going on with the last plan of who samples which backend: %v", err)
		return
	}
	b.plan.Store(p)
}

// logRefused logs those that were not told already, and returns what is told by now.
func logRefused(told, refused []Refused) []Refused {
	for _, r := range refused {
		if !slices.Contains(told, r) {
			glog.Warningf("Backend %s is not sampled: %s", r.Name, r.Reason)
		}
	}
	return refused
}

// News is what that agent should sample, as replies tell it: see intake.Topic. It is
// empty of one that is not known yet.
func (b *Book) News(agent *fleet.Agent, _ string) (version string, data []byte) {
	p := b.plan.Load()
	if p == nil {
		return "", nil
	}
	n := p.of[agent.Key]
	if n == nil {
		return "", nil
	}
	return n.version, n.data
}

// Sampled are the backends that agents are told to sample; those that are declared,
// until the agents are known.
func (b *Book) Sampled() []Declaration {
	if p := b.plan.Load(); p != nil {
		return p.sampled
	}
	return b.entries.Load().good
}

// Refused are the backends that are declared and not sampled. A file that is broken is
// among them, by its path, though what it said before holds.
func (b *Book) Refused() []Refused {
	refused := b.refused()
	if b.file == nil {
		return refused
	}
	if err := b.file.Check(context.Background()); err != nil {
		refused = append(refused, Refused{Name: b.cfg.Path, Reason: fmt.Sprintf("%v; what it said before holds", err)})
	}
	return refused
}

// refused are those of the file's last good version.
func (b *Book) refused() []Refused {
	refused := slices.Clone(b.entries.Load().refused)
	if p := b.plan.Load(); p != nil {
		refused = append(refused, p.refused...)
	}
	return refused
}
