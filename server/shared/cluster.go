package shared

import (
	"cmp"
	"context"
	"fmt"
	"net/http"
	"net/netip"
	"slices"
	"time"

	"github.com/golang/glog"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	utilnet "k8s.io/apimachinery/pkg/util/net"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"

	"github.com/netchecker/netchecker/server/kube"
)

const (
	// dnsPods selects the pods of the name service: the label is the same for CoreDNS and
	// for what was before it. In other namespaces than dnsNamespace it is for anybody to
	// set, who could aim agents at a pod of theirs.
	dnsPods, dnsNamespace = "k8s-app=kube-dns", "kube-system"
	// mostDNS bounds those that agents ask themselves.
	mostDNS = 4
	// mostLeft bounds what is remembered of those that left.
	mostLeft = 256
	// dnsPort is that of a pod which does not name its own.
	dnsPort = 53
	// askWithin bounds one request.
	askWithin = 10 * time.Second
)

// ClusterConfig says how the cluster is asked, and for what.
type ClusterConfig struct {
	// Kubeconfig is as in kube.Config.
	Kubeconfig string
	// Namespace and Service are those of netchecker's Service.
	Namespace, Service string
	// KubeAPI is where agents find the API server.
	KubeAPI []netip.AddrPort
}

// found is what the cluster says.
type found struct {
	// dns are the name servers that agents are to ask, and pods all that are there to stay,
	// ready or not, as of seen.
	dns, pods []netip.AddrPort
	seen      time.Time
	// nodes are those that the pods are on, by what agents call the pods.
	nodes map[string]string
	// left are those that were there before, in the order in which they left.
	left []departed
	// want are the addresses of netchecker's Service.
	want           []netip.Addr
	port, nodePort uint16
}

// departed is a name server that has gone, or is about to: its pod was deleted, or is over.
type departed struct {
	// target is what agents call it, and since when it was there last.
	target string
	since  time.Time
}

// follow takes in which name servers are there now.
func (f *found) follow(pods []netip.AddrPort, now time.Time) {
	f.left = slices.DeleteFunc(slices.Clone(f.left), func(d departed) bool {
		return slices.ContainsFunc(pods, func(a netip.AddrPort) bool { return a.String() == d.target })
	})
	for _, a := range f.pods {
		if !slices.Contains(pods, a) {
			f.left = append(f.left, departed{a.String(), f.seen})
		}
	}
	f.left = f.left[max(0, len(f.left)-mostLeft):]
	f.pods, f.seen = pods, now
}

// cluster is the API server, as far as this package asks it.
type cluster struct {
	ClusterConfig
	api  kubernetes.Interface
	http *http.Client
	// told has what was logged last of each kind of request; of the goroutine that asks.
	told map[string]string
}

func newCluster(cfg ClusterConfig) (*cluster, error) {
	c, err := kube.Config(cfg.Kubeconfig)
	if err != nil {
		return nil, err
	}
	web, err := rest.HTTPClientFor(c)
	if err != nil {
		return nil, fmt.Errorf("preparing to connect to the API server at %s: %w", c.Host, err)
	}
	api, err := kubernetes.NewForConfigAndClient(c, web)
	if err != nil {
		return nil, fmt.Errorf("preparing to ask the API server at %s: %w", c.Host, err)
	}
	return &cluster{ClusterConfig: cfg, api: api, http: web, told: map[string]string{}}, nil
}

func (c *cluster) close() { utilnet.CloseIdleConnectionsFor(c.http.Transport) }

// ask asks for everything; what fails stays as it was.
func (c *cluster) ask(ctx context.Context, was found) found {
	is := was
	c.tell(ctx, "which pods answer for the name service", func(ctx context.Context) error {
		// Of any version, which the API server has at hand.
		pods, err := c.api.CoreV1().Pods(dnsNamespace).List(ctx, metav1.ListOptions{LabelSelector: dnsPods, ResourceVersion: "0"})
		if err == nil {
			is.dns = dnsServers(pods.Items)
			is.follow(staying(pods.Items), time.Now())
			is.nodes = nodesOf(pods.Items)
		}
		return err
	})
	c.tell(ctx, "at which addresses the Service "+c.Service+" is", func(ctx context.Context) error {
		s, err := c.api.CoreV1().Services(c.Namespace).Get(ctx, c.Service, metav1.GetOptions{})
		if err == nil {
			is.want, is.port, is.nodePort = serviceOf(s)
		}
		return err
	})
	return is
}

