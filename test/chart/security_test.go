package chart_test

import (
	"testing"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/yaml"

	"github.com/netchecker/netchecker/test/kubetest"
)

// TestPodsMeetThePodSecurityStandards asks a real API server, which judges pods by
// the standard that their namespace enforces.
func TestPodsMeetThePodSecurityStandards(t *testing.T) {
	cluster := kubetest.Start(t)
	for _, level := range []string{"restricted", "privileged"} {
		ns := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: level, Labels: map[string]string{"pod-security.kubernetes.io/enforce": level}}}
		if _, err := cluster.Client().CoreV1().Namespaces().Create(t.Context(), ns, metav1.CreateOptions{}); err != nil {
			t.Fatal(err)
		}
		for _, account := range []string{"default", "netchecker-server", "netchecker-agent"} {
			sa := &corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Name: account}}
			if _, err := cluster.Client().CoreV1().ServiceAccounts(level).Create(t.Context(), sa, metav1.CreateOptions{}); err != nil && !apierrors.IsAlreadyExists(err) {
				t.Fatal(err)
			}
		}
	}
	const hostNetwork = `pods "netchecker-agent-hostnet" is forbidden: violates PodSecurity "restricted:latest": ` +
		`host namespaces (hostNetwork=true)`
	external := []string{"etcd.endpoints={https://a:2379}", "etcd.tls.secretName=etcd-client", "server.replicas=2"}
	for _, settings := range [][]string{nil, everything, external} {
		all := render(t, settings...)
		for _, row := range []struct{ object, name, level, want string }{
			{server, "netchecker-server", "restricted", ""},
			{pods, "netchecker-agent", "restricted", ""},
			{"Pod/netchecker-test", "netchecker-test", "restricted", ""},
			// The host's network is all that it needs beyond.
			{hostnet, "netchecker-agent-hostnet", "restricted", hostNetwork},
			{hostnet, "netchecker-agent-hostnet", "privileged", ""},
		} {
			created := metav1.CreateOptions{DryRun: []string{metav1.DryRunAll}}
			_, err := cluster.Client().CoreV1().Pods(row.level).Create(t.Context(), podOf(t, all[row.object], row.name), created)
			if got := message(err); got != row.want {
				t.Errorf("%s in a namespace that enforces %s: %s\nwant %s", row.object, row.level, got, row.want)
			}
		}
	}
}

// podOf is the pod that a workload makes, or that an object is.
func podOf(t *testing.T, object map[string]any, name string) *corev1.Pod {
	t.Helper()
	from := at(object, "spec.template")
	if from == nil {
		from = object
	}
	pod := new(corev1.Pod)
	if err := yaml.Unmarshal([]byte(asJSON(t, from)), pod); err != nil {
		t.Fatal(err)
	}
	pod.ObjectMeta = metav1.ObjectMeta{Name: name}
	return pod
}

func message(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}
