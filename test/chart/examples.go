package chart

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
)

// namespace is what helm --create-namespace would make. Agents on the host network
// are not allowed where a stricter standard is enforced.
const namespace = `# Made from helm-chart/netchecker by make examples.
apiVersion: v1
kind: Namespace
metadata:
  name: netchecker
  labels:
    pod-security.kubernetes.io/enforce: privileged
`

// Examples returns the files that are made from the chart, by their paths below
// the repository's root.
func Examples(ctx context.Context, h Helm) (map[string]string, error) {
	files := make(map[string]string)
	for path, args := range map[string][]string{
		"examples/manifests/netchecker.yaml":         nil,
		"examples/external-etcd-tls/netchecker.yaml": {"--values", "examples/external-etcd-tls/values.yaml"},
	} {
		rendered, err := h.Template(ctx, append(args, "--skip-tests")...)
		if err != nil {
			return nil, fmt.Errorf("rendering %s: %w", path, err)
		}
		files[path] = namespace + "---\n" + plain(rendered)
	}
	for path, from := range map[string]string{
		"examples/prometheus/alerts.yaml":  dir + "/files/alerts.yaml",
		"examples/grafana/netchecker.json": dir + "/files/dashboard.json",
	} {
		text, err := os.ReadFile(filepath.Join(h.root, from))
		if err != nil {
			return nil, fmt.Errorf("reading what %s is a copy of: %w", path, err)
		}
		files[path] = string(text)
	}
	return files, nil
}

var (
	// ofHelm are lines that only make sense to helm.
	ofHelm = regexp.MustCompile(`(?m)^(# Source: .*| +(helm\.sh/chart|app\.kubernetes\.io/managed-by): .*)\n`)
	ends   = regexp.MustCompile(`\n\n+---\n`)
)

// plain makes manifests out of what helm renders.
func plain(rendered string) string {
	text := ofHelm.ReplaceAllString(rendered, "")
	text = ends.ReplaceAllString(text, "\n---\n")
	return strings.TrimSpace(strings.TrimPrefix(text, "---\n")) + "\n"
}
