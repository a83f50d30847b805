//go:build chart

package chart_test

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	schedulingv1 "k8s.io/api/scheduling/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/client-go/discovery"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/restmapper"
	"sigs.k8s.io/yaml"

	"github.com/netchecker/netchecker/test/kubetest"
)

// judge is a real API server, asked what it would say to an object. It knows the
// Prometheus operator's kinds too.
type judge struct {
	*testing.T
	objects  dynamic.Interface
	mapper   meta.RESTMapper
	warnings *warnings
}

// warnings are those of the API server about one object.
type warnings []string

func (w *warnings) HandleWarningHeader(_ int, _, text string) { *w = append(*w, text) }

// A namespace enforces the Pod Security Standard that it is named after.
const (
	restricted = "restricted"
	privileged = "privileged"
)

func newJudge(t *testing.T) judge {
	t.Helper()
	cluster := kubetest.Start(t)
	config := cluster.Config("judge", "system:masters")
	// Hundreds of questions, to a server of our own.
	config.QPS = -1
	j := judge{T: t, warnings: new(warnings)}
	config.WarningHandler = j.warnings
	var err error
	if j.objects, err = dynamic.NewForConfig(config); err != nil {
		t.Fatal(err)
	}
	client := cluster.Client()
	for _, level := range []string{restricted, privileged} {
		ns := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: level, Labels: map[string]string{"pod-security.kubernetes.io/enforce": level}}}
		if _, err := client.CoreV1().Namespaces().Create(t.Context(), ns, metav1.CreateOptions{}); err != nil {
			t.Fatal(err)
		}
	}
	// Which one of the switches names.
	class := &schedulingv1.PriorityClass{ObjectMeta: metav1.ObjectMeta{Name: "high"}, Value: 1}
	if _, err := client.SchedulingV1().PriorityClasses().Create(t.Context(), class, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	j.mapper = mapperOf(t, client.Discovery())
	j.learn("servicemonitors", "prometheusrules")
	j.mapper = mapperOf(t, client.Discovery())
	return j
}

func mapperOf(t *testing.T, d discovery.DiscoveryInterface) meta.RESTMapper {
	t.Helper()
	groups, err := restmapper.GetAPIGroupResources(d)
	if err != nil {
		t.Fatal(err)
	}
	return restmapper.NewDiscoveryRESTMapper(groups)
}

// learn installs CustomResourceDefinitions of the Prometheus operator.
func (j judge) learn(plurals ...string) {
	j.Helper()
	download := exec.CommandContext(j.Context(), "go", "mod", "download", "-json", "github.com/prometheus-operator/prometheus-operator")
	download.Dir = "crds"
	out, err := download.Output()
	if err != nil {
		j.Fatalf("downloading the Prometheus operator: %v\n%s", err, out)
	}
	var module struct{ Dir string }
	if err := json.Unmarshal(out, &module); err != nil {
		j.Fatal(err)
	}
	for _, plural := range plurals {
		text, err := os.ReadFile(filepath.Join(module.Dir, "example", "prometheus-operator-crd", "monitoring.coreos.com_"+plural+".yaml"))
		if err != nil {
			j.Fatal(err)
		}
		for _, definition := range decode(j.T, string(text)) {
			if _, err := j.create(definition, "", metav1.CreateOptions{}); err != nil {
				j.Fatal(err)
			}
			j.established(definition)
		}
	}
}

// established waits until a CustomResourceDefinition is served.
func (j judge) established(definition map[string]any) {
	j.Helper()
	object := &unstructured.Unstructured{Object: definition}
	resource := j.resource(object, "")
	err := wait.PollUntilContextTimeout(j.Context(), 50*time.Millisecond, time.Minute, true, func(ctx context.Context) (bool, error) {
		now, err := resource.Get(ctx, object.GetName(), metav1.GetOptions{})
		if err != nil {
			return false, err
		}
		return strings.Contains(asJSON(j.T, at(now.Object, "status.conditions")), `"status":"True","type":"Established"`), nil
	})
	if err != nil {
		j.Fatalf("waiting until %s is served: %v", object.GetName(), err)
	}
}

