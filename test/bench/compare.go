package main

import (
	"fmt"
	"strings"
)

const (
	// tolerance is by how much a median may be worse, as a share of the old one.
	tolerance = 0.05
	// fewest is the number of rounds below which quartiles say nothing.
	fewest = 4
)

// comparable says whether r was measured often enough to be judged.
func (r result) comparable() bool { return min(len(r.old), len(r.rounds)) >= fewest && !r.control }

// worse says whether the new median is worse than the old one by more than the
// tolerance, and also lies outside the old ones' quartiles.
//
//	                  old quartiles and median        new median
//	                  90    100    110                104   not worse: within the tolerance
//	less is better    90    100    110                108   not worse: within the quartiles
//	                  99    100    101                104   not worse: within the tolerance
//	                  99    100    101                106   worse
func (r result) worse() bool {
	if !r.comparable() {
		return false
	}
	before, now := median(r.old), r.value()
	lower, upper := quartiles(r.old)
	if r.moreBetter {
		return now < before*(1-tolerance) && now < lower
	}
	return now > before*(1+tolerance) && now > upper
}

// comparison is the results of two builds as people read them, with the figures
// that got worse in its last line.
func comparison(results []result) string {
	rows := [][]string{{"Figure", "Old [quartiles]", "New [quartiles]", "New/old", "Target", "", ""}}
	for _, r := range results {
		row := []string{r.name, r.spread(r.old), r.spread(r.rounds), ratio(r.value(), median(r.old)), r.wanted(), r.outcome(), r.comment()}
		rows = append(rows, row)
	}
	return columns(rows) + conclusion(results)
}

func (r result) comment() string {
	switch {
	case r.control:
		return "the same in both"
	case r.worse():
		return "WORSE"
	}
	return ""
}

// spread is the median of values and, where there are enough, their quartiles.
func (r result) spread(values []float64) string {
	text := r.shown(median(values))
	if len(values) >= fewest {
		lower, upper := quartiles(values)
		text += fmt.Sprintf(" [%s %s]", r.number(lower), r.number(upper))
	}
	return text
}

func ratio(now, before float64) string {
	if before == 0 {
		return "-"
	}
	return fmt.Sprintf("%.2f", now/before)
}

// conclusion names the figures that got worse, and says how many cannot be judged.
func conclusion(results []result) string {
	var worse []string
	once := 0
	for _, r := range results {
		switch {
		case r.worse():
			worse = append(worse, r.name)
		case !r.comparable() && !r.control:
			once++
		}
	}
	text := "Worse by more than 5% and outside the old ones' quartiles: "
	if worse == nil {
		worse = []string{"none"}
	}
	text += strings.Join(worse, "; ") + "\n"
	if once > 0 {
		text += fmt.Sprintf("Not judged, for there were fewer than %d rounds: %d of %d figures\n", fewest, once, len(results))
	}
	return text
}
