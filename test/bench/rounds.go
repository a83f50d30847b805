package main

import (
	"context"
	"fmt"
)

// trial measures one build for one round, and returns a value for each of the
// figures that it is about.
type trial func(ctx context.Context, round int) ([]float64, error)

// trials prepares each build to be measured.
func (s *stage) trials(prepare func(build) (trial, error)) ([]trial, error) {
	var all []trial
	for _, b := range s.builds {
		t, err := prepare(b)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", b.of("preparing"), err)
		}
		all = append(all, func(ctx context.Context, round int) ([]float64, error) {
			values, err := t(ctx, round)
			if err != nil {
				err = fmt.Errorf("%s: %w", b.of("measuring"), err)
			}
			return values, err
		})
	}
	return all, nil
}

// inTurn lets the trials of one or two builds take their turns in each round, in
// the other order each time, so that what changes on the machine meanwhile changes
// for both.
func inTurn(ctx context.Context, figures []figure, rounds int, trials []trial) ([]result, error) {
	results := make([]result, len(figures))
	for i, f := range figures {
		results[i].figure = f
	}
	newest := len(trials) - 1
	for round := range rounds {
		for turn := range trials {
			at := turn
			if round%2 == 1 {
				at = newest - turn
			}
			values, err := trials[at](ctx, round)
			if err != nil {
				return nil, err
			}
			for i, v := range values {
				results[i].add(v, at == newest)
			}
		}
	}
	return results, nil
}
