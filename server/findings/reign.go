package findings

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"time"

	"github.com/netchecker/netchecker/pkg/report"
	"github.com/netchecker/netchecker/pkg/wait"
	"github.com/netchecker/netchecker/server/diagnose"
	"github.com/netchecker/netchecker/server/evaluate"
	"github.com/netchecker/netchecker/server/fleet"
	"github.com/netchecker/netchecker/server/paths"
	"github.com/netchecker/netchecker/server/store"
)

const (
	// LookEvery is the time between two turns.
	LookEvery = time.Second
	// settleFor is how long after the leader began to see nothing begins or ends: longer
	// than agents take to be heard again after an outage of all servers.
	settleFor = 20 * time.Second
	// refreshEvery is the least time between two writes of what only counts anew.
	refreshEvery = 10 * time.Second
	// again is for how long after its end a finding is taken over, since it may come again.
	again = 2 * time.Minute
)

// Why findings stand still.
const (
	unlooked = "no server has looked for faults yet"
	begun    = "the server that looks for faults has only begun to, and does not know enough yet"
	blind    = "the server that looks for faults can't see the agents now"
)

// Sight is what the leader sees at a moment.
type Sight struct {
	// Blind says that nothing can be known: List and States say nothing then.
	Blind bool
	// List has those that are expected; States and Records are in the order of its agents.
	List    *fleet.List
	States  []evaluate.State
	Records []*fleet.Record
}

// Paths has what agents told of the paths between them.
type Paths interface {
	// Newest sets told to the newest of each agent of a list, nil of one that told nothing;
	// what stays the newest stays in its place.
	Newest(list *fleet.List, records []*fleet.Record, told []*paths.Telling)
}

// Config is what a Reign needs.
type Config struct {
	Kept  *Kept
	Paths Paths
	// Every is the longest time between two questions of an agent to the same thing that all
	// share, and Homes are the nodes on which those things lie: see diagnose.Input.
	Every func() time.Duration
	Homes func(*fleet.List) map[diagnose.Thing][]string
	// Left says of a name server whether it has left, and when it was there last.
	Left func(target string) (since time.Time, left bool)
	// Now is the clock; both of its readings are used.
	Now func() time.Time
}

// Saver writes while its writer leads.
type Saver interface {
	Save(ctx context.Context, ops ...store.Op) error
}

// Reign looks for faults while this server leads. It is of one goroutine.
type Reign struct {
	cfg   Config
	began bool
	hold  diagnose.Hold
	// looks says that somebody tells of paths, or something lasts; diagnosis is nil otherwise.
	looks     bool
	diagnosis *diagnose.State
	// seeing is since when the leader sees; zero: it does not.
	seeing time.Time

	// told and tellings have what agents told, in the order of the list.
	list     *fleet.List
	told     []*paths.Telling
	tellings []*diagnose.Telling

	// unsaved has what is to be written, by ID, and state what is to be said of the looking.
	unsaved   map[string]Finding
	state     State
	refreshed time.Time
	// trim says that there may be more that are over than are kept.
	trim bool
}

// NewReign returns one that begins with its first turn, by which time all that earlier
// leaders wrote has to be in the store's view.
func NewReign(cfg Config) *Reign {
	r := &Reign{cfg: cfg, unsaved: map[string]Finding{}, trim: true}
	r.hold.New = func(f *diagnose.Finding) string { return identity(f.Key(), cfg.Now()) }
	return r
}

// identity is that of a finding which begins now.
func identity(k diagnose.Key, now time.Time) string {
	sum := sha256.Sum256(fmt.Appendf(nil, "%d %q %q %q %q %q", now.UnixNano(), k.Kind, k.Subject, k.Class, k.Direction, k.Family))
	return hex.EncodeToString(sum[:8])
}

