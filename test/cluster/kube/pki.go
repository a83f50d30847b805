package kube

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"net/netip"
	"os"

	"github.com/netchecker/netchecker/test/certtest"
)

// makePKI makes the cluster's authority, the API server's certificate and key for
// service accounts, and the users of everything but the nodes.
func (c *Cluster) makePKI() error {
	ca, err := certtest.New(c.folder.pki())
	if err != nil {
		return err
	}
	hosts := []string{
		"kubernetes", "kubernetes.default", "kubernetes.default.svc", "kubernetes.default.svc.cluster.local",
		"localhost", "127.0.0.1", apiService, control4().String(), control6().String(),
	}
	if _, err := ca.Server("kube-apiserver", hosts...); err != nil {
		return err
	}
	if err := makeKey(c.folder.serviceAccountKey()); err != nil {
		return err
	}
	for _, u := range []struct{ name, user, group string }{
		{"admin", "admin", "system:masters"},
		{"kube-controller-manager", "system:kube-controller-manager", ""},
		{"kube-scheduler", "system:kube-scheduler", ""},
		{"kube-proxy", "system:kube-proxy", ""},
	} {
		if err := c.newUser(ca, u.name, u.user, u.group); err != nil {
			return err
		}
	}
	return nil
}

// nodeIdentity makes the kubelet's user of a node.
func (c *Cluster) nodeIdentity(n Node) error {
	ca, err := certtest.Open(c.folder.pki())
	if err != nil {
		return err
	}
	return c.newUser(ca, n.Name, "system:node:"+n.Name, "system:nodes")
}

// newUser makes a certificate, and a kubeconfig that logs in with it.
func (c *Cluster) newUser(ca *certtest.Authority, name, user, group string) error {
	var groups []string
	if group != "" {
		groups = []string{group}
	}
	pair, err := ca.Client(name, user, groups...)
	if err != nil {
		return err
	}
	return writeFile(c.folder.kubeconfig(name), "kubeconfig.yaml", map[string]string{
		"Server": apiAddress(), "CA": c.folder.ca(), "User": name, "Cert": pair.CertFile, "Key": pair.KeyFile,
	})
}

func apiAddress() string { return netip.AddrPortFrom(control4(), apiPort).String() }

func makeKey(path string) error {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return fmt.Errorf("making the key of service accounts: %w", err)
	}
	der, err := x509.MarshalECPrivateKey(key)
	if err != nil {
		return fmt.Errorf("making the key of service accounts: %w", err)
	}
	return os.WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: der}), 0o600)
}
