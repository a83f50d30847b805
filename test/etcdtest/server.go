package etcdtest

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"
	"go.uber.org/zap"

	"github.com/netchecker/netchecker/test/process"
	"github.com/netchecker/netchecker/test/tools"
)

const (
	// startWithin bounds one start, on a machine that is busy with other tests.
	startWithin = time.Minute
	// stopWithin is how long an etcd may take to end when asked to.
	stopWithin = 10 * time.Second
	// startTries is how often Run tries with ports that somebody else took first.
	startTries = 3
)

// Server is an etcd of one member in a process of its own, for programs and for
// tests that share one; others use [Start]. Its methods may not be called at once.
type Server struct {
	// Endpoint is the client URL, the same after a restart.
	Endpoint string

	dir     string
	program string
	args    []string
	tls     *tls.Config
	process *process.Process
}

// Run starts an etcd whose data and log are in dir, which must be there, and
// returns when it is healthy. The caller ends it by Stop or Kill.
func Run(ctx context.Context, dir string, opts ...Option) (*Server, error) {
	c, err := newConfig(opts)
	if err != nil {
		return nil, err
	}
	program, err := tools.Path(c.tool)
	if err != nil {
		return nil, err
	}
	for try := 1; ; try++ {
		s := &Server{dir: dir, program: program}
		if err := s.configure(c); err != nil {
			return nil, err
		}
		err := s.start(ctx)
		if err == nil {
			return s, nil
		}
		if try == startTries || !strings.Contains(err.Error(), "address already in use") {
			return nil, err
		}
		if err := os.RemoveAll(s.data()); err != nil {
			return nil, fmt.Errorf("clearing the data of a failed start: %w", err)
		}
	}
}

func (s *Server) data() string { return filepath.Join(s.dir, "etcd") }

// configure chooses ports and writes the command line.
func (s *Server) configure(c *config) error {
	client, err := process.FreePort()
	if err != nil {
		return err
	}
	peer, err := process.FreePort()
	if err != nil {
		return err
	}
	scheme := "http"
	if c.certs != nil {
		scheme = "https"
	}
	s.Endpoint = fmt.Sprintf("%s://127.0.0.1:%d", scheme, client)
	peerURL := fmt.Sprintf("http://127.0.0.1:%d", peer)
	s.args = append([]string{
		"--name", "test", "--data-dir", s.data(), "--log-outputs", "stderr", "--logger", "zap",
		"--listen-client-urls", s.Endpoint, "--advertise-client-urls", s.Endpoint,
		"--listen-peer-urls", peerURL, "--initial-advertise-peer-urls", peerURL,
		"--initial-cluster", "test=" + peerURL,
	}, c.args...)
	if c.certs == nil {
		return nil
	}
	return s.configureTLS(c)
}

func (s *Server) configureTLS(c *config) error {
	server, err := c.certs.Server("etcd-server")
	if err != nil {
		return err
	}
	s.args = append(s.args, "--cert-file", server.CertFile, "--key-file", server.KeyFile)
	if c.mutual {
		s.args = append(s.args, "--client-cert-auth", "--trusted-ca-file", c.certs.File)
	}
	client, err := c.certs.Client("etcd-test-client", "test")
	if err != nil {
		return err
	}
	s.tls, err = c.certs.ClientConfig(client)
	return err
}

func (s *Server) start(ctx context.Context) error {
	p, err := process.Start(process.Spec{Path: s.program, Args: s.args, Log: filepath.Join(s.dir, "etcd.log")})
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, startWithin)
	defer cancel()
	if err := p.WaitUntil(ctx, s.healthy); err != nil {
		return errors.Join(err, p.Kill())
	}
	s.process = p
	return nil
}

// healthy asks etcd itself, which answers so once it has a leader and can write.
func (s *Server) healthy(ctx context.Context) error {
	client := http.Client{
		Timeout:   2 * time.Second,
		Transport: &http.Transport{TLSClientConfig: s.tls, DisableKeepAlives: true},
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, s.Endpoint+"/health", nil)
	if err != nil {
		return err
	}
	answer, err := client.Do(request)
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(io.LimitReader(answer.Body, 1<<10))
	if err != nil {
		return err
	}
	if answer.StatusCode != http.StatusOK {
		return fmt.Errorf("%s: %s", answer.Status, body)
	}
	return nil
}

// Connect returns a client of its own, which the caller closes.
func (s *Server) Connect() (*clientv3.Client, error) {
	return clientv3.New(clientv3.Config{
		Endpoints:   []string{s.Endpoint},
		DialTimeout: 5 * time.Second,
		TLS:         s.tls,
		Logger:      zap.NewNop(),
	})
}

// PID is the process id of the etcd that runs, or ran last.
func (s *Server) PID() int { return s.process.PID() }

// LogTail is the end of etcd's log.
func (s *Server) LogTail() string { return s.process.LogTail() }

// Pause stops etcd where it is (SIGSTOP): connections stay, nothing answers.
func (s *Server) Pause() error { return s.process.Pause() }

// Resume lets a paused etcd go on (SIGCONT).
func (s *Server) Resume() error { return s.process.Resume() }

// Kill ends etcd without warning (SIGKILL).
func (s *Server) Kill() error { return s.process.Kill() }

// Stop asks etcd to end and waits for it.
func (s *Server) Stop() error { return s.process.Stop(stopWithin) }

// Restart starts etcd again on the same data and ports, and returns when it is
// healthy. One that still runs is killed first.
func (s *Server) Restart(ctx context.Context) error {
	if err := s.Kill(); err != nil {
		return err
	}
	return s.start(ctx)
}
