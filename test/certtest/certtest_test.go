package certtest_test

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"net"
	"os"
	"slices"
	"testing"

	"github.com/netchecker/netchecker/test/certtest"
)

func authority(t *testing.T, dir string) *certtest.Authority {
	t.Helper()
	ca, err := certtest.New(dir)
	if err != nil {
		t.Fatal(err)
	}
	return ca
}

// handshake lets a client and a server of these configs meet, and returns the
// client certificate that the server saw.
func handshake(t *testing.T, server, client *tls.Config) (*x509.Certificate, error) {
	t.Helper()
	l, err := tls.Listen("tcp", "127.0.0.1:0", server)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	type met struct {
		cert *x509.Certificate
		err  error
	}
	accepted := make(chan met, 1)
	go func() {
		raw, err := l.Accept()
		if err != nil {
			accepted <- met{err: err}
			return
		}
		defer raw.Close()
		conn := raw.(*tls.Conn)
		if err := conn.HandshakeContext(t.Context()); err != nil {
			accepted <- met{err: err}
			return
		}
		var cert *x509.Certificate
		if seen := conn.ConnectionState().PeerCertificates; len(seen) > 0 {
			cert = seen[0]
		}
		accepted <- met{cert: cert}
	}()
	raw, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer raw.Close()
	clientErr := tls.Client(raw, client).HandshakeContext(t.Context())
	if clientErr != nil {
		raw.Close()
	}
	m := <-accepted
	return m.cert, errors.Join(clientErr, m.err)
}

func keyPair(t *testing.T, p certtest.Pair) tls.Certificate {
	t.Helper()
	cert, err := tls.LoadX509KeyPair(p.CertFile, p.KeyFile)
	if err != nil {
		t.Fatal(err)
	}
	return cert
}

func TestClientsAreKnownByNameAndGroups(t *testing.T) {
	ca := authority(t, t.TempDir())
	server, err := ca.Server("server")
	if err != nil {
		t.Fatal(err)
	}
	client, err := ca.Client("client", "alice", "staff", "admins")
	if err != nil {
		t.Fatal(err)
	}
	config, err := ca.ClientConfig(client)
	if err != nil {
		t.Fatal(err)
	}
	for _, host := range []string{"localhost", "127.0.0.1", "::1"} {
		config.ServerName = host
		seen, err := handshake(t, &tls.Config{
			Certificates: []tls.Certificate{keyPair(t, server)},
			ClientAuth:   tls.RequireAndVerifyClientCert, ClientCAs: ca.Pool(),
		}, config)
		if err != nil {
			t.Fatalf("%s: %v", host, err)
		}
		slices.Sort(seen.Subject.Organization) // a set, of no order
		if s := seen.Subject; s.CommonName != "alice" || !slices.Equal(s.Organization, []string{"admins", "staff"}) {
			t.Errorf("the server saw %v", s)
		}
	}
}

func TestStrangersAreNotTrusted(t *testing.T) {
	ours, theirs := authority(t, t.TempDir()), authority(t, t.TempDir())
	server, err := ours.Server("server", "example.test")
	if err != nil {
		t.Fatal(err)
	}
	listening := &tls.Config{Certificates: []tls.Certificate{keyPair(t, server)}}
	for name, client := range map[string]*tls.Config{
		"another authority":        {RootCAs: theirs.Pool(), ServerName: "example.test"},
		"a name that was not said": {RootCAs: ours.Pool(), ServerName: "localhost"},
	} {
		if _, err := handshake(t, listening, client); err == nil {
			t.Errorf("%s was trusted", name)
		}
	}
}

func TestSecondCallOfTheSameNameRenewsTheFiles(t *testing.T) {
	ca := authority(t, t.TempDir())
	first, err := ca.Server("server")
	if err != nil {
		t.Fatal(err)
	}
	second, err := ca.Server("server")
	if err != nil {
		t.Fatal(err)
	}
	if first.CertFile != second.CertFile || string(first.CertPEM) == string(second.CertPEM) {
		t.Error("the second certificate is the first, or elsewhere")
	}
	if text, err := os.ReadFile(second.CertFile); err != nil || string(text) != string(second.CertPEM) {
		t.Errorf("%s is not the second certificate (%v)", second.CertFile, err)
	}
}

func TestFolderThatIsNotThereIsAnError(t *testing.T) {
	if _, err := certtest.New("/no/such/folder"); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("got error %v", err)
	}
}

func TestAuthorityCanBeOpenedAgain(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	made := authority(t, dir)
	opened, err := certtest.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	pair, err := opened.Client("late", "somebody", "some group")
	if err != nil {
		t.Fatal(err)
	}
	block, _ := pem.Decode(pair.CertPEM)
	cert, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	usage := []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}
	if _, err := cert.Verify(x509.VerifyOptions{Roots: made.Pool(), KeyUsages: usage}); err != nil {
		t.Errorf("what it signs is not the authority's: %v", err)
	}
	if opened.File != made.File || string(opened.PEM) != string(made.PEM) {
		t.Errorf("it is %s:\n%s", opened.File, opened.PEM)
	}
	if _, err := certtest.Open(t.TempDir()); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("where there is none: got error %v", err)
	}
}
