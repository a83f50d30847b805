package main

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"reflect"
	"strings"
	"testing"
)

func TestWorseIsBeyondTheToleranceAndTheQuartiles(t *testing.T) {
	wide, narrow := []float64{80, 90, 90, 95, 98, 100, 102, 105, 110, 110, 120}, []float64{99, 99, 99, 99, 100, 100, 100, 101, 101, 101, 101}
	for _, row := range []struct {
		name       string
		old        []float64
		now        float64
		moreBetter bool
		want       bool
	}{
		{"more, within the quartiles", wide, 109, false, false},
		{"more, outside the quartiles", wide, 111, false, true},
		{"more, on the quartile", wide, 110, false, false},
		{"more, within the tolerance", narrow, 105, false, false},
		{"more, outside both", narrow, 106, false, true},
		{"less", narrow, 1, false, false},
		{"less where more is better, within the quartiles", wide, 91, true, false},
		{"less where more is better, outside the quartiles", wide, 89, true, true},
		{"less where more is better, within the tolerance", narrow, 95, true, false},
		{"less where more is better, outside both", narrow, 94, true, true},
		{"more where more is better", narrow, 1000, true, false},
		{"too few rounds", narrow[:3], 1000, false, false},
	} {
		r := result{figure: figure{moreBetter: row.moreBetter}, old: row.old, rounds: []float64{row.now, row.now, row.now, row.now}}
		if got := r.worse(); got != row.want {
			t.Errorf("%s: worse is %v, want %v", row.name, got, row.want)
		}
		r.control = true
		if r.worse() {
			t.Errorf("%s: no build can make a control worse", row.name)
		}
	}
}

func TestComparisonNamesWhatGotWorse(t *testing.T) {
	old, now := []float64{100, 101, 102, 103}, []float64{200, 201, 202, 203}
	results := []result{
		{figure: figure{name: "Rate", unit: "/s", moreBetter: true, target: &target{limit: 150}}, old: old, rounds: now},
		{figure: figure{name: "Memory", unit: "MiB", decimals: 1, target: &target{limit: 150}}, old: old, rounds: now},
		{figure: figure{name: "Puts", moreBetter: true, control: true}, old: now, rounds: old},
		{figure: figure{name: "Once", unit: "s"}, old: []float64{0}, rounds: []float64{3}},
	}
	const want = `Figure  Old [quartiles]          New [quartiles]          New/old  Target
Rate    101 /s [100 102]         201 /s [200 202]         1.99     at least 150 /s    met
Memory  101.0 MiB [100.0 102.0]  201.0 MiB [200.0 202.0]  1.99     at most 150.0 MiB  MISSED  WORSE
Puts    201 [200 202]            101 [100 102]            0.50                                the same in both
Once    0 s                      3 s                      -
Worse by more than 5% and outside the old ones' quartiles: Memory
Not judged, for there were fewer than 4 rounds: 1 of 4 figures
`
	if got := comparison(results); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	if got, want := conclusion(results[:1]), "Worse by more than 5% and outside the old ones' quartiles: none\n"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestBuildsTakeTurnsInTheOtherOrderEachRound(t *testing.T) {
	var turns []string
	of := func(name string, value float64) trial {
		return func(_ context.Context, round int) ([]float64, error) {
			turns = append(turns, fmt.Sprint(name, round))
			return []float64{value + float64(round), -value}, nil
		}
	}
	figures := []figure{{name: "a"}, {name: "b"}}
	got, err := inTurn(t.Context(), figures, 3, []trial{of("old", 10), of("new", 20)})
	want := []result{
		{figure: figures[0], old: []float64{10, 11, 12}, rounds: []float64{20, 21, 22}},
		{figure: figures[1], old: []float64{-10, -10, -10}, rounds: []float64{-20, -20, -20}},
	}
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v, %v\nwant %+v", got, err, want)
	}
	if order := strings.Join(turns, " "); order != "old0 new0 new1 old1 old2 new2" {
		t.Errorf("the turns were %s", order)
	}
	if got, err := inTurn(t.Context(), figures, 2, []trial{of("new", 1)}); err != nil || got[0].old != nil || len(got[0].rounds) != 2 {
		t.Errorf("one build alone: %+v, %v", got, err)
	}
}

func TestATrialThatFailsSaysOfWhichBuild(t *testing.T) {
	s := &stage{builds: []build{{name: "old"}, {name: "new"}}}
	trials, err := s.trials(func(b build) (trial, error) {
		return func(context.Context, int) ([]float64, error) {
			if b.name == "new" {
				return nil, errors.New("no answer")
			}
			return []float64{1}, nil
		}, nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := inTurn(t.Context(), []figure{{}}, 1, trials); err == nil || err.Error() != "new: measuring: no answer" {
		t.Errorf("got %v", err)
	}
	_, err = s.trials(func(build) (trial, error) { return nil, errors.New("no room") })
	if err == nil || err.Error() != "old: preparing: no room" {
		t.Errorf("got %v", err)
	}
}

func TestAScopeEndsWhatItStartedAndNothingElse(t *testing.T) {
	var ended []string
	s := &stage{}
	ends := func(name string) { s.onEnd(func() error { ended = append(ended, name); return errors.New(name) }) }
	ends("etcd")
	err := s.scoped(func() error { ends("server"); ends("agent"); return errors.New("failed") })
	if got := strings.Join(ended, " "); got != "agent server" || err == nil || err.Error() != "failed\nagent\nserver" {
		t.Errorf("ended %s, %v", got, err)
	}
	if err := s.end(); err == nil || err.Error() != "etcd" || len(ended) != 3 {
		t.Errorf("in the end: %v, %v", ended, err)
	}
}

func TestACommitToCompareWithMustBeGiven(t *testing.T) {
	const want = "make bench-against takes the commit to compare with, as in: make bench-against AGAINST=v1.0\n"
	if out, err := exec.CommandContext(t.Context(), "./build-commit", "").CombinedOutput(); err == nil || string(out) != want {
		t.Errorf("got %q, %v", out, err)
	}
}
