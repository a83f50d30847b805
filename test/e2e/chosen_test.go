//go:build e2e

package e2e

import (
	"slices"
	"strings"
	"testing"
)

func TestAreasAreChosenByName(t *testing.T) {
	all := []area{
		{name: "install", parts: []part{once("a", nil)}},
		{name: "faults", parts: []part{once("b", nil), times("c", 2, nil)}},
	}
	for _, row := range []struct {
		names  string
		whole  bool
		areas  string
		parts  int
		errors string
	}{
		{"", false, "install faults", 3, ""},
		{"faults", false, "faults", 2, ""},
		{"faults,install", false, "faults install", 3, ""},
		{"install faults", false, "install faults", 3, ""},
		{"", true, "faults", 1, ""},
		{"install", true, "", 0, ""},
		{"fault", false, "", 0, `E2E: there is no area "fault"; there are install, faults`},
	} {
		got, err := chosen(all, row.names, row.whole)
		parts := 0
		for _, a := range got {
			parts += len(a.parts)
		}
		if names := strings.Join(namesOf(got), " "); names != row.areas || parts != row.parts {
			t.Errorf("%q, %t: got %q with %d parts, want %q with %d", row.names, row.whole, names, parts, row.areas, row.parts)
		}
		if said := ""; err != nil || row.errors != "" {
			if err != nil {
				said = err.Error()
			}
			if said != row.errors {
				t.Errorf("%q: got error %q, want %q", row.names, said, row.errors)
			}
		}
	}
	if len(all[1].parts) != 2 {
		t.Error("choosing changed what there is")
	}
}

func TestAreasHaveNamesOfTheirOwn(t *testing.T) {
	names := namesOf(areas)
	slices.Sort(names)
	if got := slices.Compact(slices.Clone(names)); !slices.Equal(got, names) || slices.Contains(names, "harness") {
		t.Errorf("the areas are %q", names)
	}
}
