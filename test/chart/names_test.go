//go:build chart

package chart_test

import (
	"strings"
	"testing"
)

// TestNamesMayLookLikeOtherThings as Kubernetes allows: numbers and booleans, where
// YAML has its own mind, and what ends in a colon.
func TestNamesMayLookLikeOtherThings(t *testing.T) {
	for _, settings := range [][]string{
		{"etcd.embedded.persistence.enabled=true", "etcd.embedded.persistence.storageClassName=12", "etcd.tree=a:",
			"server.priorityClassName=on", "agent.priorityClassName=0x1f", "agent.probeURLs={http://a:}",
			"serviceAccount.serverName=1", "serviceAccount.agentName=2", "service.labels.x=3",
			"networkPolicy.enabled=true", "metrics.dashboard.enabled=true"},
		{"etcd.embedded.persistence.enabled=true", "etcd.embedded.persistence.existingClaim=1e3", "serviceAccount.create=false", "serviceAccount.serverName=null1"},
		{"etcd.endpoints={https://a:}", "etcd.tls.secretName=08"},
	} {
		text, err := helm(t).Run(t.Context(), append([]string{"template", "123", "helm-chart/netchecker", "--namespace", "1e3"}, setStrings(settings)...)...)
		if err != nil {
			t.Fatal(err)
		}
		wellFormed(t, strings.Join(settings, " "), text)
		for name, object := range decode(t, text) {
			want := "1e3"
			if strings.HasSuffix(name, "/netchecker-server-nodes") {
				want = "default"
			}
			if !strings.HasPrefix(name, "ClusterRole") && at(object, "metadata.namespace") != want {
				t.Errorf("%s is in the namespace %v", name, at(object, "metadata.namespace"))
			}
			if got := at(object, "metadata.labels.[app.kubernetes.io/instance]"); got != "123" {
				t.Errorf("%s is of the release %v", name, got)
			}
		}
	}
}

// setStrings are settings whose values are taken for strings, whatever they look like.
func setStrings(settings []string) []string {
	var args []string
	for _, s := range settings {
		flag := "--set-string"
		if strings.HasSuffix(s, "=true") || strings.HasSuffix(s, "=false") {
			flag = "--set"
		}
		args = append(args, flag, s)
	}
	return args
}
