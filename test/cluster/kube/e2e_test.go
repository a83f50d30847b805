//go:build e2e

package kube_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/netip"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/netchecker/netchecker/test/cluster/kube"
	"github.com/netchecker/netchecker/test/eventually"
)

// world is a cluster with a visitor on each node, which is asked where it can go.
type world struct {
	*testing.T
	cluster *kube.Cluster
}

// visitors are the pods by node, with their names and addresses.
type visitor struct {
	name, node string
	ip4, ip6   netip.Addr
}

// reserve keeps tests of other packages from the cluster.
func reserve(t *testing.T) {
	t.Helper()
	reserved, err := kube.Reserve(t.Context(), t.Output())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { reserved.Close() })
}

// gather tells how the cluster is, and keeps all that tells why a test failed where
// GATHER names a folder for it.
func gather(t *testing.T, c *kube.Cluster) {
	t.Log(c.Summary(context.Background()))
	if dir := os.Getenv("GATHER"); dir != "" {
		if err := c.Gather(context.Background(), dir); err != nil {
			t.Log(err)
		}
	}
}

// invite starts the visitors.
func (w world) invite() {
	w.Helper()
	dir := w.TempDir()
	program, archive := filepath.Join(dir, "visitor"), filepath.Join(dir, "visitor.tar")
	build := exec.Command("go", "build", "-trimpath", "-ldflags", "-s -w", "-o", program, "../visitor")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if said, err := build.CombinedOutput(); err != nil {
		w.Fatalf("%v: %s", err, said)
	}
	w.must(kube.WriteArchive(archive, kube.Image{Name: "cluster.test/visitor:1", Program: program, User: "1000"}))
	w.must(w.cluster.Load(w.Context(), archive))
	manifest, err := os.ReadFile("testdata/visitor.yaml")
	w.must(err)
	w.kubectl(string(manifest), "apply", "-f", "-")
	w.kubectl("", "rollout", "status", "daemonset/visitor", "--timeout=60s")
	// kube-proxies take up what is new about once a second.
	for _, n := range w.cluster.Nodes() {
		w.eventually(func() error { return w.lookup(w.visitor(n.Name)) })
		w.eventually(func() error {
			_, err := w.get("", "http://"+netip.AddrPortFrom(n.IPv6(), 30080).String())
			return err
		})
	}
}

func (w world) must(err error) {
	w.Helper()
	if err != nil {
		w.Fatal(err)
	}
}

func (w world) kubectl(input string, args ...string) string {
	w.Helper()
	out, err := w.cluster.Kubectl(w.Context(), input, args...)
	w.must(err)
	return strings.TrimSpace(out)
}

// visitor finds the one on a node.
func (w world) visitor(node string) visitor {
	w.Helper()
	v, err := w.findVisitor(node)
	w.must(err)
	return v
}

func (w world) findVisitor(node string) (visitor, error) {
	w.Helper()
	const columns = `jsonpath={range .items[*]}{.metadata.name} {.status.podIPs[0].ip} {.status.podIPs[1].ip}{"\n"}{end}`
	found := w.kubectl("", "get", "pods", "-l", "app=visitor", "--field-selector", "spec.nodeName="+node+",status.phase=Running", "-o", columns)
	var v visitor
	var ip4, ip6 string
	if _, err := fmt.Sscan(found, &v.name, &ip4, &ip6); err != nil {
		return v, fmt.Errorf("on %s there is no visitor but %q", node, found)
	}
	v.node, v.ip4, v.ip6 = node, netip.MustParseAddr(ip4), netip.MustParseAddr(ip6)
	return v, nil
}

// get asks url from a node's host network, or from outside where the name is empty.
func (w world) get(from, url string) (string, error) {
	dial := w.cluster.Dial
	if from != "" {
		dial = w.cluster.DialFrom(from)
	}
	client := http.Client{Timeout: 4 * time.Second, Transport: &http.Transport{DialContext: dial, DisableKeepAlives: true}}
	answer, err := client.Get(url)
	if err != nil {
		return "", err
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err == nil && answer.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s: %s", answer.Status, text)
	}
	return string(text), err
}

// ask is what a visitor says when its own node asks it, which takes no overlay.
func (w world) ask(v visitor, path string, query url.Values) (string, error) {
	return w.get(v.node, fmt.Sprintf("http://%s:8080/%s?%s", v.ip4, path, query.Encode()))
}

// visit lets v go to a URL with a number of bytes.
func (w world) visit(v visitor, to string, bytes int) (string, error) {
	return w.ask(v, "visit", url.Values{"url": {to}, "bytes": {fmt.Sprint(bytes)}})
}

func at(ip netip.Addr) string { return "http://" + netip.AddrPortFrom(ip, 8080).String() }

// reaches fails the test unless v reaches other, or unless it does not.
func (w world) reaches(v, other visitor, want bool) {
	w.Helper()
	for _, ip := range []netip.Addr{other.ip4, other.ip6} {
		said, err := w.visit(v, at(ip), 0)
		if reached := err == nil && said == other.name; reached != want {
			w.Errorf("%s reaches %s at %s: %v, want %v (%v)", v.node, other.node, ip, reached, want, err)
		}
	}
}

// hostReaches is about a node's kubelet, which listens on the host network.
func (w world) hostReaches(from, to string, want bool) {
	w.Helper()
	if err := w.hostDials(from, to); (err == nil) != want {
		w.Errorf("the host %s reaches the host %s: %v, want %v (%v)", from, to, err == nil, want, err)
	}
}

func (w world) hostDials(from, to string) error {
	w.Helper()
	n, err := w.cluster.Node(to)
	w.must(err)
	ctx, cancel := context.WithTimeout(w.Context(), 2*time.Second)
	defer cancel()
	conn, err := w.cluster.DialFrom(from)(ctx, "tcp", netip.AddrPortFrom(n.IPv4(), 10250).String())
	if err == nil {
		conn.Close()
	}
	return err
}

// eventually asks until it gets no error.
func (w world) eventually(f func() error) {
	w.Helper()
	eventually.Within(w, time.Minute, f)
}

// broken injects a fault, calls f, and heals it.
func (w world) broken(f func(), name string, args ...string) {
	w.Helper()
	w.must(w.cluster.Fault(w.Context(), name, args...))
	f()
	w.must(w.cluster.Heal(w.Context(), name, args...))
}
