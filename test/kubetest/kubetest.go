// Package kubetest runs a real kube-apiserver for tests, with an etcd of its
// own: what Kubernetes does with pods, nodes and permissions is not made up.
//
// No controller, scheduler or kubelet runs. Tests say themselves on which node a
// pod is (spec.nodeName) and what has become of it (UpdateStatus); a pod on a
// node that is deleted with a grace period stays, terminating, until it is
// deleted for good. Nothing is left behind, however the test's program ends,
// but for the files of one that was killed.
package kubetest

import (
	"context"
	"errors"
	"fmt"
	"os"
	"testing"

	rbacv1 "k8s.io/api/rbac/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"

	"github.com/netchecker/netchecker/test/process"
)

// Cluster is a Server as one test uses it. What can't be done fails that test.
type Cluster struct {
	// Held is kube-apiserver alone: its etcd goes on when that ends.
	process.Held
	// URL is where kube-apiserver listens, the same after a restart.
	URL string

	tb     testing.TB
	server *Server
}

// Start runs a cluster until the test ends, and returns when it is ready, after
// some seconds. Where the test fails, the end of kube-apiserver's log is shown.
func Start(tb testing.TB) *Cluster {
	tb.Helper()
	server, err := Run(tb.Context(), tb.TempDir())
	if err != nil {
		tb.Fatalf("starting kube-apiserver: %v", err)
	}
	tb.Cleanup(func() {
		if err := server.Close(); err != nil {
			tb.Errorf("ending kube-apiserver: %v", err)
		}
		if tb.Failed() {
			tb.Logf("the log of kube-apiserver ends with:\n%s", server.LogTail())
		}
	})
	return server.For(tb)
}

// Main runs a cluster for all tests of a package, which run within run, and
// returns the program's exit status:
//
//	var cluster *kubetest.Server
//
//	func TestMain(m *testing.M) {
//		os.Exit(kubetest.Main(func(s *kubetest.Server) int {
//			cluster = s
//			return m.Run()
//		}))
//	}
//
// Each test takes it as cluster.For(t). Tests that stop it start one of their own.
func Main(run func(*Server) int) int {
	status, err := runWithin(run)
	if err != nil {
		fmt.Fprintf(os.Stderr, "kubetest: %v\n", err)
		return max(status, 1)
	}
	return status
}

func runWithin(run func(*Server) int) (status int, err error) {
	dir, err := os.MkdirTemp("", "kubetest")
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	server, err := Run(context.Background(), dir)
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, server.Close()) }()
	return run(server), nil
}

// For is the server as tb uses it.
func (s *Server) For(tb testing.TB) *Cluster {
	return &Cluster{Held: process.Hold(tb, s.Service), URL: s.URL, tb: tb, server: s}
}

// Client is the administrator's, without a rate limit.
func (c *Cluster) Client() kubernetes.Interface { return c.server.Client() }

// Config is that of a client which kube-apiserver knows as user in groups, by a
// certificate. Anyone may be user; what a user may do, Grant says.
func (c *Cluster) Config(user string, groups ...string) *rest.Config {
	c.tb.Helper()
	config, err := c.server.Config(user, groups...)
	if err != nil {
		c.tb.Fatalf("making the identity of %s: %v", user, err)
	}
	return config
}

// Kubeconfig writes a kubeconfig file for user, and returns its path.
func (c *Cluster) Kubeconfig(user string, groups ...string) string {
	c.tb.Helper()
	path, err := c.server.Kubeconfig(user, groups...)
	if err != nil {
		c.tb.Fatalf("making the identity of %s: %v", user, err)
	}
	return path
}

// Grant lets user do what rules say, in all namespaces, and no longer what an
// earlier Grant said. It returns when kube-apiserver decides so.
func (c *Cluster) Grant(user string, rules ...rbacv1.PolicyRule) {
	c.tb.Helper()
	if err := c.server.Grant(c.tb.Context(), user, rules...); err != nil {
		c.tb.Fatal(err)
	}
}
