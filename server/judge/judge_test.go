package judge

import (
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/netchecker/netchecker/pkg/report"
	"github.com/netchecker/netchecker/pkg/wait"
	"github.com/netchecker/netchecker/server/diagnose"
	"github.com/netchecker/netchecker/server/evaluate"
	"github.com/netchecker/netchecker/server/findings"
	"github.com/netchecker/netchecker/server/fleet"
	"github.com/netchecker/netchecker/test/testmain"
)

func TestMain(m *testing.M) { testmain.Run(m) }

// world is a made-up store, list of pods and clock.
type world struct {
	mu        sync.Mutex
	t         time.Time
	list      *fleet.List
	listAsOf  time.Time
	records   map[fleet.Key]*fleet.Record
	currentAt time.Time
	since     time.Time
	revision  int64
	trouble   string
	changed   wait.Broadcast
}

// newWorld has been watched for an hour and expects nobody.
func newWorld(names ...string) *world {
	now := time.Now()
	w := &world{t: now, records: map[fleet.Key]*fleet.Record{}, currentAt: now, since: now.Add(-time.Hour)}
	w.expect(now.Add(-time.Hour), names...)
	return w
}

func (w *world) expect(firstSeen time.Time, names ...string) {
	w.list = &fleet.List{Source: "a made-up list", Nodes: map[string]fleet.Node{}}
	for _, n := range names {
		node := "node-" + n
		w.list.Agents = append(w.list.Agents, fleet.Agent{Key: key(n), Node: node, FirstSeen: firstSeen})
		w.list.Nodes[node] = fleet.Node{Name: node, Ready: fleet.Ready}
	}
	slices.SortFunc(w.list.Agents, func(a, b fleet.Agent) int { return a.Key.Compare(b.Key) })
	w.listAsOf = w.t
}

func key(name string) fleet.Key { return fleet.Key{Namespace: "default", Name: name} }

// hear stores a report that is learned of now.
func (w *world) hear(k fleet.Key) {
	w.revision++
	rec := &fleet.Record{Key: k, Learned: w.t, Revision: w.revision}
	rec.PodName, rec.ReportInterval = k.Name, 15
	w.records[k] = rec
}

// pass lets time go by, in which etcd and Kubernetes answer.
func (w *world) pass(d time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.t = w.t.Add(d)
	w.currentAt, w.listAsOf = w.t, w.t
}

func (w *world) now() time.Time {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.t
}

type storeOf struct{ *world }

func (s storeOf) Get(k fleet.Key) *fleet.Record {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.records[k]
}
func (s storeOf) EachUnlisted(f func(*fleet.Record)) {
	for k, rec := range s.records {
		if k.Unlisted() {
			f(rec)
		}
	}
}
func (s storeOf) Freshness() fleet.Freshness {
	return fleet.Freshness{AsOf: s.currentAt, Since: s.since, Unbroken: s.since}
}
func (s storeOf) Changed() <-chan struct{} { return s.changed.Next() }
func (s storeOf) Trouble() string          { return s.trouble }

type podsOf struct{ *world }

func (p podsOf) List() *fleet.List        { return p.list }
func (p podsOf) AsOf() time.Time          { return p.listAsOf }
func (p podsOf) Changed() <-chan struct{} { return nil }
func (p podsOf) Trouble() string          { return p.trouble }

func (w *world) judge() *Judge {
	return New(Config{Store: storeOf{w}, Pods: podsOf{w}, BlindAfter: 5 * time.Second, Grace: 2 * time.Minute, Now: w.now})
}

// anew has j judge this moment.
func anew(j *Judge) *Snapshot {
	j.last.Store(j.build())
	return j.Snapshot()
}

// told is a Snapshot in a line: both verdicts, and each agent's state.
func told(s *Snapshot) string {
	text := s.Verdict(false).String()
	if lenient := s.Verdict(true); lenient != s.Verdict(false) {
		text += ", or " + lenient.String()
	}
	for i, state := range s.States {
		text += fmt.Sprintf("; %s %v", s.List.DisplayName(i), state)
	}
	return text
}

func wantTold(t *testing.T, s *Snapshot, want string) {
	t.Helper()
	if got := told(s); got != want {
		t.Errorf("it is told %q, want %q", got, want)
	}
}

func TestWhoReportsIsToldFromWhoIsAbsentAndWhoIsOutdated(t *testing.T) {
	w := newWorld("p", "q", "well")
	w.hear(key("q"))
	w.pass(31 * time.Second)
	w.hear(key("well"))
	s := w.judge().Snapshot()
	wantTold(t, s, "failing; p absent; q outdated; well reporting")
	if want := []Failing{{0, time.Minute}, {1, 15 * time.Second}}; !slices.Equal(s.Failing, want) {
		t.Errorf("failing are %v, want %v", s.Failing, want)
	}
	w.hear(key("p"))
	w.hear(key("q"))
	wantTold(t, w.judge().Snapshot(), "ok; p reporting; q reporting; well reporting")
}

