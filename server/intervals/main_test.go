package intervals

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/netchecker/netchecker/pkg/report"
	"github.com/netchecker/netchecker/server/fleet"
	"github.com/netchecker/netchecker/server/intake"
	"github.com/netchecker/netchecker/server/store"
	"github.com/netchecker/netchecker/test/testmain"
)

func TestMain(m *testing.M) { testmain.Run(m) }

// noon is when the agents of these tests start.
var noon = time.Date(2026, 11, 27, 12, 0, 0, 0, time.UTC)

const s = time.Second

// world has a History, a clock that is moved by hand, and an etcd that is a map.
type world struct {
	t    *testing.T
	h    *History
	now  time.Time
	data map[string][]byte
	err  error
	// writes counts those of the leader. While the watch is behind, what they wrote is
	// not told.
	writes int
	behind bool
}

func newWorld(t *testing.T) *world {
	w := &world{t: t, now: noon, data: map[string][]byte{}}
	w.h = New(func() time.Time { return w.now })
	return w
}

// at sets the clock.
func (w *world) at(since time.Duration) *world {
	w.now = noon.Add(since)
	return w
}

func (w *world) apply(ops ...store.Op) {
	for _, op := range ops {
		if _, there := w.data[op.Key]; there && op.Once {
			continue
		}
		if op.Value == nil {
			delete(w.data, op.Key)
		} else {
			w.data[op.Key] = op.Value
		}
		w.h.Apply(store.Entry{Key: op.Key, Value: op.Value})
	}
}

// Save implements Saver.
func (w *world) Save(_ context.Context, ops ...store.Op) error {
	if w.err != nil {
		return w.err
	}
	if w.writes++; !w.behind {
		w.apply(ops...)
	}
	return nil
}

// restart is a server that reads what is stored.
func (w *world) restart() {
	w.h = New(func() time.Time { return w.now })
	put, done := w.h.Load(false)
	for key, value := range w.data {
		put(store.Entry{Key: key, Value: value, Read: true})
	}
	done(1)
}

// agent is a pod's agent since it started at noon, or later.
type agent struct {
	name, boot string
	network    report.Network
	started    time.Duration
}

var (
	a  = agent{name: "a", boot: "aaaaaaaaaaaaaaaa", network: report.Pod}
	a2 = agent{name: "a", boot: "bbbbbbbbbbbbbbbb", network: report.Pod, started: 100 * s}
	b  = agent{name: "b", boot: "cccccccccccccccc", network: report.Host}
)

func (g agent) pod() fleet.Agent {
	return fleet.Agent{Key: fleet.Key{Namespace: "default", Name: g.name}, Node: "node-" + g.name, Network: g.network}
}

func (g agent) booted() time.Time { return noon.Add(g.started) }

// message takes in what the agent sends.
func (w *world) message(g agent, number uint64, d report.Disruption) *world {
	w.t.Helper()
	sent := intake.Sent{From: g.pod(), Message: report.Message{BootID: g.boot, Number: number}, Booted: g.booted()}
	ops, err := opsOf(&sent, d)
	if err != nil {
		w.t.Fatal(err)
	}
	w.apply(ops...)
	return w
}

// report is the newest of the agent, as the judge has it.
func (w *world) report(g agent, d report.Disruption) *world {
	r := &fleet.Record{}
	r.BootID, r.Booted, r.Disruption = g.boot, g.booted(), &d
	w.h.Look([]fleet.Agent{g.pod()}, []*fleet.Record{r})
	return w
}

// lead is a turn of the leader's, for whom pods are as how says: heard where it says
// nothing.
func (w *world) lead(how map[string]Presence) *world {
	w.t.Helper()
	err := w.h.Lead(w.t.Context(), w, DefaultLimits(), func(k fleet.Key) Presence {
		if p, said := how[k.Name]; said {
			return p
		}
		return Presence{Listed: true}
	})
	if err != nil {
		w.t.Fatal(err)
	}
	return w
}

// fold is an interval of backend x over new connections.
func fold(id uint64, level report.Level, from, to time.Duration) report.Interval {
	i := report.Interval{ID: id, Backend: "x", Connection: report.New, Level: level, From: from, To: to}
	if level != report.Info {
		i.Message = "it is bad"
	}
	return i
}

func open(asOf time.Duration, list ...report.Interval) report.Disruption {
	return report.Disruption{AsOf: asOf, Open: list}
}

func sealed(asOf time.Duration, list ...report.Interval) report.Disruption {
	return report.Disruption{AsOf: asOf, Sealed: list}
}

// told is the timeline in words, by seconds since noon.
func (w *world) told() string {
	var lines []string
	for _, i := range w.h.Between(noon.Add(-time.Hour), noon.Add(48*time.Hour)) {
		line := fmt.Sprintf("%s %s %s %v-%v", i.Pod.Name, i.Connection, i.Level, i.From.Sub(noon), i.To.Sub(noon))
		if i.Open {
			line += " open"
		}
		lines = append(lines, line)
	}
	return strings.Join(lines, "; ")
}

func (w *world) wants(want string) {
	w.t.Helper()
	if got := w.told(); got != want {
		w.t.Errorf("\ngot  %s\nwant %s", got, want)
	}
}

// sorted are intervals as a timeline has them.
func sorted(list ...Interval) timeline {
	var t timeline
	for i := range list {
		t.tail = append(t.tail, &list[i])
	}
	slices.SortFunc(t.tail, (*Interval).compare)
	return t
}
