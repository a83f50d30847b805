package kube

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"slices"
	"strings"

	"golang.org/x/sync/errgroup"

	"github.com/netchecker/netchecker/test/cluster/place"
)

// AddNode adds a node to the cluster and returns it once it is Ready.
func (c *Cluster) AddNode(ctx context.Context) (Node, error) {
	var added Node
	err := c.change(ctx, func() error {
		n, err := newNode(c.Nodes())
		if err != nil {
			return err
		}
		added = n
		return c.bring(ctx, []Node{n})
	})
	return added, err
}

// RemoveNode takes a node out of the cluster, with its pods, as if it were
// switched off, and then deletes its Node object. Drain it first where it should
// go in peace.
func (c *Cluster) RemoveNode(ctx context.Context, name string) error {
	return c.change(ctx, func() error {
		n, err := c.Node(name)
		if err != nil {
			return err
		}
		return c.step("Removing "+name, func() error { return c.remove(ctx, n) })
	})
}

func (c *Cluster) remove(ctx context.Context, n Node) error {
	if err := place.Kill(ctx, c.processesOf(n.Name)...); err != nil {
		return err
	}
	if err := removeCgroups(ctx, cgroups+"/"+n.Name); err != nil {
		return err
	}
	if err := os.RemoveAll(c.folder.place(n.Name)); err != nil {
		return err
	}
	if err := c.update(func(s *state) { s.forget(n) }); err != nil {
		return err
	}
	for _, other := range c.Nodes() {
		err := errors.Join(
			c.batch(other.Name, "bridge", forgetBridgeScript(n)),
			c.batch(other.Name, "ip", forgetScript(c.dualStack(), n)),
		)
		if err != nil {
			return err
		}
	}
	return c.deleteNode(ctx, n.Name)
}

// processesOf are all that were written down of a place.
func (c *Cluster) processesOf(name string) []place.Identity {
	c.mu.Lock()
	defer c.mu.Unlock()
	var all []place.Identity
	for _, p := range c.state.Places {
		if p.Name == name {
			all = append(all, p.Anchor)
		}
	}
	for key, id := range c.state.Processes {
		if strings.HasPrefix(key, name+"/") {
			all = append(all, id)
		}
	}
	return all
}

// forget strikes a node out.
func (s *state) forget(n Node) {
	s.Nodes = slices.DeleteFunc(s.Nodes, func(other Node) bool { return other == n })
	s.Places = slices.DeleteFunc(s.Places, func(p place.Place) bool { return p.Name == n.Name })
	for key := range s.Processes {
		if strings.HasPrefix(key, n.Name+"/") {
			delete(s.Processes, key)
		}
	}
}

// newPlace makes a place whose anchor is written down.
func (c *Cluster) newPlace(ctx context.Context, name string) (place.Place, error) {
	spec := place.Spec{Name: name, Dir: c.folder.place(name), Pause: c.folder.program("pause")}
	return place.New(ctx, spec, func(p place.Place) error {
		return c.update(func(s *state) { s.Places = append(s.Places, p) })
	})
}

// join lays a place's cable and gives it its addresses.
func (c *Cluster) join(name string, ip4, ip6 netip.Addr) error {
	p, err := c.place(name)
	if err != nil {
		return err
	}
	if err := c.batch(wire, "ip", cableScript(name, p.Anchor.PID)); err != nil {
		return err
	}
	return c.batch(name, "ip", underlayScript(c.dualStack(), ip4, ip6))
}

// batch hands script to ip or bridge in the network of a place.
func (c *Cluster) batch(where, program, script string) error {
	return c.feed(where, script, program, "-batch", "-")
}

// feed runs a program of the machine in the network of a place, with input.
func (c *Cluster) feed(where, input, program string, args ...string) error {
	p, err := c.place(where)
	if err != nil {
		return err
	}
	cmd := exec.Command(program, args...)
	cmd.Stdin = strings.NewReader(input)
	return p.Run(cmd, place.Network)
}

