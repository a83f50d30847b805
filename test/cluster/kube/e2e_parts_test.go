//go:build e2e

package kube_test

import (
	"net/netip"
	"net/url"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/netchecker/netchecker/test/cluster/kube"
	"github.com/netchecker/netchecker/test/sweep"
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
	w.kubectl("", "rollout", "status", "deployment/coredns", "-n", "kube-system", "--timeout=60s")
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
	w.eventually(func() error {
		four, err := w.findVisitor("node-4")
		if err == nil {
			_, err = w.visit(four, at(w.visitor("node-1").ip4), 0)
		}
		return err
	})
	w.reaches(w.visitor("node-1"), w.visitor("node-4"), true)
	w.must(w.cluster.RemoveNode(w.Context(), n.Name))
	if left := remainsOf(n.Name); len(left) > 0 {
		w.Errorf("it leaves behind %q", left)
	}
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

func TestClusterThatFailedIsThereToLookAt(t *testing.T) {
	reserve(t)
	before := look(t)
	t.Cleanup(func() { bringDown(t, before) })
	t.Setenv("KUBE_APISERVER", "/bin/false")
	_, err := kube.Up(t.Context(), kube.Config{Nodes: 1, Out: t.Output()})
	if err == nil || !strings.Contains(err.Error(), "kube-apiserver on control-plane has ended") {
		t.Fatalf("got error %v", err)
	}
	if _, err := kube.Open(kube.Config{}); err != nil {
		t.Errorf("nothing is left to look at: %v", err)
	}
}

// TestKilledClusterIsClearedByTheNext kills the program that brings one up at some
// point on the way.
func TestKilledClusterIsClearedByTheNext(t *testing.T) {
	reserve(t)
	before := look(t)
	t.Cleanup(func() { bringDown(t, before) })
	program := filepath.Join(t.TempDir(), "cluster")
	if said, err := exec.Command("go", "build", "-o", program, "..").CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, said)
	}
	points := []string{"Making the network", "Waiting until 2 nodes are Ready", "Waiting for DNS"}
	sweep.Times(t, 30, func(t *testing.T, round int) {
		at := points[round%len(points)]
		upUntil(t, program, at)
		left := members(t)
		if len(left) == 0 {
			t.Errorf("killed at %q, it leaves nothing to clear", at)
		}
		if _, err := kube.Up(t.Context(), kube.Config{Nodes: 1, Out: t.Output()}); err != nil {
			t.Error(err)
		}
		end(t, left)
		bringDown(t, before)
	})
}

// upUntil runs cluster up, and kills it once it says what it does.
func upUntil(t *testing.T, program, says string) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), program, "up", "-nodes", "2")
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	said := ""
	for text := make([]byte, 256); !strings.Contains(said, says); {
		n, err := out.Read(text)
		said += string(text[:n])
		if err != nil {
			t.Errorf("it ends with %v before it says %q:\n%s", err, says, said)
			break
		}
	}
	// Some more of what it does then.
	time.Sleep(300 * time.Millisecond)
	_ = cmd.Process.Kill()
	_ = cmd.Wait()
}
