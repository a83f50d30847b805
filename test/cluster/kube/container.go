package kube

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"strings"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
)

// container is one of a pod's, as the API tells of it.
type container struct {
	node, pod, name string
	// id is containerd's, of the one that runs; empty where none does.
	id string
}

// errEnded is about a container that does not run.
var errEnded = errors.New("the container has ended")

// signalContainers signals the first process of the named container, or of all
// for an empty name, once in every pod selected. A container may have ended a
// while before the API tells so: then the one that its kubelet starts instead is
// waited for.
func (c *Cluster) signalContainers(ctx context.Context, selector, name, signal string) error {
	signalled := map[container]bool{}
	return poll(ctx, func(ctx context.Context) (bool, error) {
		found, err := c.findContainers(ctx, selector, name)
		if err != nil {
			return true, err
		}
		var ended []error
		for _, one := range found {
			place := container{node: one.node, pod: one.pod, name: one.name}
			if signalled[place] {
				continue
			}
			err := c.signal(ctx, one, signal)
			switch {
			case errors.Is(err, errEnded):
				ended = append(ended, err)
			case err != nil:
				return true, err
			}
			signalled[place] = err == nil
		}
		return len(ended) == 0, errors.Join(ended...)
	})
}

// findContainers asks the API; that there are none is an error.
func (c *Cluster) findContainers(ctx context.Context, selector, name string) ([]container, error) {
	var found []container
	err := c.withAPI(func(api kubernetes.Interface) error {
		pods, err := api.CoreV1().Pods("").List(ctx, metav1.ListOptions{LabelSelector: selector})
		if err == nil {
			found = containersOf(pods.Items, name)
		}
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("finding the pods %s: %w", selector, err)
	}
	if len(found) == 0 {
		return nil, fmt.Errorf("no container %s is in pods %s", name, selector)
	}
	return found, nil
}

// containersOf leaves out pods that have ended for good, and that are on no node.
func containersOf(pods []corev1.Pod, name string) []container {
	var found []container
	for _, pod := range pods {
		if pod.Status.Phase == corev1.PodSucceeded || pod.Status.Phase == corev1.PodFailed {
			continue
		}
		for _, s := range pod.Status.ContainerStatuses {
			if name != "" && s.Name != name {
				continue
			}
			one := container{node: pod.Spec.NodeName, pod: pod.Namespace + "/" + pod.Name, name: s.Name}
			if s.State.Running != nil {
				one.id = strings.TrimPrefix(s.ContainerID, "containerd://")
			}
			found = append(found, one)
		}
	}
	return found
}

// signal is errEnded where the container's node does not know it as running.
func (c *Cluster) signal(ctx context.Context, one container, signal string) error {
	if one.id == "" {
		return fmt.Errorf("%s of %s: %w", one.name, one.pod, errEnded)
	}
	_, err := c.nodeCommand(ctx, one.node, "ctr", "--namespace=k8s.io", "tasks", "kill", "--signal="+signal, one.id)
	var exit *exec.ExitError
	if errors.As(err, &exit) && strings.Contains(err.Error(), "not found") {
		return fmt.Errorf("%s of %s: %w (%w)", one.name, one.pod, errEnded, err)
	}
	return err
}
