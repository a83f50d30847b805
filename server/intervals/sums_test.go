package intervals

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/netchecker/netchecker/pkg/report"
)

// piece is an interval of agent g.
func piece(g agent, level report.Level, from, to time.Duration) Interval {
	i := Interval{Backend: "x", Connection: report.New, Network: g.network, Node: "node-" + g.name, Pod: g.pod().Key, Level: level, From: noon.Add(from), To: noon.Add(to)}
	if level != report.Info {
		i.Message = "refused"
	}
	return i
}

func flapping(g agent, from, to, failed time.Duration) Interval {
	i := piece(g, report.Error, from, to)
	i.Changes, i.Failed, i.Message = 12, failed, "flapping"
	return i
}

func words(u Sum) string {
	return fmt.Sprintf("%s %s %s: disrupted %v of %v, %d of %d samplers, %q", u.Backend, u.Connection, u.Network, u.Disrupted, u.Covered, u.Failing, u.Samplers, u.Messages)
}

func TestSumsAreTheUnionOverSamplersOfEachNetwork(t *testing.T) {
	const ms = time.Millisecond
	again := a
	again.name = "again"
	for name, row := range map[string]struct {
		list []Interval
		want string
	}{
		"nothing":              {nil, ""},
		"all well":             {[]Interval{piece(a, report.Info, 0, 100*s)}, "x new pod: disrupted 0s of 1m40s, 0 of 1 samplers, []"},
		"a disruption":         {[]Interval{piece(a, report.Info, 0, 50*s), piece(a, report.Error, 50*s, 55*s), piece(a, report.Info, 55*s, 100*s)}, `x new pod: disrupted 5s of 1m40s, 1 of 1 samplers, ["refused"]`},
		"to the millisecond":   {[]Interval{piece(a, report.Error, 50*s+1*ms, 55*s+4*ms)}, `x new pod: disrupted 5.003s of 5.003s, 1 of 1 samplers, ["refused"]`},
		"a second at least":    {[]Interval{piece(a, report.Error, 50*s, 50*s+200*ms), piece(a, report.Info, 50*s+200*ms, 60*s)}, `x new pod: disrupted 1s of 10s, 1 of 1 samplers, ["refused"]`},
		"even of no length":    {[]Interval{piece(a, report.Error, 50*s, 50*s)}, `x new pod: disrupted 1s of 0s, 1 of 1 samplers, ["refused"]`},
		"contiguous ones once": {[]Interval{piece(a, report.Error, 50*s, 50*s+200*ms), piece(a, report.Error, 50*s+200*ms, 53*s)}, `x new pod: disrupted 3s of 3s, 1 of 1 samplers, ["refused"]`},
		"two at once count once": {[]Interval{piece(a, report.Error, 50*s, 55*s), piece(again, report.Error, 52*s, 58*s)},
			`x new pod: disrupted 8s of 8s, 2 of 2 samplers, ["refused"]`},
		"each network by itself": {[]Interval{piece(a, report.Error, 50*s, 55*s), piece(b, report.Info, 0, 100*s)},
			"x new host: disrupted 0s of 1m40s, 0 of 1 samplers, []\n" + `x new pod: disrupted 5s of 5s, 1 of 1 samplers, ["refused"]`},
		"flapping counts as long as it failed":   {[]Interval{flapping(a, 20*s, 80*s, 7*s)}, `x new pod: disrupted 7s of 1m0s, 1 of 1 samplers, ["flapping"]`},
		"what reaches in from before":            {[]Interval{piece(a, report.Error, -10*s, 3*s)}, `x new pod: disrupted 3s of 3s, 1 of 1 samplers, ["refused"]`},
		"the second of one that ended before":    {[]Interval{piece(a, report.Error, -500*ms, -300*ms)}, `x new pod: disrupted 500ms of 0s, 1 of 1 samplers, ["refused"]`},
		"what reaches out":                       {[]Interval{piece(a, report.Error, 97*s, 120*s)}, `x new pod: disrupted 3s of 3s, 1 of 1 samplers, ["refused"]`},
		"what is outside does not count":         {[]Interval{piece(a, report.Error, -10*s, -5*s), piece(a, report.Error, 100*s, 110*s)}, ""},
		"a warning is neither":                   {[]Interval{piece(a, report.Warning, 10*s, 20*s)}, "x new pod: disrupted 0s of 0s, 0 of 1 samplers, []"},
		"unknown is neither, and nobody sampled": {[]Interval{piece(a, Unknown, 10*s, 20*s)}, "x new pod: disrupted 0s of 0s, 0 of 0 samplers, []"},
		"gaps shorter than a second are covered": {[]Interval{piece(a, report.Info, 0, 50*s), piece(a, report.Info, 50*s+999*ms, 100*s)}, "x new pod: disrupted 0s of 1m40s, 0 of 1 samplers, []"},
		"others are not":                         {[]Interval{piece(a, report.Info, 0, 50*s), piece(a, report.Info, 51*s, 100*s)}, "x new pod: disrupted 0s of 1m39s, 0 of 1 samplers, []"},
	} {
		var got []string
		for _, u := range sum(sorted(row.list...).all(), span{noon, noon.Add(100 * s)}, (*Interval).Key) {
			got = append(got, words(u))
		}
		if text := strings.Join(got, "\n"); text != row.want {
			t.Errorf("%s:\ngot  %s\nwant %s", name, text, row.want)
		}
	}
}

func TestASumHasAtMostTwentyMessages(t *testing.T) {
	var list []Interval
	for i := range 50 {
		one := piece(a, report.Error, time.Duration(i)*s, time.Duration(i+1)*s)
		one.Message = fmt.Sprint(i / 2)
		list = append(list, one)
	}
	got := sum(sorted(list...).all(), span{noon, noon.Add(100 * s)}, allNetworks)[0].Messages
	if len(got) != maxMessages || got[0] != "0" || got[19] != "19" {
		t.Errorf("messages %q", got)
	}
}

func TestTheShareOfSamplersWhoseNewestSampleWasGood(t *testing.T) {
	w := newWorld(t)
	w.report(a, report.Disruption{AsOf: 10 * s, Open: []report.Interval{fold(1, report.Info, 0, 0)}, Dropped: 3})
	same := a
	same.name = "other"
	w.report(same, open(10*s, fold(1, report.Error, 0, 0)))
	w.report(b, open(10*s, fold(1, report.Warning, 0, 0)))
	k := Key{"x", report.New, report.Pod}
	c := w.h.Current()
	if len(c.Up) != 1 || c.Up[k] != 0.5 || c.Lost != 3 {
		t.Errorf("%+v, want half of those on the pod network", c)
	}
	w.lead(map[string]Presence{"other": {Listed: true, Silent: true}})
	if c := w.h.Current(); c.Up[k] != 1 {
		t.Errorf("%+v, want all of those who are heard", c)
	}
}
