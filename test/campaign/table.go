package main

import (
	"cmp"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"time"
)

// sums are what came of the trials of one kind at one size.
type sums struct {
	Faults, Right, Or, Missed, Wrong, False, Late, Linger, Lapsed int
	Named, Gone                                                   []time.Duration
	// Besides counts what was said that should not have been.
	Besides map[string]int
}

// add adds what came of a trial.
func (s *sums) add(o *outcome) {
	s.Faults += len(o.wants)
	s.Wrong += len(o.wrong)
	s.False += len(o.false)
	if s.Besides == nil {
		s.Besides = map[string]int{}
	}
	for _, b := range slices.Concat(o.wrong, o.false) {
		s.Besides[b.String()]++
	}
	for i := range o.found {
		f := &o.found[i]
		if f.is < among {
			s.Missed++
			continue
		}
		if f.is == exact {
			s.Right++
		} else {
			s.Or++
		}
		if s.Named = append(s.Named, f.named); f.late {
			s.Late++
		}
		if f.lapsed {
			s.Lapsed++
		}
		if f.lingers {
			s.Linger++
		} else {
			s.Gone = append(s.Gone, f.gone)
		}
	}
}

// and adds those of others.
func (s *sums) and(o *sums) {
	s.Faults, s.Right, s.Or, s.Missed = s.Faults+o.Faults, s.Right+o.Right, s.Or+o.Or, s.Missed+o.Missed
	s.Wrong, s.False, s.Late, s.Linger, s.Lapsed = s.Wrong+o.Wrong, s.False+o.False, s.Late+o.Late, s.Linger+o.Linger, s.Lapsed+o.Lapsed
	s.Named, s.Gone = append(s.Named, o.Named...), append(s.Gone, o.Gone...)
	if s.Besides == nil {
		s.Besides = map[string]int{}
	}
	for b, n := range o.Besides {
		s.Besides[b] += n
	}
}

// precision and recall are those of what was named.
func (s *sums) precision() string { return share(s.Right+s.Or, s.Right+s.Or+s.Wrong+s.False) }
func (s *sums) recall() string    { return share(s.Right+s.Or, s.Faults) }

// fraction is the p-th part of them, in seconds.
func fraction(of []time.Duration, p float64) string {
	if len(of) == 0 {
		return "-"
	}
	sorted := slices.Sorted(slices.Values(of))
	return fmt.Sprintf("%.1f", sorted[min(len(sorted)-1, int(p*float64(len(sorted))))].Seconds())
}

func share(n, of int) string {
	if of == 0 {
		return "-"
	}
	return fmt.Sprintf("%.3f", float64(n)/float64(of))
}

const format = "%-36s %5s %6s %6s %4s %6s %6s %6s %9s %7s %6s %6s %6s %5s %6s %6s %7s %6s\n"

func head(to io.Writer) {
	fmt.Fprintf(to, format, "kind", "nodes", "faults", "right", "or", "missed", "wrong", "false", "precision", "recall", "p50 s", "p95 s", "most s", "late", "gone50", "gone95", "lingers", "lapsed")
}

func (s *sums) line(to io.Writer, name string, nodes int) {
	n := func(i int) string { return fmt.Sprint(i) }
	fmt.Fprintf(to, format, name, n(nodes), n(s.Faults), n(s.Right), n(s.Or), n(s.Missed), n(s.Wrong), n(s.False),
		s.precision(), s.recall(), fraction(s.Named, 0.5), fraction(s.Named, 0.95), fraction(s.Named, 1), n(s.Late),
		fraction(s.Gone, 0.5), fraction(s.Gone, 0.95), n(s.Linger), n(s.Lapsed))
}

// rest prints what was said that should not have been, the most frequent first.
func (s *sums) rest(to io.Writer, most int) {
	all := slices.SortedFunc(maps.Keys(s.Besides), func(a, b string) int { return cmp.Or(s.Besides[b]-s.Besides[a], strings.Compare(a, b)) })
	for _, b := range all[:min(most, len(all))] {
		fmt.Fprintf(to, "%8d times %s\n", s.Besides[b], b)
	}
}
