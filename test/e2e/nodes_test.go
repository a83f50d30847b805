//go:build e2e

package e2e

import (
	"slices"
	"time"
)

// interval and ttl are those of testdata/quick.yaml.
const (
	interval = 4 * time.Second
	ttl      = 30 * time.Second
)

// within logs how long something took, and fails the test where that is not what it
// should be.
func (w world) within(what string, begun time.Time, least, most time.Duration) {
	w.Helper()
	took := time.Since(begun)
	w.Logf("%s after %.1f s", what, took.Seconds())
	if took < least || took > most {
		w.Errorf("%s after %s, want %s to %s", what, took, least, most)
	}
}

func nodeComesAndGoes(w world) {
	answers := w.watching(w.door())
	n, err := w.cluster.AddNode(w.Context())
	w.must(err)
	w.await("", wellWith(8))
	newcomers := w.agents(n.Name)
	w.kubectl("drain", n.Name, "--ignore-daemonsets", "--delete-emptydir-data", "--timeout=60s")
	w.must(w.cluster.RemoveNode(w.Context(), n.Name))
	w.await("", wellWith(6))
	runs := answers.end(w)
	w.alwaysWell(runs)
	for _, name := range newcomers {
		if !slices.ContainsFunc(runs, func(r run) bool { return slices.Contains(r.answer.Starting, name) }) {
			w.Errorf("no answer says that %s is starting", name)
		}
	}
}

func nodeIsolated(w world, node string) {
	door := w.door()
	names := w.agents(node)
	w.broken(func() {
		begun := time.Now()
		answers := w.watching(door)
		w.awaitAt(door, "", outdated(names))
		// Two intervals after the last report, which was up to one, and a tenth, ago.
		w.within("outdated", begun, interval/2, 2*interval+10*time.Second)
		w.awaitAt(door, "", absent(names))
		// Records end together with others of about the same age.
		w.within("absent", begun, ttl-2*interval, ttl+40*time.Second)
		w.onlyBlames(answers.end(w), names)
	}, "link-down", node)
}
