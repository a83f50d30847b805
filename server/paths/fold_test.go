package paths

import (
	"fmt"
	"reflect"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/netchecker/netchecker/pkg/report"
	"github.com/netchecker/netchecker/server/fleet"
)

// sums looks, and tells the sums as "class from>to sent/forward/back/unknown answered".
func (w *world) sums() string {
	w.look()
	var all []string
	for _, t := range w.p.Totals() {
		all = append(all, fmt.Sprintf("%v %s>%s %d/%d/%d/%d %d", t.Class, t.From, t.To, t.Sent, t.Forward, t.Back, t.Unknown, t.Answered))
	}
	return strings.Join(all, "; ")
}

func (w *world) want(want string) {
	w.t.Helper()
	if got := w.sums(); got != want {
		w.t.Errorf("the sums are %q, want %q", got, want)
	}
}

func TestWhatTellingsAddIsSummedUpByClassAndZones(t *testing.T) {
	w := newWorld(t)
	w.reports("n1-pod", boot, 15*s, sessions(
		w.to("n2-pod", 1, 10, 1, 2, 3), w.to("n3-pod", 2, 10, 0, 0, 0), w.to("n3-host", 3, 5, 0, 5, 0), w.to("n1-host", 4, 7, 0, 0, 0)))
	w.reports("n3-host", boot, 15*s, sessions(w.to("n1-host", 1, 4, 0, 0, 0), w.to("n1-pod", 2, 3, 0, 0, 1)))
	want := "pod-to-pod a>a 10/2/3/0 4; pod-to-pod a>b 10/0/0/0 10; host-to-host b>a 4/0/0/0 4; pod-to-host a>b 5/5/0/0 0; host-to-pod b>a 3/0/1/0 2; own-node a>a 7/0/0/0 7"
	w.want(want)
	w.want(want) // nothing new was told
	w.reports("n1-pod", boot, 30*s, sessions(w.to("n2-pod", 1, 25, 0, 3, 3), w.to("n3-pod", 2, 25, 0, 0, 0), w.to("n3-host", 3, 5, 0, 5, 0), w.to("n1-host", 4, 7, 0, 0, 0)))
	w.want(strings.NewReplacer("a>a 10/2/3/0 4", "a>a 25/3/3/0 19", "a>b 10/0/0/0 10", "a>b 25/0/0/0 25").Replace(want))
}

func TestWhatWasKnownAsTheServerStartedIsNotAdded(t *testing.T) {
	w := newWorld(t)
	w.reports("n1-pod", oldBoot, 3600*s, report.Mesh{
		Sessions: report.SessionsOf(w.to("n2-pod", 1, 3000, 0, 7, 0)),
		Ended:    report.SessionsOf(w.to("n3-pod", 2, 30, 0, 0, 0)),
		Summed:   report.SessionsOf(report.Session{Sent: 500}),
	})
	w.want("")
	// What came after is.
	w.reports("n1-pod", oldBoot, 3615*s, report.Mesh{
		Sessions: report.SessionsOf(w.to("n2-pod", 1, 3015, 0, 8, 0)),
		Ended:    report.SessionsOf(w.to("n3-pod", 2, 30, 0, 0, 0), w.to("n3-pod", 3, 12, 0, 0, 0)),
		Summed:   report.SessionsOf(report.Session{Sent: 520}),
	})
	w.want("pod-to-pod a> 20/0/0/0 20; pod-to-pod a>a 15/1/0/0 14; pod-to-pod a>b 12/0/0/0 12")
}

func TestASessionThatIsOverIsAddedOnceHoweverOftenItIsTold(t *testing.T) {
	w := newWorld(t)
	w.reports("n1-pod", boot, 15*s, sessions(w.to("n2-pod", 1, 10, 4, 0, 0)))
	w.want("pod-to-pod a>a 10/0/0/0 6")
	over := report.SessionsOf(w.to("n2-pod", 1, 12, 5, 0, 0), w.to("n3-pod", 2, 9, 0, 0, 2))
	// That nothing was heard at its end is known now.
	const want = "pod-to-pod a>a 12/0/0/5 7; pod-to-pod a>b 9/0/2/0 7"
	for asOf := 30 * s; asOf < 90*s; asOf += 15 * s { // nobody acknowledges it
		w.reports("n1-pod", boot, asOf, report.Mesh{Ended: over})
		w.want(want)
	}
	w.reports("n1-pod", boot, 90*s, sessions(w.to("n3-pod", 3, 1, 0, 0, 0)))
	w.want("pod-to-pod a>a 12/0/0/5 7; pod-to-pod a>b 10/0/2/0 8")
}

