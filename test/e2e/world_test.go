//go:build e2e

package e2e

import (
	"bytes"
	"context"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/netchecker/netchecker/test/cluster/kube"
)

// namespace is where the chart is installed.
const namespace = "netchecker"

// bothAgents selects all agent pods.
const bothAgents = "app in (netchecker-agent,netchecker-agent-hostnet)"

// world is the cluster, as a test uses it.
type world struct {
	*testing.T
	cluster *kube.Cluster
}

func (w world) must(err error) {
	w.Helper()
	if err != nil {
		w.Fatal(err)
	}
}

func (w world) kubectl(args ...string) string {
	w.Helper()
	return w.feed("", args...)
}

// feed runs kubectl with input.
func (w world) feed(input string, args ...string) string {
	w.Helper()
	out, err := w.cluster.Kubectl(w.Context(), input, args...)
	w.must(err)
	return strings.TrimSpace(out)
}

// helm runs helm in the repository's root, for the namespace.
func (w world) helm(args ...string) string {
	w.Helper()
	args = append(args, "--namespace", namespace)
	// Longer than helm itself waits.
	ctx, cancel := context.WithTimeout(w.Context(), 6*time.Minute)
	defer cancel()
	cmd := w.cluster.Command(ctx, "helm", args...)
	dir, err := filepath.Abs(root)
	w.must(err)
	out := new(bytes.Buffer)
	cmd.Dir, cmd.Stdout = dir, out
	if err := w.cluster.Run(cmd); err != nil {
		w.Fatalf("helm %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return strings.TrimSpace(out.String())
}

// quick are helm's arguments for short times.
var quick = []string{"--values", "test/e2e/testdata/quick.yaml"}

// install returns what helm says.
func (w world) install(args ...string) string {
	w.Helper()
	return w.helm(append([]string{"install", "netchecker", "helm-chart/netchecker", "--create-namespace"}, args...)...)
}

// withoutRelease ends with no netchecker in the cluster.
func (w world) withoutRelease() {
	w.Helper()
	w.helm("uninstall", "netchecker", "--ignore-not-found", "--wait")
	w.gone()
}

// withoutName ends with no netchecker, and with nobody who is still told the address of
// the Service of one before.
func (w world) withoutName() {
	w.Helper()
	w.withoutRelease()
	const told = 30 * time.Second // ttl in CoreDNS's configuration, as kubeadm has it
	w.sleep(told)
}

// withUsualRelease ends with the chart installed with its own values, and all well.
func (w world) withUsualRelease() {
	w.Helper()
	w.withRelease("--reset-values")
}

// withQuickRelease ends with it installed with short times.
func (w world) withQuickRelease() {
	w.Helper()
	w.withRelease(quick...)
}

func (w world) withRelease(args ...string) {
	w.Helper()
	w.helm(append([]string{"upgrade", "--install", "--create-namespace", "netchecker", "helm-chart/netchecker"}, args...)...)
	w.rolledOut()
	w.await("", wellWith(6))
}

// upgrade changes values and waits until all pods are of the new ones.
func (w world) upgrade(args ...string) {
	w.Helper()
	w.helm(append([]string{"upgrade", "netchecker", "helm-chart/netchecker"}, args...)...)
	w.rolledOut()
}

func (w world) rolledOut() {
	w.Helper()
	for _, workload := range []string{"deployment/netchecker-server", "daemonset/netchecker-agent", "daemonset/netchecker-agent-hostnet"} {
		w.kubectl("rollout", "status", workload, "--namespace", namespace, "--timeout=120s")
	}
}

// uninstall waits until the pods are gone as well.
func (w world) uninstall() {
	w.Helper()
	w.helm("uninstall", "netchecker", "--wait")
	w.gone()
}

func (w world) gone() {
	w.Helper()
	w.kubectl("wait", "pods", "--all", "--namespace", namespace, "--for=delete", "--timeout=60s")
}

// mostComplaints is of how many lines the newest are told.
const mostComplaints = 60

// complain tells, where a test failed, what the pods of the release warn of.
func (w world) complain() {
	if !w.Failed() {
		return
	}
	// The test's own context has ended by now.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(w.Context()), 10*time.Second)
	defer cancel()
	said, err := w.cluster.Kubectl(ctx, "", "logs", "--namespace", namespace, "--selector", "app.kubernetes.io/name=netchecker",
		"--prefix", "--tail=-1", "--max-log-requests=20")
	if err != nil {
		w.Log(err)
	}
	lines := slices.DeleteFunc(strings.Split(said, "\n"), func(line string) bool { return !complaint.MatchString(line) })
	w.Logf("Warnings and errors in the pods' logs:\n%s", strings.Join(lines[max(0, len(lines)-mostComplaints):], "\n"))
}

// complaint is a line of a log that begins with its severity, after kubectl's prefix.
var complaint = regexp.MustCompile(`^\[[^]]*\] [WEF]\d{4} `)

// agents are the names of the agent pods on some nodes, of all that there are for
// none, as an answer lists them.
func (w world) agents(nodes ...string) []string {
	w.Helper()
	const columns = `jsonpath={range .items[*]}{.spec.nodeName} {.metadata.name}{"\n"}{end}`
	var names []string
	for line := range strings.Lines(w.kubectl("get", "pods", "--all-namespaces", "--selector", bothAgents, "--output", columns)) {
		node, name, _ := strings.Cut(strings.TrimSpace(line), " ")
		if len(nodes) == 0 || slices.Contains(nodes, node) {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

// serverNode is where the server runs.
func (w world) serverNode() string {
	w.Helper()
	return w.kubectl("get", "pods", "--all-namespaces", "--selector", "app=netchecker-server",
		"--field-selector", "status.phase=Running", "--output", "jsonpath={.items[0].spec.nodeName}")
}

// nodes are all there are.
func (w world) nodes() []string {
	w.Helper()
	var names []string
	for _, n := range w.cluster.Nodes() {
		names = append(names, n.Name)
	}
	return names
}

// butFor are all nodes but one.
func (w world) butFor(node string) []string {
	w.Helper()
	return slices.DeleteFunc(w.nodes(), func(name string) bool { return name == node })
}

// others are the nodes without the server.
func (w world) others() []string {
	w.Helper()
	return w.butFor(w.serverNode())
}

// broken injects a fault, calls f, heals it, and waits until all is well.
func (w world) broken(f func(), name string, args ...string) {
	w.Helper()
	w.must(w.cluster.Fault(w.Context(), name, args...))
	f()
	w.must(w.cluster.Heal(w.Context(), name, args...))
	w.await("", well)
}
