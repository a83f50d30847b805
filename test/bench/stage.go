package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"github.com/netchecker/netchecker/test/etcdtest"
	"github.com/netchecker/netchecker/test/process"
)

const (
	// readyWithin bounds a start. Reading a list of 100,000 agents takes seconds.
	readyWithin = time.Minute
	// endWithin is how long a server may take to end.
	endWithin = 15 * time.Second
)

// stage holds what is running and must be ended again.
type stage struct {
	options
	out    io.Writer
	began  time.Time
	builds []build
	dir    string
	made   int
	// enders end the things that run, in the order of their start.
	enders []func() error
}

func newStage(o options, out io.Writer) (*stage, error) {
	builds, err := o.builds()
	if err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp(o.dir, "netchecker-bench-")
	if err != nil {
		return nil, fmt.Errorf("making a directory for data and logs: %w", err)
	}
	return &stage{options: o, out: out, began: time.Now(), builds: builds, dir: dir}, nil
}

// say prints how far things are.
func (s *stage) say(format string, args ...any) {
	fmt.Fprintf(s.out, "%4.0f s  %s\n", time.Since(s.began).Seconds(), fmt.Sprintf(format, args...))
}

// onEnd calls f when what is being measured has ended.
func (s *stage) onEnd(f func() error) { s.enders = append(s.enders, f) }

// end ends what runs, the last that was started first.
func (s *stage) end() error { return s.endFrom(0) }

func (s *stage) endFrom(first int) error {
	var errs []error
	for i := len(s.enders) - 1; i >= first; i-- {
		errs = append(errs, s.enders[i]())
	}
	s.enders = s.enders[:first]
	return errors.Join(errs...)
}

// scoped calls f, and then ends what f started.
func (s *stage) scoped(f func() error) (err error) {
	first := len(s.enders)
	defer func() { err = errors.Join(err, s.endFrom(first)) }()
	return f()
}

// clear leaves nothing behind.
func (s *stage) clear() error { return errors.Join(s.end(), os.RemoveAll(s.dir)) }

// folder makes a new one.
func (s *stage) folder() (string, error) {
	s.made++
	dir := filepath.Join(s.dir, strconv.Itoa(s.made))
	return dir, os.Mkdir(dir, 0o755)
}

// startEtcd starts an etcd that syncs to the disk.
func (s *stage) startEtcd(ctx context.Context) (*etcdtest.Server, error) {
	dir, err := s.folder()
	if err != nil {
		return nil, err
	}
	// The default quota of 2 GiB does not hold a minute of writes at full speed.
	etcd, err := etcdtest.Run(ctx, dir, etcdtest.Quota(8<<30))
	if err != nil {
		return nil, fmt.Errorf("starting etcd: %w", err)
	}
	s.onEnd(func() error { return etcd.Kill() }) // what runs by then: it may have been restarted
	return etcd, nil
}

// server is a server that runs.
type server struct {
	*process.Process
	// addr is host:port.
	addr string
}

// startServer starts b's netchecker-server and waits until it is ready.
func (s *stage) startServer(ctx context.Context, b build, args ...string) (*server, error) {
	return s.startListener(ctx, b.server(), nil, "/readyz", append([]string{"-logtostderr"}, args...)...)
}

// startListener starts a program that takes -endpoint, and waits until it answers
// 200 at path.
func (s *stage) startListener(ctx context.Context, program string, env []string, path string, args ...string) (*server, error) {
	port, err := process.FreePort()
	if err != nil {
		return nil, err
	}
	srv := &server{addr: net.JoinHostPort("127.0.0.1", strconv.Itoa(port))}
	if srv.Process, err = s.start(program, env, append(args, "-endpoint", srv.addr)...); err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, readyWithin)
	defer cancel()
	return srv, srv.WaitUntil(ctx, func(context.Context) error { return srv.answers(path, http.StatusOK) })
}

// start runs a program until the end of the part.
func (s *stage) start(program string, env []string, args ...string) (*process.Process, error) {
	dir, err := s.folder()
	if err != nil {
		return nil, err
	}
	p, err := process.Start(process.Spec{Path: program, Args: args, Env: env, Log: filepath.Join(dir, "log")})
	if err != nil {
		return nil, err
	}
	s.onEnd(func() error { return p.Stop(endWithin) })
	return p, nil
}

// answers returns nil where a GET of path is answered with that status.
func (srv *server) answers(path string, want int) error {
	c := newConn(srv.addr)
	defer c.close()
	status, body, err := c.do(get(srv.addr, path))
	if err == nil && status != want {
		err = fmt.Errorf("%s is answered %d, not %d: %.300s", path, status, want, body)
	}
	return err
}

// startAgent starts b's netchecker-agent, which reports for a every interval
// seconds and serves its own metrics at listen.
func (s *stage) startAgent(b build, srv *server, a agent, interval int, listen string) (*process.Process, error) {
	return s.start(b.agent(), []string{"MY_POD_NAME=" + a.name, "MY_NODE_NAME=" + a.node, "MY_POD_NAMESPACE=" + namespace},
		"-logtostderr", "-serverendpoint", srv.addr, "-reportinterval", strconv.Itoa(interval),
		"-network", string(a.network), "-listen", listen)
}

// writeAgents writes the list that the server is to expect, and returns its path.
func (s *stage) writeAgents(crew []agent) (string, error) {
	dir, err := s.folder()
	if err != nil {
		return "", err
	}
	path := filepath.Join(dir, "agents.json")
	return path, os.WriteFile(path, agentsFile(crew), 0o600)
}