func TestAReportAndAnUpdateOfTheSameAddItOnce(t *testing.T) {
	w := newWorld(t)
	w.reports("n1-pod", boot, 15*s, sessions(w.to("n2-pod", 1, 10, 0, 0, 0)))
	w.updates("n1-pod", boot, 20*s, sessions(w.to("n2-pod", 1, 15, 3, 2, 0)))
	w.want("pod-to-pod a>a 15/2/0/0 10")
	w.updates("n1-pod", boot, 25*s, report.Mesh{Sessions: report.SessionsOf(w.to("n2-pod", 1, 20, 0, 5, 0)), Ended: report.SessionsOf(w.to("n3-pod", 2, 2, 0, 0, 0))})
	w.want("pod-to-pod a>a 20/5/0/0 15; pod-to-pod a>b 2/0/0/0 2")
	// This server hears of an earlier report only now: of what it has, nothing is new.
	w.reports("n1-pod", boot, 22*s, report.Mesh{Sessions: report.SessionsOf(w.to("n2-pod", 1, 17, 3, 2, 0)), Ended: report.SessionsOf(w.to("n3-pod", 2, 2, 0, 0, 0))})
	w.want("pod-to-pod a>a 20/5/0/0 15; pod-to-pod a>b 2/0/0/0 2")
	w.reports("n1-pod", boot, 30*s, report.Mesh{Sessions: report.SessionsOf(w.to("n2-pod", 1, 25, 0, 5, 0)), Ended: report.SessionsOf(w.to("n3-pod", 2, 2, 0, 0, 0))})
	w.want("pod-to-pod a>a 25/5/0/0 20; pod-to-pod a>b 2/0/0/0 2")
}

func TestWhatAnAgentSumsUpIsAddedWithoutWhatWasAddedBefore(t *testing.T) {
	w := newWorld(t)
	w.reports("n1-pod", boot, 15*s, sessions(w.to("n2-pod", 1, 10, 0, 0, 0), w.to("n2-host", 2, 10, 0, 0, 0), w.to("n3-pod", 3, 10, 0, 0, 0)))
	w.want("pod-to-pod a>a 10/0/0/0 10; pod-to-pod a>b 10/0/0/0 10; pod-to-host a>a 10/0/0/0 10")
	// The server was away: session 1 and others after it are over, and were summed up.
	w.reports("n1-pod", boot, 600*s, report.Mesh{
		Sessions: report.SessionsOf(w.to("n2-host", 2, 500, 0, 0, 0), w.to("n3-pod", 3, 500, 0, 0, 0)),
		Summed:   report.SessionsOf(report.Session{Sent: 310, Back: 4}),
	})
	w.want("pod-to-pod a> 300/0/4/0 296; pod-to-pod a>a 10/0/0/0 10; pod-to-pod a>b 500/0/0/0 500; pod-to-host a>a 500/0/0/0 500")
	w.reports("n1-pod", boot, 615*s, report.Mesh{
		Sessions: report.SessionsOf(w.to("n2-host", 2, 515, 0, 0, 0)),
		Summed:   report.SessionsOf(report.Session{Sent: 310, Back: 4}),
		Ended:    report.SessionsOf(w.to("n3-pod", 3, 501, 0, 0, 0)),
	})
	w.want("pod-to-pod a> 300/0/4/0 296; pod-to-pod a>a 10/0/0/0 10; pod-to-pod a>b 501/0/0/0 501; pod-to-host a>a 515/0/0/0 515")
}

func TestASessionThatIsToldAsOverLaterThanItWasToldLastIsRemembered(t *testing.T) {
	w := newWorld(t)
	w.reports("n1-pod", boot, 15*s, sessions(w.to("n2-pod", 1, 10, 0, 0, 0)))
	w.look()
	w.updates("n1-pod", boot, 20*s, sessions(w.to("n3-pod", 2, 1, 0, 0, 0))) // without what is over
	w.reports("n1-pod", boot, 30*s, report.Mesh{Ended: report.SessionsOf(w.to("n2-pod", 1, 14, 0, 0, 0)), Sessions: report.SessionsOf(w.to("n3-pod", 2, 11, 0, 0, 0))})
	w.want("pod-to-pod a>a 14/0/0/0 14; pod-to-pod a>b 11/0/0/0 11")
}

func TestANewLifeBeginsAnewAndAnEarlierOneAddsNothingMore(t *testing.T) {
	w := newWorld(t)
	w.reports("n1-pod", boot, 15*s, sessions(w.to("n2-pod", 1, 10, 0, 0, 0)))
	w.want("pod-to-pod a>a 10/0/0/0 10")
	w.reports("n1-pod", nextBoot, 5*s, sessions(w.to("n2-pod", 1, 4, 0, 0, 0)))
	w.want("pod-to-pod a>a 14/0/0/0 14")
	w.updates("n1-pod", boot, 20*s, sessions(w.to("n2-pod", 1, 15, 0, 0, 0)))
	w.want("pod-to-pod a>a 14/0/0/0 14")
}

