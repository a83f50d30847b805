package main

import (
	"fmt"
	"strings"
	"text/tabwriter"
)

// figure is one line of the table.
type figure struct {
	name  string
	value float64
	// unit follows the value, which is printed with that many decimals.
	unit     string
	decimals int
	// note is what else there is to say, such as the values of all rounds.
	note   string
	target *target
}

// target is what a figure should reach.
type target struct {
	// limit is what it should be at most, or at least where more is better.
	limit float64
	// goal is what is hoped for beyond the limit; 0: nothing.
	goal       float64
	moreBetter bool
}

func atLeast(limit, goal float64) *target { return &target{limit, goal, true} }
func atMost(limit, goal float64) *target  { return &target{limit, goal, false} }

func (t *target) reaches(value, bound float64) bool {
	if t.moreBetter {
		return value >= bound
	}
	return value <= bound
}

// missed says whether f has a target and does not reach it.
func (f figure) missed() bool { return f.target != nil && !f.target.reaches(f.value, f.target.limit) }

// verdict says whether the target was reached; empty where there is none.
func (f figure) verdict() string {
	switch {
	case f.target == nil:
		return ""
	case f.missed():
		return "MISSED"
	case f.target.goal == 0:
		return "met"
	case f.target.reaches(f.value, f.target.goal):
		return "met, the goal too"
	}
	return "met, the goal not"
}

func (f figure) shown(value float64) string {
	text := fmt.Sprintf("%.*f", f.decimals, value)
	if f.unit != "" {
		text += " " + f.unit
	}
	return text
}

func (f figure) wanted() string {
	if f.target == nil {
		return ""
	}
	word := "at most "
	if f.target.moreBetter {
		word = "at least "
	}
	text := word + f.shown(f.target.limit)
	if f.target.goal != 0 {
		text += ", goal " + f.shown(f.target.goal)
	}
	return text
}

// table is the figures as people read them.
func table(figures []figure) string {
	var b strings.Builder
	w := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "Figure\tMeasured\tTarget\t\t")
	for _, f := range figures {
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\n", f.name, f.shown(f.value), f.wanted(), f.verdict(), f.note)
	}
	_ = w.Flush() // a strings.Builder takes everything
	lines := strings.Split(b.String(), "\n")
	for i := range lines {
		lines[i] = strings.TrimRight(lines[i], " ")
	}
	return strings.Join(lines, "\n")
}

// rounded is the values of all rounds, for a note.
func rounded(values []float64, decimals int) string {
	texts := make([]string, len(values))
	for i, v := range values {
		texts[i] = fmt.Sprintf("%.*f", decimals, v)
	}
	return "rounds: " + strings.Join(texts, " ")
}
