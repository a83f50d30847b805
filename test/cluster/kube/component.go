package kube

import (
	"fmt"
	"strings"
)

// controlPlane is the name of the place of etcd and the API server, and wire that
// of the bridge which joins all places.
const (
	controlPlane = "control-plane"
	wire         = "wire"
)

// component is a program that runs in a place.
type component struct {
	place, program string
	args           []string
	// of tells one from another where a program runs more than once in a place.
	of string
}

// name is what it, and its log, is called within the place.
func (c component) name() string { return strings.TrimSuffix(c.program+"-"+c.of, "-") }

// key is what its process is written down by.
func (c component) key() string { return c.place + "/" + c.name() }

func etcd(f folder) component {
	const client, peer = "http://127.0.0.1:2379", "http://127.0.0.1:2380"
	return component{place: controlPlane, program: "etcd", args: []string{
		"--name=cluster", "--data-dir=" + f.path("etcd"),
		"--listen-client-urls=" + client, "--advertise-client-urls=" + client,
		"--listen-peer-urls=" + peer, "--initial-advertise-peer-urls=" + peer, "--initial-cluster=cluster=" + peer,
		// A cluster that nobody keeps needs no disk to be sure of.
		"--unsafe-no-fsync",
	}}
}

func apiServer(f folder, dualStack bool) component {
	bind, services := "0.0.0.0", services4.String()
	if dualStack {
		bind, services = "::", services+","+services6.String()
	}
	return component{place: controlPlane, program: "kube-apiserver", args: []string{
		"--etcd-servers=http://127.0.0.1:2379",
		"--bind-address=" + bind, fmt.Sprintf("--secure-port=%d", apiPort),
		"--advertise-address=" + control4().String(),
		"--tls-cert-file=" + f.path("pki", "kube-apiserver.crt"), "--tls-private-key-file=" + f.path("pki", "kube-apiserver.key"),
		"--client-ca-file=" + f.ca(),
		"--kubelet-client-certificate=" + f.path("pki", "admin.crt"), "--kubelet-client-key=" + f.path("pki", "admin.key"),
		"--kubelet-preferred-address-types=InternalIP",
		"--authorization-mode=Node,RBAC", "--enable-admission-plugins=NodeRestriction",
		"--service-cluster-ip-range=" + services,
		"--service-account-issuer=https://kubernetes.default.svc.cluster.local",
		"--service-account-key-file=" + f.serviceAccountKey(), "--service-account-signing-key-file=" + f.serviceAccountKey(),
		"--allow-privileged=true",
	}}
}

func controllerManager(f folder) component {
	return component{place: controlPlane, program: "kube-controller-manager", args: []string{
		"--kubeconfig=" + f.kubeconfig("kube-controller-manager"),
		"--bind-address=127.0.0.1", "--leader-elect=false", "--use-service-account-credentials=true",
		"--root-ca-file=" + f.ca(), "--service-account-private-key-file=" + f.serviceAccountKey(),
		// It makes this folder; the usual one is the machine's.
		"--flex-volume-plugin-dir=/var/lib/kubelet/volumeplugins",
	}}
}

func scheduler(f folder) component {
	return component{place: controlPlane, program: "kube-scheduler", args: []string{
		"--kubeconfig=" + f.kubeconfig("kube-scheduler"), "--bind-address=127.0.0.1", "--leader-elect=false",
	}}
}

func containerd(f folder, n Node) component {
	return component{place: n.Name, program: "containerd", args: []string{"--config=" + f.path("places", n.Name, "containerd.toml")}}
}

func kubelet(f folder, dualStack bool, n Node) component {
	ips := []string{n.IPv4().String()}
	if dualStack {
		ips = append(ips, n.IPv6().String())
	}
	return component{place: n.Name, program: "kubelet", args: []string{
		"--config=" + f.path("places", n.Name, "kubelet.yaml"), "--kubeconfig=" + f.kubeconfig(n.Name),
		"--hostname-override=" + n.Name, "--node-ip=" + strings.Join(ips, ","),
		"--node-labels=topology.kubernetes.io/zone=" + n.Zone + ",topology.kubernetes.io/region=here",
	}}
}

func kubeProxy(f folder, n Node) component {
	return component{place: n.Name, program: "kube-proxy", args: []string{"--config=" + f.path("places", n.Name, "kube-proxy.yaml")}}
}
