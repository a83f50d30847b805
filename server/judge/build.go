package judge

import (
	"maps"
	"slices"

	"github.com/netchecker/netchecker/server/evaluate"
	"github.com/netchecker/netchecker/server/fleet"
)

// build makes the Snapshot of this moment.
func (j *Judge) build() *Snapshot {
	now := j.cfg.Now()
	view := j.cfg.Store.Freshness()
	s := &Snapshot{At: now, List: j.cfg.Pods.List(), Loaded: !view.AsOf.IsZero()}
	if s.List != nil {
		s.ListAge = now.Sub(j.cfg.Pods.AsOf())
		j.memo.follow(s.List)
		s.Labels = j.memo.labels
		j.gather(s)
		j.find(s)
	}
	if s.Unknown = j.unknown(s, view); s.Known() {
		j.judge(s, evaluate.Listening{Freshness: view, Now: now, Grace: j.cfg.Grace})
	}
	s.Cost = j.cfg.Now().Sub(now)
	return s
}

// unknown says why no agent can be judged at all, where none can.
func (j *Judge) unknown(s *Snapshot, view fleet.Freshness) Unknown {
	switch age := s.At.Sub(view.AsOf); {
	case !s.Loaded:
		return Unknown{Cause: StoreUnread, Trouble: j.cfg.Store.Trouble()}
	case age > j.cfg.BlindAfter:
		return Unknown{Cause: StoreSilent, For: age, Trouble: j.cfg.Store.Trouble()}
	case view.Since.IsZero():
		return Unknown{Cause: StoreJustBack}
	case s.List == nil:
		return Unknown{Cause: ListUnread, Trouble: j.cfg.Pods.Trouble()}
	case len(s.List.Agents) == 0:
		return Unknown{Cause: NobodyExpected}
	}
	return Unknown{}
}

// gather finds each agent's newest record.
func (j *Judge) gather(s *Snapshot) {
	agents := s.List.Agents
	s.Records = make([]*fleet.Record, len(agents))
	for i := range agents {
		if rec := j.cfg.Store.Get(agents[i].Key); rec != nil && j.memo.owns(i, rec) {
			s.Records[i] = rec
		}
	}
	j.cfg.Store.EachUnlisted(func(rec *fleet.Record) {
		a, err := s.List.Identify(&rec.Report)
		if a == nil || err != nil {
			return
		}
		i, _ := slices.BinarySearchFunc(agents, a.Key, func(a fleet.Agent, k fleet.Key) int { return a.Key.Compare(k) })
		s.placed = append(s.placed, placed{rec.Key, i})
		if had := s.Records[i]; (had == nil || rec.Revision > had.Revision) && j.memo.owns(i, rec) {
			s.Records[i] = rec
		}
	})
	j.memo.note(s.Records)
	s.sampling = slices.Sorted(maps.Keys(j.memo.sampling))
}

// find takes over what is found broken, where any agent tells of paths.
func (j *Judge) find(s *Snapshot) {
	if j.cfg.Paths == nil || !j.cfg.Paths.Meshes(s.List, s.Records) {
		return
	}
	s.Meshes, s.FindingsFail = true, j.cfg.FindingsFail
	s.Findings, s.LeftOut = j.cfg.Findings.Lasting(), j.cfg.Findings.State().LeftOut
}

// judge decides each agent's state.
func (j *Judge) judge(s *Snapshot, listening evaluate.Listening) {
	s.States = make([]evaluate.State, len(s.List.Agents))
	for i := range s.List.Agents {
		a, known := &s.List.Agents[i], &j.memo.known[i]
		evidence := evaluate.Evidence{
			Stored:     s.Records[i] != nil,
			Heard:      known.heard,
			Read:       known.read,
			Interval:   known.interval,
			FirstSeen:  a.FirstSeen,
			GoingSince: j.memo.going[a.Node],
		}
		state, fresh := evaluate.StateOf(evidence, listening)
		s.States[i] = state
		s.Summary.Add(evidence, state, fresh)
		if state == evaluate.Outdated || state == evaluate.Absent {
			s.Failing = append(s.Failing, Failing{Agent: i, Interval: known.patience()})
		}
	}
}
