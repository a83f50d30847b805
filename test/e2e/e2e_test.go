//go:build e2e

package e2e

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/netchecker/netchecker/test/cluster/kube"
	"github.com/netchecker/netchecker/test/sweep"
)

// root is the repository's.
const root = "../.."

// areas are all there are, in the order in which one finds most of what it needs
// left by the one before.
var areas = []area{
	{"install", world.withoutRelease, []part{
		once("helm install ends with a 200 through the NodePort", installs),
		once("helm test passes", helmTest),
		once("no container is root or may write to its root", unprivileged),
		once("helm uninstall leaves nothing", uninstalls),
		once("a Service of IPv6 alone", ipv6Only),
	}},
	{"upgrade", world.withUsualRelease, []part{
		once("an upgrade names nobody who only ends or starts", upgrades),
		once("an upgrade that cannot work stops at one node", badUpgrade),
	}},
	{"nodes", world.withQuickRelease, []part{
		once("added, drained and removed: never a failing answer", nodeComesAndGoes),
		onEach("isolated: outdated, then absent, then healed", world.others, nodeIsolated),
	}},
	{"faults", world.withQuickRelease, []part{
		onEach("overlay cut: both agents of that node are outdated", world.others, overlayCut),
		once("overlay cut on the server's node: all agents elsewhere are", overlayCutAtServer),
		oneOf("DNS",
			times("overlay cut at one of two CoreDNS: no agent elsewhere is outdated", 10, overlayCutAtDNS),
			onEach("DNS cut: its agents go on, and say so", world.nodes, dnsCut),
			once("CoreDNS down: nobody is blamed", dnsDown),
		),
		onEach("kube-proxy dead: both agents of that node are outdated", world.others, kubeProxyDead),
		once("API server down: the verdict goes on and tells its age", apiServerDown),
		once("server pod killed: nobody is blamed", serverKilled),
		onEach("black hole: padded reports meet it, others do not", world.others, blackHole),
	}},
	{"mesh", world.withoutName, []part{
		once("all paths are measured within a minute of helm install", installsMeshed),
		once("what agents say they sent is what their nodes counted", meshIsCounted),
		once("agents rolled out, a node drained: nothing is lost", meshRolledOut),
	}},
	{"paths", world.withRareReports, []part{
		onEach("overlay cut: all that crosses it, and nothing else", world.others, meshOverlayCut),
		oneOf("cut",
			once("overlay cut on the server's node: told by detours", func(w world) { meshOverlayCut(w, w.serverNode()) }),
			onEach("overlay cut between two nodes", world.nodes, meshOverlayPairCut),
			onEach("underlay cut between two nodes", world.others, meshUnderlayCut),
			onEach("a host cut from its own pods", world.nodes, meshHostPodsCut),
			onEach("link down: from the others, by those who are heard", world.others, meshLinkDown),
		),
		oneOf("not cut",
			onEach("loss on the underlay, each way", world.others, meshLoss),
			onEach("the kubelet dead: no path is worse", world.nodes, meshKubeletDead),
			// After it, since what is lost as it heals is told late.
			onEach("slow: what passes that node's cable, and nothing else", world.nodes, meshSlow),
		),
		oneOf("in part",
			onEach("black hole: large packets alone", world.nodes, meshBlackHole),
			onEach("overlay loss in one direction", world.nodes, meshOverlayLoss),
			onEach("overlay cut in one direction", world.others, meshOneWay),
		),
		oneOf("Services and DNS",
			onEach("NodePorts broken: they alone", world.others, meshNodePortBroken),
			onEach("kube-proxy dead: Services' addresses alone", world.others, meshKubeProxyDead),
			onEach("DNS cut: from that node alone", world.nodes, meshDNSCut),
			once("one DNS pod cut: that server, from all nodes", meshDNSPodCut),
			once("DNS answers wrongly: from all nodes", meshDNSWrong),
		),
		oneOf("the API server",
			onEach("the API server cut from a node: there alone", world.others, meshAPIServerCut),
			times("the API server down: from all hosts, and probing goes on", 1, meshAPIServerDown),
		),
		times("the server away, and back without what it knew: probing goes on, and nothing is told twice", 1, meshServerAway),
		onEach("all cores burning: suspect, and no loss", world.nodes, meshBurning),
	}},
	{"disruption", world.withSampledRelease, []part{
		once("API server down for 10 s: seen by all, right to a second, and Events afterwards", apiServerSampled),
		oneOf("a backend",
			once("a backend that closes: its own log agrees", shopClosed),
			once("a Service without endpoints: new connections fail, kept ones do not, and the log agrees", shopWithoutEndpoints),
		),
		oneOf("a node",
			onEach("the path to the server cut: told afterwards, once, with its true time", world.others, pathCut),
			onEach("isolated: unknown, and then what it saw", world.others, isolatedIsUnknown),
			onEach("overlay cut: what crosses it fails, and nothing else", world.others, overlayCutSampled),
		),
		once("a backend that is withdrawn is not sampled any more", withdrawn),
	}},
	{"monitoring", world.withQuickRelease, []part{
		once("Prometheus fires the shipped alert and resolves it", alerts),
	}},
	{"sets", world.withoutRelease, []part{
		once("two servers on an etcd over TLS", externalEtcd),
		once("in the shape of Kubespray, with its etcd frozen and thawed", kubespray),
	}},
}

func TestNetcheckerInACluster(t *testing.T) {
	chosen, err := chosen(areas, os.Getenv("E2E"), sweep.Whole())
	if err != nil {
		t.Fatal(err)
	}
	w := world{T: t, cluster: bringUp(t)}
	var times strings.Builder
	defer func() { t.Logf("areas:\n%s", &times) }()
	for _, a := range chosen {
		begun := time.Now()
		passed := t.Run(a.name, func(t *testing.T) { a.test(world{t, w.cluster}) })
		fmt.Fprintf(&times, "e2e %-12s %4.0f s\n", a.name, time.Since(begun).Seconds())
		if !passed {
			w.gather()
			return
		}
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
