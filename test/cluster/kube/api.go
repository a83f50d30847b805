package kube

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
)

// RESTConfig is for a client-go client that is the administrator. It dials from
// within the cluster, also after the API server was down.
func (c *Cluster) RESTConfig() (*rest.Config, error) {
	config, err := clientcmd.BuildConfigFromFlags("", c.folder.kubeconfig("admin"))
	if err != nil {
		return nil, fmt.Errorf("reading the administrator's kubeconfig: %w", err)
	}
	config.Dial = c.Dial
	config.Proxy = func(*http.Request) (*url.URL, error) { return nil, nil }
	// A test asks as often as it likes.
	config.QPS = -1
	return config, nil
}

// withAPI calls f with a client of its own, whose connections end with it.
func (c *Cluster) withAPI(f func(kubernetes.Interface) error) error {
	config, err := c.RESTConfig()
	if err != nil {
		return err
	}
	config.Timeout = 10 * time.Second
	client, err := rest.HTTPClientFor(config)
	if err != nil {
		return err
	}
	defer client.CloseIdleConnections()
	set, err := kubernetes.NewForConfigAndClient(config, client)
	if err != nil {
		return err
	}
	return f(set)
}

func (c *Cluster) awaitAPI(ctx context.Context) error {
	return c.withAPI(func(api kubernetes.Interface) error {
		return c.await(ctx, apiServer(c.folder, c.dualStack()), func(ctx context.Context) error {
			_, err := api.Discovery().RESTClient().Get().AbsPath("/readyz").DoRaw(ctx)
			return err
		})
	})
}

// awaitNode waits until a node is Ready and its kube-proxy has done its first round.
func (c *Cluster) awaitNode(ctx context.Context, n Node) error {
	return c.withAPI(func(api kubernetes.Interface) error {
		err := c.await(ctx, kubelet(c.folder, c.dualStack(), n), func(ctx context.Context) error {
			node, err := api.CoreV1().Nodes().Get(ctx, n.Name, metav1.GetOptions{})
			if err != nil {
				return err
			}
			return ready(node)
		})
		if err != nil {
			return err
		}
		return c.await(ctx, kubeProxy(c.folder, n), c.healthy(n.Name, "http://127.0.0.1:10256/healthz"))
	})
}

// ready is nil for a node that is Ready, else what it says why it is not.
func ready(node *corev1.Node) error {
	for _, condition := range node.Status.Conditions {
		if condition.Type != corev1.NodeReady {
			continue
		}
		if condition.Status == corev1.ConditionTrue {
			return nil
		}
		return fmt.Errorf("the node is not Ready: %s", condition.Message)
	}
	return errors.New("the node has not said whether it is Ready")
}

// deleteNode deletes the Node object, where it is.
func (c *Cluster) deleteNode(ctx context.Context, name string) error {
	return c.withAPI(func(api kubernetes.Interface) error {
		err := api.CoreV1().Nodes().Delete(ctx, name, metav1.DeleteOptions{})
		if apierrors.IsNotFound(err) {
			return nil
		}
		return err
	})
}

// applyDNS creates CoreDNS and its Service.
func (c *Cluster) applyDNS(ctx context.Context) error {
	manifest, err := render("coredns.yaml", map[string]string{"Image": dnsImage, "Service": dnsService})
	if err != nil {
		return err
	}
	_, err = c.Kubectl(ctx, string(manifest), "apply", "--filename=-")
	return err
}

// awaitDNS waits until a CoreDNS answers.
func (c *Cluster) awaitDNS(ctx context.Context) error {
	return c.withAPI(func(api kubernetes.Interface) error {
		return poll(ctx, func(ctx context.Context) (bool, error) {
			d, err := api.AppsV1().Deployments("kube-system").Get(ctx, "coredns", metav1.GetOptions{})
			if err != nil {
				return false, err
			}
			if d.Status.AvailableReplicas == 0 {
				return false, errors.New("no CoreDNS is ready")
			}
			return true, nil
		})
	})
}

// listens is nil where somebody accepts connections at address.
func (c *Cluster) listens(from, address string) func(context.Context) error {
	return func(ctx context.Context) error {
		conn, err := c.dial(ctx, from, "tcp", address)
		if err != nil {
			return err
		}
		return conn.Close()
	}
}

// healthy is nil where url answers 200 from within a place.
func (c *Cluster) healthy(from, url string) func(context.Context) error {
	return func(ctx context.Context) error {
		ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
		defer cancel()
		request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
		if err != nil {
			return err
		}
		client := http.Client{Transport: &http.Transport{DialContext: c.DialFrom(from), DisableKeepAlives: true}}
		answer, err := client.Do(request)
		if err != nil {
			return err
		}
		defer answer.Body.Close()
		if answer.StatusCode != http.StatusOK {
			return fmt.Errorf("%s answers %s", url, answer.Status)
		}
		return nil
	}
}

// answers is nil once the node's containerd takes connections.
func (c *Cluster) answers(n Node) func(context.Context) error {
	return func(ctx context.Context) error {
		p, err := c.place(n.Name)
		if err != nil {
			return err
		}
		var dialer net.Dialer
		conn, err := dialer.DialContext(ctx, "unix", p.Path("/run/containerd/containerd.sock"))
		if err != nil {
			return err
		}
		return conn.Close()
	}
}
