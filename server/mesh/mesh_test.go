package mesh_test

import (
	"fmt"
	"math/rand/v2"
	"reflect"
	"slices"
	"testing"
	"time"

	"github.com/netchecker/netchecker/pkg/report"
	"github.com/netchecker/netchecker/server/fleet"
	"github.com/netchecker/netchecker/server/mesh"
)

// members are that many nodes, spread evenly over zones.
func members(n, zones int) []mesh.Member {
	var list []mesh.Member
	for i := range n {
		list = append(list, mesh.Member{Node: fmt.Sprintf("node-%d", i), Zone: fmt.Sprintf("zone-%d", i%zones)})
	}
	return list
}

// sizes are those of clusters whose arithmetic differs: all whole, the first that are
// not, half the circle less than 8, and around powers of two.
var sizes = []int{0, 1, 2, 3, 8, 9, 10, 11, 15, 16, 17, 18, 31, 32, 33, 63, 64, 65, 100, 127, 128, 129, 255, 256, 257, 500}

func TestEachNodeIsProbedByAsManyAsItProbes(t *testing.T) {
	for _, n := range sizes {
		p := mesh.NewPlan(members(n, 3))
		for epoch := int64(58_000_000); epoch < 58_000_040; epoch++ {
			probed := map[string]int{}
			for _, node := range p.Nodes() {
				peers := slices.Concat(p.Lasting(node), p.Passing(node, epoch))
				want := 8
				if n <= mesh.Whole {
					want = n - 1
				}
				seen := map[string]bool{node: true}
				for _, peer := range peers {
					if seen[peer] || !p.Has(peer) {
						t.Fatalf("%d nodes, epoch %d: %s probes %s twice, or itself", n, epoch, node, peer)
					}
					seen[peer] = true
					probed[peer]++
				}
				if len(peers) != want {
					t.Fatalf("%d nodes, epoch %d: %s probes %d, want %d", n, epoch, node, len(peers), want)
				}
			}
			for node, by := range probed {
				if want := min(8, n-1); by != want {
					t.Fatalf("%d nodes, epoch %d: %s is probed by %d, want %d", n, epoch, node, by, want)
				}
			}
		}
	}
}

func TestAllPairsAreCoveredInTime(t *testing.T) {
	for _, n := range sizes {
		p := mesh.NewPlan(members(n, 3))
		for _, from := range []int64{0, 3, 58_000_005} {
			pairs := map[[2]string]bool{}
			meet := func(a, b string) { pairs[[2]string{min(a, b), max(a, b)}] = true }
			for _, node := range p.Nodes() {
				for _, peer := range p.Lasting(node) {
					meet(node, peer)
				}
				for e := from; e < from+int64(mesh.Coverage(n)); e++ {
					for _, peer := range p.Passing(node, e) {
						meet(node, peer)
					}
				}
			}
			if want := n * (n - 1) / 2; len(pairs) != want {
				t.Errorf("%d nodes from epoch %d: %d pairs met in %d epochs, want all %d", n, from, len(pairs), mesh.Coverage(n), want)
			}
		}
	}
}

func TestHowLongCoverageTakesIsWhatIsDocumented(t *testing.T) {
	for n, want := range map[int]time.Duration{
		9: 30 * time.Second, 100: 5 * time.Minute, 1000: 37 * time.Minute, 10_000: 9*time.Hour + 45*time.Minute + 30*time.Second,
	} {
		if got := time.Duration(mesh.Coverage(n)) * mesh.Epoch; got != want {
			t.Errorf("%d nodes take %v, want %v", n, got, want)
		}
	}
}

// together counts the neighbours on the circle that lie in one zone.
func together(list []mesh.Member) (same int) {
	zones := map[string]string{}
	for _, m := range list {
		zones[m.Node] = m.Zone
	}
	p := mesh.NewPlan(list)
	for _, node := range p.Nodes() {
		for _, next := range p.Lasting(node)[:min(1, p.Len()-1)] {
			if zones[node] == zones[next] {
				same++
			}
		}
	}
	return same
}

func TestNeighboursLieInDifferentZonesWherePossible(t *testing.T) {
	for _, zones := range [][]int{
		{1, 1}, {5, 5}, {10, 10, 10}, {34, 33, 33}, {40, 30, 30}, {50, 49, 1}, {3, 2, 1}, {20, 19, 18, 17}, {100, 101, 99, 3}, {7, 3}, {30, 10, 10}, {12}, {1},
	} {
		var list []mesh.Member
		largest, n := 0, 0
		for z, size := range zones {
			for i := range size {
				list = append(list, mesh.Member{Node: fmt.Sprintf("n%d-%d", z, i), Zone: string(rune('a' + z))})
			}
			largest, n = max(largest, size), n+size
		}
		// Of the largest zone, those that nobody stands between stand together.
		unavoidable := max(0, 2*largest-n)
		if n == 1 {
			unavoidable = 0
		}
		if got := together(list); got > unavoidable+max(1, n/20) {
			t.Errorf("zones of %v: %d neighbours are in one zone, of which %d have to be", zones, got, unavoidable)
		} else {
			t.Logf("zones of %v: %d neighbours are in one zone, of which %d have to be", zones, got, unavoidable)
		}
	}
	for zones := 2; zones < 9; zones++ {
		if got := together(members(zones*20, zones)); got != 0 {
			t.Errorf("%d zones of one size: %d neighbours are in one zone, want none", zones, got)
		}
	}
}

func TestReplicasMakeTheSamePlanOfTheSameMembers(t *testing.T) {
	list := members(200, 3)
	want := mesh.NewPlan(list)
	random := rand.New(rand.NewPCG(1, 2))
	for range 20 {
		random.Shuffle(len(list), func(i, j int) { list[i], list[j] = list[j], list[i] })
		if got := mesh.NewPlan(list); !reflect.DeepEqual(got, want) {
			t.Fatal("the plans differ")
		}
	}
}

