// Package paths knows what agents tell of the paths between them, and of what they all
// share: the newest of each, what that amounts to by node or by zone, and sums that
// never fall.
//
// # What agents tell
//
// A report has an agent's rows, a row for each session: sums since the session began. An
// agent whose paths look worse, or well again, sends the same in a message of the kind
// report.UpdatesKind at once. Of both the newest counts: of one life the one that is told
// as of later, and of two lives that of the later. An update is no report: it makes
// nobody reporting, and is counted nowhere.
//
// # Keys
//
//	updates/<namespace>/<pod>  the newest update of a pod, which takes the last one's place
//
// Agents send one update after the other, so none that is older comes after a newer one.
//
// # Sums
//
// What a session sent, lost and measured since the last telling is added to sums by
// class and by the zones of both ends. A session is known by its agent's boot id and its
// number, so that nothing is added twice: neither what a report repeats that was not
// acknowledged, nor what a report and an update both tell, nor what was known already
// as the server started. Each server has sums of its own, since its start.
//
// So it is with what all agents share: an agent counts what came of asking each target
// since its boot, and what it has more than at the last telling is added to sums by kind
// and network.
//
// # Name servers that left
//
// Agents ask a name server on whose pod was deleted until they are told, in reply to their
// next report. What fails from then on is no failure of DNS, and is added to no sum; and
// the rows of such a server are told as those of one that left, for leftTold.
package paths

import (
	"sync"
	"time"

	"github.com/netchecker/netchecker/pkg/report"
	"github.com/netchecker/netchecker/pkg/wait"
	"github.com/netchecker/netchecker/server/fleet"
	"github.com/netchecker/netchecker/server/mesh"
)

// Class says which agents a session is between.
type Class uint8

const (
	// PodToPod and the others are between nodes: from an agent on the one network to one
	// on the other.
	PodToPod Class = iota
	HostToHost
	PodToHost
	HostToPod
	// OwnNode is between the agents of one node.
	OwnNode
	// Classes is how many there are.
	Classes
)

var classNames = [Classes]string{"pod-to-pod", "host-to-host", "pod-to-host", "host-to-pod", "own-node"}

// String is the class's name in metrics and in the API.
func (c Class) String() string { return classNames[c] }

// between is the class of a session of a prober with an agent on the host's network or
// not, which is on another node.
func between(prober *fleet.Agent, host bool) Class {
	switch {
	case prober.Network == report.Host && host:
		return HostToHost
	case prober.Network == report.Host:
		return HostToPod
	case host:
		return PodToHost
	}
	return PodToPod
}

// classOf is the class of a session between two agents.
func classOf(prober, target *fleet.Agent) Class {
	if prober.Node == target.Node {
		return OwnNode
	}
	return between(prober, target.Network == report.Host)
}

// Telling is what one life of an agent told last.
type Telling struct {
	// UID is the pod's; empty where that is not known.
	UID  string
	Boot string
	// Booted is what the server's wall clock showed as the agent's clock showed zero.
	Booted time.Time
	// Via is the way that it took to the server; reports take the usual one.
	Via  report.Via
	Mesh *report.Mesh
}

// at is when it holds, on the server's wall clock.
func (t *Telling) at() time.Time { return t.Booted.Add(t.Mesh.AsOf) }

// newer says whether t was told later than o, which may be nil.
func (t *Telling) newer(o *Telling) bool {
	switch {
	case o == nil:
		return true
	case t.Boot == o.Boot:
		return t.Mesh.AsOf > o.Mesh.AsOf
	}
	return t.Booted.After(o.Booted)
}

// reported is what a record tells; nil where it tells nothing.
func reported(r *fleet.Record) *Telling {
	told, tells := toldBy(r)
	if !tells {
		return nil
	}
	return &told
}

func toldBy(r *fleet.Record) (told Telling, tells bool) {
	if r == nil || r.Mesh == nil || r.BootID == "" {
		return Telling{}, false
	}
	return Telling{UID: r.UID, Boot: r.BootID, Booted: r.Booted, Via: r.Delivery.Via, Mesh: r.Mesh}, true
}

