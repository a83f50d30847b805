package report

import (
	"strings"
	"testing"
)

// A key that two fields of a rendering had would be read into the first and
// written twice.
func TestNoTwoFieldsOfARenderingHaveTheSameKey(t *testing.T) {
	r, d, p, m, y, n := fieldsOf(&Report{}, nil, nil), new(Delivery).fields(), new(ProbeResult).fields(), new(Message).fields(), new(Reply).fields(), new(News).fields()
	for _, table := range [][]field{r[:], d[:], p[:], m[:], y[:], n[:]} {
		for i, a := range table {
			for _, b := range table[:i] {
				if a.in&b.in&always != 0 && strings.EqualFold(a.key, b.key) {
					t.Errorf("%s and %s are in one rendering", a.key, b.key)
				}
			}
		}
	}
}
