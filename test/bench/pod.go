package main

import (
	"fmt"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/netchecker/netchecker/pkg/report"
)

// nodeOf is a's node, as far as pods need one.
func nodeOf(a agent) *corev1.Node {
	return &corev1.Node{ObjectMeta: metav1.ObjectMeta{
		Name: a.node,
		Labels: map[string]string{
			"kubernetes.io/arch": "amd64", "kubernetes.io/os": "linux", "kubernetes.io/hostname": a.node,
			"node-role.kubernetes.io/worker": "",
		},
	}}
}

// podOf is a's pod as a DaemonSet's controller and a kubelet leave it: about as
// large, since that is what a server has to read. The number i makes its address.
func podOf(a agent, i int) *corev1.Pod {
	owner, isController := "netchecker-agent", true
	if a.network == report.Host {
		owner = "netchecker-agent-hostnet"
	}
	ip := fmt.Sprintf("10.%d.%d.%d", 64+i>>16, i>>8&255, i&255)
	now := metav1.Now()
	return &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{
			Name: a.name, Namespace: namespace,
			Labels: map[string]string{"app": owner, "controller-revision-hash": "6f8b7c9d5", "pod-template-generation": "1"},
			OwnerReferences: []metav1.OwnerReference{{
				APIVersion: "apps/v1", Kind: "DaemonSet", Name: owner,
				UID: types.UID("7c9a3f52-51c6-4f0e-9d33-0242ac110002"), Controller: &isController, BlockOwnerDeletion: &isController,
			}},
		},
		Spec: corev1.PodSpec{
			NodeName: a.node, HostNetwork: a.network == report.Host, DNSPolicy: corev1.DNSClusterFirstWithHostNet,
			Containers: []corev1.Container{container()}, Tolerations: tolerations(),
		},
		Status: corev1.PodStatus{
			Phase: corev1.PodRunning, HostIP: ip, HostIPs: []corev1.HostIP{{IP: ip}},
			PodIP: ip, PodIPs: []corev1.PodIP{{IP: ip}}, StartTime: &now, QOSClass: corev1.PodQOSBurstable,
			Conditions: conditions(now),
			ContainerStatuses: []corev1.ContainerStatus{{
				Name: "netchecker-agent", Image: "registry.example/netchecker-agent:v2.0", Ready: true, Started: &isController,
				ImageID:     "registry.example/netchecker-agent@sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
				ContainerID: "containerd://2c26b46b68ffc68ff99b453c1d30413413422d706483bfa0f98a5e886266e7ae",
				State:       corev1.ContainerState{Running: &corev1.ContainerStateRunning{StartedAt: now}},
			}},
		},
	}
}

func container() corev1.Container {
	field := func(name, path string) corev1.EnvVar {
		return corev1.EnvVar{Name: name, ValueFrom: &corev1.EnvVarSource{FieldRef: &corev1.ObjectFieldSelector{FieldPath: path}}}
	}
	amounts := func(cpu, memory string) corev1.ResourceList {
		return corev1.ResourceList{corev1.ResourceCPU: resource.MustParse(cpu), corev1.ResourceMemory: resource.MustParse(memory)}
	}
	return corev1.Container{
		Name: "netchecker-agent", Image: "registry.example/netchecker-agent:v2.0", ImagePullPolicy: corev1.PullIfNotPresent,
		Args:      []string{"-v=5", "-alsologtostderr=true", "-serverendpoint=netchecker-service:8081", "-reportinterval=15"},
		Env:       []corev1.EnvVar{field("MY_POD_NAME", "metadata.name"), field("MY_NODE_NAME", "spec.nodeName")},
		Resources: corev1.ResourceRequirements{Requests: amounts("15m", "64M"), Limits: amounts("30m", "100M")},
	}
}

// tolerations are those that a DaemonSet's controller gives its pods.
func tolerations() []corev1.Toleration {
	all := []corev1.Toleration{{Operator: corev1.TolerationOpExists, Effect: corev1.TaintEffectNoSchedule}}
	for _, condition := range []string{"not-ready", "unreachable"} {
		all = append(all, corev1.Toleration{Key: "node.kubernetes.io/" + condition, Operator: corev1.TolerationOpExists, Effect: corev1.TaintEffectNoExecute})
	}
	for _, condition := range []string{"disk-pressure", "memory-pressure", "pid-pressure", "unschedulable", "network-unavailable"} {
		all = append(all, corev1.Toleration{Key: "node.kubernetes.io/" + condition, Operator: corev1.TolerationOpExists, Effect: corev1.TaintEffectNoSchedule})
	}
	return all
}

func conditions(since metav1.Time) []corev1.PodCondition {
	var all []corev1.PodCondition
	for _, t := range []corev1.PodConditionType{"PodReadyToStartContainers", corev1.PodInitialized, corev1.PodReady, corev1.ContainersReady, corev1.PodScheduled} {
		all = append(all, corev1.PodCondition{Type: t, Status: corev1.ConditionTrue, LastTransitionTime: since})
	}
	return all
}
