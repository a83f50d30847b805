package diagnose

import (
	"slices"
	"time"

	"github.com/netchecker/netchecker/pkg/report"
	"github.com/netchecker/netchecker/pkg/wait"
	"github.com/netchecker/netchecker/server/evaluate"
	"github.com/netchecker/netchecker/server/fleet"
	"github.com/netchecker/netchecker/server/mesh"
)

// State is what was told up to now. Make it with New. It is not safe for use by many
// goroutines at once.
type State struct {
	began time.Time
	in    Input
	list  *fleet.List

	agents []*agent // in the order of the list
	byKey  map[fleet.Key]*agent
	byID   map[uint64]*agent
	nodes  []*node
	byName map[string]*node
	zones  []string

	sums sums
	// ever says of which classes a path ever worked, by family.
	ever [2][classes]bool

	// cut is when pairs of nodes and zones were found not to reach each other.
	cut map[ends]*troubles
	// failed is when things that all share were found to fail for all, and nameless when no
	// name was answered anywhere.
	failed   map[Thing]time.Time
	nameless time.Time
	// past are the picks of a moment ago.
	past []past
	// scratch is used again and again.
	scratch scratch
	// odd is in how many evaluations in a row something was unexplained.
	odd int
}

// agent is one, in its newest life.
type agent struct {
	key  fleet.Key
	uid  string
	id   uint64
	name string
	node *node
	host bool

	state evaluate.State
	// seen was looked at already. boot and booted are of the newest life, asOf is on its
	// clock, and at is the same on the server's.
	seen   *Telling
	boot   string
	booted time.Time
	asOf   time.Duration
	at     time.Time
	before time.Time // when it told the last time before
	mesh   *report.Mesh
	// rows are the sessions that run, and those that may be told as ended yet. highest is
	// the highest number that was told.
	rows    []row
	highest uint32
	// ill is how many of the rows are not well, for whatever reason, and failing has what
	// fails of what all share.
	ill     int
	failing map[Thing]failure
	// starving says that it hardly ran between the last two tellings, since a time.
	starving time.Time
	still    time.Time // when it was found to stand still last

	// deadTo is how many rows of others to it are dead, of an evaluation.
	deadTo int
}

// node is one that has agents, or had some.
type node struct {
	name string
	zone string
	// zoned is its zone's place among zones, and index its own among nodes; -1 of one that
	// is not in the list.
	zoned, index int
	agents       []*agent
	lossy        [2]*lossy // by direction, in and out; nil where nothing was lost lately
	revived      time.Time // when one of its rows that had been dead was told to be well last
	troubled     time.Time // when some of its rows were dead last
	down         troubles
	holes        onset // when sessions there began to have holes, and dials to fail to connect
	dials        onset
	unserved     time.Time           // when its Services were found to fail last
	failed       map[Thing]time.Time // when what all share failed there last
	flaked       time.Time           // when it lost so much last that its rows seem dead
	pairs        int                 // sums of pairs that touch it
}

// losing is the sum of a direction, made where there is none.
func (n *node) losing(direction int) *lossy {
	if n.lossy[direction] == nil {
		n.lossy[direction] = &lossy{}
	}
	return n.lossy[direction]
}

// New returns a State that knows nothing; now is the server's wall clock. What was counted
// before then is not known to be of any time, and left out of sums.
func New(now time.Time) *State {
	return &State{began: now, byKey: map[fleet.Key]*agent{}, byID: map[uint64]*agent{}, byName: map[string]*node{}, cut: map[ends]*troubles{}, failed: map[Thing]time.Time{}, sums: newSums(now)}
}

// Observe takes in what is known now. It should be called about once a second.
func (s *State) Observe(now time.Time, in Input) {
	s.in = in
	if in.List == nil {
		return
	}
	if s.list != in.List {
		s.relist(in.List)
	}
	s.sums.pass(now)
	for i := range wait.Resting(len(s.agents), in.Rest) {
		a := s.agents[i]
		if in.States != nil {
			a.state = in.States[i]
		}
		if t := in.Tellings[i]; t != nil && t != a.seen {
			a.seen = t
			s.take(a, t)
		}
	}
}

// relist takes another list. What is known of an agent goes on while its pod does.
func (s *State) relist(list *fleet.List) {
	s.list = list
	agents, byKey, byID := make([]*agent, len(list.Agents)), make(map[fleet.Key]*agent, len(list.Agents)), make(map[uint64]*agent, len(list.Agents))
	for _, n := range s.nodes {
		n.agents, n.index = n.agents[:0], -1
	}
	s.nodes = s.nodes[:0]
	for i := range list.Agents {
		listed := &list.Agents[i]
		a := s.byKey[listed.Key]
		if a == nil || a.uid != listed.UID || a.node.name != listed.Node {
			a = &agent{key: listed.Key, uid: listed.UID, id: mesh.ID(listed), host: listed.Network == report.Host}
		}
		a.name = list.DisplayName(i)
		a.node = s.nodeOf(list, listed.Node)
		a.node.agents = append(a.node.agents, a)
		agents[i], byKey[a.key] = a, a
		if byID[a.id] == nil {
			byID[a.id] = a
		}
	}
	s.agents, s.byKey, s.byID = agents, byKey, byID
	for name, n := range s.byName {
		if n.index < 0 {
			delete(s.byName, name)
			s.sums.forget(n)
		}
	}
	for _, a := range agents {
		for i := range a.rows {
			if t := a.rows[i].target; t != nil && byKey[t.key] != t {
				a.rows[i].target = nil
			}
		}
		a.count()
	}
}