func TestTheLastOfALifeAndTheFirstOfTheNextMayBeTakenInAtOnce(t *testing.T) {
	w := newWorld(t)
	w.reports("n1-pod", boot, 15*s, sessions(w.to("n2-pod", 1, 10, 0, 0, 0)))
	w.look()
	w.updates("n1-pod", boot, 17*s, sessions(w.to("n2-pod", 1, 12, 0, 0, 0)))
	w.reports("n1-pod", nextBoot, 5*s, sessions(w.to("n2-pod", 1, 4, 0, 0, 0)))
	w.want("pod-to-pod a>a 16/0/0/0 16")
}

func TestSessionsThatBeganSinceAreAddedWhetherTheyAreOverOrNot(t *testing.T) {
	w := newWorld(t)
	w.reports("n1-pod", boot, 15*s, sessions(w.to("n2-pod", 1, 10, 0, 0, 0)))
	w.look()
	w.reports("n1-pod", boot, 30*s, report.Mesh{
		Sessions: report.SessionsOf(w.to("n2-pod", 1, 25, 0, 0, 0), w.to("n3-pod", 2, 9, 0, 0, 0)),
		Ended:    report.SessionsOf(w.to("n3-pod", 3, 4, 0, 0, 0)),
	})
	w.want("pod-to-pod a>a 25/0/0/0 25; pod-to-pod a>b 13/0/0/0 13")
}

func TestARecordThatExpiredAndCameAgainAddsWhatCameSince(t *testing.T) {
	w := newWorld(t)
	w.reports("n1-pod", boot, 15*s, sessions(w.to("n2-pod", 1, 10, 0, 0, 0)))
	w.look()
	delete(w.records, "n1-pod")
	w.now = noon.Add(2 * forgetAfter)
	w.look()
	w.reports("n1-pod", boot, 7200*s, sessions(w.to("n2-pod", 1, 7000, 0, 0, 0)))
	w.want("pod-to-pod a>a 7000/0/0/0 7000")
}

func TestAPodThatLeftIsForgottenInTheEnd(t *testing.T) {
	w := newWorld(t)
	w.reports("n1-pod", boot, 15*s, sessions(w.to("n2-pod", 1, 10, 0, 0, 0)))
	w.look()
	w.list = &fleet.List{Nodes: w.list.Nodes, Agents: w.list.Agents[2:]}
	for at := time.Duration(0); at <= forgetAfter+2*sweepEvery; at += sweepEvery {
		w.now = noon.Add(at)
		w.look()
	}
	if n := len(w.p.fold.lives); n != 0 {
		t.Errorf("%d lives are remembered", n)
	}
	w.want("pod-to-pod a>a 10/0/0/0 10")
}

func TestATargetThatIsNotInTheListHasNoZone(t *testing.T) {
	w := newWorld(t)
	w.reports("n1-host", boot, 15*s, sessions(report.Session{ID: 1, Peer: 77, Sent: 3}, report.Session{ID: 2, Peer: 78, Host: true, Sent: 4}))
	w.want("host-to-host a> 4/0/0/0 4; host-to-pod a> 3/0/0/0 3")
}

func TestRoundTripsAreCountedByWhatTheyTookOnAverage(t *testing.T) {
	w := newWorld(t)
	one := w.to("n2-pod", 1, 10, 0, 0, 0)
	one.RoundTrips = 10 * 300 // µs
	w.reports("n1-pod", boot, 15*s, sessions(one))
	w.look()
	one.Sent, one.RoundTrips = 15, 10*300+5*40_000
	w.reports("n1-pod", boot, 30*s, sessions(one))
	w.look()
	total := w.p.Totals()[0]
	want := [len(Buckets)]uint64{0, 0, 10, 10, 10, 10, 10, 10, 15, 15, 15, 15, 15}
	if total.Times != want || total.Answered != 15 || total.Took < 0.20299 || total.Took > 0.20301 {
		t.Errorf("%+v", total)
	}
}

func TestAnAgentThatLiesLeavesTheSumsFitForUse(t *testing.T) {
	w := newWorld(t)
	const huge = 1<<63 - 1
	w.reports("n1-pod", boot, 15*s, sessions(
		report.Session{ID: 1, Peer: w.id("n2-pod"), Sent: huge, Forward: huge},
		report.Session{ID: 2, Peer: w.id("n2-pod"), Sent: 5, RoundTrips: huge}))
	w.want("pod-to-pod a>a 5/0/0/0 5")
	if took := w.p.Totals()[0].Took; took != 300 {
		t.Errorf("five round trips took %v s", took)
	}
	w.reports("n1-pod", boot, 30*s, sessions(report.Session{ID: 2, Peer: w.id("n2-pod"), Sent: 2}))
	w.want("pod-to-pod a>a 5/0/0/0 5") // a sum that falls
}

