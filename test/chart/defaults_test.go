//go:build chart

package chart_test

import (
	"maps"
	"slices"
	"strconv"
	"strings"
	"testing"
)

const (
	server  = "Deployment/netchecker-server"
	pods    = "DaemonSet/netchecker-agent"
	hostnet = "DaemonSet/netchecker-agent-hostnet"
	service = "Service/netchecker-service"
)

// expectation is one line of a table: what an object has at a path, as JSON.
type expectation struct{ object, path, want string }

func expect(t *testing.T, all objects, rows ...expectation) {
	t.Helper()
	for _, row := range rows {
		object, there := all[row.object]
		if !there {
			t.Errorf("there is no %s", row.object)
		} else if got := asJSON(t, at(object, row.path)); got != row.want {
			t.Errorf("%s has at %s\n%s, want\n%s", row.object, row.path, got, row.want)
		}
	}
}

func TestByDefaultThereAreTheObjectsThatOneNeeds(t *testing.T) {
	want := []string{
		"ClusterRole/netchecker-server", "ClusterRoleBinding/netchecker-server", "ConfigMap/netchecker-backends",
		pods, hostnet, server,
		"Pod/netchecker-test", "PodDisruptionBudget/netchecker-server",
		"Role/netchecker-server", "Role/netchecker-server-nodes", "RoleBinding/netchecker-server", "RoleBinding/netchecker-server-nodes", service,
		"ServiceAccount/netchecker-agent", "ServiceAccount/netchecker-server",
	}
	if got := slices.Sorted(maps.Keys(render(t))); !slices.Equal(got, want) {
		t.Errorf("there are %q, want %q", got, want)
	}
}

func TestNamesLabelsAndPortsAreThoseOfTheContract(t *testing.T) {
	all := render(t)
	for _, name := range []string{"netchecker-agent", "netchecker-agent-hostnet"} {
		expect(t, all, expectation{"DaemonSet/" + name, "spec.template.metadata.labels.app", `"` + name + `"`},
			expectation{"DaemonSet/" + name, "spec.selector.matchLabels.app", `"` + name + `"`})
	}
	expect(t, all,
		expectation{service, "spec.type", `"NodePort"`},
		expectation{service, "spec.ports", `[{"name":"http","nodePort":31081,"port":8081,"targetPort":"http"}]`},
		expectation{service, "spec.selector", `{"app":"netchecker-server","app.kubernetes.io/instance":"netchecker"}`},
		expectation{server, "spec.template.metadata.labels.app", `"netchecker-server"`},
		expectation{hostnet, "spec.template.spec.hostNetwork", "true"},
		expectation{hostnet, "spec.template.spec.dnsPolicy", `"ClusterFirstWithHostNet"`},
		expectation{pods, "spec.template.spec.hostNetwork", "null"},
		expectation{pods, "spec.template.spec.containers.0.args.0", `"-serverendpoint=netchecker-service:8081"`},
	)
}

func TestAgentsLearnWhoTheyAreAndHaveNoToken(t *testing.T) {
	all := render(t)
	for _, ds := range []string{pods, hostnet} {
		for i, row := range []struct{ name, field string }{
			{"MY_POD_NAME", "metadata.name"}, {"MY_NODE_NAME", "spec.nodeName"},
			{"MY_POD_NAMESPACE", "metadata.namespace"}, {"MY_POD_IPS", "status.podIPs"},
			{"MY_POD_UID", "metadata.uid"}, {"MY_NODE_IP", "status.hostIP"},
		} {
			expect(t, all, expectation{ds, "spec.template.spec.containers.0.env." + strconv.Itoa(i),
				`{"name":"` + row.name + `","valueFrom":{"fieldRef":{"fieldPath":"` + row.field + `"}}}`})
		}
		expect(t, all, expectation{ds, "spec.template.spec.automountServiceAccountToken", "false"})
	}
}

