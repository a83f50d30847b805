package intervals

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/netchecker/netchecker/pkg/report"
)

// Declared is a backend that should be sampled, and how long it may be disrupted in a
// stretch of time.
type Declared struct {
	Name      string
	Allowance time.Duration
}

// Result is what came of a test.
type Result string

const (
	// Passed: what was asked for holds.
	Passed Result = "passed"
	// Failed: it does not.
	Failed Result = "failed"
	// Errored: it can't be known, since the stretch was not sampled as a whole.
	Errored Result = "error"
)

// Test is one question about a stretch of time, with its answer.
type Test struct {
	// Name is the same each time, so that runs can be compared by it.
	Name   string
	Result Result
	// Message says why it did not pass, or what it passed with; may be empty.
	Message string
}

// maxSingles is how many outages of a single second a stretch may have of one backend
// over one kind of connection; what it allows, the backend's allowance may not.
const maxSingles = 20

// Tests asks of each backend, over each kind of connection, whether it was available
// in [from, to). The backends are those that are declared and those that were sampled,
// which have no allowance where they are not declared.
func (h *History) Tests(from, to time.Time, declared []Declared) []Test {
	t, w := h.timeline(h.now()), span{from, to}
	return verdict(sum(t.all(), w, (*Interval).Key), sum(t.all(), w, allNetworks), w, declared)
}

// verdict answers each question by the sums of each network and those of all.
func verdict(each, all []Sum, w span, declared []Declared) []Test {
	allowance := map[string]time.Duration{}
	for _, s := range all {
		allowance[s.Backend] = 0
	}
	for _, d := range declared {
		allowance[d.Name] = d.Allowance
	}
	if len(allowance) == 0 {
		return []Test{{"[netchecker] backends should be sampled", Errored, "none is declared, and none was sampled in the stretch"}}
	}
	var tests []Test
	for _, name := range slices.Sorted(maps.Keys(allowance)) {
		from := networks(each, name)
		for _, c := range []report.Connection{report.New, report.Reused} {
			k := Key{Backend: name, Connection: c}
			tests = append(tests, testsOf(k, find(all, k), uncovered(each, k, from, w), allowance[name])...)
		}
	}
	return tests
}

// networks are those that the backend was sampled from, or would have been by agents
// that are not heard any more.
func networks(each []Sum, backend string) []report.Network {
	there := map[report.Network]bool{}
	for _, s := range each {
		if s.Backend == backend {
			there[s.Network] = true
		}
	}
	return slices.Sorted(maps.Keys(there))
}

// testsOf are those of one backend over one kind of connection. hole says what of the
// stretch was not sampled; empty: nothing.
func testsOf(k Key, s Sum, hole string, allowance time.Duration) []Test {
	head := "[netchecker] disruption/" + k.Backend + " connection/" + string(k.Connection)
	singles := 0
	for _, o := range s.outages {
		if o.length() <= Shortest {
			singles++
		}
	}
	return []Test{
		outcome(head+" should be available throughout", s.Disrupted > allowance, hole, fmt.Sprintf("disrupted for %v, where %v is allowed%s", round(s.Disrupted), allowance, s.told())),
		outcome(fmt.Sprintf("%s should have no more than %d single-second outages", head, maxSingles), singles > maxSingles, hole, fmt.Sprintf("%d outages of a single second", singles)),
		outcome(head+" should have no DNS lookup failures", s.warnings > 0, hole, fmt.Sprintf("%d times an agent could not look the name up%s", s.warnings, s.firstWarning())),
	}
}

// outcome is a test that failed for sure, or can't be known, or passed.
func outcome(name string, failed bool, hole, found string) Test {
	switch {
	case failed:
		return Test{name, Failed, found}
	case hole != "":
		return Test{name, Errored, hole}
	}
	return Test{name, Passed, found}
}

// told says by how many the disruption was seen, when first, and what they met.
func (s *Sum) told() string {
	if len(s.outages) == 0 {
		return ""
	}
	text := fmt.Sprintf("; seen by %d of %d samplers, first from %s on", s.Failing, s.Samplers, stamp(s.outages[0].from))
	for i, m := range s.Messages {
		text += []string{": ", "; "}[min(i, 1)] + m
	}
	return text
}

func (s *Sum) firstWarning() string {
	if s.warned == nil {
		return ""
	}
	return fmt.Sprintf("; first from %s on, at %s: %s", stamp(s.warned.From), s.warned.Locator(), s.warned.Message)
}

// uncovered says what of w was not sampled, from each of the networks; empty: nothing.
func uncovered(each []Sum, k Key, networks []report.Network, w span) string {
	if len(networks) == 0 {
		return "nobody sampled it in the stretch"
	}
	for _, n := range networks {
		s := find(each, Key{k.Backend, k.Connection, n})
		if len(s.covered) == 0 {
			return fmt.Sprintf("nobody sampled it from the %s network in the stretch", n)
		}
		if gaps := s.covered.gaps(w, Shortest); len(gaps) > 0 {
			text := fmt.Sprintf("not sampled from the %s network from %s to %s", n, stamp(gaps[0].from), stamp(gaps[0].to))
			if more := len(gaps) - 1; more > 0 {
				text += fmt.Sprintf(", nor in %d further stretches", more)
			}
			return text
		}
	}
	return ""
}

func find(sums []Sum, k Key) Sum {
	i, found := slices.BinarySearchFunc(sums, k, func(s Sum, k Key) int { return s.Key.Compare(k) })
	if !found {
		return Sum{Key: k}
	}
	return sums[i]
}

func stamp(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05.000Z") }

func round(d time.Duration) time.Duration { return d.Round(time.Millisecond) }

// Worst is the result that all tests amount to: failed before error before passed.
func Worst(tests []Test) Result {
	worst := Passed
	rank := map[Result]int{Passed: 0, Errored: 1, Failed: 2}
	for _, t := range tests {
		if cmp.Compare(rank[t.Result], rank[worst]) > 0 {
			worst = t.Result
		}
	}
	return worst
}
