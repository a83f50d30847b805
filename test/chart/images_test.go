//go:build chart

package chart_test

import (
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// TestTheChartPullsWhatMakeImagesBuilds lets echo build, and renders the chart with
// the settings that make images prints.
func TestTheChartPullsWhatMakeImagesBuilds(t *testing.T) {
	for _, row := range []struct {
		registry string
		images   []string
		pushed   []string
	}{
		{"", []string{"netchecker/netchecker-server:123", "netchecker/netchecker-agent:123"}, nil},
		{"registry.example.com:5000/mirror/",
			[]string{"registry.example.com:5000/mirror/netchecker/netchecker-server:123", "registry.example.com:5000/mirror/netchecker/netchecker-agent:123"},
			[]string{"registry.example.com:5000/mirror/netchecker/netchecker-server:123", "registry.example.com:5000/mirror/netchecker/netchecker-agent:123"}},
	} {
		// A tag of digits alone, as a commit may have.
		cmd := exec.CommandContext(t.Context(), "make", "images", "CONTAINER_TOOL=echo", "VERSION=123", "REGISTRY="+row.registry)
		cmd.Dir = root
		// Not the flags of the make that runs the tests.
		cmd.Env = slices.DeleteFunc(os.Environ(), func(v string) bool { return strings.HasPrefix(v, "MAKEFLAGS=") })
		out, err := cmd.CombinedOutput()
		if err != nil {
			t.Fatalf("make images: %v\n%s", err, out)
		}
		if got := found(`(?m)^build .* -t (\S+)`, out); !slices.Equal(got, row.images) {
			t.Errorf("REGISTRY=%s builds %q, want %q", row.registry, got, row.images)
		}
		if got := found(`(?m)^echo push (\S+)$`, out); !slices.Equal(got, row.pushed) {
			t.Errorf("REGISTRY=%s has to push %q, want %q", row.registry, got, row.pushed)
		}
		settings := found(`(?m)^helm install netchecker helm-chart/netchecker --namespace netchecker --create-namespace --set-string (\S+)$`, out)
		if len(settings) != 1 {
			t.Fatalf("make images prints no helm install:\n%s", out)
		}
		text, err := helm(t).Template(t.Context(), "--set-string", settings[0])
		if err != nil {
			t.Fatal(err)
		}
		expect(t, decode(t, text),
			expectation{server, container + "image", `"` + row.images[0] + `"`},
			expectation{pods, container + "image", `"` + row.images[1] + `"`},
			expectation{hostnet, container + "image", `"` + row.images[1] + `"`},
			expectation{"Pod/netchecker-test", "spec.containers.0.image", `"` + row.images[0] + `"`})
	}
}

// found are what the group of a regular expression matches in a text.
func found(expression string, text []byte) []string {
	var all []string
	for _, m := range regexp.MustCompile(expression).FindAllSubmatch(text, -1) {
		all = append(all, string(m[1]))
	}
	return all
}
