package pods

import (
	"fmt"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
)

// BenchmarkList is the cost of one List of 20,000 pods and 10,000 nodes: after one
// pod changed, one was made anew while as many are known to have left, one node
// changed, or all pods did.
func BenchmarkList(b *testing.B) {
	const size = 10_000
	var pods, nodes []any
	for i := range size {
		name := fmt.Sprintf("node-%05d", i)
		nodes = append(nodes, &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: name, Labels: labelsOfACloud(name)}})
		for _, kind := range []string{"", "hostnet-"} {
			p := running("kube-system", fmt.Sprintf("netchecker-agent-%s%05x", kind, i*7919%size), fmt.Sprint(i))
			p.Spec.NodeName = name
			pods = append(pods, p)
		}
	}
	count := 0
	move := func(k *Kubernetes, p any) {
		pod := p.(*corev1.Pod)
		count++
		pod.Status.PodIPs = []corev1.PodIP{{IP: fmt.Sprint("fd00::", count)}}
		must(b, k.pods.Update(pod))
	}
	recreate := func(k *Kubernetes, p any) {
		pod := p.(*corev1.Pod)
		count++
		pod.UID = types.UID(fmt.Sprint(count))
		must(b, k.pods.Update(pod))
	}
	for name, step := range map[string]func(k *Kubernetes, n int){
		"one pod": func(k *Kubernetes, n int) { move(k, pods[n%len(pods)]) },
		"one pod after a rollout": func(k *Kubernetes, n int) {
			if n == 0 {
				for _, p := range pods {
					recreate(k, p)
				}
				k.rebuild()
			}
			recreate(k, pods[n%len(pods)])
		},
		"one node": func(k *Kubernetes, n int) {
			node := nodes[n%len(nodes)].(*corev1.Node)
			node.Spec.Unschedulable = !node.Spec.Unschedulable
			must(b, k.nodes.Update(node))
		},
		"all pods": func(k *Kubernetes, _ int) {
			for _, p := range pods {
				move(k, p)
			}
		},
	} {
		b.Run("changed="+name, func(b *testing.B) {
			k := offline(time.Now)
			must(b, k.nodes.Replace(nodes, ""))
			must(b, k.pods.Replace(pods, ""))
			k.rebuild()
			b.ReportAllocs()
			for n := range b.N {
				b.StopTimer()
				step(k, n)
				b.StartTimer()
				k.rebuild()
			}
		})
	}
}

// labelsOfACloud are as many as its nodes have.
func labelsOfACloud(node string) map[string]string {
	labels := map[string]string{corev1.LabelHostname: node, corev1.LabelTopologyZone: "zone-a"}
	for i := range 28 {
		labels[fmt.Sprintf("cloud.example.com/label-of-this-number-%02d", i)] = "a value of some length"
	}
	return labels
}
