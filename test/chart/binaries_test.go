//go:build chart

package chart_test

import (
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// TestTheBinariesKnowTheFlagsThatChartAndExamplesGive lets them read the command
// lines, and tell their version rather than run.
func TestTheBinariesKnowTheFlagsThatChartAndExamplesGive(t *testing.T) {
	bin := t.TempDir()
	for _, room := range []string{"server", "agent"} {
		build := exec.CommandContext(t.Context(), "go", "build", "-o", filepath.Join(bin, "netchecker-"+room), root+"/"+room)
		if out, err := build.CombinedOutput(); err != nil {
			t.Fatalf("building the %s: %v\n%s", room, err, out)
		}
	}
	texts := map[string]objects{
		"the chart":                   render(t),
		"the chart with its own etcd": render(t, "etcd.embedded.persistence.enabled=true", "agent.probeURLs={http://a}"),
		"external etcd":               render(t, "etcd.endpoints={https://a:2379}", "etcd.tls.secretName=s", "etcd.tls.insecureSkipVerify=true"),
		"kubespray's server":          decode(t, readFile(t, "examples/kubespray/server.yaml")),
		"kubespray's agents":          decode(t, readFile(t, "examples/kubespray/agents.yaml")),
	}
	for where, all := range texts {
		for name, object := range all {
			spec := at(object, "spec.template.spec")
			if at(object, "kind") == "Pod" {
				spec = at(object, "spec")
			}
			image, _ := at(spec, "containers.0.image").(string)
			if image == "" {
				continue
			}
			program, _, _ := strings.Cut(filepath.Base(image), ":")
			args := []string{"-version"}
			for _, a := range at(spec, "containers.0.args").([]any) {
				args = append(args, a.(string))
			}
			if out, err := exec.CommandContext(t.Context(), filepath.Join(bin, program), args...).CombinedOutput(); err != nil {
				t.Errorf("%s: %s %q: %v\n%s", where, name, args, err, out)
			}
		}
	}
}
