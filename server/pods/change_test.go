package pods

import (
	"fmt"
	"math/rand/v2"
	"reflect"
	"slices"
	"testing"
	"time"

	"github.com/netchecker/netchecker/server/fleet"
)

func TestWhoCameAndWhoWentIsToldByUIDs(t *testing.T) {
	random := rand.New(rand.NewPCG(3, 4))
	someone := func() []fleet.Agent {
		var agents []fleet.Agent
		for name := range 12 {
			for _, ns := range []string{"blue", "green"} {
				if random.IntN(3) > 0 {
					agents = append(agents, fleet.Agent{
						Key: fleet.Key{Namespace: ns, Name: fmt.Sprintf("p%02d", name)}, UID: fmt.Sprint(1 + random.IntN(2)),
					})
				}
			}
		}
		return agents
	}
	for range 1000 {
		before, after := someone(), someone()
		got := changeOf(before, after)
		var went []fleet.Agent
		for _, a := range before {
			if !slices.ContainsFunc(after, func(b fleet.Agent) bool { return reflect.DeepEqual(a, b) }) {
				went = append(went, a)
			}
		}
		var came []podID
		for _, a := range after {
			if !slices.ContainsFunc(before, func(b fleet.Agent) bool { return reflect.DeepEqual(a, b) }) {
				came = append(came, idOf(&a))
			}
		}
		if !reflect.DeepEqual(got.went, went) || !reflect.DeepEqual(got.came, came) {
			t.Fatalf("from %v to %v went %v and came %v", before, after, got.went, got.came)
		}
	}
}

func TestSeveralPodsOfOneNameHaveLeft(t *testing.T) {
	start := time.Now()
	var was []fleet.Left
	agents := func(uids ...string) (all []fleet.Agent) {
		for _, uid := range uids {
			all = append(all, fleet.Agent{Key: fleet.Key{Namespace: "n", Name: "a"}, UID: uid})
		}
		return all
	}
	is := agents("1")
	for i, uid := range []string{"2", "3"} {
		next := agents(uid)
		was = left(was, changeOf(is, next), start.Add(time.Duration(i)*time.Second))
		is = next
	}
	want := []fleet.Left{{Agent: agents("1")[0], Since: start}, {Agent: agents("2")[0], Since: start.Add(time.Second)}}
	if !reflect.DeepEqual(was, want) {
		t.Errorf("left have %+v, want %+v", was, want)
	}
	if again := left(was, changeOf(is, is), start.Add(time.Minute)); &again[0] != &was[0] {
		t.Error("where nothing changed, the list of those who left was made again")
	}
	if now := left(was, change{}, start.Add(fleet.LeftFor)); !reflect.DeepEqual(now, want[1:]) {
		t.Errorf("two minutes later, left have %+v, want %+v", now, want[1:])
	}
}
