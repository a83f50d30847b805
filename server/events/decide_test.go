package events

import (
	"fmt"
	"math/rand/v2"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/netchecker/netchecker/pkg/report"
	"github.com/netchecker/netchecker/server/fleet"
	"github.com/netchecker/netchecker/server/intervals"
)

// epoch is when the tests' stories begin.
var epoch = time.Date(2026, 11, 27, 12, 0, 0, 0, time.UTC)

func at(second float64) time.Time { return epoch.Add(time.Duration(second * float64(time.Second))) }

// saw is an interval of an agent, of kube-api over new connections on the pod network.
func saw(agent string, level report.Level, from, to float64, message ...string) intervals.Interval {
	return intervals.Interval{
		Backend: "kube-api", Connection: report.New, Network: report.Pod, Node: "n-" + agent, Pod: fleet.Key{Namespace: "netchecker", Name: agent},
		Level: level, From: at(from), To: at(to), Message: strings.Join(message, ""),
	}
}

func open(i intervals.Interval) intervals.Interval {
	i.Open = true
	return i
}

// teller decides again and again, and remembers.
type teller struct {
	memory memory
	told   []Event
}

// by decides at that second, and returns what was told.
func (t *teller) by(second float64, list ...intervals.Interval) []string {
	d := decide(list, t.memory, at(second), 100)
	t.memory, t.told = d.after, append(t.told, d.events...)
	return notes(d.events)
}

func notes(events []Event) []string {
	var all []string
	for _, e := range events {
		all = append(all, e.Reason+": "+e.Note)
	}
	return all
}

func (t *teller) expect(tb testing.TB, second float64, list []intervals.Interval, want ...string) {
	tb.Helper()
	if got := t.by(second, list...); !slices.Equal(got, want) {
		tb.Errorf("at %v:\ngot  %q\nwant %q", second, got, want)
	}
}

const subject = "kube-api over new connections on the pod network"

func TestAnOutageIsToldAtItsBeginningAndItsEnd(t *testing.T) {
	var c teller
	good := []intervals.Interval{open(saw("a", report.Info, 0, 9)), open(saw("b", report.Info, 0, 9))}
	c.expect(t, 9, good)

	failing := []intervals.Interval{
		saw("a", report.Info, 0, 10), open(saw("a", report.Error, 10, 11, "connection refused")),
		open(saw("b", report.Info, 0, 11)),
	}
	c.expect(t, 11, failing)
	c.expect(t, 13.9, failing)

	failing = []intervals.Interval{
		saw("a", report.Info, 0, 10), open(saw("a", report.Error, 10, 14, "connection refused")),
		saw("b", report.Info, 0, 10.5), open(saw("b", report.Error, 10.5, 14, "connection refused")),
		open(saw("c", report.Info, 0, 14)),
	}
	c.expect(t, 14, failing, "DisruptionBegan: "+subject+" is disrupted since 2026-11-27T12:00:10.0Z, from 2 of 3 agents: connection refused")
	c.expect(t, 15, failing)

	over := []intervals.Interval{
		saw("a", report.Info, 0, 10), saw("a", report.Error, 10, 20, "connection refused"), open(saw("a", report.Info, 20, 24)),
		saw("b", report.Info, 0, 10.5), saw("b", report.Error, 10.5, 21.25, "connection refused"), open(saw("b", report.Info, 21.25, 24)),
		open(saw("c", report.Info, 0, 24)),
	}
	c.expect(t, 24, over)
	c.expect(t, 31.24, over)
	c.expect(t, 31.25, over, "DisruptionEnded: "+subject+" was disrupted for 11.3s, from 2026-11-27T12:00:10.0Z to 2026-11-27T12:00:21.2Z, from 2 of 3 agents")
	c.expect(t, 32, over)

	if got := []Type{c.told[0].Type, c.told[1].Type}; !slices.Equal(got, []Type{Warning, Normal}) {
		t.Errorf("the types are %s", got)
	}
	if !c.told[0].At.Equal(at(10)) || !c.told[1].At.Equal(at(21.25)) {
		t.Errorf("they are of %v and %v", c.told[0].At, c.told[1].At)
	}
	began, ended := strings.TrimSuffix(c.told[0].ID, ".began"), strings.TrimSuffix(c.told[1].ID, ".ended")
	if began != ended || len(began) != 16 {
		t.Errorf("they are called %s and %s", c.told[0].ID, c.told[1].ID)
	}
}

func TestErrorsWithAPauseShorterThanFiveSecondsAreOneOutage(t *testing.T) {
	for _, row := range []struct {
		pause float64
		want  int
	}{{4.9, 2}, {5, 4}} {
		var c teller
		list := []intervals.Interval{
			saw("a", report.Error, 10, 11, "x"), saw("b", report.Error, 11+row.pause, 12+row.pause, "x"), open(saw("a", report.Info, 11, 100)),
		}
		c.by(90, list...)
		c.by(100, list...)
		c.by(101, list...)
		if c.by(102, list...); len(c.told) != row.want {
			t.Errorf("after a pause of %v s: %q, want %d", row.pause, notes(c.told), row.want)
		}
	}
}