// A node that comes or goes moves others on the circle, but not all: what it does not
// move goes on with the peers that it had.
func TestThroughAThousandJoinsAndLeavesMostPeersStay(t *testing.T) {
	random := rand.New(rand.NewPCG(3, 4))
	list := members(200, 3)
	next := len(list)
	was := mesh.NewPlan(list)
	kept, all := 0, 0
	for step := range 1000 {
		if i := random.IntN(len(list)); random.IntN(2) == 0 && len(list) > 100 {
			list = slices.Delete(list, i, i+1)
		} else {
			list = append(list, mesh.Member{Node: fmt.Sprintf("node-%d", next), Zone: fmt.Sprintf("zone-%d", random.IntN(3))})
			next++
		}
		is := mesh.NewPlan(list)
		epoch := int64(step)
		for _, node := range is.Nodes() {
			if !was.Has(node) {
				continue
			}
			before := slices.Concat(was.Lasting(node), was.Passing(node, epoch))
			for _, peer := range slices.Concat(is.Lasting(node), is.Passing(node, epoch)) {
				if all++; slices.Contains(before, peer) {
					kept++
				}
			}
		}
		was = is
	}
	share := float64(kept) / float64(all)
	t.Logf("a node that comes or goes leaves %.0f%% of all pairs as they are", 100*share)
	if share < 0.5 {
		t.Errorf("it leaves %.0f%% of all pairs as they are, want half of them", 100*share)
	}
}

func TestPlanningTenThousandNodesTakesAMoment(t *testing.T) {
	list := members(10_000, 3)
	best := time.Hour
	for range 3 {
		began := time.Now()
		p := mesh.NewPlan(list)
		for _, node := range p.Nodes() {
			p.Passing(node, 7)
		}
		best = min(best, time.Since(began))
	}
	t.Logf("10,000 nodes, and all their peers of an epoch: %v", best)
	if best > 5*time.Second {
		t.Errorf("it took %v", best)
	}
}

func BenchmarkPlan10000(b *testing.B) {
	list := members(10_000, 3)
	b.ReportAllocs()
	for b.Loop() {
		mesh.NewPlan(list)
	}
}

func TestAnEpochIsThirtySecondsOfTheWallClock(t *testing.T) {
	at := time.Date(2026, 11, 27, 12, 0, 29, 999_999_999, time.UTC)
	e := mesh.EpochOf(at)
	if next := mesh.EpochOf(at.Add(1)); next != e+1 || !mesh.Start(next).Equal(at.Add(1)) {
		t.Errorf("%v is in epoch %d, a moment later in %d, which begins at %v", at, e, next, mesh.Start(next))
	}
}

func TestAnIDTellsAnAgentFromAllOthers(t *testing.T) {
	one := fleet.Agent{Key: fleet.Key{Namespace: "a", Name: "b"}, UID: "c"}
	id := mesh.ID(&one)
	if id != mesh.ID(&fleet.Agent{Key: one.Key, UID: "c", Node: "n", Addresses: []string{"10.0.0.1"}}) {
		t.Error("an agent's id changes with its node")
	}
	for _, other := range []fleet.Agent{
		{Key: one.Key}, {Key: one.Key, UID: "d"}, {Key: fleet.Key{Namespace: "ab"}, UID: "c"}, {Key: fleet.Key{Namespace: "a", Name: "bc"}},
	} {
		if mesh.ID(&other) == id {
			t.Errorf("%+v has the same id as %+v", other, one)
		}
	}
	list := &fleet.List{}
	for i := range 20_000 {
		list.Agents = append(list.Agents, fleet.Agent{Key: fleet.Key{Namespace: "netchecker", Name: fmt.Sprintf("agent-%05d", i)}})
	}
	ids := mesh.IDs(list)
	for id, i := range ids {
		if id == 0 || id > report.MaxID || id != mesh.ID(&list.Agents[i]) {
			t.Fatalf("%+v has the id %d", list.Agents[i], id)
		}
	}
	if len(ids) < 19_990 {
		t.Errorf("20,000 agents have %d ids", len(ids))
	}
	twice := &fleet.List{Agents: []fleet.Agent{one, one}}
	if got := mesh.IDs(twice); len(got) != 1 || got[id] != 0 {
		t.Errorf("of two of one id, %v have it", got)
	}
}

func TestWhatAllShareIsAskedWithinABudget(t *testing.T) {
	for _, row := range []struct {
		agents, questions, perSecond int
		want                         time.Duration
	}{
		{0, 1, 1000, 5 * time.Second},
		{200, 5, 1000, 5 * time.Second},
		{1000, 5, 1000, 5 * time.Second},
		{1001, 5, 1000, 10 * time.Second},
		{20_000, 5, 1000, 100 * time.Second},
		{20_000, 1, 1, time.Hour},
	} {
		if got := mesh.Every(row.agents, row.questions, row.perSecond, time.Hour); got != row.want {
			t.Errorf("%+v: got %v", row, got)
		}
	}
}

func TestTheMoreAgentsThereAreTheLongerTheirUpdatesAreSpread(t *testing.T) {
	for agents, want := range map[int]time.Duration{
		0:       time.Second,
		1500:    time.Second,
		1501:    2 * time.Second,
		10_000:  7 * time.Second,
		20_000:  14 * time.Second,
		200_000: 15 * time.Second,
	} {
		if got := mesh.SpreadOfUpdates(agents); got != want {
			t.Errorf("%d agents: got %v, want %v", agents, got, want)
		}
	}
}
