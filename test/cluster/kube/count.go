package kube

import (
	"context"
	"fmt"
	"regexp"
	"strconv"
	"strings"
)

// Count begins to count the packets that match an nft expression, such as `udp dport
// 8083`, and that a node's pods send to others than that node and its pods, or its host.
// It begins anew where it counts already.
func (c *Cluster) Count(ctx context.Context, node, matches string) error {
	return c.change(ctx, func() error {
		n, err := c.Node(node)
		if err != nil {
			return err
		}
		if err := c.feed(n.Name, counting(matches).script(), "nft", "-f", "-"); err != nil {
			return fmt.Errorf("counting on %s: %w", node, err)
		}
		return nil
	})
}

func counting(matches string) rules {
	return rules{
		family: "inet", table: "count",
		in:  fmt.Sprintf("iifname %q fib daddr type != local %s counter", podBridge, matches),
		own: fmt.Sprintf("oifname != %q %s counter", podBridge, matches),
	}
}

// Counted is how many such packets the node's pods have sent since Count, and how many its host.
func (c *Cluster) Counted(ctx context.Context, node string) (pods, host uint64, err error) {
	said, err := c.nodeCommand(ctx, node, "nft", "list", "table", "inet", "count")
	if err != nil {
		return 0, 0, fmt.Errorf("reading what was counted on %s: %w", node, err)
	}
	return countedIn(said)
}

var packets = regexp.MustCompile(`counter packets (\d+) `)

// countedIn reads what nft lists.
func countedIn(said string) (pods, host uint64, err error) {
	in, own, both := strings.Cut(said, "chain own")
	for _, one := range []struct {
		text string
		to   *uint64
	}{{in, &pods}, {own, &host}} {
		found := packets.FindStringSubmatch(one.text)
		if !both || found == nil {
			return 0, 0, fmt.Errorf("nft lists no counter in %q", said)
		}
		if *one.to, err = strconv.ParseUint(found[1], 10, 64); err != nil {
			return 0, 0, err
		}
	}
	return pods, host, nil
}
