//go:build e2e

package e2e

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// alerts runs Prometheus as the example configures it, which goes by annotations.
func alerts(w world) {
	p := w.startPrometheus()
	node := w.others()[0]
	// Nothing may fire while all is well.
	w.eventually(func() error {
		known, err := p.has("query?query=netchecker_verdict", `"outcome":"ok"`)
		if err == nil && !known {
			err = errors.New("Prometheus does not know netchecker's verdict")
		}
		return err
	})
	w.quiet(p)
	w.broken(func() {
		begun := time.Now()
		w.awaitFiring(p, true)
		w.Logf("the alert fires %.0f s after %s was isolated", time.Since(begun).Seconds(), node)
	}, "link-down", node)
	w.awaitFiring(p, false)
	w.kubectl("delete", "namespace", "monitoring")
	w.kubectl("delete", "clusterrole,clusterrolebinding", "prometheus")
}

// prometheus is one that runs in the cluster.
type prometheus struct {
	w    world
	node string
	at   netip.AddrPort
}

// startPrometheus starts it beside the server, which stays in reach.
func (w world) startPrometheus() prometheus {
	w.Helper()
	manifest, err := os.ReadFile("testdata/prometheus.yaml")
	w.must(err)
	node := w.serverNode()
	w.feed(strings.ReplaceAll(string(manifest), "NODE", node), "apply", "--filename=-")
	dir, err := filepath.Abs(filepath.Join(root, "examples/prometheus"))
	w.must(err)
	files := w.kubectl("create", "configmap", "prometheus", "--namespace=monitoring", "--dry-run=client", "--output=yaml",
		"--from-file="+filepath.Join(dir, "prometheus.yaml"), "--from-file="+filepath.Join(dir, "alerts.yaml"))
	w.feed(files, "apply", "--filename=-")
	w.kubectl("wait", "pod/prometheus", "--namespace=monitoring", "--for=condition=Ready", "--timeout=90s")
	ip, err := netip.ParseAddr(w.kubectl("get", "pod", "prometheus", "--namespace=monitoring", "--output", "jsonpath={.status.podIP}"))
	w.must(err)
	return prometheus{w, node, netip.AddrPortFrom(ip, 9090)}
}

// has says whether an answer of the API has a text in it.
func (p prometheus) has(path, text string) (bool, error) {
	var raw json.RawMessage
	err := p.get(path, &raw)
	return strings.Contains(string(raw), text), err
}

func (p prometheus) get(path string, into any) error {
	client := http.Client{Timeout: 5 * time.Second, Transport: &http.Transport{DialContext: p.w.cluster.DialFrom(p.node), DisableKeepAlives: true}}
	response, err := client.Get(fmt.Sprintf("http://%s/api/v1/%s", p.at, path))
	if err != nil {
		return err
	}
	defer response.Body.Close()
	return json.NewDecoder(response.Body).Decode(into)
}

// alert is one that fires, or would if it lasts.
type alert struct {
	State  string
	Labels map[string]string
}

func (p prometheus) alerts() ([]alert, error) {
	var all struct{ Data struct{ Alerts []alert } }
	err := p.get("alerts", &all)
	return all.Data.Alerts, err
}

// quiet fails the test where any alert is about to fire, in two rounds of
// Prometheus, while all is well.
func (w world) quiet(p prometheus) {
	w.Helper()
	none := func() error {
		all, err := p.alerts()
		if err == nil && len(all) > 0 {
			err = fmt.Errorf("there are alerts: %v", all)
		}
		return err
	}
	// Before it has asked for the first time, Prometheus takes netchecker for dead.
	w.eventually(none)
	for range 35 {
		w.sleep(time.Second)
		w.must(none())
	}
}

// awaitFiring waits until agents of both networks are alerted of as absent, or of
// neither.
func (w world) awaitFiring(p prometheus, want bool) {
	w.Helper()
	w.eventually(func() error {
		all, err := p.alerts()
		if err != nil {
			return err
		}
		firing := map[string]bool{}
		for _, a := range all {
			if a.Labels["alertname"] == "NetcheckerAgentAbsent" && a.State == "firing" {
				firing[a.Labels["network"]] = true
			}
		}
		if firing["pod"] != want || firing["host"] != want {
			return fmt.Errorf("of the alerts %v, want firing for both networks: %v", all, want)
		}
		return nil
	})
}
