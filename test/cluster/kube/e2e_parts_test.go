//go:build e2e

package kube_test

import (
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/netchecker/netchecker/test/cluster/kube"
)

func zones(w world) {
	const want = "zone-a zone-b zone-c"
	got := w.kubectl("", "get", "nodes", "-o", `jsonpath={.items[*].metadata.labels.topology\.kubernetes\.io/zone}`)
	if got != want {
		w.Errorf("the zones are %s, want %s", got, want)
	}
}

func resolves(w world) {
	service := w.kubectl("", "get", "service", "visitor", "-o", "jsonpath={.spec.clusterIPs[*]}")
	for _, n := range w.cluster.Nodes() {
		said, err := w.ask(w.visitor(n.Name), "lookup", url.Values{"name": {"visitor"}})
		if got := strings.Fields(said); err != nil || !slices.Equal(sorted(got), sorted(strings.Fields(service))) {
			w.Errorf("on %s the Service is at %q, %v, want %q", n.Name, said, err, service)
		}
	}
}

func sorted(s []string) []string { return slices.Sorted(slices.Values(s)) }

func account(w world) {
	said, err := w.ask(w.visitor("node-2"), "version", nil)
	if err != nil || !strings.Contains(said, "APIVersions") {
		w.Errorf("got %q, %v", said, err)
	}
}

func meets(w world) {
	for _, a := range w.cluster.Nodes() {
		for _, b := range w.cluster.Nodes() {
			w.reaches(w.visitor(a.Name), w.visitor(b.Name), true)
		}
	}
}

func services(w world) {
	for _, ip := range strings.Fields(w.kubectl("", "get", "service", "visitor", "-o", "jsonpath={.spec.clusterIPs[*]}")) {
		address := "http://" + netip.AddrPortFrom(netip.MustParseAddr(ip), 80).String()
		for _, n := range w.cluster.Nodes() {
			// Often enough to meet pods of this node and of others.
			for range 6 {
				if said, err := w.visit(w.visitor(n.Name), address, 0); err != nil || !strings.HasPrefix(said, "visitor-") {
					w.Errorf("the pod on %s: got %q, %v from %s", n.Name, said, err, ip)
				}
				if said, err := w.get(n.Name, address); err != nil || !strings.HasPrefix(said, "visitor-") {
					w.Errorf("the host %s: got %q, %v from %s", n.Name, said, err, ip)
				}
			}
		}
	}
}

func nodePorts(w world) {
	for _, n := range w.cluster.Nodes() {
		for _, ip := range []netip.Addr{n.IPv4(), n.IPv6()} {
			for range 3 {
				if said, err := w.get("", "http://"+netip.AddrPortFrom(ip, 30080).String()); err != nil || !strings.HasPrefix(said, "visitor-") {
					w.Errorf("%s: got %q, %v", ip, said, err)
				}
			}
		}
	}
}

func kubectl(w world) {
	dns := w.kubectl("", "get", "pods", "-n", "kube-system", "-l", "k8s-app=kube-dns", "-o", "jsonpath={.items[0].metadata.name}")
	if log := w.kubectl("", "logs", "-n", "kube-system", dns); !strings.Contains(log, "CoreDNS-") {
		w.Errorf("its log is %q", log)
	}
	if said := w.kubectl("", "exec", "-n", "kube-system", dns, "--", "/program", "-version"); !strings.Contains(said, "CoreDNS-") {
		w.Errorf("exec says %q", said)
	}
}

func comesAndGoes(w world) {
	n, err := w.cluster.AddNode(w.Context())
	w.must(err)
	if n.Name != "node-4" || n.Zone != "zone-a" {
		w.Errorf("it is %+v", n)
	}
	w.kubectl("", "rollout", "status", "daemonset/visitor", "--timeout=60s")
	w.eventually(func() error {
		_, err := w.visit(w.visitor("node-4"), at(w.visitor("node-1").ip4), 0)
		return err
	})
	w.reaches(w.visitor("node-1"), w.visitor("node-4"), true)
	w.must(w.cluster.RemoveNode(w.Context(), n.Name))
	const want = "node-1 node-2 node-3"
	if got := w.kubectl("", "get", "nodes", "-o", "jsonpath={.items[*].metadata.name}"); got != want {
		w.Errorf("there are %s, want %s", got, want)
	}
}

func noFaults(w world) {
	for _, row := range []struct {
		args []string
		want string
	}{
		{[]string{"earthquake"}, `there is no fault "earthquake"; there are`},
		{[]string{"overlay-cut"}, "fault overlay-cut takes NODE [in|out|both]"},
		{[]string{"overlay-cut", "node-9"}, `injecting overlay-cut node-9: the cluster has no node "node-9"`},
		{[]string{"overlay-cut", "node-1", "up"}, `injecting overlay-cut node-1 up: the direction is in, out or both, not "up"`},
		{[]string{"loss", "node-1", "101"}, `injecting loss node-1 101: PERCENT: "101" is no number from 1 to 100`},
	} {
		err := w.cluster.Fault(w.Context(), row.args[0], row.args[1:]...)
		if err == nil || !strings.HasPrefix(err.Error(), row.want) {
			w.Errorf("%q: got error %v, want %s", row.args, err, row.want)
		}
	}
}

func TestCrashedClusterIsClearedByTheNext(t *testing.T) {
	before := look(t)
	t.Cleanup(func() { bringDown(t, before) })
	// Its API server never answers: what was started stays.
	t.Setenv("KUBE_APISERVER", "/bin/false")
	_, err := kube.Up(t.Context(), kube.Config{Nodes: 1, Out: t.Output()})
	if err == nil || !strings.Contains(err.Error(), "kube-apiserver on control-plane has ended") {
		t.Fatalf("got error %v", err)
	}
	if _, err := kube.Open(kube.Config{}); err != nil {
		t.Errorf("nothing is left to look at: %v", err)
	}
	t.Setenv("KUBE_APISERVER", "")
	if _, err := kube.Up(t.Context(), kube.Config{Nodes: 1, Out: t.Output()}); err != nil {
		t.Error(err)
	}
}
