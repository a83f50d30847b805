package report

import (
	"strings"
	"testing"
)

// A key that two fields of a rendering had would be read into the first and
// written twice.
func TestNoTwoFieldsOfARenderingHaveTheSameKey(t *testing.T) {
	r, d, p, m, y, n, u, i, f, g, h, s := fieldsOf(&Report{}, nil, nil, nil), new(Delivery).fields(), new(ProbeResult).fields(), new(Message).fields(), new(Reply).fields(), new(News).fields(), new(Disruption).fields(), new(Interval).fields(), new(Refusal).fields(), new(Mesh).fields(), new(Heard).fields(), new(Shared).fields()
	for _, table := range [][]field{r[:], d[:], p[:], m[:], y[:], n[:], u[:], i[:], f[:], g[:], h[:], s[:]} {
		for i, a := range table {
			for _, b := range table[:i] {
				if a.in&b.in&^optional != 0 && strings.EqualFold(a.key, b.key) {
					t.Errorf("%s and %s are in one rendering", a.key, b.key)
				}
			}
		}
	}
}
