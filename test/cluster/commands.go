package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"slices"
	"strings"

	"github.com/netchecker/netchecker/test/cluster/kube"
)

var errUsage = errors.New("wrong usage")

// command is one of the words that follow the program's name.
type command struct {
	name, arguments string
	// least and most are how many arguments it takes; most -1: any number.
	least, most int
	run         func(ctx context.Context, out io.Writer, args []string) error
}

var commands = []command{
	{"up", "[-nodes 3] [-dual-stack]", 0, -1, up},
	{"down", "[-if-free]", 0, 1, down},
	{"status", "", 0, 0, withCluster(status)},
	{"shell", "[COMMAND...]", 0, -1, withCluster(shell)},
	{"add-node", "", 0, 0, withCluster(addNode)},
	{"remove-node", "NAME", 1, 1, withCluster(removeNode)},
	{"load", "IMAGE.tar", 1, 1, withCluster(load)},
	{"fault", "NAME [ARGUMENT...]", 1, -1, withCluster(fault)},
	{"heal", "NAME [ARGUMENT...]", 1, -1, withCluster(heal)},
	{"gather", "DIR", 1, 1, withCluster(gather)},
}

func run(ctx context.Context, args []string, out io.Writer) error {
	if len(args) == 0 {
		return usage()
	}
	i := slices.IndexFunc(commands, func(c command) bool { return c.name == args[0] })
	if i < 0 {
		return usage()
	}
	c, args := commands[i], args[1:]
	if len(args) < c.least || (c.most >= 0 && len(args) > c.most) {
		return fmt.Errorf("%w: cluster %s %s", errUsage, c.name, c.arguments)
	}
	return c.run(ctx, out, args)
}

func usage() error {
	var b strings.Builder
	for _, c := range commands {
		fmt.Fprintf(&b, "\n  cluster %s %s", c.name, c.arguments)
	}
	b.WriteString("\nFaults:")
	for _, f := range kube.Faults() {
		fmt.Fprintf(&b, "\n  %s", f)
	}
	return fmt.Errorf("%w; there are%s", errUsage, b.String())
}

// withCluster is for commands that need a cluster to be there.
func withCluster(f func(context.Context, *kube.Cluster, io.Writer, []string) error) func(context.Context, io.Writer, []string) error {
	return func(ctx context.Context, out io.Writer, args []string) error {
		c, err := kube.Open(kube.Config{Out: out})
		if err != nil {
			return err
		}
		return f(ctx, c, out, args)
	}
}

func up(ctx context.Context, out io.Writer, args []string) error {
	flags := flag.NewFlagSet("cluster up", flag.ContinueOnError)
	nodes := flags.Int("nodes", 3, "how many nodes to start with")
	dualStack := flags.Bool("dual-stack", false, "addresses of IPv6, too")
	if err := flags.Parse(args); err != nil {
		return fmt.Errorf("%w: %w", errUsage, err)
	}
	_, err := kube.Up(ctx, kube.Config{Nodes: *nodes, DualStack: *dualStack, Out: out})
	return err
}

func down(ctx context.Context, out io.Writer, args []string) error {
	flags := flag.NewFlagSet("cluster down", flag.ContinueOnError)
	ifFree := flags.Bool("if-free", false, "leave it to tests that have reserved it")
	if err := flags.Parse(args); err != nil {
		return fmt.Errorf("%w: %w", errUsage, err)
	}
	if flags.NArg() > 0 {
		return fmt.Errorf("%w: cluster down [-if-free]", errUsage)
	}
	if *ifFree && !kube.Free() {
		fmt.Fprintln(out, "Somebody else has the cluster; it stays.")
		return nil
	}
	return kube.Down(ctx, kube.Config{Out: out})
}

func status(ctx context.Context, c *kube.Cluster, out io.Writer, _ []string) error {
	for _, kind := range []string{"nodes", "pods"} {
		table, err := c.Kubectl(ctx, "", "get", kind, "--all-namespaces", "--output=wide")
		if err != nil {
			return err
		}
		fmt.Fprintln(out, table)
	}
	return nil
}

func shell(ctx context.Context, c *kube.Cluster, out io.Writer, args []string) error {
	if len(args) == 0 {
		args = []string{"bash"}
	}
	cmd := c.Command(ctx, args[0], args[1:]...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, out, os.Stderr
	err := c.Run(cmd)
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		return exitStatus(exit.ExitCode())
	}
	return err
}

// exitStatus is how the shell's last command failed, which has told why.
type exitStatus int

func (s exitStatus) Error() string { return fmt.Sprintf("exit status %d", int(s)) }

func addNode(ctx context.Context, c *kube.Cluster, out io.Writer, _ []string) error {
	n, err := c.AddNode(ctx)
	if err != nil {
		return err
	}
	fmt.Fprintf(out, "%s is Ready.\n", n.Name)
	return nil
}

func removeNode(ctx context.Context, c *kube.Cluster, _ io.Writer, args []string) error {
	return c.RemoveNode(ctx, args[0])
}

func load(ctx context.Context, c *kube.Cluster, _ io.Writer, args []string) error {
	return c.Load(ctx, args[0])
}

func fault(ctx context.Context, c *kube.Cluster, _ io.Writer, args []string) error {
	return c.Fault(ctx, args[0], args[1:]...)
}

func heal(ctx context.Context, c *kube.Cluster, _ io.Writer, args []string) error {
	return c.Heal(ctx, args[0], args[1:]...)
}

func gather(ctx context.Context, c *kube.Cluster, _ io.Writer, args []string) error {
	return c.Gather(ctx, args[0])
}
