package judge

import (
	"fmt"
	"iter"
	"slices"
	"time"

	"github.com/netchecker/netchecker/server/evaluate"
	"github.com/netchecker/netchecker/server/fleet"
	"github.com/netchecker/netchecker/server/intake"
	"github.com/netchecker/netchecker/server/tally"
)

// Snapshot is the verdict of one moment and all that it rests on. It is never
// changed once made; its slices are in the order of List.Agents.
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
	// Records are the agents' newest reports, nil where none is stored.
	Records []*fleet.Record
	// States are the agents' states; nil while nothing can be known.
	States []evaluate.State
	// Tally counts the States.
	Tally evaluate.Tally
	// Unknown says why nothing can be known, empty where something is.
	Unknown string

	failing []tally.Failing
	// placed has the unlisted keys whose agents the list knows by now.
	placed []placed

	strict, lenient Answer
}

// placed is a record that was stored before the list knew its agent.
type placed struct {
	key   fleet.Key
	agent int
}

// build makes the Snapshot of this moment.
func (j *Judge) build() *Snapshot {
	now := j.cfg.Now()
	view := j.cfg.Store.Currency()
	s := &Snapshot{At: now, List: j.cfg.Pods.List(), Loaded: !view.AsOf.IsZero()}
	if s.List != nil {
		s.ListAge = now.Sub(j.cfg.Pods.AsOf())
		j.memo.follow(s.List)
		s.Labels = j.memo.labels
		j.gather(s)
	}
	if s.Unknown = j.unknown(s, view); s.Unknown == "" {
		j.judge(s, evaluate.Ear{Now: now, AsOf: view.AsOf, Since: view.Since, Steady: view.Steady, Grace: j.cfg.Grace})
	}
	s.render(j.cfg.StaleAfter)
	s.Cost = j.cfg.Now().Sub(now)
	return s
}

// unknown says why no agent can be judged at all, or "".
func (j *Judge) unknown(s *Snapshot, view fleet.Currency) string {
	switch age := s.At.Sub(view.AsOf); {
	case !s.Loaded:
		return "the reports in etcd were never read" + because(j.cfg.Store.Trouble())
	case age > j.cfg.BlindAfter:
		return "etcd has not answered for " + seconds(age) + because(j.cfg.Store.Trouble())
	case view.Since.IsZero():
		return "etcd has only just answered again"
	case s.List == nil:
		return "the list of agent pods was never read" + because(j.cfg.Pods.Trouble())
	case len(s.List.Agents) == 0:
		return "no agent pod exists, so nobody can report (" + s.List.Source + ")"
	}
	return ""
}

func because(trouble string) string {
	if trouble == "" {
		return ""
	}
	return ": " + trouble
}

func seconds(d time.Duration) string { return d.Truncate(time.Second).String() }

// gather finds each agent's newest record.
func (j *Judge) gather(s *Snapshot) {
	agents := s.List.Agents
	s.Records = make([]*fleet.Record, len(agents))
	for i := range agents {
		s.Records[i] = j.cfg.Store.Get(agents[i].Key)
	}
	j.cfg.Store.EachUnlisted(func(rec *fleet.Record) {
		a, err := intake.Identify(s.List, &rec.Report)
		if a == nil || err != nil {
			return
		}
		i, _ := slices.BinarySearchFunc(agents, a.Key, func(a fleet.Agent, k fleet.Key) int { return a.Key.Compare(k) })
		s.placed = append(s.placed, placed{rec.Key, i})
		if had := s.Records[i]; had == nil || rec.Revision > had.Revision {
			s.Records[i] = rec
		}
	})
	j.memo.note(s.Records)
}

// judge decides each agent's state.
func (j *Judge) judge(s *Snapshot, ear evaluate.Ear) {
	s.States = make([]evaluate.State, len(s.List.Agents))
	for i := range s.List.Agents {
		a := &s.List.Agents[i]
		h := j.memo.heard[i]
		state, fresh := evaluate.StateOf(evaluate.Evidence{
			Stored:     s.Records[i] != nil,
			Heard:      h.at,
			Interval:   h.interval,
			FirstSeen:  a.FirstSeen,
			GoingSince: s.List.Nodes[a.Node].GoingSince,
		}, ear)
		s.States[i] = state
		s.Tally.Add(state, fresh)
		if state == evaluate.Outdated || state == evaluate.Absent {
			s.failing = append(s.failing, tally.Failing{Key: a.Key, Label: s.Labels[i], Interval: h.patience()})
		}
	}
}

// Verdict is what the counters need to know; it implements tally.Judge.
func (j *Judge) Verdict() tally.Verdict {
	s := j.Snapshot()
	return tally.Verdict{Known: s.Unknown == "", Agents: s.Keys(), Failing: s.failing}
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

// Names lists the agents that are in one state, as people know them.
func (s *Snapshot) Names(state evaluate.State) []string {
	var names []string
	for i, st := range s.States {
		if st == state {
			names = append(names, s.List.DisplayName(i))
		}
	}
	return names
}

// Outcome is the verdict in a word; startingOK as in evaluate.
func (s *Snapshot) Outcome(startingOK bool) evaluate.Outcome {
	if s.Unknown != "" {
		return evaluate.CannotKnow
	}
	return s.Tally.Outcome(startingOK)
}

// blind is the same Snapshot for readers that come too late to believe it.
func (s *Snapshot) blind(now time.Time, why string) *Snapshot {
	b := *s
	b.Unknown, b.States, b.Tally, b.failing = why, nil, evaluate.Tally{}, nil
	b.ListAge += now.Sub(s.At)
	b.render(time.Duration(1<<63 - 1))
	return &b
}

// heard is when an agent was last heard, and its interval then; zero if never.
type heard struct {
	at       time.Time
	interval time.Duration
}

// defaultInterval is that of agents which never said theirs: their flag's default.
const defaultInterval = time.Minute

func (h heard) patience() time.Duration {
	if h.interval == 0 {
		return defaultInterval
	}
	return h.interval
}

// memory keeps when each listed agent was last heard, also after its report left
// the store, in the order of the list.
type memory struct {
	list   *fleet.List
	heard  []heard
	labels []string
}

// follow takes over a new list and forgets the agents that left it.
func (m *memory) follow(list *fleet.List) {
	if list == m.list {
		return
	}
	old := map[fleet.Key]heard{}
	for i, h := range m.heard {
		if !h.at.IsZero() {
			old[m.list.Agents[i].Key] = h
		}
	}
	m.list = list
	m.heard = make([]heard, len(list.Agents))
	m.labels = make([]string, len(list.Agents))
	for i := range list.Agents {
		a := &list.Agents[i]
		m.heard[i] = old[a.Key]
		m.labels[i] = a.Label()
	}
}

// note remembers the records' times.
func (m *memory) note(records []*fleet.Record) {
	for i, rec := range records {
		if rec != nil {
			m.heard[i] = heard{rec.Learned, time.Duration(rec.ReportInterval) * time.Second}
		}
	}
}

// String is for logs.
func (s *Snapshot) String() string {
	if s.Unknown != "" {
		return "cannot know: " + s.Unknown
	}
	text := s.Outcome(false).String()
	for st, n := range s.Tally.Of {
		if n > 0 {
			text += fmt.Sprintf(", %d %s", n, evaluate.State(st))
		}
	}
	return text
}
