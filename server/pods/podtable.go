package pods

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/netchecker/netchecker/pkg/report"
	"github.com/netchecker/netchecker/server/fleet"
)

// podTable has the pods that should be running. It is the store of a client-go
// reflector, which calls one method at a time.
type podTable struct {
	now     func() time.Time
	changed func()

	mu   sync.Mutex
	read bool
	all  map[fleet.Key]fleet.Agent
	// sorted is what agents returned last, touched which keys differ since.
	sorted  []fleet.Agent
	touched map[fleet.Key]struct{}
}

func newPodTable(now func() time.Time, changed func()) *podTable {
	return &podTable{
		now: now, changed: changed,
		all: make(map[fleet.Key]fleet.Agent), touched: make(map[fleet.Key]struct{}),
	}
}

// agents are all, in the order of Key.Compare, and whether they were read at all.
// The caller may keep the slice and must not write to it.
func (t *podTable) agents() ([]fleet.Agent, bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(t.touched) > 0 {
		t.sorted = merged(t.sorted, t.touched, t.all)
		clear(t.touched)
	}
	return t.sorted, t.read
}

// merged is all in order, made from a former order and the keys that were added,
// changed or removed since. It costs a copy, and the search for those keys.
func merged(former []fleet.Agent, touched map[fleet.Key]struct{}, all map[fleet.Key]fleet.Agent) []fleet.Agent {
	order := make([]fleet.Agent, 0, len(all))
	for _, k := range slices.SortedFunc(maps.Keys(touched), fleet.Key.Compare) {
		i, found := slices.BinarySearchFunc(former, k, func(a fleet.Agent, k fleet.Key) int { return a.Key.Compare(k) })
		order = append(order, former[:i]...)
		if found {
			i++
		}
		former = former[i:]
		if a, ok := all[k]; ok {
			order = append(order, a)
		}
	}
	return append(order, former...)
}

// Add takes in a pod that is new to the reflector.
func (t *podTable) Add(obj any) error {
	pod, ok := obj.(*corev1.Pod)
	if !ok {
		return fmt.Errorf("a %T is no pod", obj)
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if a, expected := agentOf(pod); expected {
		t.put(a, t.all)
	} else {
		t.drop(a.Key)
	}
	return nil
}

// Update takes in a pod that has changed.
func (t *podTable) Update(obj any) error { return t.Add(obj) }

// Delete takes in that a pod is gone.
func (t *podTable) Delete(obj any) error {
	pod, ok := obj.(*corev1.Pod)
	if !ok {
		return fmt.Errorf("a %T is no pod", obj)
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.drop(fleet.Key{Namespace: pod.Namespace, Name: pod.Name})
	return nil
}

// Replace takes in a list of all pods.
func (t *podTable) Replace(objs []any, _ string) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	all := make(map[fleet.Key]fleet.Agent, len(objs))
	for _, obj := range objs {
		pod, ok := obj.(*corev1.Pod)
		if !ok {
			return fmt.Errorf("a %T is no pod", obj)
		}
		if a, expected := agentOf(pod); expected {
			t.put(a, all)
		}
	}
	for k := range t.all {
		if _, ok := all[k]; !ok {
			t.drop(k)
		}
	}
	t.all = all
	if !t.read {
		t.read = true
		t.changed()
	}
	return nil
}

// Resync has nothing to do: the table is the end of the line.
func (t *podTable) Resync() error { return nil }

// put writes a to all, as it compares with what is known of it.
func (t *podTable) put(a fleet.Agent, all map[fleet.Key]fleet.Agent) {
	was, known := t.all[a.Key]
	if known && samePod(&was, &a) {
		a.FirstSeen = was.FirstSeen
	} else {
		a.FirstSeen = t.now()
	}
	all[a.Key] = a
	if !known || !same(&was, &a) {
		t.touch(a.Key)
	}
}

func (t *podTable) drop(k fleet.Key) {
	if _, ok := t.all[k]; !ok {
		return
	}
	delete(t.all, k)
	t.touch(k)
}

func (t *podTable) touch(k fleet.Key) {
	t.touched[k] = struct{}{}
	t.changed()
}

// agentOf is the agent in a pod, and whether it should be running: not if the pod
// has ended (an evicted one counts as Failed) or is on its way out. FirstSeen is
// left to the caller.
func agentOf(pod *corev1.Pod) (agent fleet.Agent, expected bool) {
	agent = fleet.Agent{
		Key:       fleet.Key{Namespace: pod.Namespace, Name: pod.Name},
		UID:       string(pod.UID),
		Node:      pod.Spec.NodeName,
		Network:   report.Pod,
		Addresses: addressesOf(&pod.Status),
		MeshPort:  meshPort(pod),
	}
	if pod.Spec.HostNetwork {
		agent.Network = report.Host
	}
	ended := pod.Status.Phase == corev1.PodSucceeded || pod.Status.Phase == corev1.PodFailed
	return agent, !ended && pod.DeletionTimestamp == nil
}

// same says whether a and b are one pod, unchanged, whenever it was first seen.
func same(a, b *fleet.Agent) bool {
	return a.Key == b.Key && a.UID == b.UID && a.Node == b.Node && a.Network == b.Network &&
		a.MeshPort == b.MeshPort && slices.Equal(a.Addresses, b.Addresses)
}

// meshPortAnnotation is what a pod's annotation is called that says at which port its
// agent answers probes. A port of its spec would be one of the host's, too, where the pod
// is on the host network, and could keep it from its node.
const meshPortAnnotation = "netchecker/mesh-port"

// meshPort is that port, or 0.
func meshPort(p *corev1.Pod) uint16 {
	port, err := strconv.ParseUint(p.Annotations[meshPortAnnotation], 10, 16)
	if err != nil {
		return 0
	}
	return uint16(port)
}

func addressesOf(s *corev1.PodStatus) []string {
	if len(s.PodIPs) == 0 {
		if s.PodIP == "" {
			return nil
		}
		return []string{s.PodIP}
	}
	ips := make([]string, len(s.PodIPs))
	for i, ip := range s.PodIPs {
		ips[i] = ip.IP
	}
	return ips
}
