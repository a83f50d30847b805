// Package system_test holds the whole product to what users are promised: both
// binaries as processes, a real etcd and a real kube-apiserver, stopped, killed
// and filled where that is what a test is about, and asked over HTTP as people,
// Prometheus and the agents ask.
//
// The server is built with the race detector, and a race that shows in any test
// fails it. Agents are real ones where it is they that are tested; otherwise the
// tests post reports of their own, with intervals of a second or two, because
// time is what most of these tests wait for.
//
// Tests that need Kubernetes share one kube-apiserver and run one after another (see
// useCluster), since the server looks for agents in all of its namespaces. All others
// have what they need for themselves and run side by side with those and each other
// (see sideBySide).
package system_test

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/netchecker/netchecker/test/kubetest"
)

// serverProgram and agentProgram are the binaries that are tested.
var serverProgram, agentProgram string

func TestMain(m *testing.M) {
	status, err := run(m)
	if err != nil {
		fmt.Fprintf(os.Stderr, "system: %v\n", err)
		status = max(status, 1)
	}
	os.Exit(status)
}

func run(m *testing.M) (status int, err error) {
	flag.Parse()
	// Those who wait for the cluster, or for a place, count as well, and who has a place
	// may wait for parts of its own: fewer than there are tests could wait for good.
	const atOnce = "1000"
	if err := flag.Set("test.parallel", atOnce); err != nil {
		return 0, err
	}
	dir, err := os.MkdirTemp("", "netchecker-system")
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	// One test runs the server as somebody else.
	if err := os.Chmod(dir, 0o755); err != nil {
		return 0, err
	}
	serverProgram, agentProgram = filepath.Join(dir, "netchecker-server"), filepath.Join(dir, "netchecker-agent")
	if err := build(serverProgram, "./server", "-race"); err != nil {
		return 0, err
	}
	if err := build(agentProgram, "./agent"); err != nil {
		return 0, err
	}
	status = m.Run()
	return status, errors.Join(kubernetes.close(), noChildren())
}

func build(program, pkg string, flags ...string) error {
	cmd := exec.Command("go", append(append([]string{"build", "-o", program}, flags...), pkg)...)
	cmd.Dir = filepath.Join("..", "..")
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("building %s: %w\n%s", pkg, err, out)
	}
	return nil
}

// places are for those tests that run side by side, with their subtests: they wait more
// than they work.
var places = make(chan struct{}, 4)

// sideBySide is t.Parallel for tests that have all that they need for themselves.
func sideBySide(t *testing.T) {
	t.Helper()
	t.Parallel()
	places <- struct{}{}
	t.Cleanup(func() { <-places })
}

// kubernetes is the kube-apiserver that all tests share, started by the first
// that needs it.
var kubernetes sharedCluster

type sharedCluster struct {
	// taken is locked by the test that uses it.
	taken  sync.Mutex
	once   sync.Once
	dir    string
	server *kubetest.Server
	err    error
}

// get is the cluster as t uses it.
func (c *sharedCluster) get(t *testing.T) *kubetest.Cluster {
	t.Helper()
	c.once.Do(func() {
		if c.dir, c.err = os.MkdirTemp("", "netchecker-system-kubernetes"); c.err == nil {
			c.server, c.err = kubetest.Run(context.Background(), c.dir)
		}
	})
	if c.err != nil {
		t.Fatalf("starting kube-apiserver: %v", c.err)
	}
	return c.server.For(t)
}

func (c *sharedCluster) close() error {
	var err error
	if c.server != nil {
		err = c.server.Close()
	}
	if c.dir != "" {
		err = errors.Join(err, os.RemoveAll(c.dir))
	}
	return err
}

// noChildren says which processes were left behind.
func noChildren() error {
	stats, err := filepath.Glob("/proc/[0-9]*/stat")
	if err != nil {
		return err
	}
	var left []string
	for _, path := range stats {
		text, err := os.ReadFile(path)
		if err != nil {
			continue // it has ended meanwhile
		}
		// pid (name) state ppid ...; a name may have spaces and brackets.
		end := strings.LastIndexByte(string(text), ')')
		fields := strings.Fields(string(text[end+1:]))
		if len(fields) > 1 && fields[1] == strconv.Itoa(os.Getpid()) {
			left = append(left, string(text[:end+1]))
		}
	}
	if left != nil {
		return fmt.Errorf("left behind: %s", strings.Join(left, ", "))
	}
	return nil
}
