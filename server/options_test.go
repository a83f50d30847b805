package main

import (
	"bytes"
	"flag"
	"slices"
	"strings"
	"testing"

	"github.com/netchecker/netchecker/pkg/cli"
)

// given are the options of a command line.
func given(t *testing.T, args ...string) Options {
	t.Helper()
	var o Options
	fs := flag.NewFlagSet("", flag.ContinueOnError)
	o.AddFlags(fs)
	if err := fs.Parse(args); err != nil {
		t.Fatal(err)
	}
	return o
}

func TestTheNamespaceIsThatOfThePod(t *testing.T) {
	t.Setenv("POD_NAMESPACE", "netchecker")
	if o := given(t); o.Namespace != "netchecker" {
		t.Errorf("it is %q", o.Namespace)
	}
}

func TestDefaultsAreThoseOfTheOriginalServer(t *testing.T) {
	o := given(t)
	if err := o.Validate(); err != nil {
		t.Errorf("the defaults are refused: %v", err)
	}
	fs := flag.NewFlagSet("", flag.ContinueOnError)
	o.AddFlags(fs)
	for name, want := range map[string]string{
		"endpoint": "0.0.0.0:8081", "kubeproxyinit": "false", "report-ttl": "300", "ping-timeout": "5", "check-interval": "10",
		"etcd-endpoints": "", "etcd-tree": "netchecker", "etcd-key": "", "etcd-cert": "", "etcd-ca": "", "starting-grace": "120", "findings-fail": "true", "max-body-bytes": "1048576",
		"namespace": "", "service-name": "netchecker-service", "backends-file": "", "backend-rate-limit": "200", "allow-loopback": "false",
	} {
		if got := fs.Lookup(name).DefValue; got != want {
			t.Errorf("-%s is %q by default, want %q", name, got, want)
		}
	}
}

func TestAWrongOptionIsNamedWithWhatItShouldBe(t *testing.T) {
	for _, row := range []struct {
		args []string
		want string
	}{
		{[]string{"-endpoint", "8081"}, `-endpoint is "8081"; it should be an address and a port, such as 0.0.0.0:8081`},
		{[]string{"-endpoint", ":http"}, `-endpoint has the port "http"; it should be a number from 0 to 65535`},
		{[]string{"-report-ttl", "0"}, "-report-ttl is 0; it should be from 1 to 2592000"},
		{[]string{"-ping-timeout", "-1"}, "-ping-timeout is -1; it should be from 1 to 3600"},
		{[]string{"-check-interval", "0"}, "-check-interval is 0; it should be from 1 to 3600"},
		{[]string{"-starting-grace", "-1"}, "-starting-grace is -1; it should be from 0 to 86400"},
		{[]string{"-max-body-bytes", "2000000"}, "-max-body-bytes is 2000000; it should be from 4096 to 1048576"},
		{[]string{"-embedded-etcd-quota", "1"}, "-embedded-etcd-quota is 1; it should be 16777216 bytes at least"},
		{[]string{"-backend-rate-limit", "0"}, "-backend-rate-limit is 0; it should be from 1 to 1000000"},
		{[]string{"-namespace", "a.b"}, `-namespace is "a.b"; it should be the name of a namespace`},
		{[]string{"-pod-ip", "netchecker"}, `-pod-ip is "netchecker"; it should be an IP address, or empty`},
		{[]string{"-node-ip", "fe80::1%eth0"}, `-node-ip is "fe80::1%eth0"; it should be an IP address, or empty`},
		{[]string{"-service-name", ""}, `-service-name is ""; it should be the name of a Service`},
		{[]string{"-check", "netchecker-service:8081"}, `-check is "netchecker-service:8081"; it should be the URL of a server, such as http://netchecker-service:8081`},
		{[]string{"-check", "http://s:8081/api"}, `-check is "http://s:8081/api"; it should be the URL of a server, such as http://netchecker-service:8081`},
		{[]string{"-synthetic-tests", "x", "-from", "-1h"}, `-synthetic-tests is "x"; it should be the URL of a server, such as http://netchecker-service:8081`},
		{[]string{"-synthetic-tests", "http://s:8081"}, "-from is missing; it should be when the stretch begins, as 2026-11-27T12:00:00Z or -1h30m"},
		{[]string{"-from", "-1h"}, `-from is "-1h"; it should be given with -synthetic-tests alone`},
		{[]string{"-junit", "f"}, `-junit is "f"; it should be given with -synthetic-tests alone`},
		{[]string{"-check", "http://s:8081", "-synthetic-tests", "http://s:8081", "-from", "-1h"}, "-check and -synthetic-tests are both given; one question is asked at a time"},
		{[]string{"-check-within", "-1"}, "-check-within is -1; it should be from 0 to 3600"},
		{[]string{"-kubeconfig", "a", "-agents-file", "b"}, "-kubeconfig and -agents-file are both given; the expected agents come from one of them"},
		{[]string{"-etcd-tree", "/"}, `-etcd-tree is "/"; it should be a prefix such as netchecker`},
		{[]string{"-etcd-cert", "c"}, "-etcd-cert and -etcd-key belong together; one of them is missing"},
		{[]string{"-etcd-endpoints", " , "}, `-etcd-endpoints is " , "; it should be URLs with ',' between them, such as http://127.0.0.1:2379`},
	} {
		o := given(t, row.args...)
		if err := o.Validate(); err == nil || err.Error() != row.want {
			t.Errorf("%q: %v\nwant %s", row.args, err, row.want)
		}
	}
}

func TestEndpointsAreSplitAndKubeproxyinitMeansNone(t *testing.T) {
	for _, row := range []struct {
		args []string
		want []string
	}{
		{nil, nil},
		{[]string{"-etcd-endpoints", "http://a:2379, http://b:2379,"}, []string{"http://a:2379", "http://b:2379"}},
		{[]string{"-etcd-endpoints", "http://a:2379", "-kubeproxyinit=true"}, nil},
	} {
		o := given(t, row.args...)
		if got := o.endpoints(); !slices.Equal(got, row.want) {
			t.Errorf("%q: %q, want %q", row.args, got, row.want)
		}
	}
}

func TestHelpTellsEveryFlagInItsGroupOnce(t *testing.T) {
	var o Options
	var out, none bytes.Buffer
	if code := command(&o).Run(t.Context(), []string{"-help"}, &out, &none); code != cli.ExitOK || none.Len() > 0 {
		t.Errorf("exit %d, %s", code, &none)
	}
	fs := flag.NewFlagSet("", flag.ContinueOnError)
	o.AddFlags(fs)
	fs.VisitAll(func(f *flag.Flag) {
		if n := strings.Count(out.String(), "\n  -"+f.Name+" "); n != 1 {
			t.Errorf("-%s is told %d times", f.Name, n)
		}
	})
}
