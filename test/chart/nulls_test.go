//go:build chart

package chart_test

import (
	"slices"
	"strings"
	"testing"

	"sigs.k8s.io/yaml"
)

// TestNullIsRefusedByNameOrMeansNothing for every value that there is. Helm takes a
// value out that is null, so that a template that went on would make of it a 0 or
// an empty name.
func TestNullIsRefusedByNameOrMeansNothing(t *testing.T) {
	var values map[string]any
	if err := yaml.Unmarshal([]byte(readFile(t, "helm-chart/netchecker/values.yaml")), &values); err != nil {
		t.Fatal(err)
	}
	// All that can be at once, so that every template is made.
	monitored := []string{"networkPolicy.enabled=true", "metrics.serviceMonitor.enabled=true", "metrics.prometheusRule.enabled=true", "metrics.dashboard.enabled=true"}
	for _, v := range below("", values) {
		text, err := helm(t).Template(t.Context(), sets(append(slices.Clone(monitored), v.path+"=null"))...)
		if v.mayBeNull() {
			if err != nil {
				t.Errorf("%s=null: %v", v.path, err)
				continue
			}
			wellFormed(t, v.path+"=null", text)
			for _, trace := range []string{"<nil>", "<no value>", "%!"} {
				if strings.Contains(text, trace) {
					t.Errorf("%s=null leaves %s behind", v.path, trace)
				}
			}
			continue
		}
		if want := "missing property '" + v.name + "'"; err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s=null: %v\nwant %s", v.path, err, want)
		}
	}
}

// value is one of values.yaml, by its path, as --set takes it.
type value struct {
	name, path string
	is         any
}

// below lists all values below one, maps among them.
func below(prefix string, values map[string]any) []value {
	var all []value
	for name, is := range values {
		path := prefix + strings.ReplaceAll(name, ".", `\.`)
		all = append(all, value{name, path, is})
		if deeper, ok := is.(map[string]any); ok {
			all = append(all, below(path+".", deeper)...)
		}
	}
	return all
}

// opaque are maps that are passed on as they are.
var opaque = []string{"podSecurityContext", "containerSecurityContext", "resources", "nodeSelector", "labels"}

// mayBeNull says whether null stands for something: for an empty list or map, or for
// one key less in a map that is passed on.
func (v value) mayBeNull() bool {
	for _, part := range strings.Split(v.path, ".") {
		if slices.Contains(opaque, part) {
			return true
		}
	}
	switch is := v.is.(type) {
	case map[string]any:
		return len(is) == 0
	case []any:
		return v.name != "accessModes"
	}
	return false
}