func TestThereAreNoMoreSumsThanThereIsRoomFor(t *testing.T) {
	f := newFold(noon, nil)
	for i := range 3000 {
		f.add(Key{From: fmt.Sprint(i)}, row{sent: 1})
	}
	var others Total
	for _, t := range f.sorted() {
		if t.From == otherZones {
			others = t
		}
	}
	if len(f.totals) != mostTotals+1 || others.Sent != 1000 {
		t.Errorf("there are %d sums, and %d sent are in that of others", len(f.totals), others.Sent)
	}
}

// What any number of lost answers, updates and late reports does: each datagram is in
// the sums once.
func TestWhateverIsToldAgainOrLateEachDatagramIsAddedOnce(t *testing.T) {
	w := newWorld(t)
	next, sent := uint64(1), map[uint64]uint64{}
	var running []uint64
	var over []report.Session
	names := []string{"n2-pod", "n3-pod", "n2-host", "n3-host"}
	row := func(id uint64) report.Session {
		one := w.to(names[id%4], id, sent[id], 0, 0, 0)
		one.Began = id * 1000
		return one
	}
	for turn := 1; turn < 400; turn++ {
		asOf := time.Duration(turn) * 5 * s
		if turn%3 == 0 || len(running) == 0 {
			sent[next] = 0
			running = append(running, next)
			next++
		}
		for _, id := range running {
			sent[id] += 5
		}
		if turn%5 == 0 {
			over, running = append(over, row(running[0])), running[1:]
		}
		var m report.Mesh
		for _, id := range running {
			m.Sessions = report.SessionsOf(append(list(m.Sessions), row(id))...)
		}
		m.Ended = report.SessionsOf(over...)
		if turn%2 == 0 {
			w.updates("n1-pod", boot, asOf, m)
		} else {
			w.reports("n1-pod", boot, asOf, m)
			if turn%7 == 0 {
				over = nil // it was acknowledged
			}
		}
		if turn%4 != 1 {
			w.look()
		}
	}
	w.look()
	var want, got uint64
	for _, n := range sent {
		want += n
	}
	for _, total := range w.p.Totals() {
		got += total.Sent
	}
	if got != want {
		t.Errorf("%d were sent, and the sums have %d", want, got)
	}
}

func list(s report.Sessions) (all []report.Session) {
	for one := range s.All() {
		all = append(all, one)
	}
	return all
}

func TestWhatIsRememberedOfAnAgentIsSmall(t *testing.T) {
	const agents = 2000
	l := &fleet.List{Nodes: map[string]fleet.Node{}}
	records := make([]*fleet.Record, agents)
	var rows []report.Session
	for i := range uint64(17) {
		rows = append(rows, report.Session{ID: i + 1, Peer: report.MaxID - i, Began: 60_000, Sent: 30, RoundTrips: 45_000, Shortest: 300, Longest: 9000, MTU: 1500, Sized: 3, There: 1500, Here: 1500})
	}
	for i := range agents {
		l.Agents = append(l.Agents, fleet.Agent{Key: fleet.Key{Name: fmt.Sprintf("agent-%05d", i)}, Node: "n"})
		records[i] = &fleet.Record{Record: report.Record{Report: report.Report{BootID: boot, Mesh: &report.Mesh{AsOf: s, Sessions: report.SessionsOf(rows...)}}, Booted: booted(boot)}}
	}
	p := New(Config{Now: func() time.Time { return noon }})
	before := heap()
	p.Look(l, records)
	each := (heap() - before) / agents
	t.Logf("%d bytes an agent, besides its record", each)
	if each > 512 {
		t.Errorf("%d bytes are remembered of an agent, besides its record", each)
	}
	began := time.Now()
	p.Look(l, records)
	t.Logf("a look at %d agents that told nothing new: %v", agents, time.Since(began))
	runtime.KeepAlive(p)
	runtime.KeepAlive(records)
}

func heap() int64 {
	var m runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

func TestTheSumsAreCopies(t *testing.T) {
	w := newWorld(t)
	w.reports("n1-pod", boot, 15*s, sessions(w.to("n2-pod", 1, 10, 0, 0, 0)))
	w.look()
	first := w.p.Totals()
	kept := append([]Total{}, first...)
	w.reports("n1-pod", boot, 30*s, sessions(w.to("n2-pod", 1, 20, 0, 0, 0)))
	w.look()
	if !reflect.DeepEqual(first, kept) {
		t.Error("what was returned changes")
	}
}
