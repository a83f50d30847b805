package findings

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/netchecker/netchecker/pkg/report"
	"github.com/netchecker/netchecker/server/diagnose"
	"github.com/netchecker/netchecker/server/evaluate"
	"github.com/netchecker/netchecker/server/fleet"
	"github.com/netchecker/netchecker/server/mesh"
	"github.com/netchecker/netchecker/server/paths"
	"github.com/netchecker/netchecker/server/store"
)

// saved is a Saver that has no use for what it is given.
type saved struct{}

func (saved) Save(context.Context, ...store.Op) error { return nil }

// BenchmarkTurn is what a turn costs in which no agent tells anything new: where none
// meshes, and where each has 17 sessions. What it costs to look at what is new is package
// diagnose's to tell.
func BenchmarkTurn(b *testing.B) {
	const nodes, ahead = 10_000, 8
	list := &fleet.List{Nodes: map[string]fleet.Node{}}
	for i := range nodes {
		node := fmt.Sprintf("node-%05d", i)
		list.Nodes[node] = fleet.Node{Name: node}
		for _, network := range []report.Network{report.Pod, report.Host} {
			list.Agents = append(list.Agents, fleet.Agent{Key: fleet.Key{Namespace: "default", Name: fmt.Sprintf("agent-%05d-%s", i, network)}, Node: node, Network: network, Addresses: []string{"192.168.0.1"}})
		}
	}
	slices.SortFunc(list.Agents, func(a, b fleet.Agent) int { return a.Key.Compare(b.Key) })
	quiet := make([]*fleet.Record, len(list.Agents))
	meshed := make([]*fleet.Record, len(list.Agents))
	for i := range list.Agents {
		var rows []report.Session
		for d := range 2*ahead + 1 {
			rows = append(rows, report.Session{ID: uint64(d + 1), Peer: mesh.ID(&list.Agents[(i+d+1)%len(list.Agents)]), Began: 1, Sent: 60, RoundTrips: 30_000})
		}
		quiet[i], meshed[i] = &fleet.Record{}, &fleet.Record{}
		meshed[i].BootID, meshed[i].Mesh, meshed[i].Booted = "b", &report.Mesh{AsOf: time.Minute, Sessions: report.SessionsOf(rows...)}, noon
	}
	for _, row := range []struct {
		name    string
		records []*fleet.Record
	}{{"nobody", quiet}, {"all", meshed}} {
		b.Run("meshing="+row.name, func(b *testing.B) {
			now := noon.Add(time.Minute)
			clock := func() time.Time { return now }
			reign := NewReign(Config{
				Kept: NewKept(), Paths: paths.New(paths.Config{Now: clock}), Now: clock,
				Every: func() time.Duration { return 0 },
				Homes: func(*fleet.List) map[diagnose.Thing][]string { return nil },
				Left:  func(string) (time.Time, bool) { return time.Time{}, false },
			})
			sight := Sight{List: list, States: make([]evaluate.State, len(list.Agents)), Records: row.records}
			turn := func() {
				now = now.Add(time.Second)
				if err := reign.Turn(context.Background(), saved{}, sight); err != nil {
					b.Fatal(err)
				}
			}
			turn()
			b.ResetTimer()
			for range b.N {
				turn()
			}
		})
	}
}
