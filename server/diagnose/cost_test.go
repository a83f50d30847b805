package diagnose

import (
	"fmt"
	"slices"
	"syscall"
	"testing"
	"time"

	"github.com/netchecker/netchecker/pkg/report"
	"github.com/netchecker/netchecker/server/evaluate"
	"github.com/netchecker/netchecker/server/fleet"
	"github.com/netchecker/netchecker/server/mesh"
)

// crowd is a large cluster: each node's agents have sessions with those of the next eight,
// and with each other, which are 17 each.
type crowd struct {
	state *State
	in    Input
	now   time.Time
}

const ahead = 8

func newCrowd(nodes int) *crowd {
	c := &crowd{state: New(noon), now: noon}
	list := &fleet.List{Nodes: map[string]fleet.Node{}}
	for i := range nodes {
		node := fmt.Sprintf("node-%05d", i)
		list.Nodes[node] = fleet.Node{Name: node, Zone: fmt.Sprintf("zone-%d", i%3)}
		for _, network := range []report.Network{report.Pod, report.Host} {
			name := fmt.Sprintf("agent-%05d-%s", i, network)
			list.Agents = append(list.Agents, fleet.Agent{Key: fleet.Key{Namespace: "default", Name: name}, UID: name, Node: node, Network: network})
		}
	}
	slices.SortFunc(list.Agents, func(a, b fleet.Agent) int { return a.Key.Compare(b.Key) })
	c.in = Input{List: list, States: make([]evaluate.State, len(list.Agents)), Tellings: make([]*Telling, len(list.Agents))}
	return c
}

// tell has each of some agents tell; dead says of which of their sessions nothing is heard.
func (c *crowd) tell(which func(i int) bool, ids []uint64, dead func(from, to int, class string) bool) {
	agents := c.in.List.Agents
	n := len(agents) / 2
	age := uint64(c.now.Sub(noon) / time.Second)
	for i := range agents {
		if !which(i) {
			continue
		}
		from, host := i/2, agents[i].Network == report.Host
		rows := make([]report.Session, 0, 2*ahead+1)
		add := func(to int) {
			s := report.Session{ID: uint64(len(rows) + 1), Peer: ids[to], Host: agents[to].Network == report.Host, Began: 1, Sent: age, RoundTrips: 500 * age, Shortest: 100, Longest: 900, Dialed: age / 5, Dials: age, MTU: 1450, There: 1450, Here: 1450, Sized: age / 10}
			class := "pod"
			if host {
				class = "host"
			}
			if dead(from, to/2, class+fmt.Sprint(s.Host)) {
				s.Sent, s.Open, s.Silent, s.DialLost, s.DialRun = age, 10, 10000, 3, 3
			}
			rows = append(rows, s)
		}
		add(i ^ 1)
		for d := 1; d <= ahead; d++ {
			add((from + d) % n * 2)
			add((from+d)%n*2 + 1)
		}
		c.in.Tellings[i] = &Telling{UID: agents[i].UID, Boot: "b", Booted: noon, Mesh: &report.Mesh{AsOf: c.now.Sub(noon), Sessions: report.SessionsOf(rows...)}}
	}
}

func everyone(int) bool { return true }

func ids(list *fleet.List) []uint64 {
	all := make([]uint64, len(list.Agents))
	for i := range list.Agents {
		all[i] = mesh.ID(&list.Agents[i])
	}
	return all
}

// cpu is the processor time that the process has used.
func cpu(b *testing.B) time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// BenchmarkWell is what a second costs while all is well, at reports every 15 s.
func BenchmarkWell(b *testing.B) {
	for _, nodes := range []int{100, 1000, 10000} {
		b.Run(fmt.Sprintf("nodes=%d", nodes), func(b *testing.B) {
			c := newCrowd(nodes)
			ids := ids(c.in.List)
			well := func(int, int, string) bool { return false }
			c.now = c.now.Add(20 * time.Second)
			c.tell(everyone, ids, well)
			c.state.Observe(c.now, c.in)
			b.ResetTimer()
			used := time.Duration(0)
			for i := range b.N {
				b.StopTimer()
				c.now = c.now.Add(time.Second)
				c.in.Tellings = slices.Clone(c.in.Tellings)
				c.tell(func(a int) bool { return a%15 == i%15 }, ids, well)
				b.StartTimer()
				before := cpu(b)
				c.state.Observe(c.now, c.in)
				got := c.state.Findings(c.now)
				if used += cpu(b) - before; len(got) > 0 {
					b.Fatalf("found %v", got[0].Sentence())
				}
			}
			b.ReportMetric(100*used.Seconds()/float64(b.N), "%cpu")
		})
	}
}

// BenchmarkIll is what a second costs when all agents tell at once, and what they tell is
// bad: a node in a hundred is down, or the pod network everywhere.
func BenchmarkIll(b *testing.B) {
	for _, nodes := range []int{100, 1000, 10000} {
		for _, ill := range []struct {
			name string
			dead func(from, to int, class string) bool
			want int
		}{
			{"one", func(from, to int, _ string) bool { return from != to && (from == 50 || to == 50) }, 1},
			{"hundredth", func(from, to int, _ string) bool { return from != to && (from%100 == 50 || to%100 == 50) }, min(nodes/100, mostRounds)},
			{"everywhere", func(from, to int, class string) bool { return from != to && class == "podfalse" }, 1},
		} {
			b.Run(fmt.Sprintf("nodes=%d/%s", nodes, ill.name), func(b *testing.B) {
				c := newCrowd(nodes)
				ids := ids(c.in.List)
				c.now = c.now.Add(20 * time.Second)
				c.tell(everyone, ids, func(int, int, string) bool { return false })
				c.state.Observe(c.now, c.in)
				var told, used time.Duration
				for range b.N {
					b.StopTimer()
					c.now = c.now.Add(20 * time.Second)
					c.in.Tellings = slices.Clone(c.in.Tellings)
					c.tell(everyone, ids, ill.dead)
					b.StartTimer()
					before := cpu(b)
					c.state.Observe(c.now, c.in)
					between := cpu(b)
					got := c.state.Findings(c.now)
					told, used = told+between-before, used+cpu(b)-between
					if len(got) != ill.want {
						b.Fatalf("found %d, want %d: %v", len(got), ill.want, got[0].Sentence())
					}
				}
				b.ReportMetric(1000*told.Seconds()/float64(b.N), "cpu-ms/told")
				b.ReportMetric(1000*used.Seconds()/float64(b.N), "cpu-ms/diagnosed")
			})
		}
	}
}