// makeNode makes a node's place with its networks and configuration.
func (c *Cluster) makeNode(ctx context.Context, n Node) error {
	if _, err := c.newPlace(ctx, n.Name); err != nil {
		return err
	}
	if err := c.update(func(s *state) {
		s.Nodes = append(s.Nodes, n)
		slices.SortFunc(s.Nodes, func(a, b Node) int { return a.Index - b.Index })
	}); err != nil {
		return err
	}
	dual := c.dualStack()
	if err := c.feed(n.Name, sysctlScript(dual), "sh"); err != nil {
		return err
	}
	if err := c.join(n.Name, n.IPv4(), n.IPv6()); err != nil {
		return err
	}
	if err := c.batch(n.Name, "ip", overlayScript(dual, n)); err != nil {
		return err
	}
	if err := c.feed(n.Name, masqueradeScript(dual), "nft", "-f", "-"); err != nil {
		return err
	}
	if err := makeCgroup(n.Name); err != nil {
		return err
	}
	return c.configureNode(n)
}

// meet tells the new nodes and all others of each other.
func (c *Cluster) meet(newcomers []Node) error {
	var group errgroup.Group
	for _, n := range c.Nodes() {
		group.Go(func() error { return c.introduce(n, newcomers) })
	}
	return group.Wait()
}

// introduce tells n of its peers: of all where it is new, else of those who are.
func (c *Cluster) introduce(n Node, newcomers []Node) error {
	peers := newcomers
	if slices.Contains(newcomers, n) {
		peers = c.Nodes()
	}
	var routes, bridge strings.Builder
	for _, peer := range peers {
		if peer != n {
			routes.WriteString(peerScript(c.dualStack(), peer))
			bridge.WriteString(peerBridgeScript(peer))
		}
	}
	if err := c.batch(n.Name, "bridge", bridge.String()); err != nil {
		return err
	}
	return c.batch(n.Name, "ip", routes.String())
}

// configureNode writes what the node's programs read.
func (c *Cluster) configureNode(n Node) error {
	dual, at := c.dualStack(), func(name string) string { return c.folder.path("places", n.Name, name) }
	ranges, pods := []string{n.pods4().String()}, pods4.String()
	if dual {
		ranges, pods = append(ranges, n.pods6().String()), pods+","+pods6.String()
	}
	if err := os.WriteFile(at("resolv.conf"), nil, 0o644); err != nil {
		return err
	}
	if err := c.nodeIdentity(n); err != nil {
		return err
	}
	return errors.Join(
		writeFile(at("cni/pods.conflist"), "pods.conflist", map[string]any{"Bridge": podBridge, "MTU": overlayMTU, "Ranges": ranges}),
		writeFile(at("containerd.toml"), "containerd.toml", map[string]string{"Pause": pauseImage, "CNI": at("cni")}),
		writeFile(at("kubelet.yaml"), "kubelet.yaml", map[string]string{
			"CA": c.folder.ca(), "Cgroup": "/" + cgroups + "/" + n.Name, "DNS": dnsService, "ResolvConf": at("resolv.conf"),
		}),
		writeFile(at("kube-proxy.yaml"), "kube-proxy.yaml", map[string]string{
			"Pods": pods, "Kubeconfig": c.folder.kubeconfig("kube-proxy"), "Name": n.Name,
		}),
	)
}

// startContainerd starts it and loads what images there are.
func (c *Cluster) startContainerd(ctx context.Context, n Node) error {
	containerd := containerd(c.folder, n)
	if err := c.start(containerd); err != nil {
		return err
	}
	if err := c.await(ctx, containerd, c.answers(n)); err != nil {
		return err
	}
	for _, archive := range c.images() {
		if err := c.importImage(ctx, n, archive); err != nil {
			return err
		}
	}
	return nil
}

// startKubelet starts kubelet and kube-proxy.
func (c *Cluster) startKubelet(_ context.Context, n Node) error {
	return errors.Join(c.start(kubelet(c.folder, c.dualStack(), n)), c.start(kubeProxy(c.folder, n)))
}

func sysctlScript(dualStack bool) string {
	var b strings.Builder
	for name, value := range sysctls(dualStack) {
		fmt.Fprintf(&b, "echo %s >/proc/sys/%s || exit 1\n", value, name)
	}
	return b.String()
}
