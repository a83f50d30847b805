// Package chart renders the Helm chart with the real helm, and makes of it those
// of the examples that are the same in another form. Its tests hold the chart to
// its switches, its refusals and the contract, and the examples to the chart; no
// cluster is needed for that.
package chart

import (
	"bytes"
	"context"
	"fmt"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/netchecker/netchecker/test/tools"
)

// dir is the chart's, below the repository's root.
const dir = "helm-chart/netchecker"

// Helm is helm, as far as it needs no cluster.
type Helm struct {
	program string
	root    string
	// home is where helm may keep things; what the user has there stays out of it.
	home string
}

// NewHelm returns the helm of the tests' tools. Root is the repository's, home a
// folder that helm may write to.
func NewHelm(root, home string) (Helm, error) {
	program, err := tools.Path("helm")
	if err != nil {
		return Helm{}, err
	}
	if root, err = filepath.Abs(root); err != nil {
		return Helm{}, err
	}
	return Helm{program, root, home}, nil
}

// Run runs helm in the repository's root and returns what it prints. An error has
// what it says was wrong.
func (h Helm) Run(ctx context.Context, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, h.program, args...)
	cmd.Dir = h.root
	// No KUBECONFIG, no HELM_…: the same everywhere.
	cmd.Env = []string{"HOME=" + h.home, "HELM_CACHE_HOME=" + h.home, "HELM_CONFIG_HOME=" + h.home, "HELM_DATA_HOME=" + h.home}
	var out, wrong bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &wrong
	if err := cmd.Run(); err != nil {
		return "", fmt.Errorf("helm %s: %w: %s%s", args[0], err, out.String(), strings.TrimSpace(wrong.String()))
	}
	return out.String(), nil
}

// Template renders the chart as the release netchecker in the namespace of that
// name. Args are helm's, such as --set.
func (h Helm) Template(ctx context.Context, args ...string) (string, error) {
	return h.Run(ctx, append([]string{"template", "netchecker", dir, "--namespace", "netchecker"}, args...)...)
}
