package intervals

import (
	"strings"
	"testing"
	"time"

	"github.com/netchecker/netchecker/pkg/report"
)

// both are the same intervals over both kinds of connection.
func both(list ...Interval) []Interval {
	for _, i := range list {
		i.Connection = report.Reused
		list = append(list, i)
	}
	return list
}

func asked(declared []Declared, list ...Interval) []Test {
	t, w := sorted(list...), span{noon, noon.Add(100 * s)}
	return verdict(sum(t.all(), w, (*Interval).Key), sum(t.all(), w, allNetworks), w, declared)
}

const (
	throughout = "[netchecker] disruption/x connection/new should be available throughout"
	singles    = "[netchecker] disruption/x connection/new should have no more than 20 single-second outages"
	lookups    = "[netchecker] disruption/x connection/new should have no DNS lookup failures"
)

func TestATestPassesOnlyWhereTheWholeStretchWasSampled(t *testing.T) {
	const ms = time.Millisecond
	well := []Interval{piece(a, report.Info, 0, 100*s)}
	broken := func(from, to time.Duration) []Interval {
		return []Interval{piece(a, report.Info, 0, from), piece(a, report.Error, from, to), piece(a, report.Info, to, 100*s)}
	}
	many := func(n int) (list []Interval) {
		for i := range time.Duration(n) {
			list = append(list, piece(a, report.Info, 3*i*s, 3*i*s+2*s), piece(a, report.Error, 3*i*s+2*s, 3*i*s+3*s))
		}
		return append(list, piece(a, report.Info, 3*time.Duration(n)*s, 100*s))
	}
	for name, row := range map[string]struct {
		list      []Interval
		allowance time.Duration
		test      string
		want      Result
		says      string
	}{
		"available":                                 {well, 0, throughout, Passed, "disrupted for 0s, where 0s is allowed"},
		"disrupted":                                 {broken(50*s, 55*s), 0, throughout, Failed, "disrupted for 5s, where 0s is allowed; seen by 1 of 1 samplers, first from 2026-11-27T12:00:50.000Z on: refused"},
		"as long as is allowed":                     {broken(50*s, 55*s), 5 * s, throughout, Passed, "disrupted for 5s, where 5s is allowed; seen by 1 of 1 samplers, first from 2026-11-27T12:00:50.000Z on: refused"},
		"a little longer":                           {broken(50*s, 55*s+ms), 5 * s, throughout, Failed, "disrupted for 5.001s, where 5s is allowed; seen by 1 of 1 samplers, first from 2026-11-27T12:00:50.000Z on: refused"},
		"not sampled at the beginning":              {[]Interval{piece(a, report.Info, 1*s, 100*s)}, 0, throughout, Errored, "not sampled from the pod network from 2026-11-27T12:00:00.000Z to 2026-11-27T12:00:01.000Z"},
		"nor at the end":                            {[]Interval{piece(a, report.Info, 0, 99*s)}, 0, throughout, Errored, "not sampled from the pod network from 2026-11-27T12:01:39.000Z to 2026-11-27T12:01:40.000Z"},
		"nor in between, twice":                     {[]Interval{piece(a, report.Info, 0, 20*s), piece(a, report.Info, 30*s, 40*s), piece(a, report.Info, 50*s, 100*s)}, 0, throughout, Errored, "not sampled from the pod network from 2026-11-27T12:00:20.000Z to 2026-11-27T12:00:30.000Z, nor in 1 further stretches"},
		"by another one in between":                 {[]Interval{piece(a, report.Info, 0, 50*s), piece(agent{name: "c", network: report.Pod}, report.Info, 40*s, 100*s)}, 0, throughout, Passed, "disrupted for 0s, where 0s is allowed"},
		"unknown is not sampled":                    {[]Interval{piece(a, report.Info, 0, 50*s), piece(a, Unknown, 50*s, 100*s)}, 0, throughout, Errored, "not sampled from the pod network from 2026-11-27T12:00:50.000Z to 2026-11-27T12:01:40.000Z"},
		"one network does not speak for the other":  {append([]Interval{piece(b, report.Info, 0, 60*s)}, well...), 0, throughout, Errored, "not sampled from the host network from 2026-11-27T12:01:00.000Z to 2026-11-27T12:01:40.000Z"},
		"nor do agents that are not heard any more": {append([]Interval{piece(b, Unknown, -60*s, 100*s)}, well...), 0, throughout, Errored, "nobody sampled it from the host network in the stretch"},
		"a network that it is not sampled from":     {append([]Interval{func() Interval { o := piece(b, report.Info, 0, 100*s); o.Backend = "y"; return o }()}, well...), 0, throughout, Passed, "disrupted for 0s, where 0s is allowed"},
		"nobody sampled":                            {nil, 0, throughout, Errored, "nobody sampled it in the stretch"},
		"what failed for sure has failed":           {[]Interval{piece(a, report.Error, 50*s, 55*s)}, 0, throughout, Failed, "disrupted for 5s, where 0s is allowed; seen by 1 of 1 samplers, first from 2026-11-27T12:00:50.000Z on: refused"},
		"no outages of a second":                    {broken(50*s, 55*s), 0, singles, Passed, "0 outages of a single second"},
		"as many as are allowed":                    {many(20), 0, singles, Passed, "20 outages of a single second"},
		"one more":                                  {many(21), 0, singles, Failed, "21 outages of a single second"},
		"outages of a part of the stretch":          {[]Interval{piece(a, report.Info, 0, 50*s)}, 0, singles, Errored, "not sampled from the pod network from 2026-11-27T12:00:50.000Z to 2026-11-27T12:01:40.000Z"},
		"no lookup failed":                          {well, 0, lookups, Passed, "0 times an agent could not look the name up"},
		"one did":                                   {append([]Interval{piece(b, report.Warning, 50*s, 51*s)}, well...), 0, lookups, Failed, "1 times an agent could not look the name up; first from 2026-11-27T12:00:50.000Z on, at disruption/x connection/new network/host node/node-b pod/b: refused"},
	} {
		found := false
		for _, test := range asked([]Declared{{"x", row.allowance}}, both(row.list...)...) {
			if test.Name != row.test {
				continue
			}
			found = true
			if test.Result != row.want || test.Message != row.says {
				t.Errorf("%s: %s, %s\nwant %s, %s", name, test.Result, test.Message, row.want, row.says)
			}
		}
		if !found {
			t.Errorf("%s: there is no test %q", name, row.test)
		}
	}
}