func (j judge) resource(object *unstructured.Unstructured, namespace string) dynamic.ResourceInterface {
	j.Helper()
	kind := object.GroupVersionKind()
	mapping, err := j.mapper.RESTMapping(kind.GroupKind(), kind.Version)
	if err != nil {
		j.Fatal(err)
	}
	if mapping.Scope.Name() == meta.RESTScopeNameRoot {
		namespace = ""
	}
	return j.objects.Resource(mapping.Resource).Namespace(namespace)
}

func (j judge) create(manifest map[string]any, namespace string, options metav1.CreateOptions) (*unstructured.Unstructured, error) {
	j.Helper()
	object := &unstructured.Unstructured{Object: manifest}
	if object.GetNamespace() != "" {
		object.SetNamespace(namespace)
	}
	return j.resource(object, namespace).Create(j.Context(), object, options)
}

// says is what the API server says against an object in a namespace: why it refuses
// it, every field that it does not know, or else its warnings.
func (j judge) says(manifest map[string]any, namespace string) string {
	j.Helper()
	*j.warnings = nil
	options := metav1.CreateOptions{DryRun: []string{metav1.DryRunAll}, FieldValidation: metav1.FieldValidationStrict}
	if _, err := j.create(manifest, namespace, options); err != nil {
		return err.Error()
	}
	return strings.Join(*j.warnings, "; ")
}

// podOf is the pod that a workload makes, or that an object is; nil for others.
func podOf(object map[string]any) map[string]any {
	from := object
	if template, makes := at(object, "spec.template").(map[string]any); makes {
		from = template
	} else if at(object, "kind") != "Pod" {
		return nil
	}
	return map[string]any{
		"apiVersion": "v1", "kind": "Pod", "spec": at(from, "spec"),
		"metadata": map[string]any{"name": at(object, "metadata.name"), "labels": at(from, "metadata.labels"), "annotations": at(from, "metadata.annotations")},
	}
}

// TestAPIServerAcceptsTheChartWithEverySwitch asks a real one, about every object,
// and about every pod in a namespace that enforces "restricted".
func TestAPIServerAcceptsTheChartWithEverySwitch(t *testing.T) {
	j := newJudge(t)
	const needed = `pods "netchecker-agent-hostnet" is forbidden: violates PodSecurity "restricted:latest": ` +
		`host namespaces (hostNetwork=true)`
	accepts := func(where string, all objects) {
		for name, object := range all {
			if said := j.says(object, privileged); said != "" {
				t.Errorf("%s: to %s the API server says %s", where, name, said)
			}
			pod := podOf(object)
			if pod == nil {
				continue
			}
			want := ""
			// The host's network is all that it needs beyond.
			if name == hostnet {
				want = needed
			}
			if said := j.says(pod, restricted); said != want {
				t.Errorf("%s: to a pod of %s in a namespace that enforces %q the API server says %s\nwant %s", where, name, restricted, said, want)
			}
		}
	}
	for _, row := range switches {
		accepts(row.name, render(t, row.settings...))
	}
	accepts("everything", render(t, everything...))
	for _, example := range []string{"manifests/netchecker.yaml", "external-etcd-tls/netchecker.yaml"} {
		all := decode(t, readFile(t, "examples/"+example))
		delete(all, "Namespace/netchecker")
		accepts(example, all)
	}
}

// TestAPIServerRefusesWhatItDoesNotKnow so that the test above can fail.
func TestAPIServerRefusesWhatItDoesNotKnow(t *testing.T) {
	j := newJudge(t)
	for _, row := range []struct{ manifest, want string }{
		{`{apiVersion: v1, kind: Service, metadata: {name: a}, spec: {ports: [{port: 1}], sesionAffinity: None}}`, `unknown field "spec.sesionAffinity"`},
		{`{apiVersion: monitoring.coreos.com/v1, kind: ServiceMonitor, metadata: {name: a}, spec: {endpoints: [], selector: {}, endpoint: 1}}`, `unknown field "spec.endpoint"`},
		{`{apiVersion: v1, kind: Pod, metadata: {name: a}, spec: {containers: [{name: a, image: a}]}}`, `violates PodSecurity "restricted:latest"`},
	} {
		var manifest map[string]any
		if err := yaml.Unmarshal([]byte(row.manifest), &manifest); err != nil {
			t.Fatal(err)
		}
		if said := j.says(manifest, restricted); !strings.Contains(said, row.want) {
			t.Errorf("to %s the API server says %q, want %s", fmt.Sprint(manifest), said, row.want)
		}
	}
}
