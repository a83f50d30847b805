package kubetest

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"time"

	"k8s.io/client-go/kubernetes"

	"github.com/netchecker/netchecker/test/certtest"
	"github.com/netchecker/netchecker/test/etcdtest"
	"github.com/netchecker/netchecker/test/process"
	"github.com/netchecker/netchecker/test/tools"
)

const (
	// startWithin bounds one start, which takes 5 to 10 s on an idle machine.
	startWithin = 2 * time.Minute
	// stopWithin is how long kube-apiserver may take to end when asked to.
	stopWithin = 20 * time.Second
	// startTries is how often Run tries with a port that somebody else took first.
	startTries = 3
)

// Server is a kube-apiserver with an etcd of its own. Starting one takes
// seconds, so the tests of a package share one; see [Main]. Config, Kubeconfig
// and Grant may be called at once, what stops and starts it may not.
type Server struct {
	// URL is where it listens, the same after a restart.
	URL string

	dir     string
	program string
	args    []string
	etcd    *etcdtest.Server
	ca      *certtest.Authority
	process *process.Process
	admin   *kubernetes.Clientset

	// mu guards certificates, of which there is one for each identity.
	mu           sync.Mutex
	certificates map[string]certtest.Pair
}

// Run starts an etcd and a kube-apiserver whose data, certificates and logs are
// in dir, which must be there, and returns when they are ready. The caller ends
// them by Close.
func Run(ctx context.Context, dir string) (*Server, error) {
	program, err := tools.Path("kube-apiserver")
	if err != nil {
		return nil, err
	}
	ca, err := certtest.New(dir)
	if err != nil {
		return nil, err
	}
	// What is stored here is thrown away with the test; nobody waits for a disk.
	etcd, err := etcdtest.Run(ctx, dir, etcdtest.UnsafeNoFsync())
	if err != nil {
		return nil, err
	}
	s := &Server{dir: dir, program: program, etcd: etcd, ca: ca, certificates: map[string]certtest.Pair{}}
	if err := s.startOnFreePort(ctx); err != nil {
		return nil, errors.Join(err, etcd.Kill())
	}
	return s, nil
}

func (s *Server) startOnFreePort(ctx context.Context) error {
	for try := 1; ; try++ {
		if err := s.configure(); err != nil {
			return err
		}
		err := s.start(ctx)
		if err == nil || try == startTries || !strings.Contains(err.Error(), "address already in use") {
			return err
		}
	}
}

// configure chooses a port, makes the certificates and writes the command line.
func (s *Server) configure() error {
	port, err := process.FreePort()
	if err != nil {
		return err
	}
	s.URL = fmt.Sprintf("https://127.0.0.1:%d", port)
	serving, err := s.ca.Server("kube-apiserver")
	if err != nil {
		return err
	}
	accounts, err := s.ca.Server("service-accounts")
	if err != nil {
		return err
	}
	s.args = []string{
		"--etcd-servers", s.etcd.Endpoint,
		"--bind-address", "127.0.0.1", "--advertise-address", "127.0.0.1", "--secure-port", strconv.Itoa(port),
		"--tls-cert-file", serving.CertFile, "--tls-private-key-file", serving.KeyFile,
		"--client-ca-file", s.ca.File,
		"--authorization-mode", "RBAC",
		"--service-account-issuer", s.URL,
		"--service-account-signing-key-file", accounts.KeyFile, "--service-account-key-file", accounts.KeyFile,
		"--service-cluster-ip-range", "10.96.0.0/24,fd00:10:96::/112",
		// A service's endpoints may not be of loopback, and nobody asks for them.
		"--endpoint-reconciler-type", "none",
		// No controllers run that would make a pod's service account, or take the
		// taint off a new node.
		"--disable-admission-plugins", "ServiceAccount,TaintNodesByCondition",
	}
	s.admin, err = s.adminClient()
	return err
}

func (s *Server) adminClient() (*kubernetes.Clientset, error) {
	config, err := s.Config("admin", "system:masters")
	if err != nil {
		return nil, err
	}
	// A test makes many things at once, and this client is not what it tests.
	config.QPS = -1
	return kubernetes.NewForConfig(config)
}

func (s *Server) start(ctx context.Context) error {
	p, err := process.Start(process.Spec{Path: s.program, Args: s.args, Log: filepath.Join(s.dir, "kube-apiserver.log")})
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, startWithin)
	defer cancel()
	if err := p.WaitUntil(ctx, s.ready); err != nil {
		return errors.Join(err, p.Kill())
	}
	s.process = p
	return nil
}

// ready asks kube-apiserver, which answers so once it serves the first roles
// and namespaces, too.
func (s *Server) ready(ctx context.Context) error {
	body, err := s.admin.RESTClient().Get().AbsPath("/readyz").Timeout(2 * time.Second).DoRaw(ctx)
	if err != nil {
		return fmt.Errorf("%w %s", err, body)
	}
	_, err = s.admin.CoreV1().RESTClient().Get().AbsPath("/api/v1/namespaces/default").DoRaw(ctx)
	return err
}

// Client is the administrator's, without a rate limit.
func (s *Server) Client() kubernetes.Interface { return s.admin }

// LogTail is the end of kube-apiserver's log.
func (s *Server) LogTail() string { return s.process.LogTail() }

// PID is the process id of the kube-apiserver that runs, or ran last.
func (s *Server) PID() int { return s.process.PID() }

// Pause stops kube-apiserver where it is (SIGSTOP): connections stay, nothing answers.
func (s *Server) Pause() error { return s.process.Pause() }

// Resume lets a paused kube-apiserver go on (SIGCONT).
func (s *Server) Resume() error { return s.process.Resume() }

// Kill ends kube-apiserver without warning (SIGKILL); its etcd goes on.
func (s *Server) Kill() error { return s.process.Kill() }

// Stop asks kube-apiserver to end and waits for it; its etcd goes on.
func (s *Server) Stop() error { return s.process.Stop(stopWithin) }

// Restart starts kube-apiserver again on the same data and port, and returns
// when it is ready. One that still runs is killed first.
func (s *Server) Restart(ctx context.Context) error {
	if err := s.Kill(); err != nil {
		return err
	}
	return s.start(ctx)
}

// Close ends kube-apiserver and its etcd.
func (s *Server) Close() error {
	return errors.Join(s.process.Kill(), s.etcd.Kill())
}
