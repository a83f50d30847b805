package kube

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// fault is something that breaks, and can be mended.
type fault struct {
	name, arguments string
	// least and most are how many arguments it takes.
	least, most int
	// what says what breaks.
	what         string
	inject, heal func(*Cluster, context.Context, []string) error
}

// faults are all there are. Packets are really lost, and processes really stopped.
var faults = []fault{
	{
		"overlay-cut", "NODE [in|out|both]", 1, 2,
		"the node's packets between pods, and from its host to pods elsewhere, are lost; hosts still reach each other",
		ruled(overlayCut), unruled(overlayCut),
	},
	{"link-down", "NODE", 1, 1, "the node's cable is pulled", cable("down"), cable("up")},
	{
		"underlay-cut", "NODE NODE", 2, 2, "nothing passes between the two nodes",
		ruled(underlayCut), unruled(underlayCut),
	},
	{
		"blackhole", "NODE SIZE", 1, 2, "the node's packets of more than SIZE bytes on the overlay are lost, both ways, and nobody is told",
		ruled(blackhole), unruled(blackhole),
	},
	{"loss", "NODE PERCENT", 1, 2, "of the node's packets this share is lost, each way", ruled(loss), unruled(loss)},
	{"delay", "NODE MS", 1, 2, "the node's packets take so many milliseconds longer, each way", (*Cluster).slow, (*Cluster).quick},
	{"dns-cut", "NODE", 1, 1, "DNS requests of the node and its pods are lost", ruled(dnsCut), unruled(dnsCut)},
	{"kubeproxy-dead", "NODE", 1, 1, "kube-proxy is dead and its rules are gone", (*Cluster).killKubeProxy, (*Cluster).reviveKubeProxy},
	{"kubelet-dead", "NODE", 1, 1, "the kubelet is dead, its pods go on", (*Cluster).killKubelet, (*Cluster).reviveKubelet},
	{"coredns-down", "", 0, 0, "no CoreDNS runs", (*Cluster).stopDNS, (*Cluster).startDNS},
	{"apiserver-down", "", 0, 0, "the API server is dead", (*Cluster).killAPIServer, (*Cluster).reviveAPIServer},
	{
		"server-pod-killed", "[SELECTOR]", 0, 1, "all processes of the pods (app=netchecker-server) are killed; kubelets start them again",
		(*Cluster).killPods, (*Cluster).leavePods,
	},
	{
		"etcd-frozen", "[SELECTOR [CONTAINER]]", 0, 2, "the process of the container (etcd) in the pods (app=netchecker-server) stands still",
		(*Cluster).freeze, (*Cluster).thaw,
	},
}

// Faults says what faults there are, a line each.
func Faults() []string {
	lines := make([]string, len(faults))
	for i, f := range faults {
		lines[i] = strings.TrimSpace(f.name+" "+f.arguments) + ": " + f.what
	}
	return lines
}

func findFault(name string, args []string) (fault, error) {
	i := slices.IndexFunc(faults, func(f fault) bool { return f.name == name })
	if i < 0 {
		return fault{}, fmt.Errorf("there is no fault %q; there are\n%s", name, strings.Join(Faults(), "\n"))
	}
	f := faults[i]
	if len(args) < f.least || len(args) > f.most {
		return fault{}, fmt.Errorf("fault %s takes %s", name, strings.TrimSpace(f.arguments))
	}
	return f, nil
}

// Fault injects the named fault; see Faults. Injected once more, with other
// arguments, it takes the place of the first.
func (c *Cluster) Fault(ctx context.Context, name string, args ...string) error {
	f, err := findFault(name, args)
	if err != nil {
		return err
	}
	return c.do(ctx, f.inject, "Injecting", name, args)
}

// Heal mends what Fault broke, given the same nodes. What is not broken is no error.
func (c *Cluster) Heal(ctx context.Context, name string, args ...string) error {
	f, err := findFault(name, args)
	if err != nil {
		return err
	}
	return c.do(ctx, f.heal, "Healing", name, args)
}

func (c *Cluster) do(ctx context.Context, f func(*Cluster, context.Context, []string) error, verb, name string, args []string) error {
	what := strings.TrimSpace(name + " " + strings.Join(args, " "))
	return c.change(ctx, func() error {
		return c.step(verb+" "+what, func() error {
			if err := f(c, ctx, args); err != nil {
				return fmt.Errorf("%s %s: %w", strings.ToLower(verb), what, err)
			}
			return nil
		})
	})
}

// rules are a fault that consists of nft rules.
type rules struct {
	// node is where they are, or the wire.
	node string
	// family and table are theirs alone.
	family, table string
	// in, out, own and through are for packets that arrive, that leave, that leave from
	// the node itself, and that the wire passes on.
	in, out, own, through string
}