func TestEachBackendThatIsDeclaredOrWasSampledIsAskedForOverBothKindsOfConnection(t *testing.T) {
	var names []string
	for _, test := range asked([]Declared{{"declared", 0}}, piece(a, report.Info, 0, 100*s)) {
		if test.Result == Passed && !strings.Contains(test.Name, "disruption/x connection/new") {
			t.Errorf("%s passed, and nobody sampled it", test.Name)
		}
		names = append(names, strings.Fields(test.Name)[1]+" "+strings.Fields(test.Name)[2])
	}
	want := "disruption/declared connection/new,disruption/declared connection/reused,disruption/x connection/new,disruption/x connection/reused"
	var three []string
	for _, name := range strings.Split(want, ",") {
		three = append(three, name, name, name)
	}
	if got := strings.Join(names, ","); got != strings.Join(three, ",") {
		t.Errorf("asked for are %s", got)
	}
}

func TestWithoutAnythingToAskForNothingPasses(t *testing.T) {
	tests := asked(nil)
	if len(tests) != 1 || tests[0].Result != Errored {
		t.Errorf("%+v", tests)
	}
}

func TestTheWorstResultCounts(t *testing.T) {
	p, e, f := Test{Result: Passed}, Test{Result: Errored}, Test{Result: Failed}
	for _, row := range []struct {
		tests []Test
		want  Result
	}{{[]Test{p, p}, Passed}, {[]Test{p, e, p}, Errored}, {[]Test{e, f, p}, Failed}} {
		if got := Worst(row.tests); got != row.want {
			t.Errorf("%v: %s, want %s", row.tests, got, row.want)
		}
	}
}
