package main

import (
	"bytes"
	"flag"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/netchecker/netchecker/pkg/cli"
	"github.com/netchecker/netchecker/pkg/report"
)

// understood returns what a command line means.
func understood(args ...string) (Settings, error) {
	fs := flag.NewFlagSet("", flag.ContinueOnError)
	fs.SetOutput(&bytes.Buffer{})
	var o Options
	o.AddFlags(fs)
	if err := fs.Parse(args); err != nil {
		return Settings{}, err
	}
	return o.Validate()
}

func TestDefaultsAreThoseOfTheOriginalAgent(t *testing.T) {
	got, err := understood()
	want := Settings{
		ServerHost: "netchecker-service", ServerEndpoint: "netchecker-service:8081", Interval: time.Minute, Padding: 1500,
		URLs: []string{"http://netchecker-service:8081/api/v1/ping"}, Listen: "0.0.0.0:8082",
		BackendFiles: "/etc/netchecker/backends", Mesh: true, MeshListen: "0.0.0.0:8083",
	}
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("got  %+v, %v\nwant %+v", got, err, want)
	}
}

func TestProbeURLsAreSplitAndTheServersPingIsAdded(t *testing.T) {
	const ping = "http://netchecker-service:8081/api/v1/ping"
	for list, want := range map[string][]string{
		"":                                {ping},
		" ; ,,":                           {ping},
		"http://a/,https://b:8443/x?y":    {"http://a/", "https://b:8443/x?y", ping},
		"http://a/;http://b/":             {"http://a/", "http://b/", ping},
		" http://a/ ;\thttp://b/ ,":       {"http://a/", "http://b/", ping},
		"http://a/,http://b/;http://a/":   {"http://a/", "http://b/", ping},
		ping + ",http://a/":               {"http://a/", ping},
		"http://[::1]:80/,http://u:p@h/z": {"http://[::1]:80/", "http://u:p@h/z", ping},
	} {
		got, err := understood("-probeurls", list)
		if err != nil || !slices.Equal(got.URLs, want) {
			t.Errorf("%q: got %q, %v; want %q", list, got.URLs, err, want)
		}
	}
}

func TestServerEndpoint(t *testing.T) {
	for endpoint, want := range map[string][2]string{
		"netchecker-service:8081": {"netchecker-service", "http://netchecker-service:8081/api/v1/ping"},
		"10.1.2.3:80":             {"10.1.2.3", "http://10.1.2.3:80/api/v1/ping"},
		"[::1]:8081":              {"::1", "http://[::1]:8081/api/v1/ping"},
		"[fe80::1%eth0]:8081":     {"fe80::1%eth0", "http://[fe80::1%25eth0]:8081/api/v1/ping"},
		"a.b.svc.cluster.local:1": {"a.b.svc.cluster.local", "http://a.b.svc.cluster.local:1/api/v1/ping"},
		"server.example.:65535":   {"server.example.", "http://server.example.:65535/api/v1/ping"},
	} {
		got, err := understood("-serverendpoint", endpoint)
		if err != nil || got.ServerHost != want[0] || got.URLs[0] != want[1] {
			t.Errorf("%q: got %q, %q, %v; want %q", endpoint, got.ServerHost, got.URLs, err, want)
		}
		if checkURL(want[1]) != nil {
			t.Errorf("%q is no URL", want[1])
		}
	}
}