// nodeOf is the node of that name, which is in the list.
func (s *State) nodeOf(list *fleet.List, name string) *node {
	n := s.byName[name]
	if n == nil {
		n = &node{name: name, index: -1}
		s.byName[name] = n
	}
	if n.index >= 0 {
		return n
	}
	n.zone, n.index = list.Nodes[name].Zone, len(s.nodes)
	s.nodes = append(s.nodes, n)
	if n.zoned = slices.Index(s.zones, n.zone); n.zoned < 0 {
		n.zoned = len(s.zones)
		s.zones = append(s.zones, n.zone)
	}
	return n
}

// take takes in what an agent tells.
func (s *State) take(a *agent, t *Telling) {
	first := a.boot != t.Boot
	switch {
	case first && a.boot != "" && !t.Booted.After(a.booted):
		return // of an earlier life
	case !first && t.Mesh.AsOf <= a.asOf:
		return
	}
	if first {
		a.boot, a.booted, a.rows, a.highest, a.failing, a.starving = t.Boot, t.Booted, nil, 0, nil, time.Time{}
	}
	was, before := a.mesh, a.asOf
	if first {
		was, before = nil, 0
	}
	// Of a life that was there before this server was, it is not known when what its
	// sessions count was counted.
	old := first && !t.Booted.After(s.began)
	if a.before = a.at; first {
		a.before = t.Booted
	}
	a.mesh, a.asOf, a.at = t.Mesh, t.Mesh.AsOf, t.at()
	s.rows(a, t.Mesh, old)
	a.count()
	a.share(was)
	a.starve(was, before)
}

// rows takes in the sessions that run, and those that are over.
func (s *State) rows(a *agent, m *report.Mesh, old bool) {
	for i := range a.rows {
		a.rows[i].here = false
	}
	if a.rows == nil {
		a.rows = make([]row, 0, m.Sessions.Len()) // there are many agents, of about as many sessions each
	}
	known, highest, next := len(a.rows), a.highest, 0
	for one := range m.Sessions.All() {
		i := find(a.rows[:known], uint32(one.ID), next)
		if i >= 0 {
			next = i + 1
		} else {
			i = len(a.rows)
			a.rows = append(a.rows, s.begin(a, &one))
		}
		r := &a.rows[i]
		r.here = true
		fresh, wasDead, hadHole, dialed := i >= known, r.dead(), r.hole != 0, r.dialRun == 0
		b := r.update(&one, a.asOf, fresh)
		if r.hole != 0 && !hadHole && r.target != nil {
			a.node.holes.add(a.at, sizes)
			r.target.node.holes.add(a.at, sizes)
		}
		if r.dialRun > 0 && dialed && r.dial == dialLost && r.told == well && r.target != nil { // what is dead takes no connection either
			a.node.dials.add(a.at, connects)
			r.target.node.dials.add(a.at, connects)
		}
		if wasDead && !r.dead() && r.target != nil {
			a.node.revived, r.target.node.revived = a.at, a.at
		}
		s.count(a, r, b, wasDead && !r.flapping || fresh && (old || uint32(one.ID) <= highest))
		a.highest = max(a.highest, uint32(one.ID))
	}
	running := len(a.rows)
	for one := range m.Ended.All() {
		i := find(a.rows[:known], uint32(one.ID), 0)
		fresh := i < 0
		if fresh {
			if uint32(one.ID) <= highest {
				continue
			}
			i = running
			a.rows = append(a.rows[:running], s.begin(a, &one))
		}
		r := &a.rows[i]
		wasDead := r.dead()
		s.count(a, r, r.update(&one, a.asOf, fresh), wasDead && !r.flapping || fresh && old)
		r.target = nil // done with
		a.highest = max(a.highest, uint32(one.ID))
	}
	a.rows = a.rows[:running]
	a.sweep()
}

// find is where in rows a session is, most likely at hint; -1 for nowhere.
func find(rows []row, id uint32, hint int) int {
	if hint < len(rows) && rows[hint].id == id {
		return hint
	}
	for i := range rows {
		if rows[i].id == id {
			return i
		}
	}
	return -1
}

// begin is the row of a session that is not known yet.
func (s *State) begin(a *agent, one *report.Session) row {
	r := row{id: uint32(one.ID), began: uint32(one.Began / 1000), six: one.Six, target: s.byID[one.Peer]}
	if r.target != nil {
		r.class = classOf(a, r.target)
	}
	return r
}

