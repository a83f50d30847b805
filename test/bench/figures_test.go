package main

import (
	"fmt"
	"slices"
	"testing"
)

func TestQuantileIsTheNearestRank(t *testing.T) {
	hundred := make([]int, 100)
	for i := range hundred {
		hundred[99-i] = i + 1
	}
	for _, row := range []struct {
		values []int
		q      float64
		want   int
	}{
		{nil, 0.5, 0},
		{[]int{7}, 0.99, 7},
		{[]int{3, 1, 2}, 0.5, 2},
		{[]int{4, 3, 2, 1}, 0.5, 2},
		{hundred, 0.5, 50},
		{hundred, 0.99, 99},
		{hundred, 1, 100},
		{hundred, 0, 1},
	} {
		if got := quantile(slices.Clone(row.values), row.q); got != row.want {
			t.Errorf("quantile %v of %v is %d, want %d", row.q, row.values, got, row.want)
		}
	}
}

func TestQuartilesEncloseTheMiddleHalf(t *testing.T) {
	for _, row := range []struct {
		values       []int
		lower, upper int
	}{
		{[]int{7}, 7, 7},
		{[]int{4, 3, 2, 1}, 1, 3},
		{[]int{11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1}, 3, 9},
	} {
		given := slices.Clone(row.values)
		if lower, upper := quartiles(given); lower != row.lower || upper != row.upper {
			t.Errorf("of %v: %d and %d, want %d and %d", row.values, lower, upper, row.lower, row.upper)
		}
		if !slices.Equal(given, row.values) {
			t.Errorf("%v became %v", row.values, given)
		}
	}
}

func TestTableTellsWhichTargetsWereMet(t *testing.T) {
	perPut := figure{name: "Ratio", decimals: 2, moreBetter: true, target: &target{limit: 0.65, goal: 0.8}}
	memory := figure{name: "Memory", unit: "MiB", target: &target{limit: 256, goal: 150}}
	got := table([]result{
		{figure: figure{name: "Reports", unit: "/s", moreBetter: true}, rounds: []float64{8000.4, 7000, 9000}},
		{figure: perPut, rounds: []float64{0.7}},
		{figure: perPut, rounds: []float64{0.8}},
		{figure: perPut, rounds: []float64{0.6}},
		{figure: memory, rounds: []float64{256}},
		{figure: memory, rounds: []float64{257}},
		{figure: figure{name: "Latency", decimals: 2, target: &target{limit: 1.5}}, rounds: []float64{1.25}},
	})
	want := `Figure   Measured  Target
Reports  8000 /s                                                     rounds: 8000 7000 9000
Ratio    0.70      at least 0.65, goal 0.80       met, the goal not
Ratio    0.80      at least 0.65, goal 0.80       met, the goal too
Ratio    0.60      at least 0.65, goal 0.80       MISSED
Memory   256 MiB   at most 256 MiB, goal 150 MiB  met, the goal not
Memory   257 MiB   at most 256 MiB, goal 150 MiB  MISSED
Latency  1.25      at most 1.50                   met
`
	if got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

func TestCostOfASnapshotIsTheMedianOfTheRounds(t *testing.T) {
	output := `goos: linux
BenchmarkSnapshot/agents=1000/outdated=0%         	    1000	    100000 ns/op
BenchmarkSnapshot/agents=10000/outdated=1%        	     100	   9000000 ns/op
BenchmarkSnapshot/agents=10000/outdated=1%        	     100	   8000000 ns/op
BenchmarkSnapshot/agents=10000/outdated=1%        	     100	  12000000 ns/op
PASS
`
	figures, err := snapshotFigures(output, []int{10_000})
	if err != nil || len(figures) != 1 {
		t.Fatalf("got %v, %v; want one figure", figures, err)
	}
	f := figures[0]
	if got := fmt.Sprint(f.name, ": ", f.shown(f.value()), ", ", f.wanted(), ", ", f.outcome()); got != "CPU of a Snapshot, 10000 agents, 1% outdated: 9.00 ms, at most 10.00 ms, met" {
		t.Error(got)
	}
	if _, err := snapshotFigures("PASS\n", []int{10_000}); err == nil {
		t.Error("output without figures should be an error")
	}
}
