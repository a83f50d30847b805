package diagnose

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/netchecker/netchecker/pkg/report"
	"github.com/netchecker/netchecker/server/evaluate"
	"github.com/netchecker/netchecker/server/fleet"
	"github.com/netchecker/netchecker/server/mesh"
)

// noon is when worlds begin, and came when their agents did.
var noon = time.Date(2026, 3, 4, 10, 40, 0, 0, time.UTC)

// world is agents with rows that tests write by hand, second by second, and a State that
// is told of them.
type world struct {
	*testing.T
	state    *State
	list     *fleet.List
	states   []evaluate.State
	agents   []*witness
	tellings []*Telling
	sessions []*session
	now      time.Time
	// lose says by which ways packets are lost in a second, and dials whether new
	// connections are mute.
	lose  func(*session) ways
	mutes func(*session) bool
	fails func(*session) bool
	// dumb agents reach no server.
	dumb func(*witness) bool
	// share says what is wrong with what all share; nil where nobody asks. homes are where
	// that lies.
	share func(*witness, Thing) string
	homes map[Thing][]string
}

// witness is an agent.
type witness struct {
	*fleet.Agent
	index  int
	boot   string
	booted time.Time
	mesh   report.Mesh
	next   uint64
	told   time.Time
	bad    bool
	alarm  agentAlarm
}

// session is a session of one agent with another.
type session struct {
	from, to *witness
	row      report.Session
	openF    uint64 // of those open, lost forward
	openB    uint64
	silent   time.Duration
	deaf     time.Duration // for how long nothing came to the target
	received uint64
	missing  uint64
	// refused questions are answered by a no; of forbidden ones none leaves the host; every
	// other suspect one is so; and a dead session has no prober any more.
	refused, forbidden, suspect, dead bool
	alarm                             agentAlarm
}

// agentAlarm is when an agent says at once that it loses: from a sum on, for a minute.
type agentAlarm struct {
	five, one float64
	calm      time.Duration
	is        bool
}

func (a *agentAlarm) see(lost bool) {
	if lost {
		a.five, a.one, a.calm = a.five+3.91, a.one+2.30, 0
		a.is = a.is || a.five >= 10 || a.one >= 10
		return
	}
	a.five, a.one = max(0, a.five-0.05), max(0, a.one-0.009)
}

func (a *agentAlarm) pass(by time.Duration) {
	if a.calm += by; a.calm >= time.Minute {
		*a = agentAlarm{}
	}
}

func (s *session) class() string {
	class := "pod"
	if s.from.Network == report.Host {
		class = "host"
	}
	if s.from.Node == s.to.Node {
		return "own"
	}
	if s.to.Network == report.Host {
		return class + "-host"
	}
	return class + "-pod"
}

func (s *session) touches(node string) bool { return s.from.Node == node || s.to.Node == node }

func (s *session) between(a, b string) bool {
	return a != b && s.touches(a) && s.touches(b) && s.from.Node != s.to.Node
}

// newWorld is one of n nodes, node-1 to node-n, in so many zones, with two agents each, that
// have been well for three minutes.
func newWorld(t *testing.T, n, zones int) *world {
	w := bare(t, n, zones)
	w.join()
	w.run(3 * time.Minute)
	w.none()
	return w
}

func bare(t *testing.T, n, zones int) *world {
	w := &world{T: t, now: noon, state: New(noon), list: &fleet.List{Nodes: map[string]fleet.Node{}}}
	w.lose = func(*session) ways { return 0 }
	w.mutes = func(*session) bool { return false }
	w.fails = func(*session) bool { return false }
	w.dumb = func(*witness) bool { return false }
	for i := range n {
		node := fmt.Sprintf("node-%d", i+1)
		w.list.Nodes[node] = fleet.Node{Name: node, Zone: fmt.Sprintf("zone-%d", i%zones+1), Ready: fleet.Ready}
		for _, network := range []report.Network{report.Pod, report.Host} {
			name := fmt.Sprintf("%s-%d", map[report.Network]string{report.Pod: "agent", report.Host: "hostagent"}[network], i+1)
			w.list.Agents = append(w.list.Agents, fleet.Agent{Key: fleet.Key{Namespace: "default", Name: name}, UID: "uid-" + name, Node: node, Network: network})
		}
	}
	slices.SortFunc(w.list.Agents, func(a, b fleet.Agent) int { return a.Key.Compare(b.Key) })
	for i := range w.list.Agents {
		w.agents = append(w.agents, &witness{Agent: &w.list.Agents[i], index: i, boot: fmt.Sprint("boot-", i), booted: noon.Add(time.Second)})
	}
	w.states, w.tellings = make([]evaluate.State, len(w.agents)), make([]*Telling, len(w.agents))
	return w
}

// join has all agents probe all others, up to mesh.Whole nodes; of more, the agents of
// each node those of the eight next ones.
func (w *world) join() {
	n := len(w.list.Nodes)
	for _, from := range w.agents {
		for _, to := range w.agents {
			ahead := (nodeNumber(to.Node) - nodeNumber(from.Node) + n) % n
			if from != to && (n <= mesh.Whole || ahead <= 8) {
				w.begin(from, to)
			}
		}
	}
}

func nodeNumber(node string) (n int) { _, _ = fmt.Sscanf(node, "node-%d", &n); return n }

func (w *world) begin(from, to *witness) *session {
	from.next++
	s := &session{from: from, to: to, row: report.Session{
		ID: from.next, Peer: mesh.ID(to.Agent), Host: to.Network == report.Host, Began: uint64(w.now.Sub(from.booted).Milliseconds() + 1),
		MTU: 1450, There: 1450, Here: 1450,
	}}
	if w.now.Before(from.booted) {
		s.row.Began = 1
	}
	w.sessions = append(w.sessions, s)
	return s
}

