//go:build e2e

package e2e

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"time"
)

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

// dnsCut: as if CoreDNS were down, for one node's agents, which tell what became of
// the lookup that comes before each report.
func dnsCut(w world, node string) {
	door := w.door()
	names := w.agents(node)
	w.eventually(func() error { return w.resolved(door, true) })
	w.broken(func() {
		answers := w.watching(door)
		for _, name := range names {
			w.eventually(func() error { return w.tellsOfLookups(door, name) })
		}
		w.sleep(4 * interval)
		for _, name := range names {
			w.must(w.tellsOfLookups(door, name))
		}
		w.alwaysWell(answers.end(w))
	}, "dns-cut", node)
}

// tellsOfLookups is nil where an agent's newest report tells that the server's name
// is not resolved.
func (w world) tellsOfLookups(door netip.AddrPort, name string) error {
	var r record
	if err := w.getJSON(door, "agents/"+name, &r); err != nil {
		return err
	}
	if ips := r.NSLookup["netchecker-service"]; len(ips) > 0 {
		return fmt.Errorf("%s resolves the server's name to %q", name, ips)
	}
	if r.Delivery.LookupError == "" {
		return fmt.Errorf("%s does not tell why the lookup before its report failed: %+v", name, r)
	}
	return nil
}

// overlayCutAtDNS: a lookup that is sent to the CoreDNS behind the cut is not
// answered, wherever it comes from. The server is on neither of their nodes.
func overlayCutAtDNS(w world) {
	dns := w.others()
	w.spreadDNS(dns)
	door, names := w.door(), w.agents(dns[0])
	w.eventually(func() error { return w.resolved(door, true) })
	w.broken(func() {
		answers := w.watching(door)
		w.awaitAt(door, "", func(a answer) error {
			for _, name := range names {
				if !slices.Contains(a.Outdated, name) {
					return fmt.Errorf("got %s, want %s outdated", a, name)
				}
			}
			return nil
		})
		// Of ten reports each, hardly all find the other CoreDNS.
		w.sleep(10 * interval)
		w.onlyBlames(answers.end(w), names)
	}, "overlay-cut", dns[0])
	w.kubectl("rollout", "undo", "deployment/coredns", "--namespace=kube-system")
	w.dnsRolledOut()
}

// spreadDNS lets one CoreDNS run on each of these nodes.
func (w world) spreadDNS(nodes []string) {
	w.Helper()
	hostnames, err := json.Marshal(nodes)
	w.must(err)
	w.kubectl("patch", "deployment/coredns", "--namespace=kube-system", "--type=json", "--patch", fmt.Sprintf(`[
		{"op": "replace", "path": "/spec/template/spec/topologySpreadConstraints", "value": [{
			"maxSkew": 1, "topologyKey": "kubernetes.io/hostname", "whenUnsatisfiable": "DoNotSchedule",
			"labelSelector": {"matchLabels": {"k8s-app": "kube-dns"}}, "matchLabelKeys": ["pod-template-hash"]}]},
		{"op": "add", "path": "/spec/template/spec/affinity", "value": {"nodeAffinity": {
			"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": [{"matchExpressions": [
				{"key": "kubernetes.io/hostname", "operator": "In", "values": %s}]}]}}}}]`, hostnames))
	w.dnsRolledOut()
	w.eventually(func() error {
		got := w.dnsNodes()
		if !slices.Equal(got, nodes) {
			return fmt.Errorf("CoreDNS runs on %q, want %q", got, nodes)
		}
		return nil
	})
}

func (w world) dnsRolledOut() {
	w.Helper()
	w.kubectl("rollout", "status", "deployment/coredns", "--namespace=kube-system", "--timeout=120s")
}

// dnsNodes are those where CoreDNS runs, once for each.
func (w world) dnsNodes() []string {
	w.Helper()
	const columns = `jsonpath={range .items[*]}{.spec.nodeName}{"\n"}{end}`
	nodes := strings.Fields(w.kubectl("get", "pods", "--namespace=kube-system", "--selector=k8s-app=kube-dns", "--output", columns))
	slices.Sort(nodes)
	return nodes
}

// record is what the server shows of an agent, as far as it matters here.
type record struct {
	NSLookup map[string][]string `json:"nslookup"`
	// Delivery has no time where the kernel refuses at once, as it does for packets of
	// the host itself.
	Delivery struct {
		LookupMS    int64  `json:"lookup_ms"`
		LookupError string `json:"lookup_error"`
	} `json:"delivery"`
}

// resolved is nil where all six agents have reported that they resolve the server's
// name, or that they do not.
func (w world) resolved(at netip.AddrPort, want bool) error {
	var all map[string]record
	if err := w.getJSON(at, "agents/", &all); err != nil || len(all) != 6 {
		return fmt.Errorf("there are %d records, want 6 (%v)", len(all), err)
	}
	for name, record := range all {
		if ips := record.NSLookup["netchecker-service"]; (len(ips) > 0) != want {
			return fmt.Errorf("%s resolves the server's name to %q", name, ips)
		}
	}
	return nil
}

// getJSON asks the server, each time by a new connection.
func (w world) getJSON(at netip.AddrPort, path string, into any) error {
	client := http.Client{Timeout: 5 * time.Second, Transport: &http.Transport{DialContext: w.cluster.Dial, DisableKeepAlives: true}}
	response, err := client.Get(fmt.Sprintf("http://%s/api/v1/%s", at, path))
	if err != nil {
		return err
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return fmt.Errorf("%s answers %s", path, response.Status)
	}
	return json.NewDecoder(response.Body).Decode(into)
}
