//go:build e2e

package e2e

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/netip"
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

func overlayCut(w world) {
	node, door := w.others()[0], w.door()
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

// dnsDown: the agents know where the server is, and go on reporting; the reports
// tell that the name is resolved no more.
func dnsDown(w world) {
	door := w.door()
	w.eventually(func() error { return w.resolved(door, true) })
	w.broken(func() {
		answers := w.watching(door)
		w.eventually(func() error { return w.resolved(door, false) })
		w.sleep(severalIntervals)
		w.alwaysWell(answers.end(w))
	}, "coredns-down")
}

// record is what the server shows of an agent, as far as it matters here.
type record struct {
	NSLookup map[string][]string `json:"nslookup"`
}

// resolved is nil where all six agents have reported that they resolve the server's
// name, or that they do not.
func (w world) resolved(at netip.AddrPort, want bool) error {
	all, err := w.records(at)
	if err != nil || len(all) != 6 {
		return fmt.Errorf("there are %d records, want 6 (%v)", len(all), err)
	}
	for name, record := range all {
		if ips := record.NSLookup["netchecker-service"]; (len(ips) > 0) != want {
			return fmt.Errorf("%s resolves the server's name to %q", name, ips)
		}
	}
	return nil
}

func (w world) records(at netip.AddrPort) (map[string]record, error) {
	client := http.Client{Timeout: 5 * time.Second, Transport: &http.Transport{DialContext: w.cluster.Dial, DisableKeepAlives: true}}
	response, err := client.Get(fmt.Sprintf("http://%s/api/v1/agents/", at))
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	var all map[string]record
	err = json.NewDecoder(response.Body).Decode(&all)
	return all, err
}

func apiServerDown(w world) {
	door := w.door()
	w.broken(func() {
		answers := w.watching(door)
		w.awaitAt(door, "", func(a answer) error {
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
func blackHole(w world) {
	node, door := w.others()[0], w.door()
	names := w.agents(node)
	w.broken(func() { w.awaitAt(door, "", outdated(names)) }, "blackhole", node, "1300")

	w.upgrade(append([]string{"--set", "agent.zeroExtenderLength=0"}, quick...)...)
	w.await("", wellWith(6))
	w.broken(func() {
		answers := w.watching(door)
		w.sleep(severalIntervals)
		w.alwaysWell(answers.end(w))
	}, "blackhole", node, "1300")

	w.upgrade(quick...)
	w.await("", wellWith(6))
}
