package system_test

import (
	"os"
	"strings"
	"testing"

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

func TestEtcdIsVerifiedByTheAuthorityThatIsGiven(t *testing.T) {
	sideBySide(t)
	ca := authority(t)
	etcd := startEtcd(t, etcdtest.TLS(ca))
	for name, more := range map[string]flags{
		"its authority":             {"-etcd-ca", ca.File},
		"verification switched off": {"-etcd-insecure-skip-verify"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			a := agent{name: "a"}
			s := serve(t, in(etcd), expecting(t, a), more, flags{"-etcd-tree", strings.ReplaceAll(name, " ", "-")}).ready()
			s.takes(a.report(1))
			s.becomes(checkPath, 200, allWell(1))
		})
	}
}

func TestAnEtcdThatCannotBeVerifiedIsNotBelieved(t *testing.T) {
	sideBySide(t)
	etcd := startEtcd(t, etcdtest.TLS(authority(t)))
	for name, more := range map[string]flags{
		"another authority": {"-etcd-ca", authority(t).File},
		"no authority":      {},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			a := agent{name: "a"}
			s := serve(t, in(etcd), expecting(t, a), more)
			eventually.Nil(t, func() error { return names(s.get("/readyz"), "certificate signed by unknown authority") })
			eventually.Nil(t, func() error { return names(s.check(), "certificate signed by unknown authority") })
			wantUnknown(t, s.check())
			if answer := s.ask(a.report(1)); answer.status != 503 {
				t.Errorf("a report is answered %v", answer)
			}
			if answer := s.get("/healthz"); answer.status != 200 {
				t.Errorf("/healthz: %v", answer)
			}
		})
	}
}

func TestARenewedClientCertificateIsUsedWithoutARestart(t *testing.T) {
	sideBySide(t)
	ca := authority(t)
	etcd := startEtcd(t, etcdtest.MutualTLS(ca))
	mine, err := authority(t).Client("netchecker", "netchecker")
	if err != nil {
		t.Fatal(err)
	}
	a := agent{name: "a"}
	s := serve(t, in(etcd), expecting(t, a), flags{"-etcd-ca", ca.File, "-etcd-cert", mine.CertFile, "-etcd-key", mine.KeyFile})
	s.becomes("/readyz/etcd", 503, "")
	// Here the former one was of an authority that etcd does not know, so that
	// nothing works before the new one is used.
	renewed, err := ca.Client("netchecker", "netchecker")
	if err != nil {
		t.Fatal(err)
	}
	for from, to := range map[string]string{renewed.CertFile: mine.CertFile, renewed.KeyFile: mine.KeyFile} {
		if err := os.Rename(from, to); err != nil {
			t.Fatal(err)
		}
	}
	s.ready()
	s.takes(a.report(1))
	s.becomes(checkPath, 200, allWell(1))
	// And connections that are made later work, too.
	etcd.Restart()
	eventually.Nil(t, func() error { return wantTaken(s.ask(a.report(2))) })
}