func TestEachBackendConnectionAndNetworkIsToldByItself(t *testing.T) {
	var list []intervals.Interval
	for _, backend := range []string{"a", "b"} {
		for _, connection := range []report.Connection{report.New, report.Reused} {
			for _, network := range []report.Network{report.Pod, report.Host} {
				for _, agent := range []string{"x", "y"} {
					i := open(saw(agent, report.Error, 10, 20, "x"))
					i.Backend, i.Connection, i.Network = backend, connection, network
					list = append(list, i)
				}
			}
		}
	}
	var c teller
	c.by(10, list...)
	c.by(20, list...)
	var got []string
	for _, e := range c.told {
		subject, _, _ := strings.Cut(e.Note, " is ")
		got = append(got, subject)
	}
	want := []string{
		"a over new connections on the host network", "a over new connections on the pod network",
		"a over kept connections on the host network", "a over kept connections on the pod network",
		"b over new connections on the host network", "b over new connections on the pod network",
		"b over kept connections on the host network", "b over kept connections on the pod network",
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got  %q\nwant %q", got, want)
	}
}

func TestWarningsAndUnknownAreNoOutages(t *testing.T) {
	var c teller
	list := []intervals.Interval{open(saw("a", report.Warning, 0, 90)), open(saw("b", intervals.Unknown, 0, 90))}
	c.by(10, list...)
	c.expect(t, 90, list)
}

func TestAnOutageOfWhichNobodySawTheEndIsHeldUntilSomebodySamplesAgain(t *testing.T) {
	var c teller
	gone := []intervals.Interval{saw("a", report.Error, 10, 20, "timeout"), open(saw("a", intervals.Unknown, 20, 30))}
	c.by(12, gone...)
	c.expect(t, 16, gone, "DisruptionBegan: "+subject+" is disrupted since 2026-11-27T12:00:10.0Z, from 1 of 1 agents: timeout")
	c.expect(t, 100, gone)
	back := append(slices.Clone(gone), open(saw("b", report.Info, 110, 120)))
	c.expect(t, 120, back, "DisruptionEnded: "+subject+" was disrupted for 10s, from 2026-11-27T12:00:10.0Z to 2026-11-27T12:00:20.0Z, from 1 of 2 agents")

	var never teller
	never.by(12, gone...)
	never.by(16, gone...)
	never.expect(t, 3619, gone)
	never.expect(t, 3620, gone, "DisruptionEnded: "+subject+" was disrupted for 10s, from 2026-11-27T12:00:10.0Z to 2026-11-27T12:00:20.0Z, from 1 of 1 agents; nobody has sampled it since")
}

func TestAnOutageWhoseIntervalsAreGoneIsClosed(t *testing.T) {
	var c teller
	list := []intervals.Interval{open(saw("a", report.Error, 10, 20, "x"))}
	c.by(12, list...)
	c.by(16, list...)
	c.expect(t, 3609, nil)
	c.expect(t, 3610, nil, "DisruptionEnded: "+subject+" was disrupted since 2026-11-27T12:00:10.0Z; when that ended is not known any more")
	c.expect(t, 3611, nil)
}

func TestWhatArrivesLateIsToldOnceWithItsTrueTime(t *testing.T) {
	var c teller
	good := open(saw("b", report.Info, 0, 100))
	c.by(100, good)
	// An agent that could not reach the server for a minute tells what it saw.
	late := []intervals.Interval{good, saw("a", report.Error, 30, 40, "x"), open(saw("a", report.Info, 40, 100))}
	c.expect(t, 101, late)
	c.expect(t, 104, late,
		"DisruptionBegan: "+subject+" is disrupted since 2026-11-27T12:00:30.0Z, from 1 of 2 agents: x")
	c.expect(t, 105, late,
		"DisruptionEnded: "+subject+" was disrupted for 10s, from 2026-11-27T12:00:30.0Z to 2026-11-27T12:00:40.0Z, from 1 of 2 agents")
	// Another saw it begin earlier: it is the same.
	later := append(slices.Clone(late), saw("c", report.Error, 28, 41, "x"))
	c.expect(t, 110, later)
	c.expect(t, 120, later)
	// One saw it go on.
	later = append(later, saw("d", report.Error, 40, 60, "y"))
	c.expect(t, 121, later)
	c.expect(t, 124, later, "DisruptionBegan: "+subject+" is disrupted since 2026-11-27T12:00:40.0Z, from 3 of 4 agents: x")
	c.expect(t, 125, later, "DisruptionEnded: "+subject+" was disrupted for 20s, from 2026-11-27T12:00:40.0Z to 2026-11-27T12:01:00.0Z, from 3 of 4 agents")
	c.expect(t, 126, later)
	c.expect(t, 7000, later)
}

