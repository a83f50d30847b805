//go:build e2e

package e2e

import (
	"context"
	"errors"
	"os"
	"testing"
	"time"

	"github.com/netchecker/netchecker/test/cluster/kube"
)

// root is the repository's.
const root = "../.."

func TestNetcheckerInACluster(t *testing.T) {
	w := world{T: t, cluster: bringUp(t)}
	for _, part := range []struct {
		name string
		f    func(world)
	}{
		{"helm install ends with a 200 through the NodePort", installs},
		{"helm test passes", helmTest},
		{"an upgrade names nobody who only ends or starts", upgrades},
		{"an upgrade that cannot work stops at one node", badUpgrade},
		{"no container is root or may write to its root", unprivileged},
		{"overlay cut: both agents of that node are outdated", overlayCut},
		{"overlay cut on the server's node: all agents elsewhere are", overlayCutAtServer},
		{"CoreDNS down: nobody is blamed", dnsDown},
		{"API server down: the verdict goes on and tells its age", apiServerDown},
		{"server pod killed: nobody is blamed", serverKilled},
		{"black hole: padded reports meet it, others do not", blackHole},
		{"node added, drained and removed: never a failing answer", nodeComesAndGoes},
		{"node isolated: outdated, then absent, then healed", nodeIsolated},
		{"Prometheus fires the shipped alert and resolves it", alerts},
		{"helm uninstall leaves nothing", uninstalls},
		{"a Service of IPv6 alone", ipv6Only},
		{"two servers on an etcd over TLS", externalEtcd},
		{"in the shape of Kubespray, with its etcd frozen and thawed", kubespray},
	} {
		begun := time.Now()
		if !t.Run(part.name, func(t *testing.T) { part.f(world{t, w.cluster}) }) {
			// What it broke may be broken still.
			w.gather()
			return
		}
		t.Logf("%s: %.1f s", part.name, time.Since(begun).Seconds())
	}
}

// bringUp is a cluster of three nodes, dual-stack, with the images.
func bringUp(t *testing.T) *kube.Cluster {
	t.Helper()
	reserved, err := kube.Reserve(t.Context(), t.Output())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { reserved.Close() })
	config := kube.Config{Nodes: 3, DualStack: true, Out: t.Output()}
	keep := os.Getenv("KEEP_CLUSTER") != ""
	c, err := kube.Open(config)
	if !keep || errors.Is(err, kube.ErrDown) {
		c, err = kube.Up(t.Context(), config)
	}
	t.Cleanup(func() {
		if keep {
			return
		}
		if err := kube.Down(context.Background(), config); err != nil {
			t.Error(err)
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, archive := range buildImages(t) {
		if err := c.Load(t.Context(), archive); err != nil {
			t.Fatal(err)
		}
	}
	return c
}

// gather tells how the cluster is, and keeps all that tells why a test failed where
// GATHER names a folder for it.
func (w world) gather() {
	w.Log(w.cluster.Summary(context.Background()))
	if dir := os.Getenv("GATHER"); dir != "" {
		if err := w.cluster.Gather(context.Background(), dir); err != nil {
			w.Log(err)
		}
	}
}
