package kube

import (
	"context"
	"errors"
	"fmt"
)

func (c *Cluster) killKubeProxy(ctx context.Context, args []string) error {
	n, err := c.Node(args[0])
	if err != nil {
		return err
	}
	if err := c.stop(ctx, kubeProxy(c.folder, n)); err != nil {
		return err
	}
	script := ""
	for _, family := range []string{"ip", "ip6"} {
		script += rules{family: family, table: "kube-proxy"}.removal()
	}
	return c.feed(n.Name, script, "nft", "-f", "-")
}

func (c *Cluster) reviveKubeProxy(ctx context.Context, args []string) error {
	n, err := c.Node(args[0])
	if err != nil {
		return err
	}
	proxy := kubeProxy(c.folder, n)
	if err := c.ensure(proxy); err != nil {
		return err
	}
	return c.await(ctx, proxy, c.healthy(n.Name, "http://127.0.0.1:10256/healthz"))
}

func (c *Cluster) killKubelet(ctx context.Context, args []string) error {
	n, err := c.Node(args[0])
	if err != nil {
		return err
	}
	return c.stop(ctx, kubelet(c.folder, c.dualStack(), n))
}

func (c *Cluster) reviveKubelet(ctx context.Context, args []string) error {
	n, err := c.Node(args[0])
	if err != nil {
		return err
	}
	kubelet := kubelet(c.folder, c.dualStack(), n)
	if err := c.ensure(kubelet); err != nil {
		return err
	}
	return c.await(ctx, kubelet, c.healthy(n.Name, "http://127.0.0.1:10248/healthz"))
}

func (c *Cluster) killAPIServer(ctx context.Context, _ []string) error {
	return c.stop(ctx, apiServer(c.folder, c.dualStack()))
}

func (c *Cluster) reviveAPIServer(ctx context.Context, _ []string) error {
	if err := c.ensure(apiServer(c.folder, c.dualStack())); err != nil {
		return err
	}
	return c.awaitAPI(ctx)
}

// dnsReplicas is how many CoreDNS files/coredns.yaml asks for.
const dnsReplicas = 2

func (c *Cluster) stopDNS(ctx context.Context, _ []string) error {
	if err := c.scaleDNS(ctx, 0); err != nil {
		return err
	}
	_, err := c.Kubectl(ctx, "", "delete", "pods", "--namespace=kube-system", "--selector=k8s-app=kube-dns", "--grace-period=1")
	return err
}

func (c *Cluster) startDNS(ctx context.Context, _ []string) error {
	if err := c.scaleDNS(ctx, dnsReplicas); err != nil {
		return err
	}
	return c.awaitDNS(ctx)
}

func (c *Cluster) scaleDNS(ctx context.Context, replicas int) error {
	_, err := c.Kubectl(ctx, "", "scale", "deployment/coredns", "--namespace=kube-system", fmt.Sprintf("--replicas=%d", replicas))
	return err
}

// serverPods selects netchecker's server, however it was installed.
const serverPods = "app=netchecker-server"

func (c *Cluster) killPods(ctx context.Context, args []string) error {
	selector, _ := selection(args)
	return c.signalContainers(ctx, selector, "", "SIGKILL")
}

// leavePods does nothing: the kubelet has started them again.
func (c *Cluster) leavePods(context.Context, []string) error { return nil }

func (c *Cluster) freeze(ctx context.Context, args []string) error {
	selector, container := selection(args)
	return c.signalContainers(ctx, selector, container, "SIGSTOP")
}

// thaw leaves out what has ended: nothing of it stands still.
func (c *Cluster) thaw(ctx context.Context, args []string) error {
	selector, name := selection(args)
	found, err := c.findContainers(ctx, selector, name)
	if err != nil {
		return err
	}
	var errs []error
	for _, one := range found {
		if err := c.signal(ctx, one, "SIGCONT"); !errors.Is(err, errEnded) {
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}

func selection(args []string) (selector, container string) {
	selector, container = serverPods, "etcd"
	if len(args) > 0 {
		selector = args[0]
	}
	if len(args) > 1 {
		container = args[1]
	}
	return selector, container
}