func TestAnOutageThatEndedAnHourAgoIsNoNews(t *testing.T) {
	var c teller
	list := []intervals.Interval{saw("a", report.Error, 10, 20, "x"), open(saw("a", report.Info, 20, 4000))}
	c.by(3617, list...)
	c.expect(t, 3620, list)
}

func TestWhatHasNoRoomIsDecidedTheNextTime(t *testing.T) {
	var list []intervals.Interval
	for n := range 10 {
		list = append(list, saw("a", report.Error, float64(10*n), float64(10*n+1), "x"))
	}
	list = append(list, open(saw("a", report.Info, 100, 200)))
	m := decide(list, memory{}, at(190), 3).after
	var told []Event
	for i := range 20 {
		d := decide(list, m, at(195+float64(i)), 3)
		if len(d.events) > 3 {
			t.Fatalf("%d in one turn", len(d.events))
		}
		m, told = d.after, append(told, d.events...)
	}
	checkTold(t, told, 10)
}

// checkTold holds that each outage was told once, at its beginning and its end.
func checkTold(t *testing.T, told []Event, outages int) {
	t.Helper()
	began, ended := map[string]bool{}, map[string]bool{}
	for _, e := range told {
		id, what, _ := strings.Cut(e.ID, ".")
		of := began
		if what == "ended" {
			of = ended
			if !began[id] {
				t.Errorf("%s ends before it began", id)
			}
		}
		if of[id] {
			t.Errorf("%s is told twice: %s", e.ID, e.Note)
		}
		of[id] = true
	}
	if len(began) != outages || len(ended) != outages {
		t.Errorf("%d began and %d ended, want %d of both", len(began), len(ended), outages)
	}
}

// Agents see outages, and tell them late and in any order; leaders come and go. However
// that is, people are told of each outage at least once, and of none after it was over
// for good.
func TestWhateverOrderIntervalsArriveInAllIsToldAndNothingTwice(t *testing.T) {
	for seed := range uint64(30) {
		random := rand.New(rand.NewPCG(seed, 2))
		var all []intervals.Interval
		arrives := []float64{}
		for a := range 4 {
			agent, now := fmt.Sprint("a", a), 0.0
			for now < 300 {
				good := now + 1 + 60*random.Float64()
				bad := good + 1 + 20*random.Float64()
				all = append(all, saw(agent, report.Info, now, good), saw(agent, report.Error, good, bad, "x"))
				arrives = append(arrives, good+30*random.Float64(), bad+30*random.Float64())
				now = bad
			}
			all = append(all, open(saw(agent, report.Info, now, 1000)))
			arrives = append(arrives, now)
		}
		var c teller
		for second := 0.0; second < 600; second++ {
			var known []intervals.Interval
			for i := range all {
				if arrives[i] <= second && !all[i].From.After(at(second)) {
					known = append(known, all[i])
				}
			}
			if random.IntN(20) == 0 {
				c.memory.seen = nil // another leader
			}
			c.by(second, known...)
		}
		checkTold(t, c.told, len(c.told)/2)
		covered := func(o outage) bool {
			return slices.ContainsFunc(c.memory.lines[lineOf(&all[0])].Told, func(t told) bool { return t.isOf(o) && !t.To.IsZero() })
		}
		for _, o := range outages(all)[lineOf(&all[0])] {
			if !covered(o) {
				t.Errorf("seed %d: nothing was told of the outage from %v to %v", seed, o.from, o.to)
			}
		}
	}
}

func TestWhatIsRememberedIsBounded(t *testing.T) {
	var c teller
	var list []intervals.Interval
	for n := range 300 {
		list = append(list, saw("a", report.Error, float64(10*n), float64(10*n+1), "x"))
		now := float64(10*n + 1)
		for _, after := range []float64{0, 4, 6} {
			c.by(now+after, append(slices.Clone(list), open(saw("a", report.Info, now, now+after)))...)
		}
	}
	c.by(3020, append(slices.Clone(list), open(saw("a", report.Info, 2991, 3020)))...)
	checkTold(t, c.told, 300)
	if n := len(c.memory.lines[lineOf(&list[0])].Told); n > mostTold+1 {
		t.Errorf("%d are remembered", n)
	}
	c.by(20000, open(saw("a", report.Info, 3000, 20000)))
	if len(c.memory.lines) > 0 {
		t.Errorf("after hours without any, %+v is remembered", c.memory.lines)
	}
}

func TestALongMessageIsCut(t *testing.T) {
	var c teller
	list := []intervals.Interval{open(saw("a", report.Error, 10, 20, strings.Repeat("ü", 1000)))}
	c.by(12, list...)
	c.by(16, list...)
	if n := len(c.told[0].Note); n > maxNote || n < maxNote-4 || !strings.HasSuffix(c.told[0].Note, "ü…") {
		t.Errorf("%d bytes: %s", n, c.told[0].Note)
	}
}
