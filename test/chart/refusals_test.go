//go:build chart

package chart_test

import (
	"encoding/json"
	"os"
	"strings"
	"testing"

	"sigs.k8s.io/yaml"
)

func TestWrongValuesAreRefusedByName(t *testing.T) {
	const https = "etcd.endpoints={https://a:2379}"
	const oneAccount = "serviceAccount.serverName and serviceAccount.agentName are both "
	for _, row := range []struct {
		settings []string
		want     string
	}{
		{[]string{"server.replicas=2"}, "at '/server/replicas': maximum: got 2, want 1"},
		{[]string{"server.replicas=0"}, "at '/server/replicas': minimum: got 0, want 1"},
		{[]string{"etcd.tls.secretName=etcd-client"}, "at '/etcd/tls/secretName': maxLength: got 11, want 0"},
		{[]string{https, "etcd.embedded.persistence.enabled=true"}, "at '/etcd/embedded/persistence/enabled': value must be false"},
		{[]string{https, "etcd.tls.keyKey="}, "at '/etcd/tls/keyKey': minLength: got 0, want 1"},
		{[]string{https, "etcd.tls.certKey="}, "at '/etcd/tls/keyKey': maxLength: got 7, want 0"},
		{[]string{"etcd.endpoints={a:2379}"}, "at '/etcd/endpoints/0': 'a:2379' does not match pattern '^https?://[^,/ ]+$'"},
		{[]string{"replicas=2"}, "additional properties 'replicas' not allowed"},
		{[]string{"agent.reportinterval=5"}, "at '/agent': additional properties 'reportinterval' not allowed"},
		{[]string{"agent.reportInterval=0"}, "at '/agent/reportInterval': minimum: got 0, want 1"},
		{[]string{"agent.zeroExtenderLength=much"}, "at '/agent/zeroExtenderLength': value must be 'auto'"},
		{[]string{"agent.maxUnavailable=0%"}, "at '/agent/maxUnavailable': '0%' does not match pattern '^([1-9][0-9]?|100)%$'"},
		{[]string{"agent.podLabels.app=other"}, "invalid propertyName 'app'"},
		{[]string{"service.type=ExternalName"}, "at '/service/type': value must be one of 'NodePort', 'ClusterIP', 'LoadBalancer'"},
		{[]string{"service.ipFamilies={IPv5}"}, "at '/service/ipFamilies/0': value must be one of 'IPv4', 'IPv6'"},
		{[]string{"image.registry=https://registry.example.com"}, "at '/image/registry': 'not' failed"},
		{[]string{"server.image.digest=latest"}, "at '/server/image/digest': 'latest' does not match pattern '^(sha256:[0-9a-f]{64})?$'"},
		{[]string{"server.resources.limits.memory=512MB"}, "at '/server/resources/limits/memory': '512MB' does not match pattern"},
		{[]string{"etcd.tree=a b"}, `at '/etcd/tree': 'a b' does not match pattern '^[^\\s/]\\S*$'`},
		{[]string{"service.labels.app=other"}, "at '/service/labels': 'allOf' failed"},
		{[]string{"metrics.serviceMonitor.labels.app=other"}, "at '/metrics/serviceMonitor/labels': 'allOf' failed"},
		{[]string{"metrics.prometheusRule.labels.app=other"}, "at '/metrics/prometheusRule/labels': 'allOf' failed"},
		{[]string{"metrics.dashboard.labels.app=other"}, "at '/metrics/dashboard/labels': 'allOf' failed"},
		{[]string{"service.ipFamilyPolicy=SingleStack", "service.ipFamilies={IPv6,IPv4}"}, "at '/service/ipFamilies': maxItems: got 2, want 1"},
		{[]string{"server.maxBodyBytes=65535"}, "at '/server/maxBodyBytes': minimum: got 65,535, want 65,536"},
		// The server's ping is one more, and the agent takes 256.
		{[]string{"agent.probeURLs={http://a" + strings.Repeat(",http://a", 255) + "}"}, "at '/agent/probeURLs': maxItems: got 256, want 255"},
		{[]string{"serviceAccount.serverName=one", "serviceAccount.agentName=one"}, oneAccount + "one"},
		{[]string{"serviceAccount.serverName=netchecker-agent"}, oneAccount + "netchecker-agent"},
		{[]string{"metrics.serviceMonitor.enabled=true", "metrics.serviceMonitor.interval=5s"},
			"metrics.serviceMonitor.scrapeTimeout, 10s, is longer than metrics.serviceMonitor.interval, 5s"},
		{[]string{"metrics.serviceMonitor.enabled=true", "metrics.serviceMonitor.interval=1m", "metrics.serviceMonitor.scrapeTimeout=60001ms"},
			"metrics.serviceMonitor.scrapeTimeout, 60001ms, is longer than metrics.serviceMonitor.interval, 1m"},
		{[]string{"backends[0].name=Shop", "backends[0].url=http://a"}, "at '/backends/0/name': 'Shop' does not match pattern"},
		{[]string{"backends[0].name=shop"}, "at '/backends/0': missing property 'url'"},
		{[]string{"backends[0].name=shop", "backends[0].url=http://me:secret@a"}, "at '/backends/0/url': 'http://me:secret@a' does not match pattern"},
		{[]string{"backends[0].name=shop", "backends[0].url=http://a", "backends[0].interval=2"}, "at '/backends/0': additional properties 'interval' not allowed"},
		{[]string{"backends[0].name=shop", "backends[0].url=http://a", "backends[0].ca=../ca"}, "at '/backends/0/ca': '../ca' does not match pattern"},
		{[]string{"backends[16].name=shop", "backends[16].url=http://a"}, "at '/backends': maxItems: got 17, want 16"},
		{[]string{"agent.backendFiles[0].hostPath.path=/"}, "at '/agent/backendFiles/0': additional properties 'hostPath' not allowed"},
		{[]string{"agent.mesh.port=80"}, "at '/agent/mesh/port': minimum: got 80, want 1,024"},
		{[]string{"server.backendRateLimit=0"}, "at '/server/backendRateLimit': minimum: got 0, want 1"},
		{[]string{"server.drainTimeout=5s"}, "at '/server/drainTimeout': got string, want integer"},
	} {
		_, err := helm(t).Template(t.Context(), sets(row.settings)...)
		if err == nil || !strings.Contains(err.Error(), row.want) {
			t.Errorf("%q: %v\nwant %s", row.settings, err, row.want)
		}
	}
}

