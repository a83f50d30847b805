//go:build e2e

package e2e

import (
	"time"
)

func nodeComesAndGoes(w world) {
	answers := w.watching(w.door())
	n, err := w.cluster.AddNode(w.Context())
	w.must(err)
	w.await("", wellWith(8))
	w.kubectl("drain", n.Name, "--ignore-daemonsets", "--delete-emptydir-data", "--timeout=60s")
	w.must(w.cluster.RemoveNode(w.Context(), n.Name))
	w.await("", wellWith(6))
	w.alwaysWell(answers.end(w))
}

func nodeIsolated(w world) {
	node, door := w.others()[0], w.door()
	names := w.agents(node)
	w.broken(func() {
		begun := time.Now()
		answers := w.watching(door)
		w.awaitAt(door, "", outdated(names))
		w.Logf("outdated after %.1f s", time.Since(begun).Seconds())
		w.awaitAt(door, "", absent(names))
		w.Logf("absent after %.1f s", time.Since(begun).Seconds())
		w.onlyBlames(answers.end(w), names)
	}, "link-down", node)
}
