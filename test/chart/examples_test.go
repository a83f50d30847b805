//go:build chart

package chart_test

import (
	"io/fs"
	"os"
	"path"
	"slices"
	"strings"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	policyv1 "k8s.io/api/policy/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	"sigs.k8s.io/yaml"

	"github.com/netchecker/netchecker/test/chart"
)

func TestExamplesAreThoseThatTheChartMakes(t *testing.T) {
	files, err := chart.Examples(t.Context(), helm(t))
	if err != nil {
		t.Fatal(err)
	}
	for path, want := range files {
		if readFile(t, path) != want {
			t.Errorf("%s is not what the chart makes; run `make examples`", path)
		}
	}
}

// kinds are Kubernetes' own among the objects of chart and examples.
var kinds = map[string]func() any{
	"Namespace":             func() any { return new(corev1.Namespace) },
	"ServiceAccount":        func() any { return new(corev1.ServiceAccount) },
	"Service":               func() any { return new(corev1.Service) },
	"ConfigMap":             func() any { return new(corev1.ConfigMap) },
	"Pod":                   func() any { return new(corev1.Pod) },
	"PersistentVolumeClaim": func() any { return new(corev1.PersistentVolumeClaim) },
	"Deployment":            func() any { return new(appsv1.Deployment) },
	"DaemonSet":             func() any { return new(appsv1.DaemonSet) },
	"ClusterRole":           func() any { return new(rbacv1.ClusterRole) },
	"ClusterRoleBinding":    func() any { return new(rbacv1.ClusterRoleBinding) },
	"Role":                  func() any { return new(rbacv1.Role) },
	"RoleBinding":           func() any { return new(rbacv1.RoleBinding) },
	"PodDisruptionBudget":   func() any { return new(policyv1.PodDisruptionBudget) },
	"NetworkPolicy":         func() any { return new(networkingv1.NetworkPolicy) },
}

// ofOthers are kinds that Kubernetes itself does not know.
var ofOthers = []string{"ServiceMonitor", "PrometheusRule"}

func TestKubernetesKnowsEveryFieldOfTheChart(t *testing.T) {
	for _, settings := range [][]string{nil, everything, {"etcd.endpoints={https://a:2379}", "etcd.tls.secretName=etcd-client", "server.replicas=2"}} {
		text, err := helm(t).Template(t.Context(), sets(settings)...)
		if err != nil {
			t.Fatal(err)
		}
		wellFormed(t, "the chart", text)
	}
}

func TestKubernetesKnowsEveryFieldOfTheExamples(t *testing.T) {
	for _, dir := range []string{"manifests", "kubespray", "external-etcd-tls"} {
		kustomization := decode(t, readFile(t, "examples/"+dir+"/kustomization.yaml"))["Kustomization/<nil>"]
		resources, _ := at(kustomization, "resources").([]any)
		if len(resources) == 0 {
			t.Errorf("examples/%s/kustomization.yaml has no resources", dir)
		}
		for _, file := range resources {
			wellFormed(t, dir, readFile(t, path.Join("examples", dir, file.(string))))
		}
	}
}

func wellFormed(t *testing.T, where, text string) {
	t.Helper()
	for _, doc := range documents(t, text) {
		var head struct{ Kind string }
		if err := yaml.Unmarshal(doc, &head); err != nil {
			t.Fatal(err)
		}
		if kind, known := kinds[head.Kind]; known {
			if err := yaml.UnmarshalStrict(doc, kind()); err != nil {
				t.Errorf("%s: %s: %v", where, head.Kind, err)
			}
		} else if head.Kind != "" && !slices.Contains(ofOthers, head.Kind) {
			t.Errorf("%s has a %q", where, head.Kind)
		}
	}
}

func TestKubesprayShapeIsWhatTheOriginalsManifestsHave(t *testing.T) {
	all := make(objects)
	for _, file := range []string{"server-rbac", "server", "service", "agents"} {
		for name, object := range decode(t, readFile(t, "examples/kubespray/"+file+".yaml")) {
			all[name] = object
		}
	}
	expect(t, all,
		expectation{"ClusterRole/netchecker-server", "rules", `[{"apiGroups":[""],"resources":["pods"],"verbs":["get","list"]}]`},
		expectation{server, container + "args", `["-v=5","-logtostderr","-kubeproxyinit=false","-endpoint=0.0.0.0:8081","-etcd-endpoints=http://127.0.0.1:2379"]`},
		expectation{server, container + "securityContext.runAsUser", "1000"},
		expectation{server, pod + "containers.1.name", `"etcd"`},
		expectation{service, "spec.ports.0.nodePort", "31081"},
		expectation{pods, container + "args", `["-v=5","-alsologtostderr=true","-serverendpoint=netchecker-service:8081","-reportinterval=15"]`},
		expectation{hostnet, pod + "dnsPolicy", `"ClusterFirstWithHostNet"`},
	)
}

func TestEachFolderOfExamplesIsListed(t *testing.T) {
	list := readFile(t, "examples/README.md")
	entries, err := fs.ReadDir(os.DirFS(root), "examples")
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if link := "[" + e.Name() + "](" + e.Name() + ")"; e.IsDir() && !strings.Contains(list, link) {
			t.Errorf("examples/README.md does not have %s", link)
		}
	}
}
