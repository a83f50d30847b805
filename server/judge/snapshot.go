package judge

import (
	"iter"
	"time"

	"github.com/netchecker/netchecker/server/diagnose"
	"github.com/netchecker/netchecker/server/evaluate"
	"github.com/netchecker/netchecker/server/findings"
	"github.com/netchecker/netchecker/server/fleet"
)

// Snapshot is what is known at one moment. It is never changed once made; its
// slices are in the order of List.Agents.
type Snapshot struct {
	// At is when it was made, on the monotonic clock, and Cost how long that took.
	At   time.Time
	Cost time.Duration
	// List has the agents that are expected; nil where it was never read.
	List *fleet.List
	// ListAge is how old the list is; meaningless where List is nil.
	ListAge time.Duration
	// Loaded says that the store's view was read at least once.
	Loaded bool
	// Labels are the agents' names in metrics.
	Labels []string
	// Records are the agents' newest reports, nil where none is stored. Those of an
	// earlier pod of an agent's name are not among them.
	Records []*fleet.Record
	// States are the agents' states; nil while nothing can be known.
	States []evaluate.State
	// Summary counts the States.
	Summary evaluate.Summary
	// Failing are the agents that are Outdated or Absent.
	Failing []Failing
	// Unknown says why nothing can be known, where that is so.
	Unknown Unknown

	// Meshes says that some agent tells of paths to others. Where none does, nothing is
	// found.
	Meshes bool
	// Findings are those that last, the most severe first; LeftOut is how many more last
	// that there was no room for.
	Findings []findings.Finding
	LeftOut  int
	// FindingsFail says that critical ones fail the connectivity check.
	FindingsFail bool

	// sampling are the agents whose Records tell of backends.
	sampling []int
	// placed has the unlisted keys whose agents the list knows by now.
	placed []placed
}

// Failing is an agent that is Outdated or Absent.
type Failing struct {
	// Agent is its index in List.Agents.
	Agent int
	// Interval is the time between two of its reports, as it last said, or else as its
	// flag's default is.
	Interval time.Duration
}

// placed is a record that was stored before the list knew its agent.
type placed struct {
	key   fleet.Key
	agent int
}

// Cause is why nothing can be known.
type Cause uint8

const (
	// Nothing is in the way: something is known.
	Nothing Cause = iota
	// StoreUnread: the store was never read.
	StoreUnread
	// StoreSilent: the store has not answered for too long.
	StoreSilent
	// StoreJustBack: the store has only just answered again.
	StoreJustBack
	// ListUnread: the list of pods was never read.
	ListUnread
	// NobodyExpected: the list has no pods.
	NobodyExpected
	// LoopStuck: no Snapshot was made for too long.
	LoopStuck
)

// Unknown is why nothing can be known. The zero value says that something is.
type Unknown struct {
	Cause Cause
	// For is how long the store, or the judge's own loop, has been silent; 0 with
	// other causes.
	For time.Duration
	// Trouble is what the store or the list says of it, in a few words; may be empty.
	Trouble string
}

// Known says whether the agents could be judged at all.
func (s *Snapshot) Known() bool { return s.Unknown.Cause == Nothing }

// Verdict is what the agents amount to; startingOK as in evaluate.
func (s *Snapshot) Verdict(startingOK bool) evaluate.Verdict {
	if !s.Known() {
		return evaluate.CannotKnow
	}
	return s.Summary.Verdict(startingOK)
}

// Check is the verdict of the connectivity check: what the agents amount to, and failing
// as well where FindingsFail and a finding is critical, unless findingsOK.
func (s *Snapshot) Check(startingOK, findingsOK bool) evaluate.Verdict {
	v := s.Verdict(startingOK)
	if v == evaluate.OK && !findingsOK && s.FindingsFail && s.Critical() > 0 {
		return evaluate.Failing
	}
	return v
}

// Critical counts the findings that are.
func (s *Snapshot) Critical() int {
	n := 0
	for n < len(s.Findings) && s.Findings[n].Severity == diagnose.Critical {
		n++
	}
	return n
}

// Keys are the keys under which the agents' reports may be stored, with the
// agents' labels. Unlike a record that is shown, the reports of an agent that
// came before the list knew it count under it too.
func (s *Snapshot) Keys() iter.Seq2[fleet.Key, string] {
	return func(yield func(fleet.Key, string) bool) {
		if s.List == nil {
			return
		}
		for i := range s.List.Agents {
			if !yield(s.List.Agents[i].Key, s.Labels[i]) {
				return
			}
		}
		for _, p := range s.placed {
			if !yield(p.key, s.Labels[p.agent]) {
				return
			}
		}
	}
}

// Sampling returns the agents whose newest reports tell of backends, and those reports.
func (s *Snapshot) Sampling() (agents []fleet.Agent, records []*fleet.Record) {
	for _, i := range s.sampling {
		agents, records = append(agents, s.List.Agents[i]), append(records, s.Records[i])
	}
	return agents, records
}

// blind is the same Snapshot for readers that come too late to believe it, that much
// after it was made.
func (s *Snapshot) blind(age time.Duration) *Snapshot {
	b := *s
	b.Unknown = Unknown{Cause: LoopStuck, For: age}
	b.States, b.Summary, b.Failing = nil, evaluate.Summary{}, nil
	b.ListAge += age
	return &b
}