func TestAgentsRunOnEveryNodeAndAreUpdatedByTenths(t *testing.T) {
	all := render(t)
	for _, ds := range []string{pods, hostnet} {
		expect(t, all,
			expectation{ds, "spec.template.spec.tolerations", `[{"operator":"Exists"}]`},
			// Rounded up: one node of three.
			expectation{ds, "spec.updateStrategy", `{"rollingUpdate":{"maxUnavailable":"10%"},"type":"RollingUpdate"}`})
	}
	expect(t, all, expectation{hostnet, "spec.minReadySeconds", "5"}, expectation{pods, "spec.minReadySeconds", "null"})
}

func TestTheServerMayWatchPodsAndNodesGetItsServiceAndCreateItsEventsAndThoseOfNodesAndNothingElse(t *testing.T) {
	all := render(t)
	const account = `[{"kind":"ServiceAccount","name":"netchecker-server","namespace":"netchecker"}]`
	expect(t, all, expectation{server, "spec.template.spec.automountServiceAccountToken", "true"},
		expectation{"ClusterRole/netchecker-server", "rules",
			`[{"apiGroups":[""],"resources":["pods"],"verbs":["list","watch"]},{"apiGroups":[""],"resources":["nodes"],"verbs":["list","watch"]}]`},
		expectation{"Role/netchecker-server", "rules", `[{"apiGroups":[""],"resources":["events"],"verbs":["create"]},` +
			`{"apiGroups":[""],"resourceNames":["netchecker-service"],"resources":["services"],"verbs":["get"]}]`},
		expectation{"Role/netchecker-server", "metadata.namespace", `"netchecker"`},
		expectation{"RoleBinding/netchecker-server", "metadata.namespace", `"netchecker"`},
		expectation{"RoleBinding/netchecker-server", "roleRef", `{"apiGroup":"rbac.authorization.k8s.io","kind":"Role","name":"netchecker-server"}`},
		expectation{"Role/netchecker-server-nodes", "rules", `[{"apiGroups":[""],"resources":["events"],"verbs":["create"]}]`},
		expectation{"Role/netchecker-server-nodes", "metadata.namespace", `"default"`},
		expectation{"RoleBinding/netchecker-server-nodes", "metadata.namespace", `"default"`},
		expectation{"RoleBinding/netchecker-server-nodes", "roleRef", `{"apiGroup":"rbac.authorization.k8s.io","kind":"Role","name":"netchecker-server-nodes"}`},
		expectation{"RoleBinding/netchecker-server-nodes", "subjects", account},
		expectation{"RoleBinding/netchecker-server", "subjects", account}, expectation{"ClusterRoleBinding/netchecker-server", "subjects", account},
	)
}

func TestByDefaultTheServersOwnServiceAndTheAPIServerAreSampled(t *testing.T) {
	all := render(t)
	expect(t, all,
		expectation{"ConfigMap/netchecker-backends", "data.[backends.yaml]",
			asJSON(t, "backends:\n- name: netchecker\n  url: http://{server}/api/v1/ping\n- ca: kube-ca.crt\n  name: kube-api\n  url: https://kubernetes.default.svc/readyz\n")},
		expectation{server, "spec.template.spec.volumes.0", `{"configMap":{"name":"netchecker-backends"},"name":"backends"}`},
		expectation{server, "spec.template.spec.containers.0.volumeMounts.0", `{"mountPath":"/etc/netchecker/backends","name":"backends","readOnly":true}`},
		expectation{server, "spec.template.spec.containers.0.args.13", `"-backends-file=/etc/netchecker/backends/backends.yaml"`},
		expectation{server, "spec.template.spec.containers.0.args.14", `"-backend-rate-limit=200"`})
	for _, ds := range []string{pods, hostnet} {
		expect(t, all,
			expectation{ds, "spec.template.spec.containers.0.volumeMounts", `[{"mountPath":"/etc/netchecker/backends","name":"backends","readOnly":true}]`},
			expectation{ds, "spec.template.spec.volumes",
				`[{"name":"backends","projected":{"sources":[{"configMap":{"items":[{"key":"ca.crt","path":"kube-ca.crt"}],"name":"kube-root-ca.crt","optional":true}}]}}]`})
	}
}

