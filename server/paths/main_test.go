package paths

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/netchecker/netchecker/pkg/report"
	"github.com/netchecker/netchecker/server/fleet"
	"github.com/netchecker/netchecker/server/intake"
	"github.com/netchecker/netchecker/server/mesh"
	"github.com/netchecker/netchecker/server/store"
	"github.com/netchecker/netchecker/test/testmain"
)

func TestMain(m *testing.M) { testmain.Run(m) }

// noon is when the servers of these tests start.
var noon = time.Date(2026, 11, 27, 12, 0, 0, 0, time.UTC)

const s = time.Second

// The boot ids of lives, which begin when the server does, or 10 s later.
const boot, nextBoot, oldBoot = "0123456789abcdef", "fedcba9876543210", "00000000000000ff"

// booted is when a life of that boot id began.
func booted(id string) time.Time {
	switch id {
	case oldBoot:
		return noon.Add(-time.Hour)
	case nextBoot:
		return noon.Add(10 * s)
	}
	return noon.Add(s)
}

// world has Paths and the agents of three nodes: n1 and n2 in zone a, n3 in zone b.
type world struct {
	t       *testing.T
	p       *Paths
	now     time.Time
	list    *fleet.List
	records map[string]*fleet.Record
	left    map[string]time.Time // name servers, and when they were there last
}

func newWorld(t *testing.T) *world {
	w := &world{t: t, now: noon, records: map[string]*fleet.Record{}, left: map[string]time.Time{}, list: &fleet.List{Nodes: map[string]fleet.Node{}}}
	for i, zone := range []string{"a", "a", "b"} {
		node := fmt.Sprint("n", i+1)
		w.list.Nodes[node] = fleet.Node{Name: node, Zone: zone}
		for _, network := range []report.Network{report.Pod, report.Host} {
			w.list.Agents = append(w.list.Agents, fleet.Agent{
				Key: fleet.Key{Namespace: "default", Name: node + "-" + string(network)}, UID: "uid-" + node, Node: node, Network: network,
			})
		}
	}
	slices.SortFunc(w.list.Agents, func(a, b fleet.Agent) int { return a.Key.Compare(b.Key) })
	w.start()
	return w
}

// start is a server that begins.
func (w *world) start() {
	left := func(target string) (time.Time, bool) { since, left := w.left[target]; return since, left }
	w.p = New(Config{TTL: time.Minute, Left: left, Now: func() time.Time { return w.now }})
}

func (w *world) agent(name string) *fleet.Agent {
	w.t.Helper()
	named := w.list.Named(name)
	if len(named) != 1 {
		w.t.Fatalf("there is no %s", name)
	}
	return &named[0]
}

func (w *world) id(name string) uint64 { return mesh.ID(w.agent(name)) }

// to is a session with an agent, of which so many were sent and lost.
func (w *world) to(name string, id, sent, open, forward, back uint64) report.Session {
	one := report.Session{ID: id, Peer: w.id(name), Host: w.agent(name).Network == report.Host, Sent: sent, Open: open, Forward: forward, Back: back}
	one.RoundTrips = one.Answered() * 2000
	return one
}

// reports has an agent report at that time of its clock.
func (w *world) reports(name, boot string, asOf time.Duration, m report.Mesh) {
	m.AsOf = asOf
	w.records[name] = &fleet.Record{Key: w.agent(name).Key, Record: report.Record{
		Report: report.Report{BootID: boot, Mesh: &m}, Booted: booted(boot),
	}}
}

// updates has it send an update, which the watch tells.
func (w *world) updates(name, boot string, asOf time.Duration, m report.Mesh) {
	w.t.Helper()
	w.updatesVia(report.ViaService, name, boot, asOf, m)
}

// updatesVia is updates by a way.
func (w *world) updatesVia(via report.Via, name, boot string, asOf time.Duration, m report.Mesh) {
	w.t.Helper()
	m.AsOf = asOf
	value := encodeUpdate(&intake.Sent{From: *w.agent(name), Message: report.Message{BootID: boot, Via: via}, Booted: booted(boot)}, &m)
	w.p.Kept().Keeper.Apply(store.Entry{Key: "default/" + name, Value: value, Revision: 1})
	if w.p.of(w.agent(name)) == nil {
		w.t.Fatalf("%s can't be read", value)
	}
}

func (w *world) recordsOf() []*fleet.Record {
	all := make([]*fleet.Record, len(w.list.Agents))
	for i := range w.list.Agents {
		all[i] = w.records[w.list.Agents[i].Name]
	}
	return all
}

func (w *world) look() { w.p.Look(w.list, w.recordsOf()) }

// sessions are a list in the place of running ones.
func sessions(list ...report.Session) report.Mesh {
	return report.Mesh{Sessions: report.SessionsOf(list...)}
}
