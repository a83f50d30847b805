package main

import (
	"fmt"
	"strings"
	"text/tabwriter"
)

// figure is something that is measured.
type figure struct {
	name string
	// unit follows a value, which is printed with that many decimals.
	unit     string
	decimals int
	// moreBetter says that a larger value is the better one.
	moreBetter bool
	target     *target
	// control is a figure that no build of netchecker can change. It shows what the
	// machine does meanwhile.
	control bool
}

// target is what a figure should reach.
type target struct {
	// limit is what it should be at most, or at least where more is better.
	limit float64
	// goal is what is hoped for beyond the limit; 0: nothing.
	goal float64
}

// result is a figure with what was measured of it, round by round.
type result struct {
	figure
	// rounds are the values of the build that is measured, old those of the one that
	// it is held against, if any.
	rounds, old []float64
}

func (r *result) add(value float64, ofNewest bool) {
	if ofNewest {
		r.rounds = append(r.rounds, value)
	} else {
		r.old = append(r.old, value)
	}
}

// value is the median of the rounds.
func (r result) value() float64 { return median(r.rounds) }

func (f figure) reaches(value, bound float64) bool {
	if f.moreBetter {
		return value >= bound
	}
	return value <= bound
}

// missed says whether r has a target and does not reach it.
func (r result) missed() bool { return r.target != nil && !r.reaches(r.value(), r.target.limit) }

// outcome says whether the target was reached; empty where there is none.
func (r result) outcome() string {
	switch {
	case r.target == nil:
		return ""
	case r.missed():
		return "MISSED"
	case r.target.goal == 0:
		return "met"
	case r.reaches(r.value(), r.target.goal):
		return "met, the goal too"
	}
	return "met, the goal not"
}

func (f figure) number(value float64) string { return fmt.Sprintf("%.*f", f.decimals, value) }

func (f figure) shown(value float64) string {
	return strings.TrimSuffix(f.number(value)+" "+f.unit, " ")
}

func (f figure) wanted() string {
	if f.target == nil {
		return ""
	}
	word := "at most "
	if f.moreBetter {
		word = "at least "
	}
	text := word + f.shown(f.target.limit)
	if f.target.goal != 0 {
		text += ", goal " + f.shown(f.target.goal)
	}
	return text
}

// each is the values of all rounds, empty where there was but one.
func (r result) each() string {
	if len(r.rounds) < 2 {
		return ""
	}
	texts := make([]string, len(r.rounds))
	for i, v := range r.rounds {
		texts[i] = r.number(v)
	}
	return "rounds: " + strings.Join(texts, " ")
}

// table is the results of one build as people read them.
func table(results []result) string {
	rows := [][]string{{"Figure", "Measured", "Target", "", ""}}
	for _, r := range results {
		rows = append(rows, []string{r.name, r.shown(r.value()), r.wanted(), r.outcome(), r.each()})
	}
	return columns(rows)
}

// columns is rows with their cells below each other.
func columns(rows [][]string) string {
	var b strings.Builder
	w := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	for _, row := range rows {
		fmt.Fprintln(w, strings.Join(row, "\t"))
	}
	_ = w.Flush() // a strings.Builder takes everything
	lines := strings.Split(b.String(), "\n")
	for i := range lines {
		lines[i] = strings.TrimRight(lines[i], " ")
	}
	return strings.Join(lines, "\n")
}
