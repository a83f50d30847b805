//go:build e2e

package kube_test

import (
	"errors"
	"fmt"
	"net/netip"
	"net/url"
	"strings"
	"time"
)

func overlayCut(w world) {
	one, two, three := w.visitor("node-1"), w.visitor("node-2"), w.visitor("node-3")
	w.broken(func() {
		w.reaches(one, two, false)
		w.reaches(two, one, false)
		w.reaches(one, three, true)
		w.hostReaches("node-1", "node-2", true)
		w.hostReaches("node-2", "node-1", true)
		if said, err := w.get("node-2", at(one.ip4)); err == nil {
			w.Errorf("the cut node's host reaches a pod elsewhere: %s", said)
		}
	}, "overlay-cut", "node-2")
	w.reaches(one, two, true)
	w.reaches(two, one, true)
}

func overlayCutOneWay(w world) {
	one, two := w.visitor("node-1"), w.visitor("node-2")
	for _, direction := range []string{"in", "out"} {
		w.broken(func() {
			w.reaches(one, two, false)
			w.hostReaches("node-1", "node-2", true)
			w.hears(two, one, direction != "in", direction+": one")
			w.hears(one, two, direction != "out", direction+": two")
		}, "overlay-cut", "node-2", direction)
		w.reaches(one, two, true)
	}
}

// hears fails the test unless what from sends arrives at v, or unless it does not.
func (w world) hears(v, from visitor, want bool, text string) {
	w.Helper()
	to := netip.AddrPortFrom(v.ip4, 8080).String()
	if _, err := w.ask(from, "tell", url.Values{"to": {to}, "text": {text}}); err != nil {
		w.Error(err)
	}
	heard := func() error {
		said, err := w.ask(v, "heard", nil)
		if err == nil && said != text {
			err = fmt.Errorf("%s hears %q, not %q", v.node, said, text)
		}
		return err
	}
	if want {
		w.eventually(heard)
		return
	}
	// What is lost does not come later.
	time.Sleep(500 * time.Millisecond)
	if heard() == nil {
		w.Errorf("%s hears %q from %s", v.node, text, from.node)
	}
}

func underlayCut(w world) {
	one, two, three := w.visitor("node-1"), w.visitor("node-2"), w.visitor("node-3")
	w.broken(func() {
		w.reaches(one, two, false)
		w.hostReaches("node-2", "node-1", false)
		w.hostReaches("node-1", "node-3", true)
		w.reaches(two, three, true)
	}, "underlay-cut", "node-2", "node-1")
	w.reaches(one, two, true)
}

func blackhole(w world) {
	one, two := w.visitor("node-1"), w.visitor("node-2")
	passes := func(bytes int, want bool) {
		w.Helper()
		_, err := w.visit(two, at(one.ip4), bytes)
		if (err == nil) != want {
			w.Errorf("%d bytes pass: %v, want %v (%v)", bytes, err == nil, want, err)
		}
	}
	w.broken(func() { passes(500, true); passes(2000, false) }, "blackhole", "node-2", "1300")
	passes(2000, true)
}

func loss(w world) {
	one, two := w.visitor("node-1"), w.visitor("node-2")
	w.broken(func() { w.reaches(one, two, false) }, "loss", "node-2", "100")
	w.reaches(one, two, true)
	w.broken(func() {
		// A handshake that loses a packet takes a second more.
		slow := 0
		for range 10 {
			begun := time.Now()
			if _, err := w.visit(two, at(one.ip4), 0); err != nil || time.Since(begun) > 150*time.Millisecond {
				slow++
			}
		}
		if slow == 0 {
			w.Error("ten visits lose nothing where half of the packets are lost")
		}
	}, "loss", "node-2", "50")
}

func delay(w world) {
	one, two := w.visitor("node-1"), w.visitor("node-2")
	took := func() time.Duration {
		w.Helper()
		begun := time.Now()
		if _, err := w.visit(two, at(one.ip4), 0); err != nil {
			w.Error(err)
		}
		return time.Since(begun)
	}
	// A handshake and a question, there and back.
	w.broken(func() {
		if d := took(); d < 400*time.Millisecond {
			w.Errorf("with 100 ms more each way it took %v", d)
		}
	}, "delay", "node-2", "100")
	// The best of some: the machine may be busy.
	best := took()
	for range 4 {
		best = min(best, took())
	}
	if best > 200*time.Millisecond {
		w.Errorf("afterwards it took %v", best)
	}
}

func linkDown(w world) {
	one, two := w.visitor("node-1"), w.visitor("node-2")
	w.broken(func() { w.hostReaches("node-1", "node-2", false) }, "link-down", "node-2")
	w.hostReaches("node-1", "node-2", true)
	w.reaches(one, two, true)
}

// lookup is for a name that nobody has in a cache.
func (w world) lookup(v visitor) error {
	said, err := w.ask(v, "lookup", url.Values{"name": {"kubernetes.default.svc.cluster.local."}})
	if err == nil && !strings.Contains(said, "10.96.0.1") {
		err = fmt.Errorf("the API server is at %s", said)
	}
	return err
}

func dnsCut(w world) {
	one, two := w.visitor("node-1"), w.visitor("node-2")
	w.broken(func() {
		if err := w.lookup(two); err == nil {
			w.Error("node-2 resolves names")
		}
		if err := w.lookup(one); err != nil {
			w.Errorf("node-1: %v", err)
		}
		w.reaches(two, one, true)
	}, "dns-cut", "node-2")
	w.eventually(func() error { return w.lookup(two) })
}

