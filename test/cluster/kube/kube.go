// Package kube brings up a real Kubernetes cluster on one machine, changes it
// while it runs, breaks it on purpose, and takes it down.
//
// Each node is a place (see package place) with network, mounts and process ids
// of its own, and in it runs what runs on any node: containerd, kubelet,
// kube-proxy. So is the control plane, with etcd, API server, controller manager
// and scheduler. Cables (veth pairs) join them to a bridge in one more place: the
// underlay. Pods of different nodes reach each other over VXLAN: the overlay,
// which can be cut while the nodes still reach each other. No container engine
// and no image registry is needed: what is built from the Go module proxy and
// Debian's packages is enough.
//
// The cluster goes on when the program that made it ends. What it consists of is
// written down in its folder, and whoever reads that may go on with it. There is
// one cluster on a machine, and one that changes it at a time.
//
// From the machine no address of the cluster can be reached. [Cluster.Dial] and
// [Cluster.DialFrom] connect from within, and [Cluster.RESTConfig] is for
// client-go.
package kube

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"sync"
	"time"

	"github.com/netchecker/netchecker/test/cluster/place"
)

// Dir is where the cluster is unless Config says otherwise.
const Dir = "/var/tmp/netchecker-cluster"

// Config says what cluster it should be.
type Config struct {
	// Dir is the folder for all of its files, outside of any work tree; empty: Dir.
	Dir string
	// Nodes is how many nodes to start with, 1 to 240.
	Nodes int
	// DualStack gives nodes, pods and Services IPv6 addresses, too.
	DualStack bool
	// Out is told each step; nil: nobody is.
	Out io.Writer
}

func (c Config) folder() folder {
	if c.Dir == "" {
		return Dir
	}
	return folder(c.Dir)
}

func (c Config) out() io.Writer {
	if c.Out == nil {
		return io.Discard
	}
	return c.Out
}

// Cluster is one that is up. Its methods may be called at once from several
// goroutines, and programs.
type Cluster struct {
	folder folder
	out    io.Writer

	mu    sync.Mutex
	state state
}

// ErrDown is what Open returns where there is no cluster.
var ErrDown = errors.New("there is no cluster: run `make cluster-up`")

// Open is the cluster that somebody brought up.
func Open(config Config) (*Cluster, error) {
	c := &Cluster{folder: config.folder(), out: config.out()}
	return c, c.reload()
}

func (c *Cluster) reload() error {
	s, there, err := readState(string(c.folder))
	if err != nil {
		return err
	}
	if !there {
		return ErrDown
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.state = s
	return nil
}

// change calls f while nobody else changes the cluster.
func (c *Cluster) change(ctx context.Context, f func() error) error {
	locked, err := lock(ctx, c.out)
	if err != nil {
		return err
	}
	defer locked.Close()
	if err := c.reload(); err != nil {
		return err
	}
	return f()
}

// update changes the state and writes it down.
func (c *Cluster) update(f func(*state)) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	f(&c.state)
	return c.state.write(string(c.folder))
}

func (c *Cluster) dualStack() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.state.DualStack
}

// Nodes are those of the cluster, in the order of their indices.
func (c *Cluster) Nodes() []Node {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Clone(c.state.Nodes)
}

// Node is the one of that name.
func (c *Cluster) Node(name string) (Node, error) {
	nodes := c.Nodes()
	i := slices.IndexFunc(nodes, func(n Node) bool { return n.Name == name })
	if i < 0 {
		return Node{}, fmt.Errorf("the cluster has no node %q", name)
	}
	return nodes[i], nil
}

// place finds a node's, the control plane's or the wire's.
func (c *Cluster) place(name string) (place.Place, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	i := slices.IndexFunc(c.state.Places, func(p place.Place) bool { return p.Name == name })
	if i < 0 {
		return place.Place{}, fmt.Errorf("the cluster has no node %q", name)
	}
	return c.state.Places[i], nil
}

// Dial connects from the control plane's network, outside of all nodes, as a user
// does: to the API server and to NodePorts, not to Services or pods. The address
// is an IP address with a port.
func (c *Cluster) Dial(ctx context.Context, network, address string) (net.Conn, error) {
	return c.dial(ctx, controlPlane, network, address)
}

// DialFrom is Dial from a node's network, as its hostNetwork pods do it: pods and
// Services are in reach, too.
func (c *Cluster) DialFrom(node string) func(ctx context.Context, network, address string) (net.Conn, error) {
	return func(ctx context.Context, network, address string) (net.Conn, error) {
		return c.dial(ctx, node, network, address)
	}
}

func (c *Cluster) dial(ctx context.Context, from, network, address string) (net.Conn, error) {
	p, err := c.place(from)
	if err != nil {
		return nil, err
	}
	return p.Dial(ctx, network, address)
}

// step tells what f does, and how long it took.
func (c *Cluster) step(what string, f func() error) error { return step(c.out, what, f) }

func step(out io.Writer, what string, f func() error) error {
	fmt.Fprintf(out, "%s… ", what)
	begun := time.Now()
	if err := f(); err != nil {
		fmt.Fprintln(out, "failed")
		return err
	}
	fmt.Fprintf(out, "%.1f s\n", time.Since(begun).Seconds())
	return nil
}
