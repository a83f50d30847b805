//go:build e2e

package e2e

import (
	"bytes"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"
)

// installs does it as a user would, with the chart's own values.
func installs(w world) {
	begun := time.Now()
	said := w.install()
	n := w.cluster.Nodes()[0]
	// The Service has addresses of both families, where the cluster has.
	for _, ip := range []netip.Addr{n.IPv4(), n.IPv6()} {
		w.awaitAt(netip.AddrPortFrom(ip, nodePort), "", wellWith(6))
		w.Logf("from helm install to a 200 at [%s]:%d with 3 nodes and 6 agents: %.1f s", ip, nodePort, time.Since(begun).Seconds())
	}
	w.asksAsNoted(said)
}

// asksAsNoted runs the commands that the chart's notes print for that.
func (w world) asksAsNoted(notes string) {
	w.Helper()
	_, commands, _ := strings.Cut(notes, "when the agents have reported:\n")
	commands, _, _ = strings.Cut(commands, "\n200: all well.")
	cmd := w.cluster.Command(w.Context(), "bash", "-euo", "pipefail", "-c", commands)
	out := new(bytes.Buffer)
	cmd.Stdout = out
	if err := w.cluster.Run(cmd); err != nil || !strings.HasPrefix(out.String(), "HTTP/1.1 200 OK\r\n") {
		w.Errorf("asked as the notes say%s: %v\n%s", commands, err, out)
	}
}

func helmTest(w world) {
	said := w.helm("test", "netchecker", "--logs")
	if want := "All 6 pods successfully reported back to the server"; !strings.Contains(said, want) {
		w.Errorf("helm test says\n%s\nwant %s", said, want)
	}
}

// upgrades replaces every pod of the release while somebody asks.
func upgrades(w world) {
	w.rolledOut()
	before := w.agents()
	answers := w.watching(netip.AddrPortFrom(w.cluster.Nodes()[0].IPv4(), nodePort))
	w.upgrade(quick...)
	w.await("", wellWith(6))
	w.blamesNobody(answers.end(w))
	if after := w.agents(); slices.ContainsFunc(after, func(name string) bool { return slices.Contains(before, name) }) {
		w.Errorf("before the upgrade there were %q, after it %q", before, after)
	}
}

// badUpgrade replaces one agent of each network, which then ends at once.
func badUpgrade(w world) {
	before := w.agents()
	w.helm(append([]string{"upgrade", "netchecker", "helm-chart/netchecker", "--set", "agent.extraArgs={-nosuch}"}, quick...)...)
	w.sleep(20 * time.Second)
	after := w.agents()
	kept := slices.DeleteFunc(slices.Clone(before), func(name string) bool { return !slices.Contains(after, name) })
	if len(kept) != 4 {
		w.Errorf("of %q it keeps %q, want two of each network", before, kept)
	}
	w.helm("rollback", "netchecker")
	w.rolledOut()
	w.await("", wellWith(6))
}

func uninstalls(w world) {
	w.uninstall()
	kinds := w.kubectl("api-resources", "--verbs=list", "--output=name")
	all := withoutEvents(kinds)
	w.eventually(func() error {
		left := w.kubectl("get", all, "--all-namespaces", "--selector", "app.kubernetes.io/name=netchecker", "--output=name")
		if left != "" {
			return fmt.Errorf("uninstalled, it leaves %q", left)
		}
		return nil
	})
	// What every namespace has.
	const want = "configmap/kube-root-ca.crt\nserviceaccount/default"
	inside := w.kubectl("api-resources", "--verbs=list", "--namespaced", "--output=name")
	w.eventually(func() error {
		if left := w.kubectl("get", withoutEvents(inside), "--namespace", namespace, "--output=name"); left != want {
			return fmt.Errorf("in its namespace are %q, want %q", left, want)
		}
		return nil
	})
}

// withoutEvents joins kinds of objects; events end by themselves.
func withoutEvents(kinds string) string {
	return strings.Join(slices.DeleteFunc(strings.Fields(kinds), func(kind string) bool {
		return strings.HasPrefix(kind, "events")
	}), ",")
}

func ipv6Only(w world) {
	said := w.install(append([]string{"--set", "service.ipFamilyPolicy=SingleStack,service.ipFamilies={IPv6}"}, quick...)...)
	w.awaitAt(netip.AddrPortFrom(w.cluster.Nodes()[0].IPv6(), nodePort), "", wellWith(6))
	w.asksAsNoted(said)
	if ip := w.kubectl("get", "service", "netchecker-service", "--namespace", namespace, "--output", "jsonpath={.spec.clusterIPs[*]}"); !strings.Contains(ip, ":") || strings.Contains(ip, " ") {
		w.Errorf("the Service is at %s", ip)
	}
	w.uninstall()
}