// run lets time pass.
func (w *world) run(lasts time.Duration) {
	for range int(lasts / time.Second) {
		w.now = w.now.Add(time.Second)
		for i, s := range w.sessions {
			s.second(w.lose(s), w.fails(s), w.mutes(s), (i+int(w.now.Unix()))%5 == 0)
		}
		if w.share != nil {
			w.askAll()
		}
		w.observe()
	}
}

// second is one question of a session.
func (s *session) second(lost ways, fails, mute, dials bool) {
	r := &s.row
	switch {
	case s.dead:
		s.deaf += time.Second
		return
	case s.forbidden:
		r.Forbidden++
		s.deaf += time.Second
		return
	case s.suspect && r.Sent%2 == 0:
		r.Sent++
		r.Suspect++
		return
	case s.refused:
		r.Sent++
		r.Refused++
		return
	}
	r.Sent++
	s.alarm.pass(time.Second)
	s.alarm.see(lost != 0)
	s.from.alarm.see(lost != 0)
	if lost&forward == 0 {
		s.received++
		s.deaf = 0
	} else {
		s.deaf += time.Second
		s.openF++
	}
	switch {
	case lost == 0:
		r.Forward, r.Back = r.Forward+s.openF, r.Back+s.openB
		r.RoundTrips += 500
		s.openF, s.openB, s.silent, s.missing = 0, 0, 0, 0
	default:
		if lost&forward == 0 {
			s.openB++
		}
		s.silent += time.Second
		s.missing++
	}
	r.Open, r.Silent = s.openF+s.openB, 0
	if s.silent > 2*time.Second {
		r.Silent = uint64(s.silent.Milliseconds())
	}
	if !dials && (r.DialRun == 0 || r.DialRun >= 3) {
		return
	}
	r.Dialed++
	switch {
	case mute:
		r.DialMute++
		r.DialRun++
	case fails || lost != 0:
		r.DialLost++
		r.DialRun++
	default:
		r.DialRun = 0
	}
}

// bad says whether a session has its agent say so at once.
func (s *session) bad() bool {
	return s.silent > 2*time.Second || s.alarm.is || s.row.DialRun > 0 || s.row.Hole != 0 || s.forbidden
}

// observe tells the State what agents tell by now: each once a minute, or every 5 s while
// anything is bad, and at once as it is so or well again.
func (w *world) observe() {
	bad, rows, heard := map[*witness]bool{}, map[*witness][]report.Session{}, map[*witness][]report.Heard{}
	for _, s := range w.sessions {
		rows[s.from] = append(rows[s.from], s.row)
		bad[s.from] = bad[s.from] || s.bad()
		h := report.Heard{Peer: mesh.ID(s.from.Agent), ID: s.row.ID, Received: s.received}
		if s.deaf > 3*time.Second && s.received > 0 {
			h.Silent = uint64(s.deaf.Milliseconds())
		}
		if s.missing >= 3 && s.deaf == 0 {
			h.Unanswered = s.missing
		}
		if h.Silent > 0 || h.Unanswered > 0 {
			heard[s.to] = append(heard[s.to], h)
			bad[s.to] = true
		}
	}
	for i, a := range w.agents {
		a.alarm.pass(time.Second)
		bad[a] = bad[a] || a.alarm.is || slices.ContainsFunc(a.mesh.Shared, func(s report.Shared) bool { return s.Run > 0 })
		phase := func(seconds int) bool { return (int(w.now.Unix())+7*a.index)%seconds == 0 }
		due := phase(60) || bad[a] != a.bad || bad[a] && phase(5) || a.told.IsZero()
		if !due || w.dumb(a) {
			continue
		}
		a.told, a.bad = w.now, bad[a]
		m := a.mesh
		m.AsOf, m.Sessions, m.Heard = w.now.Sub(a.booted), report.SessionsOf(rows[a]...), heard[a]
		m.Shared = slices.Clone(a.mesh.Shared)
		w.tellings[i] = &Telling{UID: a.UID, Boot: a.boot, Booted: a.booted, Mesh: &m}
	}
	w.state.Observe(w.now, Input{List: w.list, States: w.states, Tellings: slices.Clone(w.tellings), Homes: w.homes})
}

// sentences are the findings.
func (w *world) sentences() (all []string) {
	for _, f := range w.state.Findings(w.now) {
		all = append(all, f.Sentence())
	}
	return all
}

func (w *world) none() {
	w.Helper()
	if got := w.sentences(); len(got) > 0 {
		w.Fatalf("found %q; nothing should be", got)
	}
}

// finds lets time pass until there are findings, which have to be those.
func (w *world) finds(within time.Duration, want ...string) {
	w.Helper()
	for range int(within / time.Second) {
		w.run(time.Second)
		got := w.sentences()
		if len(got) == 0 {
			continue
		}
		if slices.Equal(got, want) {
			return
		}
		w.run(time.Second) // evidence still comes in: what is there for a moment does not hold
		if slices.Equal(w.sentences(), want) {
			return
		}
	}
	w.Errorf("found\n%q\nwant\n%q", w.sentences(), want)
}

// agent is the one on that node and network.
func (w *world) agent(node string, network report.Network) *witness {
	i := slices.IndexFunc(w.agents, func(a *witness) bool { return a.Node == node && a.Network == network })
	return w.agents[i]
}