func TestProbesAskWhatTheDesignNamesAndWaitLongerThanItsHandlers(t *testing.T) {
	all := render(t)
	for _, row := range []struct{ object, probe, path string }{
		{server, "startupProbe", "/healthz"}, {server, "livenessProbe", "/healthz"}, {server, "readinessProbe", "/readyz/serving"},
		{pods, "livenessProbe", "/healthz"}, {pods, "readinessProbe", "/readyz"},
	} {
		at := "spec.template.spec.containers.0." + row.probe
		expect(t, all,
			expectation{row.object, at + ".httpGet", `{"path":"` + row.path + `","port":"http"}`},
			expectation{row.object, at + ".timeoutSeconds", "5"})
	}
	// An upgrade may take the server away for two minutes.
	expect(t, all, expectation{pods, "spec.template.spec.containers.0.readinessProbe.periodSeconds", "5"},
		expectation{pods, "spec.template.spec.containers.0.readinessProbe.failureThreshold", "24"})
	// Their port may be another program's.
	expect(t, all,
		expectation{hostnet, "spec.template.spec.containers.0.livenessProbe", "null"},
		expectation{hostnet, "spec.template.spec.containers.0.readinessProbe", "null"},
		expectation{hostnet, "spec.template.spec.containers.0.ports", "null"})
}

func TestMemoryOfGoStaysATenthBelowTheLimit(t *testing.T) {
	for _, row := range []struct{ limit, want string }{
		{"512Mi", "483183820"}, {"1Gi", "966367641"}, {"0.5Gi", "483183820"}, {"100M", "90000000"}, {"64000000", "57600000"}, {"2G", "1800000000"},
	} {
		expect(t, render(t, "server.resources.limits.memory="+row.limit),
			expectation{server, "spec.template.spec.containers.0.env.3", `{"name":"GOMEMLIMIT","value":"` + row.want + `"}`})
	}
	expect(t, render(t, "server.resources.limits=null"),
		expectation{server, "spec.template.spec.containers.0.env.3", "null"})
	expect(t, render(t),
		expectation{pods, "spec.template.spec.containers.0.env.6", `{"name":"GOMEMLIMIT","value":"60397977"}`},
		expectation{pods, "spec.template.spec.containers.0.resources", `{"limits":{"memory":"64Mi"},"requests":{"cpu":"30m","memory":"64Mi"}}`})
}

func TestEveryObjectHasKubernetesOwnLabels(t *testing.T) {
	all := render(t, everything...)
	for name, object := range all {
		for label, want := range map[string]string{
			"app.kubernetes.io/name": `"netchecker"`, "app.kubernetes.io/instance": `"netchecker"`,
			"app.kubernetes.io/managed-by": `"Helm"`, "app.kubernetes.io/part-of": `"netchecker"`, "team": `"network"`,
		} {
			if got := asJSON(t, at(object, "metadata.labels.["+label+"]")); got != want {
				t.Errorf("%s has the label %s: %s, want %s", name, label, got, want)
			}
		}
		if got := asJSON(t, at(object, "metadata.annotations.note")); got != `"ours"` {
			t.Errorf("%s has the annotation %s", name, got)
		}
	}
}

func TestInTheNamespaceOfNodesEventsOneRoleDoes(t *testing.T) {
	text, err := helm(t).Run(t.Context(), "template", "netchecker", "helm-chart/netchecker", "--namespace", "default")
	if err != nil {
		t.Fatal(err)
	}
	all := decode(t, text)
	expect(t, all, expectation{"Role/netchecker-server", "rules.0", `{"apiGroups":[""],"resources":["events"],"verbs":["create"]}`},
		expectation{"Role/netchecker-server", "metadata.namespace", `"default"`})
	for name := range all {
		if strings.HasSuffix(name, "/netchecker-server-nodes") {
			t.Errorf("there is a %s", name)
		}
	}
}
