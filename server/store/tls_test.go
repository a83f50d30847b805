package store_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/netchecker/netchecker/server/store"
	"github.com/netchecker/netchecker/test/certtest"
	"github.com/netchecker/netchecker/test/etcdtest"
	"github.com/netchecker/netchecker/test/eventually"
)

func authority(t *testing.T) *certtest.Authority {
	t.Helper()
	ca, err := certtest.New(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	return ca
}

func pair(t *testing.T, ca *certtest.Authority, name string) certtest.Pair {
	t.Helper()
	p, err := ca.Client(name, name)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestEtcdIsVerified(t *testing.T) {
	t.Parallel()
	ca, other := authority(t), authority(t)
	etcd := etcdtest.Start(t, etcdtest.TLS(ca))
	for _, test := range []struct {
		name    string
		cfg     store.Config
		trouble string
	}{
		{"by its authority", store.Config{CAFile: ca.File}, ""},
		{"by its authority, with a bare endpoint", store.Config{CAFile: ca.File, Endpoints: []string{strings.TrimPrefix(etcd.Endpoint, "https://")}}, ""},
		{"by another authority", store.Config{CAFile: other.File}, "certificate signed by unknown authority"},
		{"by the system's authorities", store.Config{}, "certificate signed by unknown authority"},
		{"not at all, as was asked for", store.Config{InsecureSkipVerify: true}, ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			cfg := test.cfg
			if cfg.Endpoints == nil {
				cfg.Endpoints = []string{etcd.Endpoint}
			}
			s, _ := open(t, cfg)
			eventually.True(t, "it listens, or says why not", func() bool {
				if test.trouble == "" {
					return !s.listeningSince().IsZero()
				}
				return strings.Contains(s.Trouble(), test.trouble)
			})
			if test.trouble != "" && !s.asOf().IsZero() {
				t.Error("it read what it can't trust")
			}
		})
	}
}

func TestClientCertificateIsShown(t *testing.T) {
	t.Parallel()
	ca := authority(t)
	etcd := etcdtest.Start(t, etcdtest.MutualTLS(ca))
	client := pair(t, ca, "netchecker")
	s := openOn(t, etcd, func(c *setting) { c.CAFile, c.CertFile, c.KeyFile = ca.File, client.CertFile, client.KeyFile })
	put(t, s, pod(0), 1)

	without, _ := open(t, store.Config{Endpoints: []string{etcd.Endpoint}, CAFile: ca.File})
	eventually.True(t, "it says that it was not let in", func() bool { return strings.Contains(without.Trouble(), "certificate required") })
}

func TestRenewedCertificatesAreUsedByNewConnections(t *testing.T) {
	t.Parallel()
	ca, stranger := authority(t), authority(t)
	etcd := etcdtest.Start(t, etcdtest.MutualTLS(ca))
	dir := t.TempDir()
	caFile, certFile, keyFile := filepath.Join(dir, "ca"), filepath.Join(dir, "cert"), filepath.Join(dir, "key")
	install := func(ca *certtest.Authority, p certtest.Pair) {
		t.Helper()
		for file, content := range map[string][]byte{caFile: ca.PEM, certFile: p.CertPEM, keyFile: p.KeyPEM} {
			if err := os.WriteFile(file, content, 0o600); err != nil {
				t.Fatal(err)
			}
		}
	}
	install(stranger, pair(t, stranger, "old"))
	s, _ := open(t, store.Config{Endpoints: []string{etcd.Endpoint}, CAFile: caFile, CertFile: certFile, KeyFile: keyFile, PingTimeout: ping})
	eventually.True(t, "it says why it can't connect", func() bool { return strings.Contains(s.Trouble(), "unknown authority") })

	install(ca, pair(t, ca, "new"))
	eventually.True(t, "it listens", func() bool { return !s.listeningSince().IsZero() })

	if err := os.WriteFile(keyFile, []byte("half of it"), 0o600); err != nil {
		t.Fatal(err)
	}
	etcd.Restart()
	eventually.True(t, "it listens with what it read before", func() bool {
		return !s.listeningSince().IsZero() && s.Check(t.Context()) == nil
	})
}
