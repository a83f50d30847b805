//go:build e2e

package e2e

import (
	"encoding/json"
	"os/exec"
	"path/filepath"
	"strings"
)

// accepted lets the API server judge what the chart makes, with the Prometheus
// operator's CustomResourceDefinitions installed.
func accepted(w world) {
	crds := filepath.Join(w.operator(), "example", "prometheus-operator-crd")
	for _, kind := range []string{"servicemonitors", "prometheusrules"} {
		w.kubectl("apply", "--server-side", "--filename", filepath.Join(crds, "monitoring.coreos.com_"+kind+".yaml"))
		w.kubectl("wait", "customresourcedefinition/"+kind+".monitoring.coreos.com", "--for=condition=Established", "--timeout=30s")
	}
	for _, row := range []struct {
		args []string
		want []string
	}{
		{nil, []string{"deployment.apps/netchecker-server"}},
		{[]string{"--values", "test/e2e/testdata/everything.yaml"}, []string{
			"persistentvolumeclaim/netchecker-server", "networkpolicy.networking.k8s.io/netchecker-server",
			"servicemonitor.monitoring.coreos.com/netchecker-server", "prometheusrule.monitoring.coreos.com/netchecker", "configmap/netchecker-dashboard",
		}},
		{[]string{"--values", "examples/external-etcd-tls/values.yaml"}, []string{"poddisruptionbudget.policy/netchecker-server"}},
		{[]string{"--set", "service.type=LoadBalancer,rbac.nodes=false,agent.hostNetwork.enabled=false"}, []string{"service/netchecker-service"}},
	} {
		// The pod of helm test takes an account that is really there.
		manifests := w.helm(append([]string{"template", "netchecker", "helm-chart/netchecker", "--skip-tests"}, row.args...)...)
		said := w.feed(manifests, "apply", "--namespace", namespace, "--dry-run=server", "--validate=strict", "--filename=-")
		for _, object := range row.want {
			if !strings.Contains(said, object) {
				w.Errorf("with %q there is no %s among\n%s", row.args, object, said)
			}
		}
	}
}

// operator is the folder of the Prometheus operator's module.
func (w world) operator() string {
	w.Helper()
	cmd := exec.CommandContext(w.Context(), "go", "mod", "download", "-json", "github.com/prometheus-operator/prometheus-operator")
	cmd.Dir = "crds"
	out, err := cmd.Output()
	w.must(err)
	var module struct{ Dir string }
	w.must(json.Unmarshal(out, &module))
	return module.Dir
}
