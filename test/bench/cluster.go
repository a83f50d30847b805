package main

import (
	"context"
	"fmt"
	"time"

	"golang.org/x/sync/errgroup"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"

	"github.com/netchecker/netchecker/test/kubetest"
)

// creators is how many requests to kube-apiserver are under way.
const creators = 32

// startCluster starts a kube-apiserver with the crew's pods and nodes, and returns
// the path of a kubeconfig for the server.
func (s *stage) startCluster(ctx context.Context, crew []agent) (kubeconfig string, err error) {
	s.say("Starting kube-apiserver, and making %d pods", len(crew))
	dir, err := s.folder()
	if err != nil {
		return "", err
	}
	cluster, err := kubetest.Run(ctx, dir)
	if err != nil {
		return "", fmt.Errorf("starting kube-apiserver: %w", err)
	}
	s.onEnd(cluster.Close)
	const user = "netchecker-server"
	rule := rbacv1.PolicyRule{Verbs: []string{"get", "list", "watch"}, APIGroups: []string{""}, Resources: []string{"pods", "nodes"}}
	if err := cluster.Grant(ctx, user, rule); err != nil {
		return "", err
	}
	began := time.Now()
	if err := populate(ctx, cluster.Client(), crew); err != nil {
		return "", err
	}
	s.say("Made %d pods on %d nodes in %v", len(crew), (len(crew)+1)/2, time.Since(began).Round(time.Second))
	return cluster.Kubeconfig(user)
}

// populate makes the crew's namespace, nodes and pods.
func populate(ctx context.Context, client kubernetes.Interface, crew []agent) error {
	space := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: namespace}}
	if _, err := client.CoreV1().Namespaces().Create(ctx, space, metav1.CreateOptions{}); err != nil {
		return fmt.Errorf("making the namespace %s: %w", namespace, err)
	}
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(creators)
	for i, a := range crew {
		group.Go(func() error {
			if i%2 == 0 { // the first of the two on this node
				if _, err := client.CoreV1().Nodes().Create(ctx, nodeOf(a), metav1.CreateOptions{}); err != nil {
					return fmt.Errorf("making the node %s: %w", a.node, err)
				}
			}
			return createPod(ctx, client, podOf(a, i))
		})
	}
	return group.Wait()
}

// createPod makes the pod and then says its status, which creating one leaves out.
func createPod(ctx context.Context, client kubernetes.Interface, pod *corev1.Pod) error {
	pods := client.CoreV1().Pods(pod.Namespace)
	made, err := pods.Create(ctx, pod, metav1.CreateOptions{})
	if err != nil {
		return fmt.Errorf("making the pod %s: %w", pod.Name, err)
	}
	made.Status = pod.Status
	if _, err := pods.UpdateStatus(ctx, made, metav1.UpdateOptions{}); err != nil {
		return fmt.Errorf("making the pod %s run: %w", pod.Name, err)
	}
	return nil
}
