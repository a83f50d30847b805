package findings

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/netchecker/netchecker/pkg/report"
	"github.com/netchecker/netchecker/server/diagnose"
	"github.com/netchecker/netchecker/server/evaluate"
	"github.com/netchecker/netchecker/server/fleet"
	"github.com/netchecker/netchecker/server/mesh"
	"github.com/netchecker/netchecker/server/paths"
	"github.com/netchecker/netchecker/server/store"
	"github.com/netchecker/netchecker/test/testmain"
)

func TestMain(m *testing.M) { testmain.Run(m) }

var noon = time.Date(2026, 3, 4, 12, 0, 0, 0, time.UTC)

// scene is three nodes, n1 to n3, with two agents each, all of which probe each other; a
// leader whose clock is moved; and what it wrote, which all servers see at once.
type scene struct {
	t      *testing.T
	now    time.Time
	list   *fleet.List
	states []evaluate.State
	kept   *Kept
	reign  *Reign
	blind  bool
	// mute agents tell nothing. Of dead sessions nothing is answered, and others are not run.
	mute func(*fleet.Agent) bool
	dead func(from, to *fleet.Agent) bool
	not  func(from, to *fleet.Agent) bool
	// starved is for how long that agent could not run.
	starved map[string]time.Duration
	deads   map[string]time.Time
	left    map[string]bool
	// refuses is what the store answers to writes, and saves are how many it took.
	refuses  error
	saves    int
	revision int64
}

func newScene(t *testing.T) *scene {
	s := &scene{t: t, now: noon, kept: NewKept(), list: &fleet.List{Nodes: map[string]fleet.Node{}}, deads: map[string]time.Time{}, left: map[string]bool{}, starved: map[string]time.Duration{}}
	s.mute = func(*fleet.Agent) bool { return false }
	s.dead = func(*fleet.Agent, *fleet.Agent) bool { return false }
	s.not = s.dead
	for i := range 3 {
		node := fmt.Sprint("n", i+1)
		s.list.Nodes[node] = fleet.Node{Name: node, Zone: "abc"[i : i+1]}
		for _, network := range []report.Network{report.Pod, report.Host} {
			s.list.Agents = append(s.list.Agents, fleet.Agent{Key: fleet.Key{Namespace: "default", Name: string(network) + "-" + node}, Node: node, Network: network})
		}
	}
	slices.SortFunc(s.list.Agents, func(a, b fleet.Agent) int { return a.Key.Compare(b.Key) })
	s.states = make([]evaluate.State, len(s.list.Agents))
	s.leads()
	return s
}

// leads has another server take over.
func (s *scene) leads() {
	s.reign = NewReign(Config{
		Kept: s.kept, Paths: s, Now: func() time.Time { return s.now },
		Every: func() time.Duration { return 0 },
		Homes: func(*fleet.List) map[diagnose.Thing][]string { return nil },
		Left:  func(target string) (time.Time, bool) { return time.Time{}, s.left[target] },
	})
}

// Newest has each agent tell what it would by now.
func (s *scene) Newest(list *fleet.List, _ []*fleet.Record, told []*paths.Telling) {
	for i := range list.Agents {
		from := &list.Agents[i]
		if s.mute(from) {
			continue
		}
		age := uint64(s.now.Sub(noon)/time.Second) + 120
		var rows []report.Session
		for j := range list.Agents {
			to := &list.Agents[j]
			if i == j || s.not(from, to) {
				continue
			}
			row := report.Session{ID: uint64(j + 1), Peer: mesh.ID(to), Host: to.Network == report.Host, Began: 1, Sent: age, RoundTrips: 500 * age, Dialed: age / 5}
			if key := from.Name + to.Name; !s.dead(from, to) {
				delete(s.deads, key)
			} else if since, there := s.deads[key]; !there {
				s.deads[key] = s.now
			} else if lost := uint64(s.now.Sub(since) / time.Second); lost > 2 {
				row.Open, row.Silent = lost, lost*1000
				row.DialLost, row.DialRun = 3, 3
			}
			rows = append(rows, row)
		}
		told[i] = &paths.Telling{Boot: "b", Booted: noon.Add(-2 * time.Minute), Mesh: &report.Mesh{AsOf: s.now.Sub(noon) + 2*time.Minute, Starved: s.starved[from.Name], Sessions: report.SessionsOf(rows...)}}
	}
}

// Save has all servers see what is written.
func (s *scene) Save(_ context.Context, ops ...store.Op) error {
	if s.refuses != nil {
		return s.refuses
	}
	s.saves++
	s.revision++
	for _, op := range ops {
		s.kept.kind.Keeper.Apply(store.Entry{Key: op.Key, Value: op.Value, Revision: s.revision})
		if over := strings.Contains(string(op.Value), `"ended"`); op.Value != nil && (op.TTL == Retention) != over {
			s.t.Errorf("%s is kept for %v", op.Value, op.TTL)
		}
	}
	return nil
}

// runs lets time pass.
func (s *scene) runs(lasts time.Duration) {
	s.t.Helper()
	for range int(lasts / time.Second) {
		if err := s.turn(); err != nil {
			s.t.Fatal(err)
		}
		s.now = s.now.Add(time.Second)
	}
}

func (s *scene) turn() error {
	return s.reign.Turn(context.Background(), s, Sight{Blind: s.blind, List: s.list, States: s.states, Records: make([]*fleet.Record, len(s.list.Agents))})
}

// cutOff has all sessions between that node and others be dead.
func (s *scene) cutOff(node string) {
	s.dead = func(from, to *fleet.Agent) bool {
		return from.Node != to.Node && (from.Node == node || to.Node == node)
	}
	s.mute = func(a *fleet.Agent) bool { return a.Node == node }
}

func (s *scene) heal() {
	s.dead = func(*fleet.Agent, *fleet.Agent) bool { return false }
	s.mute = func(*fleet.Agent) bool { return false }
}

// told is what every server tells: those that last, and those that are over.
func (s *scene) told() string {
	var all []string
	found := s.kept.All()
	slices.SortFunc(found, func(a, b *Finding) int { return cmp.Or(at(a).compare(at(b)), cmp.Compare(a.ID, b.ID)) })
	for _, f := range found {
		text := fmt.Sprintf("%s %s", f.Kind, f.Subject)
		if !f.Lasts() {
			text += ", " + f.Why
		}
		all = append(all, text)
	}
	if still := s.kept.State().Still; still != "" {
		all = append(all, "still: "+still)
	}
	return strings.Join(all, "; ")
}

func (s *scene) tellsSoon(what string, within time.Duration, want string) {
	s.t.Helper()
	for range int(within / time.Second) {
		if s.told() == want {
			return
		}
		s.runs(time.Second)
	}
	if got := s.told(); got != want {
		s.t.Fatalf("%s: after %v servers tell %q, want %q", what, within, got, want)
	}
}

// the is the only finding.
func (s *scene) the() *Finding {
	s.t.Helper()
	all := s.kept.All()
	if len(all) != 1 {
		s.t.Fatalf("servers tell %q, want one", s.told())
	}
	return all[0]
}

// keeps has the store have a finding.
func (k *Kept) keeps(t *testing.T, f Finding) {
	t.Helper()
	data, err := json.Marshal(f)
	if err != nil {
		t.Fatal(err)
	}
	k.kind.Keeper.Apply(store.Entry{Key: f.ID, Value: data, Revision: 1})
}