// script replaces the table as a whole.
func (r rules) script() string {
	script := r.removal() + fmt.Sprintf("table %s %s {\n", r.family, r.table)
	if r.in != "" {
		script += chain("in", "prerouting", r.in)
	}
	if r.out != "" {
		script += chain("out", "postrouting", r.out)
	}
	if r.own != "" {
		script += chain("own", "output", r.own)
	}
	if r.through != "" {
		script += chain("through", "forward", r.through)
	}
	return script + "}\n"
}

// chain comes before connections are tracked and addresses translated.
func chain(name, hook, rule string) string {
	return fmt.Sprintf("\tchain %s {\n\t\ttype filter hook %s priority -300;\n\t\t%s\n\t}\n", name, hook, rule)
}

// removal is no error where there is no such table.
func (r rules) removal() string {
	return fmt.Sprintf("table %s %s\ndelete table %s %s\n", r.family, r.table, r.family, r.table)
}

func ruled(f func(args []string) (rules, error)) func(*Cluster, context.Context, []string) error {
	return func(c *Cluster, _ context.Context, args []string) error {
		r, err := f(args)
		if err != nil {
			return err
		}
		return c.feed(r.node, r.script(), "nft", "-f", "-")
	}
}

// unruled needs the nodes alone: what the rules say does not matter any more.
func unruled(f func(args []string) (rules, error)) func(*Cluster, context.Context, []string) error {
	return func(c *Cluster, _ context.Context, args []string) error {
		r, err := f(args)
		if err != nil && r.table == "" {
			return err
		}
		return c.feed(r.node, r.removal(), "nft", "-f", "-")
	}
}

func overlayCut(args []string) (rules, error) {
	r := rules{node: args[0], family: "inet", table: "fault-overlay-cut"}
	direction := "both"
	if len(args) == 2 {
		direction = args[1]
	}
	in, out := fmt.Sprintf(`iifname "eth0" udp dport %d drop`, overlayPort), fmt.Sprintf(`oifname "eth0" udp dport %d drop`, overlayPort)
	switch direction {
	case "both":
		r.in, r.out = in, out
	case "in":
		r.in = in
	case "out":
		r.out = out
	default:
		return r, fmt.Errorf("the direction is in, out or both, not %q", direction)
	}
	return r, nil
}

// underlayCut is on the wire: the two cables' ends have the nodes' names.
func underlayCut(args []string) (rules, error) {
	a, b := min(args[0], args[1]), max(args[0], args[1])
	return rules{
		node: wire, family: "bridge", table: "fault-underlay-cut-" + a + "-" + b,
		through: fmt.Sprintf(`iifname . oifname { %q . %q, %q . %q } drop`, a, b, b, a),
	}, nil
}

func blackhole(args []string) (rules, error) {
	r := rules{node: args[0], family: "inet", table: "fault-blackhole"}
	size, err := number(args, 1, 65535)
	if err != nil {
		return r, fmt.Errorf("SIZE: %w", err)
	}
	r.in = fmt.Sprintf(`iifname %q meta length > %d drop`, overlay, size)
	r.out = fmt.Sprintf(`oifname %q meta length > %d drop`, overlay, size)
	return r, nil
}

func loss(args []string) (rules, error) {
	r := rules{node: args[0], family: "inet", table: "fault-loss"}
	percent, err := number(args, 1, 100)
	if err != nil {
		return r, fmt.Errorf("PERCENT: %w", err)
	}
	r.in = fmt.Sprintf(`iifname "eth0" numgen random mod 100 <= %d drop`, percent-1)
	r.out = fmt.Sprintf(`oifname "eth0" numgen random mod 100 <= %d drop`, percent-1)
	return r, nil
}

// dnsCut is for what the node's pods and its host ask, also of a CoreDNS on the node,
// not for what others ask of that.
func dnsCut(args []string) (rules, error) {
	return rules{
		node: args[0], family: "inet", table: "fault-dns-cut",
		in:  fmt.Sprintf(`iifname %q meta l4proto { tcp, udp } th dport 53 drop`, podBridge),
		own: `meta l4proto { tcp, udp } th dport 53 drop`,
	}, nil
}

// number is the second argument.
func number(args []string, least, most int) (int, error) {
	if len(args) < 2 {
		return 0, fmt.Errorf("a number from %d to %d is missing", least, most)
	}
	n, err := strconv.Atoi(args[1])
	if err != nil || n < least || n > most {
		return 0, fmt.Errorf("%q is no number from %d to %d", args[1], least, most)
	}
	return n, nil
}

// cable sets the far end of a node's cable up or down: the node sees that it has
// no carrier, and keeps its addresses and routes.
func cable(to string) func(*Cluster, context.Context, []string) error {
	return func(c *Cluster, _ context.Context, args []string) error {
		if _, err := c.Node(args[0]); err != nil {
			return err
		}
		return c.batch(wire, "ip", fmt.Sprintf("link set %s %s\n", args[0], to))
	}
}