func dnsDown(w world) {
	two := w.visitor("node-2")
	w.broken(func() {
		w.eventually(func() error {
			if w.lookup(two) == nil {
				return errors.New("names are resolved without CoreDNS")
			}
			return nil
		})
	}, "coredns-down")
	w.eventually(func() error { return w.lookup(two) })
}

func kubeProxyDead(w world) {
	two := w.visitor("node-2")
	service := "http://" + w.kubectl("", "get", "service", "visitor", "-o", "jsonpath={.spec.clusterIP}")
	w.broken(func() {
		if said, err := w.visit(two, service, 0); err == nil {
			w.Errorf("a Service without rules answers %q", said)
		}
		w.reaches(two, w.visitor("node-1"), true)
		if _, err := w.visit(w.visitor("node-1"), service, 0); err != nil {
			w.Errorf("another node's: %v", err)
		}
	}, "kubeproxy-dead", "node-2")
	w.eventually(func() error { _, err := w.visit(two, service, 0); return err })
}

func kubeletDead(w world) {
	one, two := w.visitor("node-1"), w.visitor("node-2")
	w.broken(func() {
		w.hostReaches("node-1", "node-2", false)
		w.reaches(one, two, true)
	}, "kubelet-dead", "node-2")
	// It is healthy before it listens for others.
	w.eventually(func() error { return w.hostDials("node-1", "node-2") })
}

func apiServerDown(w world) {
	one, two := w.visitor("node-1"), w.visitor("node-2")
	w.broken(func() {
		if _, err := w.cluster.Kubectl(w.Context(), "", "get", "nodes", "--request-timeout=2s"); err == nil {
			w.Error("it answers")
		}
		w.reaches(one, two, true)
	}, "apiserver-down")
	w.kubectl("", "get", "nodes")
}

func overlayLoss(w world) {
	one, two := w.visitor("node-1"), w.visitor("node-2")
	w.broken(func() {
		w.hears(two, one, false, "lost: one")
		w.hears(one, two, true, "lost: two")
		w.hostReaches("node-1", "node-2", true)
	}, "overlay-loss", "node-2", "100", "in")
	w.reaches(one, two, true)
}

func overlayPairCut(w world) {
	one, two, three := w.visitor("node-1"), w.visitor("node-2"), w.visitor("node-3")
	w.broken(func() {
		w.reaches(one, two, false)
		w.reaches(two, one, false)
		w.reaches(two, three, true)
		w.reaches(three, one, true)
		w.hostReaches("node-1", "node-2", true)
	}, "overlay-pair-cut", "node-2", "node-1")
	w.reaches(one, two, true)
}

func hostPodsCut(w world) {
	one, two := w.visitor("node-1"), w.visitor("node-2")
	kubelet := func(node string) string {
		n, err := w.cluster.Node(node)
		w.must(err)
		return "http://" + netip.AddrPortFrom(n.IPv4(), 10250).String()
	}
	refuses := func(want bool) {
		w.Helper()
		// It speaks TLS alone: who gets there is told so.
		if _, err := w.visit(two, kubelet("node-2"), 0); (err != nil && strings.Contains(err.Error(), "HTTPS")) != want {
			w.Errorf("the pod reaches its host: want %v (%v)", want, err)
		}
	}
	refuses(true)
	w.broken(func() {
		refuses(false)
		w.reaches(one, two, true)
		w.reaches(two, one, true)
		w.hostReaches("node-1", "node-2", true)
	}, "host-pods-cut", "node-2")
	refuses(true)
}

func nodePortBroken(w world) {
	two := w.visitor("node-2")
	service := "http://" + w.kubectl("", "get", "service", "visitor", "-o", "jsonpath={.spec.clusterIP}")
	port := func(node string) error {
		n, err := w.cluster.Node(node)
		w.must(err)
		_, err = w.get(node, "http://"+netip.AddrPortFrom(n.IPv4(), 30080).String())
		return err
	}
	w.broken(func() {
		if port("node-2") == nil {
			w.Error("node-2's NodePort answers")
		}
		if err := port("node-1"); err != nil {
			w.Errorf("node-1's: %v", err)
		}
		if _, err := w.visit(two, service, 0); err != nil {
			w.Errorf("the Service's address: %v", err)
		}
	}, "nodeport-broken", "node-2")
	if err := port("node-2"); err != nil {
		w.Error(err)
	}
}

func apiServerCut(w world) {
	version := func(node string) error { _, err := w.ask(w.visitor(node), "version", nil); return err }
	w.broken(func() {
		if version("node-2") == nil {
			w.Error("node-2's pod reaches the API server")
		}
		if err := version("node-1"); err != nil {
			w.Errorf("node-1's: %v", err)
		}
	}, "apiserver-cut", "node-2")
	w.eventually(func() error { return version("node-2") })
}

// dnsPodCut leaves names to the other CoreDNS, for those who are led to it.
func dnsPodCut(w world) {
	two := w.visitor("node-2")
	w.broken(func() {
		lost, found := 0, 0
		for range 20 {
			if w.lookup(two) == nil {
				found++
			} else {
				lost++
			}
		}
		if lost == 0 || found == 0 {
			w.Errorf("%d lookups are lost, and %d are answered", lost, found)
		}
	}, "dns-pod-cut")
	w.must(w.lookup(two))
}

func dnsWrong(w world) {
	two := w.visitor("node-2")
	w.broken(func() {
		w.eventually(func() error {
			said, err := w.ask(two, "lookup", url.Values{"name": {"kubernetes.default.svc.cluster.local."}})
			if err == nil && !strings.Contains(said, "192.0.2.1") {
				err = fmt.Errorf("the API server is at %s", said)
			}
			return err
		})
	}, "dns-wrong")
	w.eventually(func() error { return w.lookup(two) })
}
