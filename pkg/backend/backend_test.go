package backend_test

import (
	"net/netip"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/netchecker/netchecker/pkg/backend"
)

func good() backend.Backend {
	return backend.Backend{
		Name: "kube-api", URL: "https://kubernetes.default.svc/readyz", IntervalMillis: 2000, TimeoutMillis: 1000,
		Status: []int{200}, Body: "ok", BodyRegexp: "^ok$", CA: "kube-ca.crt", Token: "token",
		Headers: map[string]string{"X-Probe": "netchecker"},
	}
}

func TestValidateNamesTheFieldAndWhatItShouldBe(t *testing.T) {
	const url = `; it should be a URL such as https://example.com:8443/healthz, with http or https and without a password`
	const file = `; it should be the name of a file in the directory of such files, without a path`
	for _, row := range []struct {
		change func(*backend.Backend)
		want   string
	}{
		{func(*backend.Backend) {}, ""},
		{func(b *backend.Backend) { *b = backend.Backend{Name: "a", URL: "http://{server}/api/v1/ping"} }, ""},
		{func(b *backend.Backend) { *b = backend.Backend{Name: "a", URL: "http://{nodeIP}:10256/healthz"} }, ""},
		{func(b *backend.Backend) { b.Name = "Kube" }, `name: is "Kube"; it should be a DNS-1123 label: at most 63 lower-case letters, digits and '-', beginning and ending with a letter or digit`},
		{func(b *backend.Backend) { b.URL = "ftp://a" }, `url: is "ftp://a"` + url},
		{func(b *backend.Backend) { b.URL = "https://" }, `url: is "https://"` + url},
		{func(b *backend.Backend) { b.URL = "https://me:secret@a" }, `url: is "https://me:xxxxx@a"` + url},
		{func(b *backend.Backend) { b.URL = "https://" + strings.Repeat("a", 1024) }, "url: has 1032 bytes; it should have at most 1024"},
		{func(b *backend.Backend) { b.URL = "https://169.254.169.254/" }, "url: leads to 169.254.169.254, a link-local address, which no agent may be aimed at"},
		{func(b *backend.Backend) { b.URL = "https://[::ffff:127.0.0.1]/" }, "url: leads to ::ffff:127.0.0.1, a loopback address, which no agent may be aimed at"},
		{func(b *backend.Backend) { b.IntervalMillis = 999 }, "intervalMillis: is 999; it should be from 1000 to 60000"},
		{func(b *backend.Backend) { b.IntervalMillis = 1 << 62 }, "intervalMillis: is 4611686018427387904; it should be from 1000 to 60000"},
		{func(b *backend.Backend) { b.TimeoutMillis = -1 }, "timeoutMillis: is -1; it should be from 100 to 10000"},
		{func(b *backend.Backend) { b.Status = []int{100} }, "status: has 100; it should have HTTP status codes from 200 to 599"},
		{func(b *backend.Backend) { b.Status = make([]int, 17) }, "status: has 17 codes; it should have at most 16"},
		{func(b *backend.Backend) { b.Body = strings.Repeat("a", 513) }, "body: has 513 bytes; it should have at most 512"},
		{func(b *backend.Backend) { b.BodyRegexp = "(" }, "bodyRegexp: is \"(\"; it should be a regular expression as RE2 has them: error parsing regexp: missing closing ): `(`"},
		{func(b *backend.Backend) { b.CA = "../ca" }, `ca: is "../ca"` + file},
		{func(b *backend.Backend) { b.Token = ".." }, `token: is ".."` + file},
		{func(b *backend.Backend) { b.URL = "http://a" }, "token: is given; it should be left out where the url is not https, since anybody on the way could read it"},
		{func(b *backend.Backend) { b.Headers = map[string]string{"a b": ""} }, `headers: has "a b"; it should have names of HTTP headers`},
		{func(b *backend.Backend) { b.Headers = map[string]string{"A": "\n"} }, `headers.A: is not what a header can say, in at most 256 bytes`},
		{func(b *backend.Backend) { b.Headers = map[string]string{"Authorization": "Bearer x"} }, `headers.Authorization: can't be set; a bearer token comes from the file that token names`},
	} {
		b := good()
		row.change(&b)
		err := b.Validate(false)
		if got := text(err); got != row.want {
			t.Errorf("got  %s\nwant %s", got, row.want)
		}
	}
}

func text(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}

func TestAgentsAreNotAimedAtAddressesThatAreNobodysBackend(t *testing.T) {
	for address, want := range map[string]string{
		"10.0.0.1": "", "fd00::1": "", "203.0.113.9": "",
		"127.0.0.53": "a loopback address", "::1": "a loopback address", "::ffff:127.0.0.1": "a loopback address",
		"169.254.169.254": "a link-local address", "fe80::1": "a link-local address", "::ffff:169.254.169.254": "a link-local address",
		"224.0.0.1": "an address of many", "ff02::1": "an address of many", "255.255.255.255": "an address of many",
		"0.0.0.0": "an address of nobody", "::": "an address of nobody", "0.1.2.3": "an address of nobody",
	} {
		a := netip.MustParseAddr(address)
		if got := backend.Forbidden(a, false); got != want {
			t.Errorf("%s: %q, want %q", address, got, want)
		}
		if want == "a loopback address" {
			want = ""
		}
		if got := backend.Forbidden(a, true); got != want {
			t.Errorf("%s with loopback allowed: %q, want %q", address, got, want)
		}
	}
}

func TestWhatStandsForAHostIsFilledIn(t *testing.T) {
	b := backend.Backend{URL: "http://{nodeIP}:10256/healthz"}
	if got := b.At("fd00::1", ""); got != "http://[fd00::1]:10256/healthz" || !b.OwnNode() {
		t.Errorf("%s, of its own node: %v", got, b.OwnNode())
	}
	b.URL = "http://{server}/api/v1/ping"
	if got := b.At("", "netchecker-service:8081"); got != "http://netchecker-service:8081/api/v1/ping" || b.OwnNode() {
		t.Errorf("%s, of its own node: %v", got, b.OwnNode())
	}
	if b.Interval() != time.Second || b.Timeout() != 5*time.Second {
		t.Errorf("sampled every %v, within %v", b.Interval(), b.Timeout())
	}
}

func TestBackendsAreReadBackAsTheyWereWritten(t *testing.T) {
	want := []backend.Backend{good(), {Name: "other", URL: "http://a"}}
	data, err := backend.Encode(want)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := backend.Decode(data); err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("read %+v, %v", got, err)
	}
}

func TestWhatIsNoListOfBackendsIsRefused(t *testing.T) {
	for data, want := range map[string]string{
		`{"backends":[{"name":"a"},{"name":"a"}]}`:           `backends[1].name: "a" is another's too`,
		`{"backends":[` + strings.Repeat(`{},`, 16) + `{}]}`: `backends: has 17; it should have at most 16`,
		`[]`: "reading the backends: json: cannot unmarshal array into Go value of type backend.news",
	} {
		if _, err := backend.Decode([]byte(data)); text(err) != want {
			t.Errorf("got  %v\nwant %s", err, want)
		}
	}
}