// sweep keeps those that are told, and as many of the newest others as may be told as
// ended yet.
func (a *agent) sweep() {
	gone := 0
	for i := range a.rows {
		if !a.rows[i].here {
			a.rows[i].told, a.rows[i].hole, a.rows[i].dialRun = unknown, 0, 0
			gone++
		}
	}
	if gone == 0 {
		return
	}
	excess := gone - report.MaxEnded
	a.rows = slices.DeleteFunc(a.rows, func(r row) bool {
		if r.here || r.target != nil && excess <= 0 {
			return false
		}
		excess--
		return true
	})
}

// count counts the rows that are not well.
func (a *agent) count() {
	a.ill = 0
	for i := range a.rows {
		r := &a.rows[i]
		if r.target != nil && (r.told == dead || r.told == late || r.told == still || r.hole != 0 || r.dialRun > 0) {
			a.ill++
		}
	}
}

// share notes since when something fails that all share.
func (a *agent) share(was *report.Mesh) {
	var failing map[Thing]failure
	for i := range a.mesh.Shared {
		row := &a.mesh.Shared[i]
		if row.Run == 0 {
			continue
		}
		if failing == nil {
			failing = map[Thing]failure{}
		}
		of := thingOf(row)
		f, known := a.failing[of]
		if !known {
			f.since = a.at
		}
		failing[of] = f.next(row, was)
	}
	a.failing = failing
}

// failure is since when a thing fails, and whether the newest answer that failed was a wrong
// one.
type failure struct {
	since time.Time
	wrong bool
}

// next is what it is once a row is told: which of both was counted since it was told the last
// time.
func (f failure) next(row *report.Shared, was *report.Mesh) failure {
	var before report.Shared
	if was != nil {
		if i := slices.IndexFunc(was.Shared, func(o report.Shared) bool { return o.Kind == row.Kind && o.Target == row.Target }); i >= 0 {
			before = was.Shared[i]
		}
	}
	wrong, other := row.Wrong > before.Wrong, row.Lost > before.Lost || row.Refused > before.Refused
	if wrong != other { // else it is as before, or nobody knows
		f.wrong = wrong
	}
	return f
}

const (
	// An agent is starved that could not run for starvedFor, and a starvedPart of the time
	// between two tellings.
	starvedFor  = time.Second
	starvedPart = 0.1
)

// starve notes whether the agent hardly ran since it told the last time.
func (a *agent) starve(was *report.Mesh, before time.Duration) {
	if was == nil {
		return
	}
	starved, since := a.mesh.Starved-was.Starved, a.asOf-before
	switch {
	case starved < starvedFor || starved.Seconds() < starvedPart*since.Seconds():
		a.starving = time.Time{}
	case a.starving.IsZero():
		a.starving = a.at.Add(-since)
	}
}

// silent says that it does not report, whether it is late or never did.
func (a *agent) silent() bool { return a.state != evaluate.Reporting }

// ready says whether rows with an agent at one end count at all: while it starts, or is
// silent since its node is going, they don't.
func (a *agent) ready() bool { return a.state != evaluate.Starting && a.state != evaluate.Planned }

// counts says whether a row of a may be taken as it is told: not if the target has left, or
// was started since.
func (a *agent) counts(r *row) bool {
	t := r.target
	if t == nil || !t.ready() || !a.ready() {
		return false
	}
	return t.boot == "" || t.booted.Unix() <= a.booted.Unix()+int64(r.began)+1
}

// count adds what a session counted to the sums, unless it is not known of when it is.
func (s *State) count(a *agent, r *row, b batch, skip bool) {
	family := 0
	if r.six {
		family = 1
	}
	if r.answered > 0 {
		s.ever[family][r.class] = true
	}
	if skip || !b.valid || r.target == nil || !a.counts(r) || s.young(a, r) {
		return
	}
	if a.stoodSince(a.before) || r.target.stoodSince(a.before) {
		return // an agent that stood still answers what waited, which nobody waits for any more
	}
	if !r.flapping && s.wasDead(a.node, r.target.node, r.class, a.before) {
		return
	}
	if b.lostForward == 0 && b.lostBack == 0 && b.delivered == 0 {
		return
	}
	if b.lostForward+b.lostBack > 0 {
		now := uint32(a.asOf / time.Second)
		ago := now - r.lost
		b.again, r.lost = r.lost > 0 && !b.silent && ago >= againFrom && ago <= againUntil, now
	}
	s.sums.add(a.node, r.target.node, r.class, b, a.before)
}

// young says whether a session has counted little beside what it lost as it, or its target,
// had just begun.
func (s *State) young(a *agent, r *row) bool {
	began := a.booted.Add(time.Duration(r.began) * time.Second)
	if a.at.Sub(began) < firstDiscarded {
		return true
	}
	t := r.target
	return t.boot != "" && began.Sub(t.booted) < firstDiscarded && a.at.Sub(began) < 2*firstDiscarded
}
