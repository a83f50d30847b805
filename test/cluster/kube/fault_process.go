package kube

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
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

// dnsPodCut is on a node for what leads from there to the pod, also over its own bridge,
// whose packets meet these rules, too (br_netfilter).
func dnsPodCut(node string, addresses []string) rules {
	r := rules{node: node, family: "inet", table: "fault-dns-pod-cut"}
	var all []string
	for _, a := range addresses {
		family := "ip"
		if strings.Contains(a, ":") {
			family = "ip6"
		}
		all = append(all, family+" daddr "+a+" meta l4proto { tcp, udp } th dport 53 drop")
	}
	r.out = strings.Join(all, "\n\t\t")
	return r
}

// cutDNSPod leaves what the kubelet asks: the pod stays ready.
func (c *Cluster) cutDNSPod(ctx context.Context, _ []string) error {
	said, err := c.Kubectl(ctx, "", "get", "pods", "--namespace=kube-system", "--selector=k8s-app=kube-dns", "--sort-by=.metadata.name",
		"-o", "jsonpath={.items[0].status.podIPs[*].ip}")
	if err != nil {
		return err
	}
	for _, n := range c.Nodes() {
		if err := c.feed(n.Name, dnsPodCut(n.Name, strings.Fields(said)).script(), "nft", "-f", "-"); err != nil {
			return err
		}
	}
	return nil
}

func (c *Cluster) mendDNSPod(context.Context, []string) error {
	var errs []error
	for _, n := range c.Nodes() {
		errs = append(errs, c.feed(n.Name, dnsPodCut(n.Name, nil).removal(), "nft", "-f", "-"))
	}
	return errors.Join(errs...)
}

// wrongAddress is one for documentation (RFC 5737), which nobody has, and lie the line of
// CoreDNS's configuration that answers with it.
const (
	wrongAddress = "192.0.2.1"
	lie          = "    template IN A svc.cluster.local {\n        answer \"{{ .Name }} 5 IN A " + wrongAddress + "\"\n    }\n"
	beforeLie    = "    ready\n"
)

func (c *Cluster) liesDNS(ctx context.Context, _ []string) error { return c.tellDNS(ctx, true) }

func (c *Cluster) truesDNS(ctx context.Context, _ []string) error { return c.tellDNS(ctx, false) }

// tellDNS has CoreDNS started anew, with the lie or without: it looks at its configuration
// twice a minute only.
func (c *Cluster) tellDNS(ctx context.Context, wrong bool) error {
	const where = "--namespace=kube-system"
	corefile, err := c.Kubectl(ctx, "", "get", "configmap", "coredns", where, "-o", "jsonpath={.data.Corefile}")
	if err != nil {
		return err
	}
	told := strings.Replace(corefile, lie, "", 1)
	if wrong {
		told = strings.Replace(told, beforeLie, beforeLie+lie, 1)
	}
	if told == corefile {
		return nil
	}
	patch, err := json.Marshal(map[string]map[string]string{"data": {"Corefile": told}})
	if err != nil {
		return err
	}
	for _, args := range [][]string{
		{"patch", "configmap", "coredns", where, "--type=merge", "--patch", string(patch)},
		{"rollout", "restart", "deployment/coredns", where},
		{"rollout", "status", "deployment/coredns", where, "--timeout=2m"},
	} {
		if _, err := c.Kubectl(ctx, "", args...); err != nil {
			return err
		}
	}
	return nil
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
