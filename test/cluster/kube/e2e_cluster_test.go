//go:build e2e

package kube_test

import (
	"slices"
	"testing"
	"time"

	"github.com/netchecker/netchecker/test/cluster/kube"
	"github.com/netchecker/netchecker/test/sweep"
)

// bringUp is a cluster of three nodes, dual-stack, with its visitors.
func bringUp(t *testing.T) world {
	t.Helper()
	reserve(t)
	before := look(t)
	begun := time.Now()
	c, err := kube.Up(t.Context(), kube.Config{Nodes: 3, DualStack: true, Out: t.Output()})
	t.Cleanup(func() { bringDown(t, before) })
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("3 nodes are Ready and DNS answers after %.1f s", time.Since(begun).Seconds())
	w := world{t, c}
	w.invite()
	return w
}

// part is something that the cluster does, or that is done to it; swept is one
// that make thorough runs, too.
type part struct {
	name  string
	f     func(world)
	swept bool
}

func TestClusterIsAsAnyOtherAndBreaksAsAsked(t *testing.T) {
	parts := []part{
		{"nodes are in three zones", zones, false},
		{"pods resolve names", resolves, false},
		{"a pod's account is known by the API server's name", account, false},
		{"pods reach pods on other nodes", meets, false},
		{"pods and hosts reach Services", services, false},
		{"NodePorts are reached from outside", nodePorts, false},
		{"kubectl has logs and commands of pods", kubectl, false},
		{"overlay cut", overlayCut, false},
		{"overlay cut one way", overlayCutOneWay, false},
		{"underlay cut between two nodes", underlayCut, false},
		{"black hole", blackhole, false},
		{"loss", loss, false},
		{"delay", delay, false},
		{"overlay loss one way", overlayLoss, false},
		{"overlay cut between two nodes", overlayPairCut, false},
		{"host cut from its pods", hostPodsCut, false},
		{"link down", linkDown, false},
		{"DNS cut", dnsCut, false},
		{"CoreDNS down", dnsDown, false},
		{"one DNS pod cut", dnsPodCut, false},
		{"DNS answers wrongly", dnsWrong, false},
		{"NodePorts broken", nodePortBroken, false},
		{"API server cut from a node", apiServerCut, false},
		{"kube-proxy dead", kubeProxyDead, false},
		{"kubelet dead", kubeletDead, false},
		{"API server down", apiServerDown, false},
		{"pods killed, and their processes frozen", killedAndFrozen, true},
		{"node added and removed", comesAndGoes, false},
		{"faults that are no faults", noFaults, false},
	}
	if sweep.Whole() {
		parts = slices.DeleteFunc(parts, func(p part) bool { return !p.swept })
	}
	w := bringUp(t)
	for _, part := range parts {
		if !t.Run(part.name, func(t *testing.T) { part.f(world{t, w.cluster}) }) {
			gather(t, w.cluster)
			break
		}
	}
}
