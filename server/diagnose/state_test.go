package diagnose

import (
	"testing"
	"time"

	"github.com/netchecker/netchecker/pkg/report"
	"github.com/netchecker/netchecker/server/mesh"
)

// counted is what of pod-to-pod was counted by now, in both directions.
func (w *world) counted() (all samples) {
	for i := range w.state.sums.background {
		all = all.and(w.state.sums.background[i].classes[podPod])
	}
	return all
}

// tells has an agent of node-1 tell of its session with one of node-2, which it began two
// minutes ago.
func (w *world) tells(boot string, booted time.Time, running, ended []report.Session) {
	w.now = w.now.Add(time.Second)
	for _, rows := range [][]report.Session{running, ended} {
		for i := range rows {
			rows[i].Peer = mesh.ID(w.agent("node-2", report.Pod).Agent)
		}
	}
	a := w.agent("node-1", report.Pod)
	w.tellings[a.index] = &Telling{UID: a.UID, Boot: boot, Booted: booted, Mesh: &report.Mesh{
		AsOf: w.now.Sub(booted), Sessions: report.SessionsOf(running...), Ended: report.SessionsOf(ended...),
	}}
	w.state.Observe(w.now, Input{List: w.list, States: w.states, Tellings: append([]*Telling(nil), w.tellings...)})
}

func TestWhatSessionsCountIsCountedOnce(t *testing.T) {
	row := func(id, sent, lost uint64) []report.Session {
		return []report.Session{{ID: id, Began: 1, Sent: sent, Forward: lost}}
	}
	booted := noon.Add(time.Second)
	for _, c := range []struct {
		name string
		does func(*world)
		want samples // both ways of each that was answered, and one of each that was lost
	}{
		{"a session that is told the first time", func(w *world) { w.tells("a", booted, row(1, 60, 4), nil) }, samples{lost: 4, all: 56 + 60}},
		{"what it has more than before", func(w *world) {
			w.tells("a", booted, row(1, 60, 4), nil)
			w.tells("a", booted, row(1, 70, 4), nil)
		}, samples{lost: 4, all: 66 + 70}},
		{"what is told again as it is over", func(w *world) {
			w.tells("a", booted, row(1, 60, 4), nil)
			w.tells("a", booted, nil, row(1, 62, 4))
			w.tells("a", booted, nil, row(1, 62, 4))
		}, samples{lost: 4, all: 58 + 62}},
		{"an update that leaves out what is over, which is told later", func(w *world) {
			w.tells("a", booted, row(1, 60, 4), nil)
			w.tells("a", booted, row(2, 10, 0), nil)
			w.tells("a", booted, row(2, 20, 0), row(1, 62, 4))
		}, samples{lost: 4, all: 58 + 62 + 20 + 20}},
		{"a session that is over as it is told the first time", func(w *world) { w.tells("a", booted, nil, row(1, 30, 0)) }, samples{lost: 0, all: 60}},
		{"a life from before the server, of which only what is new is counted", func(w *world) {
			w.tells("a", noon.Add(-time.Hour), row(1, 60, 4), nil)
			w.tells("a", noon.Add(-time.Hour), row(1, 61, 4), nil)
		}, samples{lost: 0, all: 2}},
		{"another life counts anew", func(w *world) {
			w.tells("a", booted, row(1, 60, 4), nil)
			w.tells("b", booted.Add(time.Minute), row(1, 10, 0), nil)
			w.tells("a", booted, row(1, 70, 4), nil)
		}, samples{lost: 4, all: 56 + 60 + 20}},
		{"sums that fall", func(w *world) {
			w.tells("a", booted, row(1, 60, 4), nil)
			w.tells("a", booted, row(1, 30, 2), nil)
		}, samples{lost: 4, all: 56 + 60}},
	} {
		w := bare(t, 2, 1)
		w.now = noon.Add(3 * time.Minute)
		c.does(w)
		// What is lost makes sums that are no background while they alarm.
		if got := w.counted(); got != c.want {
			t.Errorf("%s: counted %v; want %v", c.name, got, c.want)
		}
	}
}

func TestAnAgentThatHardlyRunsIsToldToStarve(t *testing.T) {
	w := newWorld(t, 3, 3)
	for range 120 {
		w.agent("node-2", report.Host).mesh.Starved += 300 * time.Millisecond
		w.run(time.Second)
	}
	w.finds(time.Second, "node-2: agent on the host network hardly gets to run since 10:42:32: look at the load and the limits there; what it measures says little")
	for range 120 {
		w.run(time.Second)
	}
	w.none()
}

func TestWhatNothingExplainsIsSaidToBeSo(t *testing.T) {
	w := newWorld(t, 9, 3)
	one := w.agent("node-4", report.Pod)
	w.lose = both(func(s *session) bool { return s.class() == "pod-pod" && s.from == one && s.to.Node == "node-7" })
	w.finds(20*time.Second, "all nodes: paths fail that no single place explains since 10:43:00 (1 of 1 paths fail; between 2 nodes): look at /api/v1/mesh?node= of these")
}
