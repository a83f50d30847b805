package kube

import (
	"cmp"
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
	{
		"overlay-loss", "NODE PERCENT [in|out|both]", 1, 3, "of the node's packets on the overlay this share is lost",
		ruled(overlayLoss), unruled(overlayLoss),
	},
	{
		"overlay-pair-cut", "NODE NODE", 2, 2, "nothing passes between the two nodes on the overlay; their hosts still reach each other",
		ruled(overlayPairCut), unruled(overlayPairCut),
	},
	{
		"host-pods-cut", "NODE", 1, 1, "the node's host and its own pods do not reach each other; what root on the host begins passes, such as the kubelet's probes",
		ruled(hostPodsMarked, hostPodsCut), unruled(hostPodsMarked, hostPodsCut),
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
	{"dns-pod-cut", "", 0, 0, "what the first CoreDNS is asked is lost, and it stays in its Service", (*Cluster).cutDNSPod, (*Cluster).mendDNSPod},
	{"dns-wrong", "", 0, 0, "CoreDNS answers with " + wrongAddress + ", whichever Service it is asked for", (*Cluster).liesDNS, (*Cluster).truesDNS},
	{"nodeport-broken", "NODE", 1, 1, "what comes to the node's NodePorts is lost, also from itself", ruled(nodePortBroken), unruled(nodePortBroken)},
	{"apiserver-cut", "NODE", 1, 1, "nothing on the node reaches the API server", ruled(apiServerCut), unruled(apiServerCut)},
	{"kubeproxy-dead", "NODE", 1, 1, "kube-proxy is dead and its rules are gone", (*Cluster).killKubeProxy, (*Cluster).reviveKubeProxy},
	{"kubelet-dead", "NODE", 1, 1, "the kubelet is dead, its pods go on", (*Cluster).killKubelet, (*Cluster).reviveKubelet},
	{"cores-burning", "NODE", 1, 1, "the node's agents wait for 200 ms at a time for the only core that they may use", (*Cluster).burn, (*Cluster).quench},
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
		return fault{}, fmt.Errorf("fault %s takes %s", name, cmp.Or(f.arguments, "no arguments"))
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

func ruled(all ...func(args []string) (rules, error)) func(*Cluster, context.Context, []string) error {
	return func(c *Cluster, _ context.Context, args []string) error {
		for _, f := range all {
			r, err := f(args)
			if err != nil {
				return err
			}
			if err := c.feed(r.node, r.script(), "nft", "-f", "-"); err != nil {
				return err
			}
		}
		return nil
	}
}

// unruled needs the nodes alone: what the rules say does not matter any more.
func unruled(all ...func(args []string) (rules, error)) func(*Cluster, context.Context, []string) error {
	return func(c *Cluster, _ context.Context, args []string) error {
		for _, f := range all {
			r, err := f(args)
			if err != nil && r.table == "" {
				return err
			}
			if err := c.feed(r.node, r.removal(), "nft", "-f", "-"); err != nil {
				return err
			}
		}
		return nil
	}
}

func overlayCut(args []string) (rules, error) {
	r := rules{node: args[0], family: "inet", table: "fault-overlay-cut"}
	lost := fmt.Sprintf("udp dport %d drop", overlayPort)
	err := r.directed(args[1:], `iifname "eth0" `+lost, `oifname "eth0" `+lost)
	return r, err
}

// directed sets what is lost in the direction that args begin with, both where there is
// none.
func (r *rules) directed(args []string, in, out string) error {
	direction := "both"
	if len(args) > 0 {
		direction = args[0]
	}
	switch direction {
	case "both":
		r.in, r.out = in, out
	case "in":
		r.in = in
	case "out":
		r.out = out
	default:
		return fmt.Errorf("the direction is in, out or both, not %q", direction)
	}
	return nil
}

func underlayCut(args []string) (rules, error) { return pairCut("underlay", "", args) }

func overlayPairCut(args []string) (rules, error) {
	return pairCut("overlay-pair", fmt.Sprintf("udp dport %d ", overlayPort), args)
}

// pairCut is on the wire: the two cables' ends have the nodes' names. Of what passes
// between them it drops what matches.
func pairCut(name, matches string, args []string) (rules, error) {
	a, b := min(args[0], args[1]), max(args[0], args[1])
	return rules{
		node: wire, family: "bridge", table: "fault-" + name + "-cut-" + a + "-" + b,
		through: fmt.Sprintf(`iifname . oifname { %q . %q, %q . %q } %sdrop`, a, b, b, a, matches),
	}, nil
}

// wrapping is what the overlay adds to a packet: the headers of Ethernet, VXLAN, UDP and
// IPv4 (RFC 7348).
const wrapping = 14 + 8 + 8 + 20

func blackhole(args []string) (rules, error) {
	r := rules{node: args[0], family: "inet", table: "fault-blackhole"}
	size, err := number(args, 1, 65535)
	if err != nil {
		return r, fmt.Errorf("SIZE: %w", err)
	}
	r.in = fmt.Sprintf(`iifname %q meta length > %d drop`, overlay, size)
	// What the host itself sends may not be dropped before it is wrapped: the kernel would
	// say so.
	r.out = fmt.Sprintf(`oifname "eth0" udp dport %d meta length > %d drop`, overlayPort, size+wrapping)
	return r, nil
}

// loss is on the wire: what a host may not send, the kernel tells it of.
func loss(args []string) (rules, error) {
	r := rules{node: wire, family: "bridge", table: "fault-loss-" + args[0]}
	percent, err := number(args, 1, 100)
	if err != nil {
		return r, fmt.Errorf("PERCENT: %w", err)
	}
	lost := fmt.Sprintf("numgen random mod 100 <= %d drop", percent-1)
	r.through = fmt.Sprintf("iifname %[1]q %[2]s\n\t\toifname %[1]q %[2]s", args[0], lost)
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

func overlayLoss(args []string) (rules, error) {
	r := rules{node: args[0], family: "inet", table: "fault-overlay-loss"}
	percent, err := number(args, 1, 100)
	if err != nil {
		return r, fmt.Errorf("PERCENT: %w", err)
	}
	lost := fmt.Sprintf("udp dport %d numgen random mod 100 <= %d drop", overlayPort, percent-1)
	err = r.directed(args[2:], `iifname "eth0" `+lost, `oifname "eth0" `+lost)
	return r, err
}

// hostMark marks what a host sends to its pods. kube-proxy has marks of its own.
const hostMark = 1 << 20

// hostPodsMarked lets answers pass: what may be asked may be answered. What the host asks
// is only marked: where it is dropped before it leaves for the bridge, the kernel says so
// to who sends it.
func hostPodsMarked(args []string) (rules, error) {
	return rules{
		node: args[0], family: "inet", table: "fault-host-pods-cut",
		in:  fmt.Sprintf("iifname %[1]q fib daddr type local meta l4proto udp drop\n\t\tiifname %[1]q fib daddr type local tcp flags & (syn | ack) == syn drop", podBridge),
		own: fmt.Sprintf("oifname %q meta skuid != 0 meta mark set mark or %d", podBridge, hostMark),
	}, nil
}

func hostPodsCut(args []string) (rules, error) {
	return rules{
		node: args[0], family: "bridge", table: "fault-host-pods-cut",
		own: fmt.Sprintf("meta mark & %[1]d == %[1]d drop", hostMark),
	}, nil
}

// nodePortBroken is before addresses are translated: afterwards there is no NodePort.
func nodePortBroken(args []string) (rules, error) {
	const rule = "fib daddr type local meta l4proto { tcp, udp } th dport 30000-32767 drop"
	return rules{node: args[0], family: "inet", table: "fault-nodeport-broken", in: rule, own: rule}, nil
}

// apiServerCut is for what the API server answers: what is asked meets no rule that the
// kernel would tell the host of.
func apiServerCut(args []string) (rules, error) {
	return rules{
		node: args[0], family: "inet", table: "fault-apiserver-cut",
		in: fmt.Sprintf(`iifname "eth0" tcp sport %d drop`, apiPort),
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
