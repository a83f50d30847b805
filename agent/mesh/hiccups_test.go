package mesh

import (
	"slices"
	"strings"
	"testing"
)

// samplesOf reads '.' answered, 'x' lost alone and 'X' lost with others of its session,
// each 50 ms after the one before, to the nodes in turn.
func samplesOf(text string, nodes int) (list []sample) {
	for i, what := range text {
		list = append(list, sample{at: ms(50 * i), node: string(rune('a' + i%nodes)), lost: what != '.', alone: what == 'x'})
	}
	return list
}

func TestLossesOfManyAtOnceAreAHiccupOfThisHost(t *testing.T) {
	for _, row := range []struct {
		samples string
		nodes   int
		want    []int
	}{
		{"..xxxx..", 4, []int{2, 3, 4, 5}},
		{"..xx....", 4, nil},
		{".x.x.x..", 4, nil},
		{"..XXXX..", 4, nil},
		{"..XxxxX.", 4, []int{3, 4, 5}},
		{"..xxxx..", 1, nil},
		{"..xxxx", 4, nil},
		{"xxxx....", 4, nil},
		{"." + strings.Repeat("x", 11) + ".", 4, []int{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11}}, // 500 ms
		{"." + strings.Repeat("x", 12) + ".", 4, nil},
		{".xxx..xxx.", 4, []int{1, 2, 3, 6, 7, 8}},
		{"", 4, nil},
	} {
		if got := hiccups(samplesOf(row.samples, row.nodes)); !slices.Equal(got, row.want) {
			t.Errorf("%s, %d nodes: %v, want %v", row.samples, row.nodes, got, row.want)
		}
	}
}