func TestHelmLintHasNothingToSay(t *testing.T) {
	for _, settings := range [][]string{nil, everything} {
		out, err := helm(t).Run(t.Context(), append([]string{"lint", "--strict", "--quiet", "helm-chart/netchecker"}, sets(settings)...)...)
		if err != nil || strings.Contains(out, "WARNING") {
			t.Errorf("%v%s", err, out)
		}
	}
}

// TestEveryValueThatTheSchemaKnowsIsInTheValuesFile so that it is explained there.
// The other way round is what the schema itself is for.
func TestEveryValueThatTheSchemaKnowsIsInTheValuesFile(t *testing.T) {
	var schema, values map[string]any
	text := readFile(t, "helm-chart/netchecker/values.schema.json")
	if err := json.Unmarshal([]byte(text), &schema); err != nil {
		t.Fatal(err)
	}
	if err := yaml.Unmarshal([]byte(readFile(t, "helm-chart/netchecker/values.yaml")), &values); err != nil {
		t.Fatal(err)
	}
	explained(t, "", at(schema, "properties"), values)
}

func explained(t *testing.T, prefix string, properties, values any) {
	t.Helper()
	known, _ := properties.(map[string]any)
	for name, property := range known {
		value, there := values.(map[string]any)[name]
		if !there && prefix+name != "global" {
			t.Errorf("values.yaml does not have %s%s", prefix, name)
		}
		explained(t, prefix+name+".", at(property, "properties"), value)
	}
}

func readFile(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(root + "/" + path)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}