func TestErrorsNameTheFlagAndWhatItShouldBe(t *testing.T) {
	endpoint := func(s string) string {
		return fmt.Sprintf("-serverendpoint is %q; it should be host:port without a scheme or path, such as netchecker-service:8081 or [::1]:8081", s)
	}
	url := func(s string) string {
		return fmt.Sprintf("-probeurls has %q; it should be a URL such as http://example.com:8080/path, with http or https", s)
	}
	many := strings.Repeat("http://a/%d,", 256)
	numbers := make([]any, 256)
	for i := range numbers {
		numbers[i] = i
	}
	for _, c := range []struct{ arg, want string }{
		{"-serverendpoint=", endpoint("")},
		{"-serverendpoint=server", endpoint("server")},
		{"-serverendpoint=:8081", endpoint(":8081")},
		{"-serverendpoint=server:0", endpoint("server:0")},
		{"-serverendpoint=server:http", endpoint("server:http")},
		{"-serverendpoint=::1:8081", endpoint("::1:8081")},
		{"-serverendpoint=http://server:8081", endpoint("http://server:8081")},
		{"-serverendpoint=server:8081/", endpoint("server:8081/")},
		{"-serverendpoint=a b:8081", endpoint("a b:8081")},
		{"-serverendpoint=u@server:8081", endpoint("u@server:8081")},
		{"-serverendpoint=a/b:8081", endpoint("a/b:8081")},
		{"-probeurls=http://a/,b", url("b")},
		{"-probeurls=ftp://a/", url("ftp://a/")},
		{"-probeurls=http://", url("http://")},
		{"-probeurls=http://a:0/", url("http://a:0/")},
		{"-probeurls=http://a b/", url("http://a b/")},
		{"-probeurls=" + fmt.Sprintf(many, numbers...), "-probeurls has 257 URLs with the server's ping; there should be at most 256"},
		{"-reportinterval=0", "-reportinterval is 0; it should be seconds, from 1 to 86400"},
		{"-reportinterval=-5", "-reportinterval is -5; it should be seconds, from 1 to 86400"},
		{"-reportinterval=86401", "-reportinterval is 86401; it should be seconds, from 1 to 86400"},
		{"-zeroextenderlength=-1", `-zeroextenderlength is "-1"; it should be a number of zeros, from 0 to 500000, or auto`},
		{"-zeroextenderlength=500001", `-zeroextenderlength is "500001"; it should be a number of zeros, from 0 to 500000, or auto`},
		{"-zeroextenderlength=much", `-zeroextenderlength is "much"; it should be a number of zeros, from 0 to 500000, or auto`},
		{"-listen=8082", `-listen is "8082"; it should be address:port, such as 0.0.0.0:8082, or empty`},
		{"-mesh-listen=8083", `-mesh-listen is "8083"; it should be an IP address and a port, such as 0.0.0.0:8083 or :8083, or empty`},
		{"-mesh-listen=localhost:8083", `-mesh-listen is "localhost:8083"; it should be an IP address and a port, such as 0.0.0.0:8083 or :8083, or empty`},
		{"-mesh-listen=:65536", `-mesh-listen is ":65536"; it should be an IP address and a port, such as 0.0.0.0:8083 or :8083, or empty`},
		{"-network=overlay", `-network is "overlay"; it should be auto, pod or host`},
	} {
		if _, err := understood(c.arg); err == nil || err.Error() != c.want {
			t.Errorf("%.60s: got  %v\nwant %s", c.arg, err, c.want)
		}
	}
}

func TestOneDashAndTwoMeanTheSame(t *testing.T) {
	one, err1 := understood("-reportinterval", "15", "-network=host", "-listen=")
	two, err2 := understood("--reportinterval", "15", "--network=host", "--listen=")
	if err1 != nil || err2 != nil || !reflect.DeepEqual(one, two) || one.Interval != 15*time.Second || one.Network != report.Host || one.Listen != "" {
		t.Errorf("got %+v, %v and %+v, %v", one, err1, two, err2)
	}
}

func TestPadding(t *testing.T) {
	for _, c := range []struct {
		flag      string
		mtu, want int
	}{
		{"1500", 9000, 1500},
		{"0", 9000, 0},
		{"auto", 9000, 4500},
		{"auto", 1450, 725},
		{"auto", 0, 1500}, // not known
		{"auto", 4_000_000, 500_000},
	} {
		s, err := understood("-zeroextenderlength", c.flag)
		if got := padding(s, c.mtu); err != nil || got != c.want {
			t.Errorf("%s with MTU %d: %d, %v; want %d", c.flag, c.mtu, got, err, c.want)
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
