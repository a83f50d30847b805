package main

import (
	"bytes"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/netchecker/netchecker/pkg/cli"
)

// junit is a report with these cases.
func junit(failures, errors int, cases string) string {
	return fmt.Sprintf(`<testsuites><testsuite failures="%d" errors="%d"><properties><property name="from" value="2026-11-27T11:00:00Z"/><property name="to" value="2026-11-27T12:00:00Z"/></properties>%s</testsuite></testsuites>`, failures, errors, cases)
}

var (
	passes  = junit(0, 0, `<testcase name="a"><system-out>well</system-out></testcase>`)
	fails   = junit(1, 1, `<testcase name="a"><failure message="disrupted"/></testcase><testcase name="b"><error message="not sampled"/></testcase>`)
	unknown = junit(0, 1, `<testcase name="a"><error message="not sampled"/></testcase>`)
	empty   = junit(0, 0, ``)
)

// stretchOf runs the command against a server that gives those answers in order, and
// the last one again and again; asked is what it was asked.
func stretchOf(t *testing.T, args []string, answers ...func(http.ResponseWriter)) (code int, out, errors string, asked []string) {
	t.Helper()
	var n atomic.Int64
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		query, err := url.QueryUnescape(r.URL.RawQuery)
		if err != nil {
			t.Error(err)
		}
		asked = append(asked, r.URL.Path+"?"+query)
		answers[min(int(n.Add(1)), len(answers))-1](w)
	}))
	defer s.Close()
	stdout := filepath.Join(t.TempDir(), "out")
	var o Options
	var stderr bytes.Buffer
	p := command(&o)
	capture(t, stdout, func() {
		code = p.Run(t.Context(), append([]string{"-synthetic-tests", s.URL, "-from=-1h"}, args...), &bytes.Buffer{}, &stderr)
	})
	text, err := os.ReadFile(stdout)
	if err != nil {
		t.Fatal(err)
	}
	return code, string(text), strings.ReplaceAll(stderr.String(), s.URL, "URL"), asked
}

// capture has what f writes to standard output in a file.
func capture(t *testing.T, path string, f func()) {
	t.Helper()
	file, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = file.Close() }()
	was := os.Stdout
	os.Stdout = file
	defer func() { os.Stdout = was }()
	f()
}

func TestTheVerdictOverAStretchIsTheExitCode(t *testing.T) {
	for name, row := range map[string]struct {
		answer         func(http.ResponseWriter)
		args           []string
		code           int
		stdout, stderr string
	}{
		"all pass":          {says(200, passes), nil, 0, "passed  a: well\n", ""},
		"some fail":         {says(200, fails), nil, 1, "FAILED  a: disrupted\nunknown b: not sampled\n", "netchecker-server: 1 of 2 tests failed\n"},
		"not all is known":  {says(200, unknown), nil, 3, "unknown a: not sampled\n", "netchecker-server: of 1 of 1 tests it can't be known whether they pass\n"},
		"no tests":          {says(200, empty), nil, 3, "", "netchecker-server: of 0 of 0 tests it can't be known whether they pass\n"},
		"no answer":         {says(503, "Error occurred"), nil, 3, "", "netchecker-server: URL/api/v1/synthetic_tests answers 503 Service Unavailable: Error occurred\n"},
		"no report":         {says(200, "well"), nil, 3, "", "netchecker-server: reading the answer of URL/api/v1/synthetic_tests: EOF\n"},
		"a bad question":    {says(400, "from: is bad\n"), nil, 2, "", "netchecker-server: URL/api/v1/synthetic_tests answers 400 Bad Request: from: is bad\n"},
		"a flag is missing": {says(200, passes), []string{"-from="}, 2, "", "netchecker-server: -from is missing; it should be when the stretch begins, as 2026-11-27T12:00:00Z or -1h30m\n"},
		"an unknown flag":   {says(200, passes), []string{"-until=x"}, 2, "", "netchecker-server: flag provided but not defined: -until; see netchecker-server -help\n"},
		"no such directory": {says(200, passes), []string{"-junit=/nowhere/x"}, 2, "", "netchecker-server: -junit: open /nowhere/x: no such file or directory\n"},
	} {
		code, out, errors, _ := stretchOf(t, append([]string{"-check-within=0"}, row.args...), row.answer)
		if code != row.code || out != row.stdout || errors != row.stderr {
			t.Errorf("%s: exit %d, %q, %q\nwant %d, %q, %q", name, code, out, errors, row.code, row.stdout, row.stderr)
		}
	}
}

func TestAStretchWhoseEndIsNotKnownYetIsAskedForAgainAsItIs(t *testing.T) {
	file := filepath.Join(t.TempDir(), "junit.xml")
	code, _, errors, asked := stretchOf(t, []string{"-junit", file}, says(503, "Error"), says(200, unknown), says(200, passes))
	want := []string{
		"/api/v1/synthetic_tests?format=junit&from=-1h", "/api/v1/synthetic_tests?format=junit&from=-1h",
		"/api/v1/synthetic_tests?format=junit&from=2026-11-27T11:00:00Z&to=2026-11-27T12:00:00Z",
	}
	if code != cli.ExitOK || strings.Join(asked, "\n") != strings.Join(want, "\n") {
		t.Errorf("exit %d, %s; asked\n%s\nwant\n%s", code, errors, strings.Join(asked, "\n"), strings.Join(want, "\n"))
	}
	if written, err := os.ReadFile(file); err != nil || string(written) != passes {
		t.Errorf("the file has %s, %v; want the report", written, err)
	}
}