// Config is what Paths need.
type Config struct {
	// TTL is how long an update is kept.
	TTL time.Duration
	// Left says whether the name server at an address has left, and when it was there last;
	// nil: none has.
	Left func(target string) (since time.Time, left bool)
	// Now is the clock; both of its readings are used.
	Now func() time.Time
}

// Paths has what agents told. Look is called by one goroutine, all else by many.
type Paths struct {
	*updates
	now  func() time.Time
	left departures

	mu   sync.Mutex
	fold fold
	// ids are the agents of list, by their ids in rows.
	list *fleet.List
	ids  map[uint64]int
}

// New returns Paths that know nothing yet.
func New(cfg Config) *Paths {
	return &Paths{updates: newUpdates(cfg), now: cfg.Now, left: cfg.Left, fold: newFold(cfg.Now(), cfg.Left)}
}

// Look takes in what the newest records of a list's agents say, and the updates, which
// are in the order of its agents; a record may be nil. It should be called about once a
// second.
func (p *Paths) Look(list *fleet.List, records []*fleet.Record) {
	ids := p.idsOf(list)
	p.mu.Lock()
	defer p.mu.Unlock()
	at := scene{list, ids}
	updated := p.view.Len() > 0
	for i := range wait.Resting(len(records), wait.Rest) {
		var update *Telling
		if updated {
			update = p.of(&list.Agents[i])
		}
		p.fold.look(&at, i, records[i], update)
	}
	p.fold.sweep(list, p.now())
}

// idsOf are the agents of list by id.
func (p *Paths) idsOf(list *fleet.List) map[uint64]int {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.list != list {
		p.list, p.ids = list, mesh.IDs(list)
	}
	return p.ids
}

// newest is the newest that an agent told; nil where it told nothing.
func (p *Paths) newest(a *fleet.Agent, r *fleet.Record) *Telling {
	return newestOf(r, p.of(a), nil)
}

// Newest sets told to the newest that each agent of a list told, whose newest records these
// are; nil of one that told nothing. One that is there already and still is the newest stays,
// so that it is known by its pointer.
func (p *Paths) Newest(list *fleet.List, records []*fleet.Record, told []*Telling) {
	updated := p.view.Len() > 0
	for i := range wait.Resting(len(records), wait.Rest) {
		var update *Telling
		if updated {
			update = p.of(&list.Agents[i])
		}
		told[i] = newestOf(records[i], update, told[i])
	}
}

// newestOf is the newest of what a record and an update tell, which may be what was told
// before.
func newestOf(r *fleet.Record, update, was *Telling) *Telling {
	reported, reports := toldBy(r)
	switch {
	case !reports, update != nil && update.newer(&reported):
		return update
	case was != nil && was.Mesh == reported.Mesh:
		return was
	}
	newest := reported // a copy, so that nothing is allocated for those that stay
	return &newest
}

// Totals are the sums, in order.
func (p *Paths) Totals() []Total {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.fold.sorted()
}

// SharedTotals are the sums of what all share, in order.
func (p *Paths) SharedTotals() []SharedTotal {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.fold.sortedShared()
}

// Meshes says whether any agent of a list, whose newest records these are, tells of paths:
// it looks no further than to the first that does.
func (p *Paths) Meshes(list *fleet.List, records []*fleet.Record) bool {
	for _, r := range records {
		if _, tells := toldBy(r); tells {
			return true
		}
	}
	if p.view.Len() == 0 {
		return false
	}
	for i := range list.Agents {
		if p.of(&list.Agents[i]) != nil {
			return true
		}
	}
	return false
}

// Meshing counts the agents that probe others.
type Meshing struct {
	// Agents are those that tell of paths, and Mute those of them that answer no probes.
	Agents, Mute int
}

// Meshing counts the agents of a list, whose newest records these are.
func (p *Paths) Meshing(list *fleet.List, records []*fleet.Record) (m Meshing) {
	for i, r := range records {
		told := p.newest(&list.Agents[i], r)
		if told == nil {
			continue
		}
		m.Agents++
		if told.Mesh.Mute != "" {
			m.Mute++
		}
	}
	return m
}
