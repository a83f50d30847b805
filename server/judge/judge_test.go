package judge

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/netchecker/netchecker/server/evaluate"
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
	changed   chan struct{}
}

// newWorld has been watched for an hour and expects nobody.
func newWorld(names ...string) *world {
	now := time.Now()
	w := &world{t: now, records: map[fleet.Key]*fleet.Record{}, currentAt: now, since: now.Add(-time.Hour), changed: make(chan struct{}, 1)}
	w.expect(now.Add(-time.Hour), names...)
	return w
}

func (w *world) expect(firstSeen time.Time, names ...string) {
	w.list = &fleet.List{Source: "a made-up list"}
	for _, n := range names {
		w.list.Agents = append(w.list.Agents, fleet.Agent{Key: key(n), Node: "node-" + n, FirstSeen: firstSeen})
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
func (s storeOf) Currency() fleet.Currency {
	return fleet.Currency{AsOf: s.currentAt, Since: s.since, Steady: s.since}
}
func (s storeOf) Changed() <-chan struct{} { return s.changed }
func (s storeOf) Trouble() string          { return s.trouble }

type podsOf struct{ *world }

func (p podsOf) List() *fleet.List        { return p.list }
func (p podsOf) AsOf() time.Time          { return p.listAsOf }
func (p podsOf) Changed() <-chan struct{} { return nil }
func (p podsOf) Trouble() string          { return p.trouble }

func (w *world) judge() *Judge {
	return New(Config{Store: storeOf{w}, Pods: podsOf{w}, BlindAfter: 5 * time.Second, StaleAfter: 30 * time.Second, Grace: 2 * time.Minute, Now: w.now})
}

// answer is the newest verdict as HTTP would tell it.
func (w *world) answer(startingOK bool) string {
	a := w.judge().Snapshot().Check(startingOK)
	return fmt.Sprintf("%d %s", a.Status, a.Body)
}

func wantAnswer(t *testing.T, got, want string) {
	t.Helper()
	if got != want {
		t.Errorf("answered %s\n    want %s", got, want)
	}
}

func TestAllWellIsTheContractsText(t *testing.T) {
	w := newWorld("a", "b", "c", "d", "e", "f")
	for _, a := range w.list.Agents {
		w.hear(a.Key)
	}
	wantAnswer(t, w.answer(false), `200 {"Message":"All 6 pods successfully reported back to the server","Absent":null,"Outdated":null}`)
}

func TestAbsentAndOutdatedAreNamed(t *testing.T) {
	w := newWorld("well", "p", "q")
	w.hear(key("q"))
	w.pass(31 * time.Second)
	w.hear(key("well"))
	wantAnswer(t, w.answer(false), `400 {"Message":"Connectivity check fails. Reason: there are absent or outdated pods; look up the payload","Absent":["p"],"Outdated":["q"]}`)
}

func TestOneAbsentPodIsTheContractsText(t *testing.T) {
	w := newWorld("p", "q")
	w.hear(key("q"))
	wantAnswer(t, w.answer(false), `400 {"Message":"Connectivity check fails. Reason: there are absent or outdated pods; look up the payload","Absent":["p"],"Outdated":null}`)
}

func TestStartingIsAbsentUnlessAskedOtherwise(t *testing.T) {
	w := newWorld("old")
	w.hear(key("old"))
	w.expect(w.t, "old", "young")
	wantAnswer(t, w.answer(false), `400 {"Message":"Connectivity check fails. Reason: there are absent or outdated pods; look up the payload","Absent":["young"],"Outdated":null,"Starting":["young"]}`)
	wantAnswer(t, w.answer(true), `200 {"Message":"All 1 pods successfully reported back to the server","Absent":null,"Outdated":null,"Starting":["young"]}`)
	w.pass(2 * time.Minute)
	w.hear(key("old"))
	const absent = `400 {"Message":"Connectivity check fails. Reason: there are absent or outdated pods; look up the payload","Absent":["young"],"Outdated":null}`
	wantAnswer(t, w.answer(false), absent)
	wantAnswer(t, w.answer(true), absent)
}

func TestAbsentAndStartingAreListedTogetherInOrder(t *testing.T) {
	w := newWorld("a", "c", "well")
	w.hear(key("well"))
	list := w.list
	w.expect(w.t, "a", "b", "c", "d", "well")
	for i := range w.list.Agents {
		for _, had := range list.Agents {
			if had.Key == w.list.Agents[i].Key {
				w.list.Agents[i].FirstSeen = had.FirstSeen
			}
		}
	}
	wantAnswer(t, w.answer(false), `400 {"Message":"Connectivity check fails. Reason: there are absent or outdated pods; look up the payload","Absent":["a","b","c","d"],"Outdated":null,"Starting":["b","d"]}`)
	wantAnswer(t, w.answer(true), `400 {"Message":"Connectivity check fails. Reason: there are absent or outdated pods; look up the payload","Absent":["a","c"],"Outdated":null,"Starting":["b","d"]}`)
}

func TestPlannedFailsNothingAndIsNotCounted(t *testing.T) {
	w := newWorld("a", "b")
	w.hear(key("a"))
	w.hear(key("b"))
	w.list.Nodes = map[string]fleet.Node{"node-b": {Name: "node-b", Going: "cordoned", GoingSince: w.t.Add(time.Second)}}
	j := w.judge()
	w.pass(35 * time.Second)
	w.hear(key("a"))
	j.last.Store(j.build())
	const planned = `{"Message":"All 1 pods successfully reported back to the server","Absent":null,"Outdated":null,"Planned":["b"]}`
	if a := j.Snapshot().Check(false); a.Status != http.StatusOK || string(a.Body) != planned {
		t.Errorf("%d %s\nwant 200 %s", a.Status, a.Body, planned)
	}
	delete(w.records, key("b")) // its time in the store is up
	w.pass(15 * time.Second)
	w.hear(key("a"))
	j.last.Store(j.build())
	if a := j.Snapshot().Check(false); a.Status != http.StatusOK || string(a.Body) != planned {
		t.Errorf("after its report expired: %d %s", a.Status, a.Body)
	}
}

func TestCannotKnowIsNeitherJSONNorHealth(t *testing.T) {
	const head = "503 Error occurred while checking the agents. Details: "
	for _, row := range []struct {
		name string
		with func(*world)
		want string
	}{
		{"etcd was never read", func(w *world) { w.currentAt = time.Time{}; w.trouble = "connection refused" }, "the reports in etcd were never read: connection refused"},
		{"etcd is silent for longer than -ping-timeout", func(w *world) { w.currentAt = w.t.Add(-12 * time.Second); w.trouble = "no answer" }, "etcd has not answered for 12s: no answer"},
		{"the pod list was never read", func(w *world) { w.list = nil; w.trouble = "forbidden" }, "the list of agent pods was never read: forbidden"},
		{"no agent pod exists", func(w *world) { w.list.Agents = nil }, "no agent pod exists, so nobody can report (a made-up list)"},
		{"nobody was heard since the server listens again", func(w *world) {
			w.hear(key("a"))
			w.pass(time.Hour)
			w.since = w.t
		}, "no agent was heard since the server began to listen, and it is too early to blame any"},
	} {
		w := newWorld("a")
		row.with(w)
		wantAnswer(t, w.answer(false), head+row.want)
		wantAnswer(t, w.answer(true), head+row.want)
	}
}

func TestEtcdSilentForLessThanThePingTimeoutChangesNothing(t *testing.T) {
	w := newWorld("a")
	w.hear(key("a"))
	w.currentAt = w.t.Add(-4 * time.Second)
	wantAnswer(t, w.answer(false), `200 {"Message":"All 1 pods successfully reported back to the server","Absent":null,"Outdated":null}`)
}

func TestAnAgentIsNotOutdatedBecauseEtcdWasAway(t *testing.T) {
	w := newWorld("a", "b")
	w.hear(key("a"))
	w.hear(key("b"))
	w.pass(10 * time.Minute)
	w.since = w.t // etcd answers again
	w.pass(5 * time.Second)
	w.hear(key("a"))
	wantAnswer(t, w.answer(false), `200 {"Message":"All 2 pods successfully reported back to the server","Absent":null,"Outdated":null}`)
	w.pass(26 * time.Second)
	w.hear(key("a"))
	wantAnswer(t, w.answer(false), `400 {"Message":"Connectivity check fails. Reason: there are absent or outdated pods; look up the payload","Absent":null,"Outdated":["b"]}`)
}

func TestTheAPIServerBeingAwayLeavesTheVerdictAndTellsTheListsAge(t *testing.T) {
	w := newWorld("a")
	w.hear(key("a"))
	w.listAsOf = w.t.Add(-90 * time.Second)
	wantAnswer(t, w.answer(false), `200 {"Message":"All 1 pods successfully reported back to the server","Absent":null,"Outdated":null,"PodListAgeSeconds":90}`)
}

func TestAReportThatCameBeforeItsPodWasListedIsShownOnceItIs(t *testing.T) {
	w := newWorld("a")
	w.hear(key("a"))
	w.hear(fleet.UnlistedKey("", "late"))
	w.hear(fleet.UnlistedKey("default", "later"))
	j := w.judge()
	if s := j.Snapshot(); len(s.Records) != 1 || s.Tally.Of[evaluate.Reporting] != 1 {
		t.Errorf("strangers are in the verdict: %v", s)
	}
	w.expect(w.t, "a", "late", "later")
	j.last.Store(j.build())
	s := j.Snapshot()
	if s.Tally.Of[evaluate.Reporting] != 3 {
		t.Errorf("%v, want 3 reporting", s)
	}
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

func TestAVerdictThatTheLoopDoesNotRenewIsNotBelieved(t *testing.T) {
	w := newWorld("a")
	w.hear(key("a"))
	j := w.judge()
	w.pass(20 * time.Second)
	a := j.Snapshot().Check(false)
	const want = "Error occurred while checking the agents. Details: the newest verdict is 20s old, because the server's own loop stands still"
	if a.Status != http.StatusServiceUnavailable || string(a.Body) != want {
		t.Errorf("%d %s", a.Status, a.Body)
	}
}

func TestRunShowsAChangeWithinASecondAndEnds(t *testing.T) {
	w := newWorld("a")
	j := New(Config{Store: storeOf{w}, Pods: podsOf{w}, BlindAfter: time.Hour, Grace: 2 * time.Minute, Now: w.now})
	ctx, cancel := context.WithCancel(t.Context())
	var beats atomic.Int64
	var wg sync.WaitGroup
	wg.Go(func() { j.Run(ctx, func() { beats.Add(1) }) })
	defer wg.Wait()
	defer cancel()
	for range 3 {
		time.Sleep(150 * time.Millisecond)
		w.mu.Lock()
		w.hear(key("a"))
		revision := w.revision
		w.mu.Unlock()
		changed := time.Now()
		w.changed <- struct{}{}
		for j.Snapshot().Records[0] == nil || j.Snapshot().Records[0].Revision != revision {
			if time.Since(changed) > time.Second {
				t.Fatal("the change is not shown within a second")
			}
			time.Sleep(time.Millisecond)
		}
	}
	if beats.Load() < 3 {
		t.Errorf("the loop told %d beats", beats.Load())
	}
}

func TestASnapshotCostsLittle(t *testing.T) {
	const agents = 10_000
	var names []string
	for i := range agents {
		names = append(names, fmt.Sprintf("netchecker-agent-%05d", i))
	}
	w := newWorld(names...)
	for _, n := range names {
		w.hear(key(n))
	}
	j := w.judge()
	if perAgent := testing.AllocsPerRun(5, func() { j.build() }) / agents; perAgent > 0.01 {
		t.Errorf("%.3f allocations per agent: the cost of a Snapshot should not be in its garbage", perAgent)
	}
}

func BenchmarkSnapshot(b *testing.B) {
	for _, agents := range []int{1000, 10_000, 100_000} {
		for _, outdated := range []int{0, 1} {
			b.Run(fmt.Sprintf("agents=%d/outdated=%d%%", agents, outdated), func(b *testing.B) {
				var names []string
				for i := range agents {
					names = append(names, fmt.Sprintf("netchecker-agent-%06d", i))
				}
				w := newWorld(names...)
				for i, n := range names {
					if i%100 < outdated {
						w.hear(key(n))
					}
				}
				w.pass(time.Minute)
				for i, n := range names {
					if i%100 >= outdated {
						w.hear(key(n))
					}
				}
				j := w.judge()
				for b.Loop() {
					j.build()
				}
			})
		}
	}
}
