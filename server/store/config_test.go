package store_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/netchecker/netchecker/server/store"
)

func TestWhatCannotWorkIsToldWhenTheStoreIsOpened(t *testing.T) {
	t.Parallel()
	ca := authority(t)
	client := pair(t, ca, "client")
	empty := filepath.Join(t.TempDir(), "empty")
	if err := os.WriteFile(empty, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	https := []string{"https://127.0.0.1:2379"}
	for _, test := range []struct {
		cfg  store.Config
		want string
	}{
		{store.Config{}, "-etcd-endpoints names no endpoint"},
		{store.Config{Endpoints: []string{"etcd"}}, `-etcd-endpoints has "etcd"; it should be a URL with a port, such as http://127.0.0.1:2379`},
		{store.Config{Endpoints: []string{"http://etcd"}}, `-etcd-endpoints has "http://etcd"; it should be a URL with a port, such as http://127.0.0.1:2379`},
		{store.Config{Endpoints: []string{"ftp://etcd:1"}}, `-etcd-endpoints has "ftp://etcd:1"; it should be a URL with a port, such as http://127.0.0.1:2379`},
		{store.Config{Endpoints: []string{"http://etcd:99999"}}, `-etcd-endpoints has "http://etcd:99999"; it should be a URL with a port, such as http://127.0.0.1:2379`},
		{store.Config{Endpoints: []string{"http://etcd:1/v3"}}, `-etcd-endpoints has "http://etcd:1/v3"; it should be a URL with a port, such as http://127.0.0.1:2379`},
		{store.Config{Endpoints: []string{"http://a:1", "https://b:1"}}, "-etcd-endpoints has http://a:1 and https://b:1, one with TLS and one without; they should all be alike"},
		{store.Config{Endpoints: []string{"http://a:1"}, CAFile: ca.File}, "-etcd-endpoints has http://a:1, which is not encrypted, but certificate files are given; it should be https://"},
		{store.Config{Endpoints: https, Tree: "/"}, `-etcd-tree is "/"; it should be a prefix such as netchecker`},
		{store.Config{Endpoints: https, CAFile: "/no/ca"}, "-etcd-ca: open /no/ca: no such file or directory"},
		{store.Config{Endpoints: https, CAFile: empty}, "-etcd-ca: " + empty + " has no certificate in PEM"},
		{store.Config{Endpoints: https, CertFile: client.CertFile}, "-etcd-cert is given without -etcd-key"},
		{store.Config{Endpoints: https, KeyFile: client.KeyFile}, "-etcd-key is given without -etcd-cert"},
		{store.Config{Endpoints: https, CertFile: "/no/cert", KeyFile: client.KeyFile}, "-etcd-cert: open /no/cert: no such file or directory"},
		{store.Config{Endpoints: https, CertFile: client.CertFile, KeyFile: "/no/key"}, "-etcd-key: open /no/key: no such file or directory"},
		{store.Config{Endpoints: https, CertFile: client.CertFile, KeyFile: ca.File}, "-etcd-cert and -etcd-key (" + client.CertFile + " and " + ca.File + "): "},
	} {
		if test.cfg.Tree == "" {
			test.cfg.Tree = "netchecker"
		}
		s, err := store.Open(test.cfg)
		if err == nil {
			_ = s.Close()
		}
		if err == nil || err.Error() != test.want && !(strings.HasSuffix(test.want, ": ") && strings.HasPrefix(err.Error(), test.want)) {
			t.Errorf("%+v\n got %v\nwant %s", test.cfg, err, test.want)
		}
	}
}

func TestEndpointsThatEtcdAllowsAreTaken(t *testing.T) {
	t.Parallel()
	for _, endpoints := range [][]string{
		{"127.0.0.1:2379"}, {"http://127.0.0.1:2379"}, {"http://127.0.0.1:2379/"}, {"https://etcd.kube-system.svc:2379"}, {"http://[::1]:2379"}, {"a:1", "b:1"},
	} {
		s, err := store.Open(store.Config{Endpoints: endpoints, Tree: "/netchecker/"})
		if err != nil {
			t.Errorf("%v: %v", endpoints, err)
			continue
		}
		if err := s.Close(); err != nil {
			t.Errorf("%v: closing: %v", endpoints, err)
		}
	}
}
