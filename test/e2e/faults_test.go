//go:build e2e

package e2e

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
)

// severalIntervals is more than the two after which a silent agent is outdated.
const severalIntervals = 3*interval + interval/2

// onlyBlames fails the test where an answer names others than these.
func (w world) onlyBlames(runs []run, names []string) {
	w.Helper()
	for _, r := range runs {
		for _, name := range slices.Concat(r.answer.Outdated, r.answer.Absent) {
			if !slices.Contains(names, name) {
				w.Errorf("%s is blamed, though not cut off: %s", name, r)
			}
		}
	}
}

func overlayCut(w world, node string) {
	door := w.door()
	names := w.agents(node)
	w.broken(func() {
		answers := w.watching(door)
		w.awaitAt(door, "", outdated(names))
		w.sleep(severalIntervals / 2)
		w.onlyBlames(answers.end(w), names)
	}, "overlay-cut", node)
}

func overlayCutAtServer(w world) {
	server, door := w.serverNode(), w.door()
	names := w.agents(w.others()...)
	w.broken(func() {
		answers := w.watching(door)
		w.awaitAt(door, "", outdated(names))
		w.onlyBlames(answers.end(w), names)
	}, "overlay-cut", server)
}

// sleep waits, for what should not happen.
func (w world) sleep(d time.Duration) {
	w.Helper()
	select {
	case <-w.Context().Done():
		w.Fatal(w.Context().Err())
	case <-time.After(d):
	}
}

// kubeProxyDead: connections that there are outlive the rules, new ones do not come
// about. It asks through another node's NodePort.
func kubeProxyDead(w world, node string) {
	door := w.doorOf(w.butFor(node)[0])
	names := w.agents(node)
	w.broken(func() {
		begun := time.Now()
		answers := w.watching(door)
		w.awaitAt(door, "", outdated(names))
		w.within("outdated", begun, interval/2, 2*interval+10*time.Second)
		w.sleep(severalIntervals)
		w.onlyBlames(answers.end(w), names)
	}, "kubeproxy-dead", node)
}

func apiServerDown(w world) {
	door := w.door()
	w.broken(func() {
		answers := w.watching(door)
		w.awaitAt(door, reports, func(a answer) error {
			if a.PodListAgeSeconds == nil {
				return errors.New("it does not tell the age of its list: " + a.String())
			}
			return well(a)
		})
		w.sleep(severalIntervals)
		w.alwaysWell(answers.end(w))
	}, "apiserver-down")
	back := time.Now()
	w.eventually(func() error { return w.nodesReady(back) })
	w.await("", wellWith(6))
}

// nodesReady is nil where all nodes have said since then that they are there, and are
// Ready: the API server takes those for lost that it has not heard of meanwhile.
func (w world) nodesReady(since time.Time) error {
	const ready = `jsonpath={range .items[*]}{.status.conditions[?(@.type=="Ready")].status}{"\n"}{end}`
	if said := strings.Fields(w.kubectl("get", "nodes", "--output", ready)); slices.ContainsFunc(said, func(s string) bool { return s != "True" }) {
		return fmt.Errorf("the nodes are Ready: %q", said)
	}
	const renewed = `jsonpath={range .items[*]}{.spec.renewTime}{"\n"}{end}`
	for said := range strings.FieldsSeq(w.kubectl("get", "leases", "--namespace=kube-node-lease", "--output", renewed)) {
		if at, err := time.Parse(time.RFC3339, said); err != nil || at.Before(since) {
			return fmt.Errorf("a node was there at %s, and not since (%v)", said, err)
		}
	}
	return nil
}

// serverKilled: the etcd within it dies too, and its emptyDir is there for the next.
func serverKilled(w world) {
	door := w.door()
	restarts := func() string {
		const count = "jsonpath={.items[0].status.containerStatuses[0].restartCount}"
		return w.kubectl("get", "pods", "--namespace", namespace, "--selector", "app=netchecker-server", "--output", count)
	}
	before := restarts()
	answers := w.watching(door)
	w.must(w.cluster.Fault(w.Context(), "server-pod-killed"))
	w.eventually(func() error {
		if restarts() == before {
			return errors.New("the server was not restarted")
		}
		return nil
	})
	w.await("", wellWith(6))
	w.blamesNobody(answers.end(w))
}

// blackHole is what the padding is for.
func blackHole(w world, node string) {
	door := w.door()
	names := w.agents(node)
	w.broken(func() { w.awaitAt(door, "", outdated(names)) }, "blackhole", node, "1300")

	// What a report says of backends and of peers makes it larger, too. A server that is made
	// anew has the backends' file as it is now, rather than within a minute.
	w.upgrade(append([]string{"--set", "agent.zeroExtenderLength=0", "--set", "agent.mesh.enabled=false", "--set-json", "backends=[]"}, quick...)...)
	w.kubectl("rollout", "restart", "deployment/netchecker-server", "--namespace", namespace)
	w.rolledOut()
	w.await("", wellWith(6))
	w.eventually(func() error {
		sampling, err := w.good(door)
		if err == nil && len(sampling) > 0 {
			err = fmt.Errorf("%d samplers go on", len(sampling))
		}
		return err
	})
	w.broken(func() {
		answers := w.watching(door)
		w.sleep(severalIntervals)
		w.alwaysWell(answers.end(w))
	}, "blackhole", node, "1300")

	w.upgrade(quick...)
	w.await("", wellWith(6))
}
