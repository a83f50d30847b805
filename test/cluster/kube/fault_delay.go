package kube

import (
	"context"
	"fmt"
)

// A node that is slow has its cable at a bridge of its own, and a relay between
// that and the bridge of all others.

func slowBridge(node string) string { return "slow-" + node }

// nearEnd and farEnd are the relay's devices; the far one is on the node's side.
func nearEnd(node string) string { return "near-" + node }
func farEnd(node string) string  { return "far-" + node }

// relay is the one of a node. The delay is in milliseconds.
func relay(node string, delay int) component {
	return component{
		place: wire, program: "relay", of: node,
		args: []string{fmt.Sprintf("-delay=%dms", delay), nearEnd(node), farEnd(node)},
	}
}

// detourScript leads a node's cable over the relay.
func detourScript(node string) string {
	return fmt.Sprintf("link add %s type bridge mcast_snooping 0\nlink set %s up\n", slowBridge(node), slowBridge(node)) +
		fmt.Sprintf("link set %s master br0\nlink set %s up\n", nearEnd(node), nearEnd(node)) +
		fmt.Sprintf("link set %s master %s\nlink set %s up\n", farEnd(node), slowBridge(node), farEnd(node)) +
		fmt.Sprintf("link set %s master %s\n", node, slowBridge(node))
}

func (c *Cluster) slow(ctx context.Context, args []string) error {
	if err := c.quick(ctx, args); err != nil {
		return err
	}
	delay, err := number(args, 1, 60_000)
	if err != nil {
		return fmt.Errorf("MS: %w", err)
	}
	relay := relay(args[0], delay)
	if err := c.start(relay); err != nil {
		return err
	}
	err = c.await(ctx, relay, func(context.Context) error {
		return c.batch(wire, "ip", "link show "+nearEnd(args[0])+"\nlink show "+farEnd(args[0])+"\n")
	})
	if err != nil {
		return err
	}
	return c.batch(wire, "ip", detourScript(args[0]))
}

func (c *Cluster) quick(ctx context.Context, args []string) error {
	if _, err := c.Node(args[0]); err != nil {
		return err
	}
	if err := c.batch(wire, "ip", fmt.Sprintf("link set %s master br0\n", args[0])); err != nil {
		return err
	}
	if err := c.stop(ctx, relay(args[0], 0)); err != nil {
		return err
	}
	if c.batch(wire, "ip", fmt.Sprintf("link show %s\n", slowBridge(args[0]))) != nil {
		return nil
	}
	return c.batch(wire, "ip", fmt.Sprintf("link del %s\n", slowBridge(args[0])))
}
