// Package certtest makes certificate authorities, and certificates signed by
// them, for tests that speak TLS.
package certtest

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"time"
)

// validity is from an hour ago, as clocks differ, to long after any test.
const validity = 24 * time.Hour

// Authority signs certificates, and writes them into a folder.
type Authority struct {
	// File is the authority's own certificate, ca.crt, in PEM.
	File string
	// PEM is what File holds.
	PEM []byte

	dir  string
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
}

// Pair is a certificate with its key, in files and in memory, in PEM.
type Pair struct {
	CertFile, KeyFile string
	CertPEM, KeyPEM   []byte
}

// New makes an authority whose files are in dir, which must be there. Each
// authority is another one, also in the same folder.
func New(dir string) (*Authority, error) {
	template := &x509.Certificate{
		Subject:               pkix.Name{CommonName: "netchecker test authority"},
		IsCA:                  true,
		BasicConstraintsValid: true,
		KeyUsage:              x509.KeyUsageCertSign | x509.KeyUsageDigitalSignature,
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("making the authority's key: %w", err)
	}
	der, err := sign(template, template, key, key)
	if err != nil {
		return nil, fmt.Errorf("making the authority's certificate: %w", err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, fmt.Errorf("reading the authority's certificate: %w", err)
	}
	keyDER, err := x509.MarshalECPrivateKey(key)
	if err != nil {
		return nil, fmt.Errorf("encoding the authority's key: %w", err)
	}
	a := &Authority{File: filepath.Join(dir, "ca.crt"), PEM: encode("CERTIFICATE", der), dir: dir, cert: cert, key: key}
	if err := replace(filepath.Join(dir, "ca.key"), encode("EC PRIVATE KEY", keyDER)); err != nil {
		return nil, err
	}
	return a, replace(a.File, a.PEM)
}

// Open is the authority that New made in dir, also in another process.
func Open(dir string) (*Authority, error) {
	pair, err := tls.LoadX509KeyPair(filepath.Join(dir, "ca.crt"), filepath.Join(dir, "ca.key"))
	if err != nil {
		return nil, fmt.Errorf("opening the authority in %s: %w", dir, err)
	}
	key, ok := pair.PrivateKey.(*ecdsa.PrivateKey)
	if !ok {
		return nil, fmt.Errorf("opening the authority in %s: its key is a %T", dir, pair.PrivateKey)
	}
	der := pair.Certificate[0]
	return &Authority{File: filepath.Join(dir, "ca.crt"), PEM: encode("CERTIFICATE", der), dir: dir, cert: pair.Leaf, key: key}, nil
}

// Server makes name.crt and name.key for a server on hosts: names or IP
// addresses, by default those of loopback. It serves as a client's, too, since
// servers such as etcd call themselves. A second call of the same name replaces
// the files, as a renewal does.
func (a *Authority) Server(name string, hosts ...string) (Pair, error) {
	if len(hosts) == 0 {
		hosts = []string{"localhost", "127.0.0.1", "::1"}
	}
	template := &x509.Certificate{
		Subject:     pkix.Name{CommonName: name},
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}
	for _, h := range hosts {
		if ip := net.ParseIP(h); ip != nil {
			template.IPAddresses = append(template.IPAddresses, ip)
		} else {
			template.DNSNames = append(template.DNSNames, h)
		}
	}
	return a.write(name, template)
}

// Client makes name.crt and name.key for a client that is user (the common
// name) in groups (the organisations), as Kubernetes reads them. A second call
// of the same name replaces the files, as a renewal does.
func (a *Authority) Client(name, user string, groups ...string) (Pair, error) {
	return a.write(name, &x509.Certificate{
		Subject:     pkix.Name{CommonName: user, Organization: groups},
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
	})
}

// Pool trusts this authority alone.
func (a *Authority) Pool() *x509.CertPool {
	pool := x509.NewCertPool()
	pool.AddCert(a.cert)
	return pool
}

// ClientConfig is that of a client which trusts this authority and shows pair.
func (a *Authority) ClientConfig(pair Pair) (*tls.Config, error) {
	cert, err := tls.X509KeyPair(pair.CertPEM, pair.KeyPEM)
	if err != nil {
		return nil, fmt.Errorf("reading %s: %w", pair.CertFile, err)
	}
	return &tls.Config{RootCAs: a.Pool(), Certificates: []tls.Certificate{cert}, MinVersion: tls.VersionTLS12}, nil
}

func (a *Authority) write(name string, template *x509.Certificate) (Pair, error) {
	template.KeyUsage = x509.KeyUsageDigitalSignature
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return Pair{}, fmt.Errorf("making the key of %s: %w", name, err)
	}
	der, err := sign(template, a.cert, key, a.key)
	if err != nil {
		return Pair{}, fmt.Errorf("signing the certificate of %s: %w", name, err)
	}
	keyDER, err := x509.MarshalECPrivateKey(key)
	if err != nil {
		return Pair{}, fmt.Errorf("encoding the key of %s: %w", name, err)
	}
	p := Pair{
		CertFile: filepath.Join(a.dir, name+".crt"),
		KeyFile:  filepath.Join(a.dir, name+".key"),
		CertPEM:  encode("CERTIFICATE", der),
		KeyPEM:   encode("EC PRIVATE KEY", keyDER),
	}
	if err := replace(p.KeyFile, p.KeyPEM); err != nil {
		return Pair{}, err
	}
	return p, replace(p.CertFile, p.CertPEM)
}

func sign(template, parent *x509.Certificate, key, signer *ecdsa.PrivateKey) ([]byte, error) {
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 120))
	if err != nil {
		return nil, err
	}
	template.SerialNumber = serial
	template.NotBefore = time.Now().Add(-time.Hour)
	template.NotAfter = time.Now().Add(validity)
	return x509.CreateCertificate(rand.Reader, template, parent, &key.PublicKey, signer)
}

func encode(kind string, der []byte) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der})
}

// replace writes the whole file at once, so that nobody reads half of it.
func replace(path string, text []byte) error {
	next := path + ".next"
	if err := os.WriteFile(next, text, 0o600); err != nil {
		return err
	}
	return os.Rename(next, path)
}
