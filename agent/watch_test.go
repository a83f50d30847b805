package main

import (
	"bytes"
	"flag"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/netchecker/netchecker/pkg/cli"
	"github.com/netchecker/netchecker/test/eventually"
)

// watched runs the command without a shell's signals, and returns what it prints.
func watched(t *testing.T, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	var out, err bytes.Buffer
	p := command(&Options{})
	p.Commands = map[string]cli.Program{"watch": watching(&out)}
	code = p.Run(t.Context(), append([]string{"watch"}, args...), &out, &err)
	return code, out.String(), err.String()
}

func wantMatch(t *testing.T, got string, lines ...string) {
	t.Helper()
	if want := regexp.MustCompile("^" + strings.Join(lines, "\n") + "\n$"); !want.MatchString(got) {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

const at = `20\d\d-\d\d-\d\dT\d\d:\d\d:\d\d\.\d\d\dZ  `

func TestWatchTellsABackendThatIsWellAndEndsWith0(t *testing.T) {
	t.Parallel()
	site := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	defer site.Close()
	code, out, errs := watched(t, site.URL, "-for", "2500ms")
	if code != 0 || errs != "" {
		t.Errorf("exit %d, %s", code, errs)
	}
	wantMatch(t, out,
		at+`(new   |reused)  Info     answers as it should`,
		at+`(new   |reused)  Info     answers as it should`,
		``,
		`http://127.0.0.1:\d+, for 2\.\ds:`,
		`new     good 3, failed 0, not asked 0; connections 3; disruptions 0, 0s`,
		`reused  good 3, failed 0, not asked 0; connections 1; disruptions 0, 0s`)
}

func TestWatchTellsADisruptionAndEndsWith1(t *testing.T) {
	t.Parallel()
	var ill atomic.Bool
	site := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		if ill.Load() {
			w.WriteHeader(http.StatusServiceUnavailable)
		}
	}))
	defer site.Close()
	p := start(t, nil, "watch", "-interval=1s", site.URL)
	sees := func(text string, times int) {
		eventually.True(t, text, func() bool { return strings.Count(p.stdout.String(), text) == times })
	}
	sees("Info     answers as it should", 2)
	ill.Store(true)
	sees("Error    answered 503, after ", 2)
	ill.Store(false)
	sees("Info     answers as it should, after ", 2)
	if err := p.Process.Signal(syscall.SIGINT); err != nil {
		t.Fatal(err)
	}
	if code := p.code(); code != 1 || p.stderr.String() != "" {
		t.Errorf("exit %d, %s", code, &p.stderr)
	}
	for _, want := range []string{
		`(?m)^` + at + `new     Error    answered 503, after (\d+\.)?\d+m?s of Info$`,
		`(?m)^` + at + `reused  Info     answers as it should, after \d+(\.\d+)?m?s of Error$`,
		`(?m)^new     good \d+, failed [1-9]\d*, not asked 0; connections \d+; disruptions 1, \d+(\.\d+)?m?s$`,
	} {
		if !regexp.MustCompile(want).MatchString(p.stdout.String()) {
			t.Errorf("nothing matches %s in\n%s", want, &p.stdout)
		}
	}
}

func TestWatchOfWhatCannotBeAskedEndsWith2(t *testing.T) {
	for _, row := range []struct{ args, want string }{
		{"", "URL is missing; see netchecker-agent watch -help"},
		{"http://a http://b", `unexpected argument "http://b"; see netchecker-agent watch -help`},
		{"a", `URL: is "a"; it should be a URL such as https://example.com:8443/healthz, with http or https and without a password`},
		{"http://{nodeIP}/", `URL is "http://{nodeIP}/"; it should have a host, for which nothing stands here`},
		{"http://a -interval 100ms", "-interval is 100ms; it should be from 1s to 1m"},
		{"http://a -timeout 1m", "-timeout is 1m0s; it should be from 100ms to 10s"},
		{"http://a -for -1s", "-for is -1s; it should be how long to go on, or 0s"},
		{"http://a -status ok", `-status is "ok"; it should be status codes with ',' between them`},
		{"http://a -status 200,99", "-status: has 99; it should have HTTP status codes from 200 to 599"},
		{"http://a -body-regexp (", "-body-regexp: is \"(\"; it should be a regular expression as RE2 has them: error parsing regexp: missing closing ): `(`"},
		{"http://a -token /dev/null", "-token: is given; it should be left out where the url is not https, since anybody on the way could read it"},
		{"https://a -ca /no/such", "-ca: open /no/such: no such file or directory"},
		{"http://169.254.169.254/", "URL: leads to 169.254.169.254, a link-local address, which no agent may be aimed at"},
	} {
		code, out, errs := watched(t, strings.Fields(row.args)...)
		if code != cli.ExitUsage || out != "" || errs != "netchecker-agent watch: "+row.want+"\n" {
			t.Errorf("%s: exit %d, %s%s", row.args, code, out, errs)
		}
	}
}

func TestWatchOfARedirectToAForbiddenAddressEndsWith2(t *testing.T) {
	t.Parallel()
	site := httptest.NewServer(http.RedirectHandler("http://169.254.169.254/", http.StatusFound))
	defer site.Close()
	code, _, errs := watched(t, site.URL)
	if want := "netchecker-agent watch: " + site.URL + " leads to 169.254.169.254, a link-local address, which no agent may be aimed at\n"; code != cli.ExitUsage || errs != want {
		t.Errorf("exit %d, %s", code, errs)
	}
}

func TestWatchThatCouldNeverAskDoesNotEndWell(t *testing.T) {
	t.Parallel()
	w := newWitness(&bytes.Buffer{}, time.Now())
	if err := w.conclude("http://a", 0); err == nil || err.Error() != "nothing could be sampled" {
		t.Errorf("it ends with %v", err)
	}
}

func TestHelpOfWatchTellsEveryFlagInItsGroupOnce(t *testing.T) {
	code, out, _ := watched(t, "-h")
	if code != cli.ExitOK || !strings.Contains(out, "Usage: netchecker-agent watch [flags] URL\n") {
		t.Errorf("exit %d\n%s", code, out)
	}
	var o watchOptions
	fs := flag.NewFlagSet("", flag.ContinueOnError)
	o.addFlags(fs)
	fs.VisitAll(func(f *flag.Flag) {
		if n := strings.Count(out, "\n  -"+f.Name+" "); n != 1 {
			t.Errorf("-%s is told %d times", f.Name, n)
		}
	})
}
