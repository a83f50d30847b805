package pods

import (
	"context"
	"fmt"
	"net/http"
	"slices"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	utilnet "k8s.io/apimachinery/pkg/util/net"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"

	"github.com/netchecker/netchecker/server/kube"
)

// Requests a second that the client allows itself. Even a list of 100,000 pods,
// page by page, takes few seconds.
const clientQPS, clientBurst = 50, 100

// client is the API server, as far as this package asks it.
type client struct {
	api  kubernetes.Interface
	http *http.Client
	host string
}

// newClient makes a client by the kubeconfig at that path; an empty path means
// the ServiceAccount of the pod that this process runs in.
func newClient(kubeconfig string) (*client, error) {
	cfg, err := kube.Config(kubeconfig)
	if err != nil {
		return nil, err
	}
	cfg.QPS, cfg.Burst = clientQPS, clientBurst
	web, err := rest.HTTPClientFor(cfg)
	if err != nil {
		return nil, fmt.Errorf("preparing to connect to the API server at %s: %w", cfg.Host, err)
	}
	api, err := kubernetes.NewForConfigAndClient(cfg, web)
	if err != nil {
		return nil, fmt.Errorf("preparing to ask the API server at %s: %w", cfg.Host, err)
	}
	return &client{api: api, http: web, host: cfg.Host}, nil
}

func (c *client) close() { utilnet.CloseIdleConnectionsFor(c.http.Transport) }

// resource is one kind of object, in all namespaces.
type resource struct {
	name    string // as roles call it
	host    string // the API server's, for errors
	example runtime.Object
	list    func(context.Context, metav1.ListOptions) (runtime.Object, error)
	watch   func(context.Context, metav1.ListOptions) (watch.Interface, error)
	// ping is the cheapest request that whoever may list may also make.
	ping func(context.Context) error
}

// nobody is the name that pings ask for. No object need have it.
const nobody = "netchecker-ping"

// pingOptions ask for one object by name, from the API server's cache. A limit
// would do less: it is ignored where the cache answers.
func pingOptions() metav1.ListOptions {
	return metav1.ListOptions{FieldSelector: "metadata.name=" + nobody, ResourceVersion: "0", Limit: 1}
}

func (c *client) pods(selector string) resource {
	pods := c.api.CoreV1().Pods(metav1.NamespaceAll)
	return resource{
		name: "pods", host: c.host, example: &corev1.Pod{},
		list: func(ctx context.Context, o metav1.ListOptions) (runtime.Object, error) {
			o.LabelSelector = selector
			page, err := pods.List(ctx, o)
			if err != nil {
				return nil, err
			}
			for i := range page.Items {
				stripPod(&page.Items[i])
			}
			return page, nil
		},
		watch: func(ctx context.Context, o metav1.ListOptions) (watch.Interface, error) {
			o.LabelSelector = selector
			return pods.Watch(ctx, o)
		},
		ping: func(ctx context.Context) error {
			// In one namespace, a name is looked up and not searched for.
			_, err := c.api.CoreV1().Pods(metav1.NamespaceDefault).List(ctx, pingOptions())
			return err
		},
	}
}

func (c *client) nodes() resource {
	nodes := c.api.CoreV1().Nodes()
	return resource{
		name: "nodes", host: c.host, example: &corev1.Node{},
		list: func(ctx context.Context, o metav1.ListOptions) (runtime.Object, error) {
			page, err := nodes.List(ctx, o)
			if err != nil {
				return nil, err
			}
			for i := range page.Items {
				stripNode(&page.Items[i])
			}
			return page, nil
		},
		watch: func(ctx context.Context, o metav1.ListOptions) (watch.Interface, error) {
			return nodes.Watch(ctx, o)
		},
		ping: func(ctx context.Context) error {
			_, err := nodes.List(ctx, pingOptions())
			return err
		},
	}
}

// stripPod leaves what podTable reads, so that the pages of a long list cost
// little memory until all of them are there.
func stripPod(p *corev1.Pod) {
	var annotations map[string]string
	if port, is := p.Annotations[meshPortAnnotation]; is {
		annotations = map[string]string{meshPortAnnotation: port}
	}
	*p = corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{
			Name: p.Name, Namespace: p.Namespace, UID: p.UID,
			ResourceVersion: p.ResourceVersion, DeletionTimestamp: p.DeletionTimestamp,
			Annotations: annotations,
		},
		Spec:   corev1.PodSpec{NodeName: p.Spec.NodeName, HostNetwork: p.Spec.HostNetwork},
		Status: corev1.PodStatus{Phase: p.Status.Phase, PodIP: p.Status.PodIP, PodIPs: p.Status.PodIPs},
	}
}

// stripNode leaves what nodeTable reads.
func stripNode(n *corev1.Node) {
	others := func(c corev1.NodeCondition) bool { return c.Type != corev1.NodeReady }
	*n = corev1.Node{
		ObjectMeta: metav1.ObjectMeta{
			Name: n.Name, ResourceVersion: n.ResourceVersion, DeletionTimestamp: n.DeletionTimestamp, Labels: n.Labels,
		},
		Spec:   corev1.NodeSpec{Unschedulable: n.Spec.Unschedulable, Taints: n.Spec.Taints},
		Status: corev1.NodeStatus{Conditions: slices.DeleteFunc(n.Status.Conditions, others)},
	}
}