func TestStartingFailsUnlessAskedOtherwise(t *testing.T) {
	w := newWorld("old")
	w.hear(key("old"))
	w.expect(w.t, "old", "young")
	wantTold(t, w.judge().Snapshot(), "failing, or ok; old reporting; young starting")
	w.pass(2 * time.Minute)
	w.hear(key("old"))
	wantTold(t, w.judge().Snapshot(), "failing; old reporting; young absent")
}

func TestPlannedFailsNothing(t *testing.T) {
	w := newWorld("a", "b")
	w.hear(key("a"))
	w.hear(key("b"))
	w.list.Nodes = map[string]fleet.Node{"node-b": {Name: "node-b", Going: "cordoned", GoingSince: w.t.Add(time.Second)}}
	j := w.judge()
	w.pass(35 * time.Second)
	w.hear(key("a"))
	wantTold(t, anew(j), "ok; a reporting; b planned")
	delete(w.records, key("b")) // its time in the store is up
	w.pass(15 * time.Second)
	w.hear(key("a"))
	wantTold(t, anew(j), "ok; a reporting; b planned")
}

func TestWhatCannotBeKnownHasACause(t *testing.T) {
	for _, row := range []struct {
		name string
		with func(*world)
		want Unknown
	}{
		{"etcd was never read", func(w *world) { w.currentAt = time.Time{}; w.trouble = "connection refused" }, Unknown{StoreUnread, 0, "connection refused"}},
		{"etcd is silent for longer than -ping-timeout", func(w *world) { w.currentAt = w.t.Add(-12 * time.Second); w.trouble = "no answer" }, Unknown{StoreSilent, 12 * time.Second, "no answer"}},
		{"etcd has only just answered again", func(w *world) { w.since = time.Time{} }, Unknown{Cause: StoreJustBack}},
		{"the pod list was never read", func(w *world) { w.list = nil; w.trouble = "forbidden" }, Unknown{ListUnread, 0, "forbidden"}},
		{"no agent pod exists", func(w *world) { w.list.Agents = nil }, Unknown{Cause: NobodyExpected}},
	} {
		w := newWorld("a")
		w.hear(key("a"))
		row.with(w)
		s := w.judge().Snapshot()
		wantTold(t, s, "cannot_know")
		if s.Unknown != row.want {
			t.Errorf("%s: %+v, want %+v", row.name, s.Unknown, row.want)
		}
	}
}

func TestEtcdSilentForLessThanThePingTimeoutChangesNothing(t *testing.T) {
	w := newWorld("a")
	w.hear(key("a"))
	w.currentAt = w.t.Add(-4 * time.Second)
	wantTold(t, w.judge().Snapshot(), "ok; a reporting")
}

func TestAnAgentIsNotOutdatedBecauseEtcdWasAway(t *testing.T) {
	w := newWorld("a", "b")
	w.hear(key("a"))
	w.hear(key("b"))
	w.pass(10 * time.Minute)
	w.since = w.t // etcd answers again
	wantTold(t, w.judge().Snapshot(), "cannot_know; a reporting; b reporting")
	w.pass(5 * time.Second)
	w.hear(key("a"))
	wantTold(t, w.judge().Snapshot(), "ok; a reporting; b reporting")
	w.pass(26 * time.Second)
	w.hear(key("a"))
	wantTold(t, w.judge().Snapshot(), "failing; a reporting; b outdated")
}

func TestTheAPIServerBeingAwayLeavesTheVerdictAndTellsTheListsAge(t *testing.T) {
	w := newWorld("a")
	w.hear(key("a"))
	w.listAsOf = w.t.Add(-90 * time.Second)
	s := w.judge().Snapshot()
	wantTold(t, s, "ok; a reporting")
	if s.ListAge != 90*time.Second {
		t.Errorf("the list is %v old, want 90s", s.ListAge)
	}
}

func TestAReportThatCameBeforeItsPodWasListedIsShownOnceItIs(t *testing.T) {
	w := newWorld("a")
	w.hear(key("a"))
	w.hear(fleet.UnlistedKey("", "late"))
	w.hear(fleet.UnlistedKey("default", "later"))
	j := w.judge()
	if s := j.Snapshot(); len(s.Records) != 1 || s.Summary.Of[evaluate.Reporting] != 1 {
		t.Errorf("strangers are in the verdict: %s", told(s))
	}
	w.expect(w.t, "a", "late", "later")
	s := anew(j)
	wantTold(t, s, "ok; a reporting; late reporting; later reporting")
	labels := map[fleet.Key]string{}
	for k, label := range s.Keys() {
		labels[k] = label
	}
	if got := labels[fleet.UnlistedKey("", "late")]; got != "node-late-private_network" || len(labels) != 5 {
		t.Errorf("the counters would count it under %q, of %v", got, labels)
	}
}

