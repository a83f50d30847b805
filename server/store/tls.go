package store

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"os"
	"sync"

	"github.com/golang/glog"
	"google.golang.org/grpc/credentials"
)

// tlsCredentials reads the certificate files for each connection anew, so that
// renewed ones are used without a restart.
type tlsCredentials struct {
	caFile, certFile, keyFile string
	skipVerify                bool

	mu   sync.Mutex
	last *tls.Config
}

// newCredentials fails where the files can't be used; the error names the flag.
func newCredentials(c *Config) (*tlsCredentials, error) {
	t := &tlsCredentials{caFile: c.CAFile, certFile: c.CertFile, keyFile: c.KeyFile, skipVerify: c.InsecureSkipVerify}
	config, err := t.read()
	if err != nil {
		return nil, err
	}
	t.last = config
	return t, nil
}

func (t *tlsCredentials) read() (*tls.Config, error) {
	config := &tls.Config{MinVersion: tls.VersionTLS12, InsecureSkipVerify: t.skipVerify}
	if t.caFile != "" {
		pem, err := os.ReadFile(t.caFile)
		if err != nil {
			return nil, fmt.Errorf("-etcd-ca: %w", err)
		}
		config.RootCAs = x509.NewCertPool()
		if !config.RootCAs.AppendCertsFromPEM(pem) {
			return nil, fmt.Errorf("-etcd-ca: %s has no certificate in PEM", t.caFile)
		}
	}
	switch {
	case t.certFile == "" && t.keyFile == "":
		return config, nil
	case t.keyFile == "":
		return nil, errors.New("-etcd-cert is given without -etcd-key")
	case t.certFile == "":
		return nil, errors.New("-etcd-key is given without -etcd-cert")
	}
	certPEM, err := os.ReadFile(t.certFile)
	if err != nil {
		return nil, fmt.Errorf("-etcd-cert: %w", err)
	}
	keyPEM, err := os.ReadFile(t.keyFile)
	if err != nil {
		return nil, fmt.Errorf("-etcd-key: %w", err)
	}
	pair, err := tls.X509KeyPair(certPEM, keyPEM)
	if err != nil {
		return nil, fmt.Errorf("-etcd-cert and -etcd-key (%s and %s): %w", t.certFile, t.keyFile, err)
	}
	config.Certificates = []tls.Certificate{pair}
	return config, nil
}

// current reads the files, or gives what was read last where that fails, as in
// the middle of a renewal.
func (t *tlsCredentials) current() *tls.Config {
	t.mu.Lock()
	defer t.mu.Unlock()
	config, err := t.read()
	if err != nil {
		glog.Warningf("Connecting to etcd with the certificates read before, as the files can't be read now: %v", err)
		return t.last
	}
	t.last = config
	return config
}

// ClientHandshake makes conn secure with the certificates as they are now.
func (t *tlsCredentials) ClientHandshake(ctx context.Context, authority string, conn net.Conn) (net.Conn, credentials.AuthInfo, error) {
	return credentials.NewTLS(t.current()).ClientHandshake(ctx, authority, conn)
}

// ServerHandshake fails: these are a client's credentials.
func (t *tlsCredentials) ServerHandshake(net.Conn) (net.Conn, credentials.AuthInfo, error) {
	return nil, nil, errors.New("the credentials for etcd are a client's, not a server's")
}

// Info is for gRPC's own use.
func (t *tlsCredentials) Info() credentials.ProtocolInfo {
	return credentials.ProtocolInfo{SecurityProtocol: "tls"}
}

// Clone returns t itself, which is safe to share.
func (t *tlsCredentials) Clone() credentials.TransportCredentials { return t }

// OverrideServerName fails: the name to verify is that of the endpoint.
func (t *tlsCredentials) OverrideServerName(string) error {
	return errors.New("etcd is verified by the name of its endpoint")
}
