//go:build e2e

package kube_test

import (
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/netchecker/netchecker/test/sweep"
)

// killedAndFrozen is about what is seen of pods' processes while they come and go.
func killedAndFrozen(w world) {
	sweep.Times(w.T, 30, func(t *testing.T, _ int) {
		w := world{t, w.cluster}
		podKilled(w)
		frozen(w)
		frozenWhenKilled(w)
	})
}

// restarts is how often each visitor was started again, by its name.
func (w world) restarts() map[string]int {
	w.Helper()
	const columns = `jsonpath={range .items[*]}{.metadata.name} {.status.containerStatuses[0].restartCount}{"\n"}{end}`
	counts := map[string]int{}
	for line := range strings.Lines(w.kubectl("", "get", "pods", "-l", "app=visitor", "-o", columns)) {
		var name string
		var count int
		_, err := fmt.Sscan(line, &name, &count)
		w.must(err)
		counts[name] = count
	}
	return counts
}

// podKilled ends when every visitor is back, not only known as one that runs: the
// API tells late of what has ended.
func podKilled(w world) {
	before := w.restarts()
	w.must(w.cluster.Fault(w.Context(), "server-pod-killed", "app=visitor"))
	w.eventually(func() error {
		for name, count := range w.restarts() {
			if count == before[name] {
				return fmt.Errorf("%s was not restarted", name)
			}
		}
		return nil
	})
	for _, n := range w.cluster.Nodes() {
		w.eventually(func() error { _, err := w.ask(w.visitor(n.Name), "", nil); return err })
	}
	w.kubectl("", "rollout", "status", "daemonset/visitor", "--timeout=60s")
}

func frozen(w world) {
	w.broken(func() {
		var asked sync.WaitGroup
		for _, n := range w.cluster.Nodes() {
			v := w.visitor(n.Name)
			asked.Go(func() {
				if said, err := w.ask(v, "", nil); err == nil {
					w.Errorf("on %s it answers %q", v.node, said)
				}
			})
		}
		asked.Wait()
	}, "etcd-frozen", "app=visitor", "visitor")
	for _, n := range w.cluster.Nodes() {
		v := w.visitor(n.Name)
		if said, err := w.ask(v, "", nil); err != nil || said != v.name {
			w.Errorf("on %s afterwards: got %q, %v", n.Name, said, err)
		}
	}
}

// frozenWhenKilled is about containers that have ended while the API still says
// that they run: those that come instead stand still.
func frozenWhenKilled(w world) {
	w.must(w.cluster.Fault(w.Context(), "server-pod-killed", "app=visitor"))
	frozen(w)
	w.kubectl("", "rollout", "status", "daemonset/visitor", "--timeout=60s")
}
