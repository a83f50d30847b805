package kube

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/netchecker/netchecker/test/cluster/place"
)

// Up brings a cluster up and returns once its nodes are Ready and its DNS
// answers. What is there of an earlier cluster is taken down first. When it
// fails, what was started stays, to be looked at, until the next Up or Down.
func Up(ctx context.Context, config Config) (*Cluster, error) {
	if config.Nodes < 1 || config.Nodes > maxIndex {
		return nil, fmt.Errorf("a cluster has 1 to %d nodes, not %d", maxIndex, config.Nodes)
	}
	if err := missing(); err != nil {
		return nil, err
	}
	c := &Cluster{folder: config.folder(), out: config.out()}
	locked, err := lock(ctx, c.out)
	if err != nil {
		return nil, err
	}
	defer locked.Close()
	begun := time.Now()
	if err := c.up(ctx, config); err != nil {
		return nil, err
	}
	fmt.Fprintf(c.out, "The cluster is up after %.1f s.\n", time.Since(begun).Seconds())
	return c, nil
}

func (c *Cluster) up(ctx context.Context, config Config) error {
	if err := c.down(ctx); err != nil {
		return err
	}
	if err := c.folder.make(); err != nil {
		return err
	}
	if err := c.update(func(s *state) { *s = state{DualStack: config.DualStack, Processes: map[string]place.Identity{}} }); err != nil {
		return err
	}
	if err := c.step("Finding the programs, building those that are not there", func() error { return c.findPrograms(ctx) }); err != nil {
		return err
	}
	if err := c.step("Starting etcd and the API server", func() error { return c.startControlPlane(ctx) }); err != nil {
		return err
	}
	var nodes []Node
	for range config.Nodes {
		n, err := newNode(nodes)
		if err != nil {
			return err
		}
		nodes = append(nodes, n)
	}
	if err := c.bring(ctx, nodes); err != nil {
		return err
	}
	return c.step("Waiting for DNS", func() error { return c.awaitDNS(ctx) })
}

// startControlPlane makes the wire and the control plane's place, starts etcd and
// starts the API server, without waiting until that is ready.
func (c *Cluster) startControlPlane(ctx context.Context) error {
	if err := c.writeImages(); err != nil {
		return err
	}
	if err := c.makePKI(); err != nil {
		return err
	}
	if _, err := c.newPlace(ctx, wire); err != nil {
		return err
	}
	if err := c.batch(wire, "ip", wireScript()); err != nil {
		return err
	}
	if _, err := c.newPlace(ctx, controlPlane); err != nil {
		return err
	}
	if err := c.join(controlPlane, control4(), control6()); err != nil {
		return err
	}
	etcd := etcd(c.folder)
	if err := c.start(etcd); err != nil {
		return err
	}
	if err := c.await(ctx, etcd, c.listens(controlPlane, "127.0.0.1:2379")); err != nil {
		return err
	}
	return c.start(apiServer(c.folder, c.dualStack()))
}

// manage starts what makes the API's objects come true.
func (c *Cluster) manage() error {
	for _, program := range []component{controllerManager(c.folder), scheduler(c.folder)} {
		if err := c.ensure(program); err != nil {
			return err
		}
	}
	return nil
}

// bring makes new nodes part of the cluster.
func (c *Cluster) bring(ctx context.Context, nodes []Node) error {
	names := fmt.Sprintf("%d nodes", len(nodes))
	if len(nodes) == 1 {
		names = nodes[0].Name
	}
	if err := c.step("Making the network of "+names, func() error { return c.each(ctx, nodes, c.makeNode) }); err != nil {
		return err
	}
	if err := c.meet(nodes); err != nil {
		return err
	}
	if err := c.step("Starting containerd and loading images on "+names, func() error { return c.each(ctx, nodes, c.startContainerd) }); err != nil {
		return err
	}
	if err := c.step("Waiting for the API server", func() error { return c.awaitAPI(ctx) }); err != nil {
		return err
	}
	return c.step("Waiting until "+names+" are Ready", func() error {
		if err := c.manage(); err != nil {
			return err
		}
		if err := c.each(ctx, nodes, c.startKubelet); err != nil {
			return err
		}
		if err := c.applyDNS(ctx); err != nil {
			return err
		}
		return c.each(ctx, nodes, c.awaitNode)
	})
}

// each calls f for all nodes at once.
func (c *Cluster) each(ctx context.Context, nodes []Node, f func(context.Context, Node) error) error {
	group, ctx := errgroup.WithContext(ctx)
	for _, n := range nodes {
		group.Go(func() error {
			if err := f(ctx, n); err != nil {
				return fmt.Errorf("%s: %w", n.Name, err)
			}
			return nil
		})
	}
	return group.Wait()
}

// Down takes down whatever there is of a cluster, also where a crash left only
// parts. Nothing of it stays: no process, mount, namespace, cgroup or file.
func Down(ctx context.Context, config Config) error {
	c := &Cluster{folder: config.folder(), out: config.out()}
	locked, err := lock(ctx, c.out)
	if err != nil {
		return err
	}
	defer locked.Close()
	return c.down(ctx)
}

func (c *Cluster) down(ctx context.Context) error {
	if err := c.folder.own(); err != nil {
		return err
	}
	if _, err := os.Lstat(string(c.folder)); errors.Is(err, os.ErrNotExist) {
		return nil
	}
	return c.step("Taking the cluster down", func() error {
		ctx, cancel := context.WithTimeout(ctx, time.Minute)
		defer cancel()
		s, _, err := readState(string(c.folder))
		if err != nil {
			return err
		}
		if err := place.Kill(ctx, s.everything()...); err != nil {
			return err
		}
		if err := removeCgroups(ctx, cgroups); err != nil {
			return err
		}
		return os.RemoveAll(string(c.folder))
	})
}
