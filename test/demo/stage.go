package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"time"

	"github.com/netchecker/netchecker/pkg/serve"
)

const (
	// agentGrace and serverGrace are how long an actor may take to end by itself.
	agentGrace  = 5 * time.Second
	serverGrace = 15 * time.Second
	// askEvery is how often the server is asked how far things are.
	askEvery = 100 * time.Millisecond
)

// stage holds all that the demo made and must take away again.
type stage struct {
	options
	out io.Writer
	dir string // everything that is written to disk
	api *api

	server *actor
	agents []*actor
	// ended has each actor once, when it ends.
	ended    chan *actor
	watching sync.WaitGroup
}

// newStage makes the demo's directory. The endpoint must be free.
func newStage(o options, out io.Writer) (*stage, error) {
	endpoint, err := claim(o.endpoint)
	if err != nil {
		return nil, err
	}
	o.endpoint = endpoint
	dir, err := os.MkdirTemp("", "netchecker-demo-")
	if err != nil {
		return nil, fmt.Errorf("making a directory for data and logs: %w", err)
	}
	return &stage{
		options: o,
		out:     out,
		dir:     dir,
		api:     newAPI(reachable(endpoint)),
		ended:   make(chan *actor, 1+len(cast())),
	}, nil
}

// claim returns the address that listening on endpoint amounts to, after trying
// it. What is wrong is told better here than by a server's log.
func claim(endpoint string) (string, error) {
	s := serve.New(serve.Config{Name: "server", Addr: endpoint, Flag: "bin/demo -endpoint HOST:PORT"})
	if err := s.Listen(); err != nil {
		return "", err
	}
	addr := s.Addr().String()
	if err := s.Close(); err != nil {
		return "", fmt.Errorf("giving back %s: %w", addr, err)
	}
	return addr, nil
}

// reachable is the address at which this machine reaches a listener.
func reachable(endpoint string) string {
	host, port, err := net.SplitHostPort(endpoint)
	if ip := net.ParseIP(host); err == nil && ip.IsUnspecified() {
		return net.JoinHostPort("127.0.0.1", port)
	}
	return endpoint
}

// startServer starts the server, which expects the pods and has them sample it.
func (s *stage) startServer(pods []pod) error {
	expected, backends := filepath.Join(s.dir, "agents.yaml"), filepath.Join(s.dir, "backends.yaml")
	for path, content := range map[string]string{expected: agentsFile(pods), backends: backendsFile} {
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			return fmt.Errorf("telling the server whom to expect, and what they sample: %w", err)
		}
	}
	server, err := startActor("netchecker-server", s.options.server(), s.dir, nil,
		"-logtostderr",
		"-endpoint", s.endpoint,
		"-agents-file", expected,
		"-backends-file", backends,
		"-allow-loopback",
		"-data-dir", filepath.Join(s.dir, "etcd"))
	if err != nil {
		return err
	}
	s.server = server
	s.watch(server)
	return nil
}

func (s *stage) startAgent(p pod) error {
	agent, err := startActor(p.name, s.agent(), s.dir,
		[]string{"MY_POD_NAME=" + p.name, "MY_NODE_NAME=" + p.node, "MY_POD_NAMESPACE=" + namespace},
		"-logtostderr",
		"-serverendpoint", reachable(s.endpoint),
		"-reportinterval", strconv.Itoa(s.interval),
		"-network", p.network,
		"-allow-loopback",
		"-mesh-listen", p.mesh.String(),
		"-listen", "")
	if err != nil {
		return err
	}
	s.agents = append(s.agents, agent)
	s.watch(agent)
	return nil
}

func (s *stage) watch(a *actor) {
	s.watching.Go(func() {
		<-a.Ended()
		s.ended <- a
	})
}

// until returns once done says so. It fails when an actor ends, when ctx does,
// or when patience does, with what done said last.
func (s *stage) until(ctx context.Context, done func(context.Context) error) error {
	patience := time.NewTimer(s.patience)
	defer patience.Stop()
	tick := time.NewTicker(askEvery)
	defer tick.Stop()
	for {
		last := done(ctx)
		if last == nil {
			return nil
		}
		select {
		case a := <-s.ended:
			return a.death()
		case <-ctx.Done():
			return ctx.Err()
		case <-patience.C:
			return fmt.Errorf("gave up after %v: %w; the server's log ends with:\n%s", s.patience, last, s.server.LogTail())
		case <-tick.C:
		}
	}
}

// clear ends the agents, then the server, and removes all files.
func (s *stage) clear() error {
	s.api.close()
	errs := make([]error, len(s.agents))
	var ending sync.WaitGroup
	for i, a := range s.agents {
		ending.Go(func() { errs[i] = a.Stop(agentGrace) })
	}
	ending.Wait()
	if s.server != nil {
		errs = append(errs, s.server.Stop(serverGrace))
	}
	s.watching.Wait()
	return errors.Join(append(errs, os.RemoveAll(s.dir))...)
}
