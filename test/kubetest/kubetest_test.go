package kubetest_test

import (
	"context"
	"fmt"
	"os"
	"testing"
	"time"

	"go.uber.org/goleak"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"

	"github.com/netchecker/netchecker/test/kubetest"
)

var shared *kubetest.Server

func TestMain(m *testing.M) {
	status := kubetest.Main(func(s *kubetest.Server) int {
		shared = s
		return m.Run()
	})
	if err := goleak.Find(); err != nil && status == 0 {
		fmt.Fprintln(os.Stderr, err)
		status = 1
	}
	os.Exit(status)
}

func pod(name, node string) *corev1.Pod {
	return &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Name: name},
		Spec: corev1.PodSpec{
			NodeName:   node,
			Containers: []corev1.Container{{Name: "agent", Image: "netchecker-agent"}},
		},
	}
}

func create(t *testing.T, client kubernetes.Interface, name string) *corev1.Pod {
	t.Helper()
	made, err := client.CoreV1().Pods("default").Create(t.Context(), pod(name, "node-1"), metav1.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		now := int64(0)
		err := client.CoreV1().Pods("default").Delete(context.Background(), name, metav1.DeleteOptions{GracePeriodSeconds: &now})
		if err != nil {
			t.Error(err)
		}
	})
	return made
}

func clientset(t *testing.T, config *rest.Config) *kubernetes.Clientset {
	t.Helper()
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		t.Fatal(err)
	}
	return client
}

func TestPodsLiveWithoutControllers(t *testing.T) {
	t.Parallel()
	client := shared.For(t).Client()
	made := create(t, client, "lives")
	made.Status.Phase = corev1.PodRunning
	if _, err := client.CoreV1().Pods("default").UpdateStatus(t.Context(), made, metav1.UpdateOptions{}); err != nil {
		t.Fatal(err)
	}
	grace := int64(30)
	if err := client.CoreV1().Pods("default").Delete(t.Context(), "lives", metav1.DeleteOptions{GracePeriodSeconds: &grace}); err != nil {
		t.Fatal(err)
	}
	going, err := client.CoreV1().Pods("default").Get(t.Context(), "lives", metav1.GetOptions{})
	if err != nil || going.DeletionTimestamp == nil {
		t.Errorf("a pod on a node, deleted with a grace period, is not terminating: %v", err)
	}
}

func TestNewNodesHaveNoTaints(t *testing.T) {
	t.Parallel()
	client := shared.For(t).Client()
	node, err := client.CoreV1().Nodes().Create(t.Context(),
		&corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: "new"}}, metav1.CreateOptions{})
	if err != nil || len(node.Spec.Taints) > 0 {
		t.Errorf("the node has taints %v, %v", node.Spec.Taints, err)
	}
	if err := client.CoreV1().Nodes().Delete(t.Context(), "new", metav1.DeleteOptions{}); err != nil {
		t.Error(err)
	}
}

func TestUsersMayDoWhatTheyWereGrantedLast(t *testing.T) {
	t.Parallel()
	cluster := shared.For(t)
	config := cluster.Config("kubespray")
	pods := clientset(t, config).CoreV1().Pods("")

	list := func() error {
		_, err := pods.List(t.Context(), metav1.ListOptions{Limit: 1})
		return err
	}
	watch := func() error {
		w, err := pods.Watch(t.Context(), metav1.ListOptions{})
		if err == nil {
			w.Stop()
		}
		return err
	}
	rule := func(verbs ...string) rbacv1.PolicyRule {
		return rbacv1.PolicyRule{APIGroups: []string{""}, Resources: []string{"pods"}, Verbs: verbs}
	}
	for _, step := range []struct {
		name              string
		grant             func()
		mayList, mayWatch bool
	}{
		{"before any grant", func() {}, false, false},
		{"list and watch", func() { cluster.Grant("kubespray", rule("list", "watch")) }, true, true},
		{"list", func() { cluster.Grant("kubespray", rule("list")) }, true, false},
		{"nothing", func() { cluster.Grant("kubespray") }, false, false},
	} {
		step.grant()
		if err := list(); (err == nil) != step.mayList || err != nil && !apierrors.IsForbidden(err) {
			t.Errorf("%s: list: %v", step.name, err)
		}
		if err := watch(); (err == nil) != step.mayWatch || err != nil && !apierrors.IsForbidden(err) {
			t.Errorf("%s: watch: %v", step.name, err)
		}
	}
}

func TestIdentityHasItsGroups(t *testing.T) {
	t.Parallel()
	client := clientset(t, shared.For(t).Config("somebody", "system:masters"))
	if _, err := client.CoreV1().Nodes().List(t.Context(), metav1.ListOptions{}); err != nil {
		t.Error(err)
	}
}

func TestKubeconfigIsOfTheIdentity(t *testing.T) {
	t.Parallel()
	cluster := shared.For(t)
	const user = "system:serviceaccount:netchecker:server"
	config, err := clientcmd.BuildConfigFromFlags("", cluster.Kubeconfig(user))
	if err != nil {
		t.Fatal(err)
	}
	client := clientset(t, config)
	cluster.Grant(user)
	if _, err := client.CoreV1().Nodes().List(t.Context(), metav1.ListOptions{}); !apierrors.IsForbidden(err) {
		t.Errorf("before the grant: %v", err)
	}
	cluster.Grant(user, rbacv1.PolicyRule{APIGroups: []string{""}, Resources: []string{"nodes"}, Verbs: []string{"list"}})
	if _, err := client.CoreV1().Nodes().List(t.Context(), metav1.ListOptions{}); err != nil {
		t.Errorf("after the grant: %v", err)
	}
}

func TestPodsOutliveTheAPIServer(t *testing.T) {
	t.Parallel()
	cluster := kubetest.Start(t)
	create(t, cluster.Client(), "outlives")
	pods := clientset(t, cluster.Config("admin", "system:masters")).CoreV1().Pods("default")

	away := func(how string) {
		t.Helper()
		ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
		defer cancel()
		if _, err := pods.Get(ctx, "outlives", metav1.GetOptions{}); err == nil {
			t.Errorf("kube-apiserver answers while it is %s", how)
		}
	}
	back := func(from string) {
		t.Helper()
		if _, err := pods.Get(t.Context(), "outlives", metav1.GetOptions{}); err != nil {
			t.Errorf("after it was %s: %v", from, err)
		}
	}
	cluster.Pause()
	away("paused")
	cluster.Resume()
	back("paused")
	cluster.Kill()
	away("killed")
	cluster.Restart()
	back("killed")
	cluster.Stop()
	away("stopped")
	cluster.Restart()
	back("stopped")
}