// Turn looks, and writes what that changed. What could not be written is written by the next
// turn, in the form that it has by then.
func (r *Reign) Turn(ctx context.Context, saver Saver, s Sight) error {
	now := r.cfg.Now()
	if !r.began {
		r.takeOver(now)
	}
	r.look(now, s)
	return r.save(ctx, saver)
}

// takeOver takes over what earlier leaders left.
func (r *Reign) takeOver(now time.Time) {
	r.began, r.refreshed = true, now
	var held []diagnose.Held
	for _, f := range r.cfg.Kept.All() {
		if h := f.Held; f.Lasts() || now.Sub(f.Ended) < again {
			h.Began = onClockOf(now, h.Began)
			if !f.Lasts() {
				h.Ended = onClockOf(now, h.Ended)
			}
			held = append(held, h)
		}
	}
	slices.SortFunc(held, func(a, b diagnose.Held) int { return cmp.Compare(a.ID, b.ID) })
	r.hold.Take(held, now)
	_, r.looks = r.cfg.Kept.view.Get(stateKey)
}

// onClockOf is a time that was read on a wall clock, such that what passes since then is
// measured on the monotonic clock.
func onClockOf(now, t time.Time) time.Time { return now.Add(t.Sub(now)) }

// look finds what is broken, and notes what is to be written.
func (r *Reign) look(now time.Time, s Sight) {
	if s.Blind || s.List == nil {
		r.seeing = time.Time{}
		r.state.Still = blind
		r.hold.Step(diagnose.Look{Now: now, Blind: true})
		return
	}
	if r.seeing.IsZero() {
		r.seeing = now
	}
	lasting := r.hold.Held()
	if tells := r.hear(s); !tells && len(lasting) == 0 {
		r.diagnosis, r.looks = nil, false
		return
	}
	r.looks = true
	found := r.diagnose(now, s, lasting)
	if now.Sub(r.seeing) < settleFor {
		r.state.Still = begun
		r.hold.Step(diagnose.Look{Now: now, Blind: true})
		return
	}
	found = unplanned(found, lasting, s.List, now)
	found, leftOut := bounded(found, lasting)
	for _, e := range r.hold.Step(diagnose.Look{Now: now, Findings: found, Gone: gone(s.List, r.cfg.Left)}) {
		r.unsaved[e.Held.ID] = of(e.Held)
		r.trim = r.trim || e.Change == diagnose.Ends
	}
	r.state.Still = ""
	r.refresh(now, leftOut)
}

// hear takes in what agents told last, and says whether any did.
func (r *Reign) hear(s Sight) (tells bool) {
	if r.list != s.List {
		r.list, r.told, r.tellings = s.List, make([]*paths.Telling, len(s.List.Agents)), make([]*diagnose.Telling, len(s.List.Agents))
	}
	r.cfg.Paths.Newest(s.List, s.Records, r.told)
	for i, t := range r.told {
		r.tellings[i] = (*diagnose.Telling)(t)
		tells = tells || t != nil
	}
	return tells
}

// diagnose is what can be found now.
func (r *Reign) diagnose(now time.Time, s Sight, lasting []diagnose.Held) []diagnose.Finding {
	before := r.diagnosis
	if before == nil {
		r.diagnosis = diagnose.New(now)
	}
	r.diagnosis.Observe(now, diagnose.Input{
		List: s.List, States: s.States, Tellings: r.tellings, Every: r.cfg.Every(), Homes: r.cfg.Homes(s.List), Left: r.left,
		Rest: wait.Rest,
	})
	if before == nil {
		r.diagnosis.Resume(faults(lasting))
	}
	return r.diagnosis.Findings(now)
}

// left says of what agents ask whether it has left.
func (r *Reign) left(of diagnose.Thing) bool {
	if of.Kind != report.DNSServer {
		return false
	}
	_, left := r.cfg.Left(of.Target)
	return left
}

func faults(held []diagnose.Held) []diagnose.Finding {
	all := make([]diagnose.Finding, len(held))
	for i := range held {
		all[i] = held[i].Finding
	}
	return all
}
