package etcdtest

import (
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
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
)

// Server is an etcd of one member in a process of its own, for programs and for
// tests that share one; others use [Start].
type Server struct {
	*process.Service
	// Endpoint is the client URL, the same after a restart.
	Endpoint string

	data string
	tls  *tls.Config
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
	s := &Server{data: filepath.Join(dir, "etcd")}
	s.Service = &process.Service{
		Spec:  process.Spec{Path: program, Log: filepath.Join(dir, "etcd.log")},
		Ready: s.healthy, Within: startWithin, Grace: stopWithin,
	}
	if err := s.StartOnFreePort(ctx, func() error { return s.configure(c) }); err != nil {
		return nil, err
	}
	return s, nil
}

// configure chooses ports and writes the command line. What a start on other ports
// left is cleared.
func (s *Server) configure(c *config) error {
	if err := os.RemoveAll(s.data); err != nil {
		return fmt.Errorf("clearing the data of a failed start: %w", err)
	}
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
	s.Spec.Args = append([]string{
		"--name", "test", "--data-dir", s.data, "--log-outputs", "stderr", "--logger", "zap",
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
	s.Spec.Args = append(s.Spec.Args, "--cert-file", server.CertFile, "--key-file", server.KeyFile)
	if c.mutual {
		s.Spec.Args = append(s.Spec.Args, "--client-cert-auth", "--trusted-ca-file", c.certs.File)
	}
	client, err := c.certs.Client("etcd-test-client", "test")
	if err != nil {
		return err
	}
	s.tls, err = c.certs.ClientConfig(client)
	return err
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
