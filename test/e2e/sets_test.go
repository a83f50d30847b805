//go:build e2e

package e2e

import (
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/netchecker/netchecker/test/certtest"
)

// externalEtcd installs with the values of the example. Agents report less often than in
// other tests, so that who has to send a report again while servers change is not outdated.
func externalEtcd(w world) {
	w.startEtcd()
	w.install(append([]string{"--values", "examples/external-etcd-tls/values.yaml", "--set", "agent.reportInterval=10"}, quick...)...)
	w.rolledOut()
	for _, server := range w.servers() {
		w.eventually(func() error {
			a, err := ask(w.Context(), w.cluster.DialFrom(server.node), netip.AddrPortFrom(server.ip, 8081), "")
			if err != nil {
				return err
			}
			return wellWith(6)(a)
		})
	}
	answers := w.watching(netip.AddrPortFrom(w.cluster.Nodes()[0].IPv4(), nodePort))
	w.kubectl("rollout", "restart", "deployment/netchecker-server", "--namespace", namespace)
	w.rolledOut()
	w.alwaysWell(answers.end(w))
	w.uninstall()
	w.kubectl("delete", "namespace", "etcd")
}

// startEtcd makes an etcd that takes TLS alone, in a namespace of its own, and the
// Secret for clients of it.
func (w world) startEtcd() {
	w.Helper()
	authority, err := certtest.New(w.TempDir())
	w.must(err)
	server, err := authority.Server("etcd", "etcd.etcd.svc", "127.0.0.1")
	w.must(err)
	client, err := authority.Client("netchecker", "netchecker")
	w.must(err)
	manifest, err := os.ReadFile("testdata/etcd.yaml")
	w.must(err)
	w.feed(string(manifest), "apply", "--filename=-")
	w.feed(w.kubectl("create", "namespace", namespace, "--dry-run=client", "--output=yaml"), "apply", "--filename=-")
	w.secret("etcd", "etcd-server", authority, server)
	w.secret(namespace, "etcd-client", authority, client)
	w.kubectl("rollout", "status", "deployment/etcd", "--namespace=etcd", "--timeout=60s")
}

func (w world) secret(namespace, name string, authority *certtest.Authority, pair certtest.Pair) {
	w.Helper()
	secret := w.kubectl("create", "secret", "generic", name, "--namespace", namespace, "--dry-run=client", "--output=yaml",
		"--from-file=ca.crt="+authority.File, "--from-file=tls.crt="+pair.CertFile, "--from-file=tls.key="+pair.KeyFile)
	w.feed(secret, "apply", "--filename=-")
}

// server is a pod of the server.
type server struct {
	node string
	ip   netip.Addr
}

func (w world) servers() []server {
	w.Helper()
	const columns = `jsonpath={range .items[*]}{.spec.nodeName} {.status.podIP}{"\n"}{end}`
	var all []server
	for line := range strings.Lines(w.kubectl("get", "pods", "--namespace", namespace, "--selector", "app=netchecker-server", "--output", columns)) {
		node, ip, _ := strings.Cut(strings.TrimSpace(line), " ")
		address, err := netip.ParseAddr(ip)
		w.must(err)
		all = append(all, server{node, address})
	}
	if len(all) != 2 {
		w.Fatalf("there are servers %v, want 2", all)
	}
	return all
}

// kubespray applies the example as it is, but for the image of etcd, which is what
// the tests have of that series.
func kubespray(w world) {
	dir, err := filepath.Abs(filepath.Join(root, "examples/kubespray"))
	w.must(err)
	manifests := w.kubectl("kustomize", dir)
	const released = "quay.io/coreos/etcd:v3.5.21"
	if !strings.Contains(manifests, released) {
		w.Fatalf("the example has not the image %s", released)
	}
	manifests = strings.ReplaceAll(manifests, released, etcdImage)
	w.feed(manifests, "apply", "--filename=-")
	w.kubectl("rollout", "status", "deployment/netchecker-server", "--timeout=120s")
	w.await("", wellWith(6))
	frozen(w)
	w.feed(manifests, "delete", "--filename=-", "--wait")
	w.eventually(func() error {
		if left := w.agents(); len(left) > 0 {
			return fmt.Errorf("agents are still there: %q", left)
		}
		return nil
	})
}

// frozen: without etcd nothing can be known, and nobody is blamed, neither then
// nor when it is back. It lasts longer than two of the example's intervals, 15 s.
func frozen(w world) {
	door := w.door()
	answers := w.watching(door)
	w.must(w.cluster.Fault(w.Context(), "etcd-frozen"))
	w.awaitAt(door, "", blind)
	meanwhile := w.watching(door)
	w.sleep(40 * time.Second)
	w.alwaysBlind(meanwhile.end(w))
	w.must(w.cluster.Heal(w.Context(), "etcd-frozen"))
	w.await("", wellWith(6))
	w.blamesNobody(answers.end(w))
}
