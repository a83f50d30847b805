package kube

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/netchecker/netchecker/test/cluster/place"
)

// Gather copies into dir what tells how the cluster is and what happened: logs of
// its programs and pods, objects, events, and each node's links, routes and rules.
// What cannot be had is left out and part of the error.
func (c *Cluster) Gather(ctx context.Context, dir string) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	var errs []error
	if err := os.CopyFS(filepath.Join(dir, "log"), os.DirFS(c.folder.path("log"))); err != nil {
		errs = append(errs, fmt.Errorf("copying the programs' logs: %w", err))
	}
	errs = append(errs, c.gatherObjects(ctx, dir))
	for _, n := range c.Nodes() {
		errs = append(errs, c.gatherNode(ctx, dir, n))
	}
	return errors.Join(errs...)
}

// Summary is what a person would look at first: pods, nodes and the last events.
func (c *Cluster) Summary(ctx context.Context) string {
	var all []string
	for _, args := range [][]string{
		{"get", "nodes,pods", "--all-namespaces", "--output=wide"},
		{"get", "events", "--all-namespaces", "--sort-by=.lastTimestamp"},
	} {
		text, err := c.Kubectl(ctx, "", append(args, "--request-timeout=10s")...)
		if err != nil {
			text += err.Error() + "\n"
		}
		const most = 40
		lines := strings.SplitAfter(text, "\n")
		all = append(all, strings.Join(lines[max(0, len(lines)-most):], ""))
	}
	return strings.Join(all, "\n")
}

func (c *Cluster) gatherObjects(ctx context.Context, dir string) error {
	var errs []error
	for file, args := range map[string][]string{
		"objects.txt": {"get", "nodes,pods,services,endpointslices,deployments,daemonsets", "--all-namespaces", "--output=wide"},
		"pods.yaml":   {"get", "pods", "--all-namespaces", "--output=yaml"},
		"events.txt":  {"get", "events", "--all-namespaces", "--sort-by=.lastTimestamp"},
	} {
		text, err := c.Kubectl(ctx, "", args...)
		errs = append(errs, err, os.WriteFile(filepath.Join(dir, file), []byte(text), 0o644))
	}
	return errors.Join(errs...)
}

func (c *Cluster) gatherNode(ctx context.Context, dir string, n Node) error {
	p, err := c.place(n.Name)
	if err != nil {
		return err
	}
	out := new(bytes.Buffer)
	cmd := exec.CommandContext(ctx, "sh", "-c", "set -x; ip addr; ip route; ip -6 route; bridge fdb show dev "+overlay+"; nft list ruleset")
	cmd.Stdout, cmd.Stderr = out, out
	err = errors.Join(p.Run(cmd, place.Network), os.WriteFile(filepath.Join(dir, n.Name+"-network.txt"), out.Bytes(), 0o644))
	logs := c.folder.path("places", n.Name, "log", "pods")
	if _, missing := os.Stat(logs); missing != nil {
		return err
	}
	return errors.Join(err, os.CopyFS(filepath.Join(dir, n.Name+"-pods"), os.DirFS(logs)))
}
