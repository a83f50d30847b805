package kubetest

import (
	"fmt"
	"strings"

	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"

	"github.com/netchecker/netchecker/test/certtest"
)

// Config is that of a client which kube-apiserver knows as user in groups, by a
// certificate. Anyone may be user; what a user may do, Grant says.
func (s *Server) Config(user string, groups ...string) (*rest.Config, error) {
	pair, err := s.certificate(user, groups)
	if err != nil {
		return nil, err
	}
	return &rest.Config{
		Host: s.URL,
		TLSClientConfig: rest.TLSClientConfig{
			CAData: s.ca.PEM, CertData: pair.CertPEM, KeyData: pair.KeyPEM,
		},
	}, nil
}

// Kubeconfig writes a kubeconfig file for user, and returns its path.
func (s *Server) Kubeconfig(user string, groups ...string) (string, error) {
	pair, err := s.certificate(user, groups)
	if err != nil {
		return "", err
	}
	config := clientcmdapi.NewConfig()
	config.Clusters["test"] = &clientcmdapi.Cluster{Server: s.URL, CertificateAuthorityData: s.ca.PEM}
	config.AuthInfos[user] = &clientcmdapi.AuthInfo{ClientCertificateData: pair.CertPEM, ClientKeyData: pair.KeyPEM}
	config.Contexts["test"] = &clientcmdapi.Context{Cluster: "test", AuthInfo: user}
	config.CurrentContext = "test"
	path := strings.TrimSuffix(pair.CertFile, ".crt") + ".kubeconfig"
	if err := clientcmd.WriteToFile(*config, path); err != nil {
		return "", fmt.Errorf("writing the kubeconfig of %s: %w", user, err)
	}
	return path, nil
}

// certificate is the identity's, made at the first call.
func (s *Server) certificate(user string, groups []string) (certtest.Pair, error) {
	identity := strings.Join(append([]string{user}, groups...), "\n")
	s.mu.Lock()
	defer s.mu.Unlock()
	if pair, ok := s.certificates[identity]; ok {
		return pair, nil
	}
	// The files' names are numbers, as users are called system:serviceaccount:….
	pair, err := s.ca.Client(fmt.Sprintf("user-%d", len(s.certificates)), user, groups...)
	if err != nil {
		return certtest.Pair{}, err
	}
	s.certificates[identity] = pair
	return pair, nil
}
