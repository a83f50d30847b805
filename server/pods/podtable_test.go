package pods

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/netchecker/netchecker/server/fleet"
)

// running is a pod as the API server tells it, on a node of its own.
func running(namespace, name, uid string) *corev1.Pod {
	return &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name, UID: types.UID(uid)},
		Spec:       corev1.PodSpec{NodeName: "node-of-" + name},
		Status:     corev1.PodStatus{Phase: corev1.PodRunning, PodIPs: []corev1.PodIP{{IP: "10.0.0.1"}}},
	}
}

func TestOrderHoldsThroughAnyChanges(t *testing.T) {
	table := newPodTable(time.Now, func() {})
	random := rand.New(rand.NewPCG(1, 2))
	want := map[fleet.Key]string{}
	pod := func() *corev1.Pod {
		return running([]string{"blue", "green"}[random.IntN(2)], fmt.Sprintf("p%d", random.IntN(30)), fmt.Sprint(random.IntN(3)))
	}
	put := func(p *corev1.Pod) { want[fleet.Key{Namespace: p.Namespace, Name: p.Name}] = string(p.UID) }
	for range 2000 {
		switch p := pod(); random.IntN(8) {
		case 0:
			clear(want)
			var objs []any
			for range random.IntN(40) {
				p := pod()
				put(p)
				objs = append(objs, p)
			}
			must(t, table.Replace(objs, ""))
		case 1, 2, 3:
			delete(want, fleet.Key{Namespace: p.Namespace, Name: p.Name})
			must(t, table.Delete(p))
		default:
			put(p)
			must(t, table.Update(p))
		}
		if random.IntN(3) > 0 {
			continue
		}
		agents, _ := table.agents()
		if !slices.IsSortedFunc(agents, func(a, b fleet.Agent) int { return a.Key.Compare(b.Key) }) {
			t.Fatalf("not in order: %+v", agents)
		}
		if len(agents) != len(want) {
			t.Fatalf("%d agents, want %d", len(agents), len(want))
		}
		for _, a := range agents {
			if want[a.Key] != a.UID {
				t.Fatalf("%v has UID %s, want %s", a.Key, a.UID, want[a.Key])
			}
		}
	}
}

func TestListThatIsTheSameIsNoChange(t *testing.T) {
	changes := 0
	table := newPodTable(time.Now, func() { changes++ })
	must(t, table.Replace([]any{running("n", "a", "1"), running("n", "b", "2")}, ""))
	first, _ := table.agents()
	changes = 0
	must(t, table.Replace([]any{running("n", "b", "2"), running("n", "a", "1")}, ""))
	must(t, table.Update(running("n", "a", "1")))
	if again, _ := table.agents(); changes != 0 || &again[0] != &first[0] {
		t.Errorf("%d changes were told, and the list was made again", changes)
	}
	must(t, table.Replace([]any{running("n", "b", "2")}, ""))
	if changes == 0 {
		t.Error("a pod that is gone is no change")
	}
}

func TestFirstSeenIsThatOfTheUID(t *testing.T) {
	now := time.Unix(1_000_000, 0)
	table := newPodTable(func() time.Time { return now }, func() {})
	seen := func() time.Time {
		agents, _ := table.agents()
		return agents[0].FirstSeen
	}
	must(t, table.Replace([]any{running("n", "a", "1")}, ""))
	first := now
	now = now.Add(time.Minute)
	must(t, table.Replace([]any{running("n", "a", "1")}, ""))
	changed := running("n", "a", "1")
	changed.Status.PodIPs = nil
	must(t, table.Update(changed))
	if !seen().Equal(first) {
		t.Errorf("first seen at %v, want %v", seen(), first)
	}
	must(t, table.Replace([]any{running("n", "a", "2")}, ""))
	if !seen().Equal(now) {
		t.Errorf("another pod of the name was first seen at %v, want %v", seen(), now)
	}
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
