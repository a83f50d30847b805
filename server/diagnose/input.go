package diagnose

import (
	"time"

	"github.com/netchecker/netchecker/pkg/report"
	"github.com/netchecker/netchecker/server/evaluate"
	"github.com/netchecker/netchecker/server/fleet"
)

// Telling is what one life of an agent told last. It has the fields of paths.Telling, so
// that one can be converted to the other.
type Telling struct {
	// UID is the pod's; empty where that is not known.
	UID  string
	Boot string
	// Booted is what the server's wall clock showed as the agent's clock showed zero.
	Booted time.Time
	// Via is the way that it took to the server.
	Via  report.Via
	Mesh *report.Mesh
}

// at is when it holds, on the server's wall clock.
func (t *Telling) at() time.Time { return t.Booted.Add(t.Mesh.AsOf) }

// Input is what is known at one moment.
type Input struct {
	// List has those that are expected. Its slices are the order of all others here.
	List *fleet.List
	// States are the agents' states; nil while nothing can be known.
	States []evaluate.State
	// Tellings are the newest of each agent, nil of one that told nothing. A pointer that
	// was given before is known by that, and not looked at again.
	Tellings []*Telling
	// Every is the longest time between two questions of an agent to the same thing that all
	// share; 5 s where it is less.
	Every time.Duration
	// Homes are the nodes on which the things that all share lie, as far as that is known: of
	// a DNS server its own, of a Service and of the configured name service those of all
	// backends. What fails while one of these is down is explained by that.
	Homes map[Thing][]string
	// Left says whether something that all agents shared has left, such as a DNS server whose
	// pod was deleted: agents ask it until they are told, and what fails of that says nothing.
	// nil: nothing has.
	Left func(Thing) bool
	// Rest is called now and then while all agents are looked at, by whom the looking is not to
	// keep from other things; nil: it is not.
	Rest func()
}

// Thing is something that all agents share. Of node ports, which each node has, there is no
// Target.
type Thing struct {
	Kind   report.SharedKind
	Target string
}
