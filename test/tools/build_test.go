package tools_test

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/netchecker/netchecker/test/tools"
)

// source is a tree like netchecker's, whose etcd is the given program. Builds
// from there need no network.
func source(t *testing.T, program string) (cache string) {
	t.Helper()
	root, cache := t.TempDir(), filepath.Join(t.TempDir(), "cache")
	for name, text := range map[string]string{
		"go.mod": "module example.test/tools\n\ngo 1.26.0\n\n" +
			"require go.etcd.io/etcd/server/v3 v3.7.3\n\nreplace go.etcd.io/etcd/server/v3 => ./program\n",
		"program/go.mod":  "module go.etcd.io/etcd/server/v3\n\ngo 1.26.0\n",
		"program/main.go": program,
	} {
		write(t, filepath.Join(root, "test", "tools", "etcd", name), text)
	}
	t.Setenv("NETCHECKER_CACHE", cache)
	t.Setenv("ETCD", "")
	// In a folder below the root, as tests are.
	t.Chdir(filepath.Join(root, "test", "tools"))
	return cache
}

const hello = "package main\n\nfunc main() { println(\"hello\") }\n"

// lines is what was written, which several builds may do at once.
type lines struct {
	mu   sync.Mutex
	text strings.Builder
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *lines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

func TestToolIsBuiltOnceAndFoundByItsVersion(t *testing.T) {
	cache := source(t, hello)
	out := new(lines)
	builder := tools.Builder{Out: out}
	if err := builder.Build(t.Context(), "etcd"); err != nil {
		t.Fatal(err)
	}
	const first = "building etcd v3.7.3, once: about 2 min where nothing is downloaded yet\nbuilt etcd v3.7.3 in "
	if !strings.HasPrefix(out.String(), first) {
		t.Errorf("the first build says %q, want %q…", out, first)
	}
	path, err := tools.Path("etcd")
	if err != nil || path != filepath.Join(cache, "etcd-v3.7.3") {
		t.Errorf("it is at %q, %v", path, err)
	}
	if said, err := exec.Command(path).CombinedOutput(); err != nil || string(said) != "hello\n" {
		t.Errorf("it says %q, %v", said, err)
	}
	before := out.String()
	if err := builder.Build(t.Context(), "etcd"); err != nil || out.String() != before {
		t.Errorf("the second build says %q, %v", strings.TrimPrefix(out.String(), before), err)
	}
}

func TestTwoBuildsAtOnceAreOne(t *testing.T) {
	source(t, hello)
	out := new(lines)
	var wg sync.WaitGroup
	for range 3 {
		wg.Go(func() {
			if err := (tools.Builder{Out: out}).Build(t.Context(), "etcd"); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if n := strings.Count(out.String(), "built etcd"); n != 1 {
		t.Errorf("it was built %d times: %s", n, out)
	}
}

func TestLongBuildsShowThatTheyMove(t *testing.T) {
	source(t, hello)
	out := new(lines)
	if err := (tools.Builder{Out: out, Every: time.Millisecond}).Build(t.Context(), "etcd"); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(out.String(), "building etcd, 0s so far\n") {
		t.Errorf("it says %q", out)
	}
}

func TestFailedBuildTellsWhyAndLeavesNothing(t *testing.T) {
	cache := source(t, "package main\n\nfunc main() { undefined() }\n")
	err := tools.Builder{Out: new(lines)}.Build(t.Context(), "etcd")
	if err == nil || !strings.Contains(err.Error(), "building etcd v3.7.3: exit status 1") ||
		!strings.Contains(err.Error(), "undefined: undefined") {
		t.Errorf("got error %v", err)
	}
	onlyTheLock(t, cache)
}

func TestEndedBuildLeavesNothing(t *testing.T) {
	cache := source(t, hello)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	err := tools.Builder{Out: new(lines)}.Build(ctx, "etcd")
	if !errors.Is(err, context.Canceled) {
		t.Errorf("got error %v", err)
	}
	onlyTheLock(t, cache)
}

func onlyTheLock(t *testing.T, cache string) {
	t.Helper()
	left, err := filepath.Glob(filepath.Join(cache, "*"))
	if err != nil || len(left) != 1 || filepath.Base(left[0]) != "etcd-v3.7.3.lock" {
		t.Errorf("the cache has %q, %v", left, err)
	}
}

func TestVariableNamesAProgramThatIsThere(t *testing.T) {
	source(t, "no program")
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	for _, row := range []struct{ name, variable, value, path, err string }{
		{"etcd", "ETCD", "/bin/sh", "/bin/sh", ""},
		{"kube-apiserver", "KUBE_APISERVER", "/bin/sh", "/bin/sh", ""},
		{"promtool", "PROMTOOL", "/bin/sh", "/bin/sh", ""},
		{"staticcheck", "STATICCHECK", "/bin/sh", "/bin/sh", ""},
		{"etcd", "ETCD", "/no/such", "", "variable ETCD: stat /no/such: no such file or directory"},
		{"etcd", "ETCD", "/bin", "", "variable ETCD: /bin is not a program"},
		{"etcd", "ETCD", file, "", "variable ETCD: " + file + " is not a program"},
	} {
		t.Setenv(row.variable, row.value)
		path, err := tools.Path(row.name)
		if path != row.path || message(err) != row.err {
			t.Errorf("%s=%s: got %q, %v, want %q, %s", row.variable, row.value, path, err, row.path, row.err)
		}
		out := new(lines)
		err = tools.Builder{Out: out}.Build(t.Context(), row.name)
		if message(err) != row.err || out.String() != "" {
			t.Errorf("%s=%s: building: got %q, %v, want %s", row.variable, row.value, out, err, row.err)
		}
	}
}

func TestToolThatWasNotBuiltIsAnErrorThatSaysWhatToDo(t *testing.T) {
	cache := source(t, hello)
	_, err := tools.Path("etcd")
	want := "etcd has not been built: run `make tools`, or let ETCD name one that is there " +
		"(stat " + cache + "/etcd-v3.7.3: no such file or directory)"
	if message(err) != want {
		t.Errorf("got error %v, want %s", err, want)
	}
}

func TestToolsThatAreMissingAreToldWithTheTimeTheyTake(t *testing.T) {
	source(t, hello)
	t.Setenv("KUBE_APISERVER", "/bin/sh")
	missing, minutes, err := tools.Missing("etcd", "kube-apiserver")
	if err != nil || !slices.Equal(missing, []string{"etcd"}) || minutes != 2 {
		t.Errorf("missing are %q, %d min, %v", missing, minutes, err)
	}
	if err := (tools.Builder{Out: new(lines)}).Build(t.Context(), "etcd"); err != nil {
		t.Fatal(err)
	}
	if missing, minutes, err := tools.Missing("etcd", "kube-apiserver"); err != nil || missing != nil || minutes != 0 {
		t.Errorf("with all there, missing are %q, %d min, %v", missing, minutes, err)
	}
	t.Setenv("ETCD", "/bin")
	if _, _, err := tools.Missing("etcd"); message(err) != "variable ETCD: /bin is not a program" {
		t.Errorf("got error %v", err)
	}
}

func TestUnknownToolIsAnError(t *testing.T) {
	const want = "there is no tool \"ectd\"; there are etcd, etcd35, etcd34, kube-apiserver, " +
		"kube-controller-manager, kube-scheduler, kube-proxy, kubelet, kubectl, " +
		"containerd, containerd-shim-runc-v2, ctr, coredns, promtool, prometheus, helm, staticcheck, released-server, released-agent"
	if _, err := tools.Path("ectd"); message(err) != want {
		t.Errorf("got error %v, want %s", err, want)
	}
	if _, _, err := tools.Missing("ectd"); message(err) != want {
		t.Errorf("missing: got error %v, want %s", err, want)
	}
	if err := (tools.Builder{}).Build(t.Context(), "ectd"); message(err) != want {
		t.Errorf("building: got error %v, want %s", err, want)
	}
}

func TestEachToolHasAVersion(t *testing.T) {
	t.Setenv("NETCHECKER_CACHE", t.TempDir())
	for _, name := range tools.Names() {
		t.Setenv(strings.ToUpper(strings.ReplaceAll(name, "-", "_")), "")
		version := regexp.MustCompile("/" + name + "-(v[0-9]|[0-9a-f]{12}:)")
		if _, err := tools.Path(name); !errors.Is(err, os.ErrNotExist) || !version.MatchString(err.Error()) {
			t.Errorf("%s: got error %v", name, err)
		}
	}
}

func TestElsewhereThanInTheSourceIsAnError(t *testing.T) {
	t.Chdir("/")
	t.Setenv("ETCD", "")
	const want = "neither / nor a folder above it is netchecker's source, where the tools' versions are"
	if _, err := tools.Path("etcd"); message(err) != want {
		t.Errorf("got error %v, want %s", err, want)
	}
}

func message(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}
