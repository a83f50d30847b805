package main

import (
	"cmp"
	"math"
	"slices"
)

// quantile is the smallest of the values that at least the share q of them do not
// exceed (nearest rank); zero where there are none. It sorts values.
func quantile[T cmp.Ordered](values []T, q float64) T {
	if len(values) == 0 {
		var none T
		return none
	}
	slices.Sort(values)
	rank := int(math.Ceil(q * float64(len(values))))
	return values[max(rank, 1)-1]
}

// median is the middle one of values, the lower of the two middle ones where their
// number is even. It leaves values as they are.
func median[T cmp.Ordered](values []T) T { return quantile(slices.Clone(values), 0.5) }

// quartiles are the values between which the middle half of all lies: the third
// and the ninth of eleven. It leaves values as they are.
func quartiles[T cmp.Ordered](values []T) (lower, upper T) {
	sorted := slices.Clone(values)
	return quantile(sorted, 0.25), quantile(sorted, 0.75)
}
