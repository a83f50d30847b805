package kube

import (
	"context"
	"fmt"
	"strings"
)

// agentPods selects netchecker's agents, of both kinds.
const agentPods = "app in (netchecker-agent,netchecker-agent-hostnet)"

// burner is what takes the core of some processes of a node.
func burner(node string, pids []string) component {
	return component{place: node, program: "burn", args: pids}
}

// burn has the node's agents share one core with what takes all of it.
func (c *Cluster) burn(ctx context.Context, args []string) error {
	if err := c.quench(ctx, args); err != nil {
		return err
	}
	node := args[0]
	found, err := c.findContainers(ctx, agentPods, "")
	if err != nil {
		return err
	}
	var pids []string
	for _, one := range found {
		if one.node != node || one.id == "" {
			continue
		}
		said, err := c.nodeCommand(ctx, node, "ctr", "--namespace=k8s.io", "tasks", "ps", one.id)
		if err != nil {
			return err
		}
		for line := range strings.Lines(said) {
			if fields := strings.Fields(line); len(fields) > 0 && fields[0] != "PID" {
				pids = append(pids, fields[0])
			}
		}
	}
	if len(pids) == 0 {
		return fmt.Errorf("no agent runs on %s", node)
	}
	return c.start(burner(node, pids))
}

func (c *Cluster) quench(ctx context.Context, args []string) error {
	if _, err := c.Node(args[0]); err != nil {
		return err
	}
	return c.stop(ctx, burner(args[0], nil))
}
