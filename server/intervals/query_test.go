package intervals

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/netchecker/netchecker/pkg/report"
	"github.com/netchecker/netchecker/server/fleet"
)

// day is a world with intervals of two agents.
func day(t *testing.T) *world {
	w := newWorld(t)
	w.message(a, 1, sealed(25*s, fold(1, report.Info, 0, 20*s), fold(2, report.Error, 20*s, 25*s)))
	w.message(b, 1, sealed(30*s, fold(1, report.Warning, 5*s, 6*s)))
	w.message(b, 2, open(40*s, fold(2, report.Info, 6*s, 0)))
	return w.at(time.Minute)
}

func (w *world) asks(q Query) string {
	w.t.Helper()
	if q.To.IsZero() {
		q.From, q.To = noon, w.now
	}
	if q.Limit == 0 {
		q.Limit = 100
	}
	page, err := w.h.Page(q)
	if err != nil {
		w.t.Fatal(err)
	}
	var lines []string
	for _, i := range page.Items {
		lines = append(lines, fmt.Sprintf("%s %s %v", i.Pod.Name, i.Level, i.From.Sub(noon)))
	}
	return strings.Join(lines, "; ")
}

func TestIntervalsAreChosenByTimeLevelAndLocator(t *testing.T) {
	w := day(t)
	for name, row := range map[string]struct {
		q    Query
		want string
	}{
		"all, the newest last":      {Query{}, "a Info 0s; b Warning 5s; b Info 6s; a Error 20s"},
		"those that touch a time":   {Query{From: noon.Add(21 * s), To: noon.Add(22 * s)}, "b Info 6s; a Error 20s"},
		"not those that end then":   {Query{From: noon.Add(25 * s), To: noon.Add(26 * s)}, "b Info 6s"},
		"nor those that begin then": {Query{From: noon.Add(7 * s), To: noon.Add(20 * s)}, "a Info 0s; b Info 6s"},
		"by level":                  {Query{Levels: []report.Level{report.Error, report.Warning}}, "b Warning 5s; a Error 20s"},
		"by a part of the locator":  {Query{Where: Where{Network: "host"}}, "b Warning 5s; b Info 6s"},
		"by several":                {Query{Where: Where{Backend: "x", Connection: "new", Node: "node-a", Pod: "a"}}, "a Info 0s; a Error 20s"},
		"by parts as a whole":       {Query{Where: Where{Node: "node"}}, ""},
	} {
		if got := w.asks(row.q); got != row.want {
			t.Errorf("%s: got  %s\nwant %s", name, got, row.want)
		}
	}
}

func TestPagesFollowEachOtherAlsoWhereIntervalsComeInBetween(t *testing.T) {
	w := day(t)
	early := agent{name: "0", boot: a.boot, started: -200 * s}
	q := Query{From: noon, To: w.now, Limit: 2}
	var got []string
	for n := 0; ; n++ {
		page, err := w.h.Page(q)
		if err != nil || n > 3 {
			t.Fatalf("page %d: %v", n, err)
		}
		for _, i := range page.Items {
			got = append(got, fmt.Sprintf("%s %v", i.Pod.Name, i.From.Sub(noon)))
		}
		if q.After = page.Next; q.After == "" {
			break
		}
		w.message(early, uint64(n+1), sealed(220*s, fold(uint64(n+1), report.Info, 200*s, 201*s)))
	}
	if want := "a 0s; b 5s; b 6s; a 20s"; strings.Join(got, "; ") != want {
		t.Errorf("got  %s\nwant %s", strings.Join(got, "; "), want)
	}
	for _, wrong := range []string{"x", "!", "MSAyIDM"} {
		if _, err := w.h.Page(Query{After: wrong}); err == nil || err.Error() != "is not what it should be: the continue of an earlier answer" {
			t.Errorf("%q: %v", wrong, err)
		}
	}
}