func TestTheNewestReportCountsWhateverItsUptimeOrDates(t *testing.T) {
	// The host was rebooted, and the clocks of agent and server were set back.
	w := newWorld("a")
	w.hear(fleet.UnlistedKey("", "a"))
	stale := w.records[fleet.UnlistedKey("", "a")]
	stale.Uptime, stale.HostDate, stale.LastUpdated = 9999, w.t.Add(24*time.Hour), w.t.Add(24*time.Hour)
	w.pass(time.Hour)
	w.hear(key("a"))
	fresh := w.records[key("a")]
	fresh.Uptime, fresh.HostDate, fresh.LastUpdated = 5, w.t.Add(-24*time.Hour), w.t.Add(-24*time.Hour)
	s := w.judge().Snapshot()
	if s.Records[0] != fresh || s.States[0] != evaluate.Reporting {
		t.Errorf("shown is uptime %d in state %v, want that after the reboot, reporting", s.Records[0].Uptime, s.States[0])
	}
}

func TestWhoTellsOfBackendsIsKnownAlsoAsTheListChanges(t *testing.T) {
	w := newWorld("a", "c")
	w.hear(key("a"))
	w.hear(key("c"))
	w.records[key("c")].Disruption = &report.Disruption{}
	j := w.judge()
	wants := func(when string, want ...string) {
		t.Helper()
		agents, records := j.build().Sampling()
		var got []string
		for i, a := range agents {
			if got = append(got, a.Name); records[i] != w.records[a.Key] {
				t.Errorf("%s: the record of %s is another's", when, a.Name)
			}
		}
		if !slices.Equal(got, want) {
			t.Errorf("%s: %q, want %q", when, got, want)
		}
	}
	wants("at first", "c")
	w.expect(w.t, "a", "b", "c")
	wants("as another has come", "c")
	w.hear(key("c"))
	wants("once it tells of none any more")
}

// looked is what is found broken, of agents that mesh or do not.
type looked struct {
	meshes bool
	found  []findings.Finding
}

func (l *looked) Meshes(*fleet.List, []*fleet.Record) bool { return l.meshes }
func (l *looked) Lasting() []findings.Finding              { return l.found }
func (l *looked) State() findings.State                    { return findings.State{LeftOut: 2} }

func TestCriticalFindingsFailTheCheckWhereTheyShouldAndAgentsMesh(t *testing.T) {
	of := func(severities ...diagnose.Severity) (all []findings.Finding) {
		for _, s := range severities {
			all = append(all, findings.Finding{Held: diagnose.Held{Finding: diagnose.Finding{Severity: s}}})
		}
		return all
	}
	const critical, warning, info = diagnose.Critical, diagnose.Warning, diagnose.Info
	for _, row := range []struct {
		name   string
		fail   bool
		looked looked
		// asked as by default, and with findings=ok
		want, lenient evaluate.Verdict
		critical      int
	}{
		{"nothing is found", true, looked{true, nil}, evaluate.OK, evaluate.OK, 0},
		{"nothing critical", true, looked{true, of(warning, info)}, evaluate.OK, evaluate.OK, 0},
		{"two critical", true, looked{true, of(critical, critical, warning)}, evaluate.Failing, evaluate.OK, 2},
		{"they fail nothing", false, looked{true, of(critical)}, evaluate.OK, evaluate.OK, 1},
		{"no agent meshes any more", true, looked{false, of(critical)}, evaluate.OK, evaluate.OK, 0},
	} {
		w := newWorld("a")
		w.hear(key("a"))
		j := w.judge()
		j.cfg.Paths, j.cfg.Findings, j.cfg.FindingsFail = &row.looked, &row.looked, row.fail
		s := anew(j)
		if s.Check(true, false) != row.want || s.Check(true, true) != row.lenient || s.Verdict(true) != evaluate.OK || s.Critical() != row.critical {
			t.Errorf("%s: %v, with findings=ok %v, by the agents %v, %d critical", row.name, s.Check(true, false), s.Check(true, true), s.Verdict(true), s.Critical())
		}
		if s.Meshes != row.looked.meshes || (s.LeftOut == 2) != s.Meshes || s.Meshes && len(s.Findings) != len(row.looked.found) {
			t.Errorf("%s: %+v", row.name, s)
		}
		w.pass(time.Minute)
		if s := anew(j); s.Check(true, true) != evaluate.Failing {
			t.Errorf("%s: %v, though the agent is outdated", row.name, s.Check(true, true))
		}
		w.t = w.t.Add(time.Hour)
		if s := anew(j); s.Check(false, false) != evaluate.CannotKnow {
			t.Errorf("%s: %v, though nothing can be known", row.name, s.Check(false, false))
		}
	}
}