// tell asks, and logs where that fails for another reason than before.
func (c *cluster) tell(ctx context.Context, what string, ask func(context.Context) error) {
	within, cancel := context.WithTimeout(ctx, askWithin)
	defer cancel()
	said := ""
	if err := ask(within); err != nil {
		said = err.Error()
	}
	if ctx.Err() != nil || said == c.told[what] {
		return
	}
	c.told[what] = said
	if said != "" {
		glog.Warningf("Agents are told what was known before of this: %s, since asking the API server for it failed: %s", what, said)
	} else {
		glog.Infof("It is known again %s", what)
	}
}

// dnsServers are the addresses of those pods that are ready, by the pods' names.
func dnsServers(pods []corev1.Pod) []netip.AddrPort {
	slices.SortFunc(pods, func(a, b corev1.Pod) int {
		return cmp.Or(cmp.Compare(a.Name, b.Name), cmp.Compare(a.Namespace, b.Namespace))
	})
	var list []netip.AddrPort
	for i := range pods {
		addr, err := netip.ParseAddr(pods[i].Status.PodIP)
		if err == nil && len(list) < mostDNS && isReady(&pods[i]) {
			list = append(list, netip.AddrPortFrom(addr, portOf(&pods[i])))
		}
	}
	return list
}

// staying are the addresses of those pods that are there to stay. One that is not ready is:
// that it does not answer is a fault, and none that was meant.
func staying(pods []corev1.Pod) (list []netip.AddrPort) {
	for i := range pods {
		if addr, err := netip.ParseAddr(pods[i].Status.PodIP); err == nil && stays(&pods[i]) {
			list = append(list, netip.AddrPortFrom(addr, portOf(&pods[i])))
		}
	}
	return list
}

// nodesOf are the nodes of those that are there to stay.
func nodesOf(pods []corev1.Pod) map[string]string {
	nodes := map[string]string{}
	for i := range pods {
		if addr, err := netip.ParseAddr(pods[i].Status.PodIP); err == nil && stays(&pods[i]) && pods[i].Spec.NodeName != "" {
			nodes[netip.AddrPortFrom(addr, portOf(&pods[i])).String()] = pods[i].Spec.NodeName
		}
	}
	return nodes
}

func stays(p *corev1.Pod) bool {
	return p.DeletionTimestamp == nil && p.Status.Phase != corev1.PodSucceeded && p.Status.Phase != corev1.PodFailed
}

func isReady(p *corev1.Pod) bool {
	return stays(p) && slices.ContainsFunc(p.Status.Conditions, func(c corev1.PodCondition) bool {
		return c.Type == corev1.PodReady && c.Status == corev1.ConditionTrue
	})
}

// portOf is the port of UDP that a pod calls dns.
func portOf(p *corev1.Pod) uint16 {
	for _, c := range p.Spec.Containers {
		for _, port := range c.Ports {
			if port.Name == "dns" && port.Protocol == corev1.ProtocolUDP && port.ContainerPort > 0 && port.ContainerPort < 1<<16 {
				return uint16(port.ContainerPort)
			}
		}
	}
	return dnsPort
}

// serviceOf are a Service's addresses, its port, and its NodePort; 0 where there is none.
func serviceOf(s *corev1.Service) (want []netip.Addr, port, nodePort uint16) {
	for _, ip := range s.Spec.ClusterIPs {
		if a, err := netip.ParseAddr(ip); err == nil {
			want = append(want, a)
		}
	}
	if len(s.Spec.Ports) > 0 {
		port, nodePort = uint16(s.Spec.Ports[0].Port), uint16(s.Spec.Ports[0].NodePort)
	}
	return want, port, nodePort
}
