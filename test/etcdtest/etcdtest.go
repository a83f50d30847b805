// Package etcdtest runs a real etcd for tests, as a process of its own on a port
// of its own, that can be paused, killed and started again on the same data.
//
// Nothing is left behind: the process ends with the test, or with the test's
// program however that ends, and the data is in the test's temporary folder.
package etcdtest

import (
	"testing"

	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/netchecker/netchecker/test/process"
)

// Etcd is the etcd of one test. What can't be done fails that test.
type Etcd struct {
	process.Held
	// Endpoint is the client URL, the same after a restart.
	Endpoint string

	server *Server
}

// Start runs an etcd until the test ends, and returns when it is healthy. Where
// the test fails, the end of etcd's log is shown.
func Start(tb testing.TB, opts ...Option) *Etcd {
	tb.Helper()
	server, err := Run(tb.Context(), tb.TempDir(), opts...)
	if err != nil {
		tb.Fatalf("starting etcd: %v", err)
	}
	e := &Etcd{Held: process.Hold(tb, server.Service), Endpoint: server.Endpoint, server: server}
	tb.Cleanup(func() {
		if err := server.Kill(); err != nil {
			tb.Errorf("ending etcd: %v", err)
		}
		if tb.Failed() {
			tb.Logf("etcd's log ends with:\n%s", server.LogTail())
		}
	})
	return e
}

// Client returns a client that is closed when tb ends.
func (e *Etcd) Client(tb testing.TB) *clientv3.Client {
	tb.Helper()
	client, err := e.server.Connect()
	if err != nil {
		tb.Fatalf("connecting to etcd: %v", err)
	}
	tb.Cleanup(func() {
		if err := client.Close(); err != nil {
			tb.Errorf("closing the client of etcd: %v", err)
		}
	})
	return client
}
