package kubetest

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strconv"
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
)

// Server is a kube-apiserver with an etcd of its own. Starting one takes
// seconds, so the tests of a package share one; see [Main]. Config, Kubeconfig
// and Grant may be called at once, what stops and starts it may not.
type Server struct {
	// Service is kube-apiserver alone: its etcd goes on when that ends.
	*process.Service
	// URL is where it listens, the same after a restart.
	URL string

	etcd  *etcdtest.Server
	ca    *certtest.Authority
	admin *kubernetes.Clientset

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
	s := &Server{etcd: etcd, ca: ca, certificates: map[string]certtest.Pair{}}
	s.Service = &process.Service{
		Spec:  process.Spec{Path: program, Log: filepath.Join(dir, "kube-apiserver.log")},
		Ready: s.ready, Within: startWithin, Grace: stopWithin,
	}
	if err := s.StartOnFreePort(ctx, s.configure); err != nil {
		return nil, errors.Join(err, etcd.Kill())
	}
	return s, nil
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
	s.Spec.Args = []string{
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

// Close ends kube-apiserver and its etcd.
func (s *Server) Close() error {
	return errors.Join(s.Kill(), s.etcd.Kill())
}