func TestPartsOfLocatorsAreReadAndOthersRefused(t *testing.T) {
	got, err := ParseWhere("disruption/kube-api connection/new  network/pod node/node-2 pod/p")
	if want := (Where{"kube-api", "new", "pod", "node-2", "p"}); err != nil || got != want {
		t.Errorf("%+v, %v; want %+v", got, err, want)
	}
	for _, wrong := range []string{"kube-api", "node/", "zone/a", "pod/a pod/b"} {
		part := strings.Fields(wrong)[len(strings.Fields(wrong))-1]
		want := fmt.Sprintf("has %q; it should have parts of a locator, each once, such as disruption/kube-api connection/new network/pod node/node-2 pod/netchecker-agent-x4k2p", part)
		if _, err := ParseWhere(wrong); err == nil || err.Error() != want {
			t.Errorf("%q: %v\nwant %s", wrong, err, want)
		}
	}
}

// fill puts n intervals of 20 agents into h, 50 a message.
func fill(h *History, n int) {
	const each = 50
	for m := range n / each {
		g := agent{name: fmt.Sprintf("netchecker-agent-%05d", m%20), boot: a.boot, network: report.Pod}
		var list []report.Interval
		for i := range each {
			at := time.Duration(m/20*each+i) * 10 * s
			one := fold(uint64(m/20*each+i+1), []report.Level{report.Info, report.Error}[i%2], at, at+10*s)
			one.Backend = fmt.Sprintf("backend-%d", i%16)
			list = append(list, one)
		}
		l := life{g.pod().Key, g.boot}
		w := word{booted: noon, node: "node-" + g.name, network: report.Pod, Disruption: sealed(100000*s, list...)}
		h.mu.Lock()
		h.add(chunkOf(h.life(l), uint64(m+1), &w, 5000))
		h.mu.Unlock()
	}
}

func BenchmarkReadingAHundredThousandIntervals(b *testing.B) {
	now := noon.Add(100000 * s)
	h := New(func() time.Time { return now })
	fill(h, 100_000)
	h.timeline(now)
	for name, read := range map[string]func(){
		"a page of errors": func() {
			if p, err := h.Page(Query{From: noon, To: now, Levels: []report.Level{report.Error}, Limit: 500}); err != nil || len(p.Items) != 500 {
				b.Fatal(err)
			}
		},
		"none of a node":  func() { _, _ = h.Page(Query{From: noon, To: now, Where: Where{Node: "none"}, Limit: 500}) },
		"sums of a day":   func() { h.Sums(noon, now) },
		"tests of a day":  func() { h.Tests(noon, now, nil) },
		"the totals":      func() { t := h.timeline(now); h.Totals().next(t, t, now) },
		"what is current": func() { h.Current() },
	} {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				read()
			}
		})
	}
	b.Run("with 10,000 agents that sample one backend", func(b *testing.B) {
		h := New(func() time.Time { return now })
		fill(h, 100_000)
		agents, records := make([]fleet.Agent, 10_000), make([]*fleet.Record, 10_000)
		for i := range agents {
			g := agent{name: fmt.Sprintf("p-%05d", i), network: report.Pod}
			one := fold(1, report.Info, time.Duration(i)*time.Millisecond, 0)
			other := one
			other.ID, other.Connection = 2, report.Reused
			d := open(20*s, one, other)
			records[i] = &fleet.Record{Record: report.Record{Report: report.Report{BootID: a.boot, Disruption: &d}, Booted: noon}}
			agents[i] = g.pod()
		}
		b.Run("looking at reports", func(b *testing.B) {
			for b.Loop() {
				h.Look(agents, records)
			}
		})
		b.Run("the totals", func(b *testing.B) {
			for b.Loop() {
				t := h.timeline(now)
				h.Totals().next(t, t, now)
			}
		})
		b.Run("what is current", func(b *testing.B) {
			for b.Loop() {
				h.Current()
			}
		})
	})
	b.Run("one more message", func(b *testing.B) {
		for n := uint64(1 << 20); b.Loop(); n++ {
			h.mu.Lock()
			h.add(chunkOf(h.life(life{a.pod().Key, a.boot}), n, &word{booted: noon, Disruption: sealed(s, fold(n, report.Error, 0, s))}, 500))
			h.mu.Unlock()
			h.timeline(now)
		}
	})
}
