// Package tools knows the programs that tests, linting and the benchmark run:
// an etcd, a kube-apiserver, staticcheck, promtool, helm. Each is built from source by
// the Go tool from a module of its own below this folder, whose go.mod is the one
// place that says which version; what was built is kept in a cache by that
// version, outside the work tree. Netchecker's own programs of an earlier release
// are built from the history, and kept by their commit.
package tools

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

// tool is a program that can be built.
type tool struct {
	// name is the program's, and its file's in the cache.
	name string
	// dir is the module's, below test/tools.
	dir string
	// pkg is the main package, and module the one whose version counts; empty for
	// what is built from the history.
	pkg, module string
	// minutes is about how long a build takes with empty caches.
	minutes int
}

var all = []tool{
	{"etcd", "etcd", "go.etcd.io/etcd/server/v3", "go.etcd.io/etcd/server/v3", 2},
	{"etcd35", "etcd35", "go.etcd.io/etcd/server/v3", "go.etcd.io/etcd/server/v3", 2},
	{"etcd34", "etcd34", "go.etcd.io/etcd", "go.etcd.io/etcd", 2},
	{"kube-apiserver", "kubernetes", "k8s.io/kubernetes/cmd/kube-apiserver", "k8s.io/kubernetes", 6},
	{"kube-controller-manager", "kubernetes", "k8s.io/kubernetes/cmd/kube-controller-manager", "k8s.io/kubernetes", 2},
	{"kube-scheduler", "kubernetes", "k8s.io/kubernetes/cmd/kube-scheduler", "k8s.io/kubernetes", 1},
	{"kube-proxy", "kubernetes", "k8s.io/kubernetes/cmd/kube-proxy", "k8s.io/kubernetes", 1},
	{"kubelet", "kubernetes", "k8s.io/kubernetes/cmd/kubelet", "k8s.io/kubernetes", 2},
	{"kubectl", "kubernetes", "k8s.io/kubernetes/cmd/kubectl", "k8s.io/kubernetes", 1},
	{"containerd", "containerd", "github.com/containerd/containerd/v2/cmd/containerd", "github.com/containerd/containerd/v2", 2},
	{"containerd-shim-runc-v2", "containerd", "github.com/containerd/containerd/v2/cmd/containerd-shim-runc-v2", "github.com/containerd/containerd/v2", 1},
	{"ctr", "containerd", "github.com/containerd/containerd/v2/cmd/ctr", "github.com/containerd/containerd/v2", 1},
	{"coredns", "coredns", "github.com/coredns/coredns", "github.com/coredns/coredns", 3},
	{"promtool", "promtool", "github.com/prometheus/prometheus/cmd/promtool", "github.com/prometheus/prometheus", 5},
	{"prometheus", "promtool", "github.com/prometheus/prometheus/cmd/prometheus", "github.com/prometheus/prometheus", 5},
	{"helm", "helm", "helm.sh/helm/v4/cmd/helm", "helm.sh/helm/v4", 2},
	{"staticcheck", "staticcheck", "honnef.co/go/tools/cmd/staticcheck", "honnef.co/go/tools", 1},
	{"released-server", "released", "./server", "", 1},
	{"released-agent", "released", "./agent", "", 1},
}

// ldflags are the linker's. Kubernetes' programs are told their version, which
// they otherwise do not know: helm compares it with what a chart asks for, and
// kubectl shows a kubelet's for each node. So are netchecker's.
func (t tool) ldflags(version string) string {
	const flags = "-s -w"
	if t.released() {
		return flags + " -X github.com/netchecker/netchecker/pkg/version.Version=" + version
	}
	if t.module != "k8s.io/kubernetes" {
		return flags
	}
	major, rest, _ := strings.Cut(strings.TrimPrefix(version, "v"), ".")
	minor, _, _ := strings.Cut(rest, ".")
	const variables = "k8s.io/component-base/version"
	return fmt.Sprintf("%s -X %s.gitVersion=%s -X %s.gitMajor=%s -X %s.gitMinor=%s",
		flags, variables, version, variables, major, variables, minor)
}

// Names are those of all tools.
func Names() []string {
	names := make([]string, len(all))
	for i, t := range all {
		names[i] = t.name
	}
	return names
}

func named(name string) (tool, error) {
	i := slices.IndexFunc(all, func(t tool) bool { return t.name == name })
	if i < 0 {
		return tool{}, fmt.Errorf("there is no tool %q; there are %s", name, strings.Join(Names(), ", "))
	}
	return all[i], nil
}

// Path is where the named tool's program is: what the tool's variable (ETCD for
// etcd, KUBE_APISERVER for kube-apiserver) says, else the one in the cache. A
// program that is not there is an error that says what to do.
func Path(name string) (string, error) {
	t, err := named(name)
	if err != nil {
		return "", err
	}
	if path, err := t.given(); path != "" || err != nil {
		return path, err
	}
	path, err := t.cached()
	if err != nil {
		return "", err
	}
	if _, err := os.Stat(path); err != nil {
		return "", fmt.Errorf("%s has not been built: run `make tools`, or let %s name one that is there (%w)", name, t.variable(), err)
	}
	return path, nil
}

// Missing are those of the named tools that would have to be built, and about how
// many minutes that takes with empty caches.
func Missing(names ...string) (missing []string, minutes int, err error) {
	for _, name := range names {
		t, err := named(name)
		if err != nil {
			return nil, 0, err
		}
		if _, err := Path(name); err == nil {
			continue
		} else if !errors.Is(err, os.ErrNotExist) {
			return nil, 0, err
		}
		missing = append(missing, name)
		minutes += t.minutes
	}
	return missing, minutes, nil
}

// variable is the environment variable that names a program to use instead.
func (t tool) variable() string {
	return strings.ToUpper(strings.ReplaceAll(t.name, "-", "_"))
}

// given is the program that the environment names; empty where it names none.
func (t tool) given() (string, error) {
	path := os.Getenv(t.variable())
	if path == "" {
		return "", nil
	}
	info, err := os.Stat(path)
	switch {
	case err != nil:
		return "", fmt.Errorf("variable %s: %w", t.variable(), err)
	case info.IsDir() || info.Mode()&0o111 == 0:
		return "", fmt.Errorf("variable %s: %s is not a program", t.variable(), path)
	}
	return filepath.Abs(path)
}

// cached is where the tool's program is once it was built.
func (t tool) cached() (string, error) {
	dir, err := cacheDir()
	if err != nil {
		return "", err
	}
	version, err := t.version()
	if err != nil {
		return "", err
	}
	return filepath.Join(dir, t.name+"-"+version), nil
}

// version is the one that the tool's go.mod requires, or the beginning of its commit.
func (t tool) version() (string, error) {
	if t.released() {
		commit, err := t.commit()
		return commit[:min(12, len(commit))], err
	}
	dir, err := t.folder()
	if err != nil {
		return "", err
	}
	path := filepath.Join(dir, "go.mod")
	text, err := os.ReadFile(path)
	if err != nil {
		return "", fmt.Errorf("looking up the version of %s: %w", t.name, err)
	}
	return requiredVersion(string(text), t.module, path)
}

// requiredVersion finds the version of module that the go.mod text requires;
// path is the file's, for the error.
func requiredVersion(text, module, path string) (string, error) {
	require := regexp.MustCompile(`(?m)^\s*(?:require )?` + regexp.QuoteMeta(module) + ` (v\S+)`)
	m := require.FindStringSubmatch(text)
	if m == nil {
		return "", fmt.Errorf("%s does not require %s", path, module)
	}
	return m[1], nil
}

// folder is that of the tool below test/tools.
func (t tool) folder() (string, error) {
	root, err := repository()
	if err != nil {
		return "", err
	}
	return filepath.Join(root, "test", "tools", t.dir), nil
}

// cacheDir is $NETCHECKER_CACHE, else netchecker in the user's cache folder.
func cacheDir() (string, error) {
	if dir := os.Getenv("NETCHECKER_CACHE"); dir != "" {
		return filepath.Abs(dir)
	}
	dir, err := os.UserCacheDir()
	if err != nil {
		return "", fmt.Errorf("finding a folder for what is built, set NETCHECKER_CACHE to one: %w", err)
	}
	return filepath.Join(dir, "netchecker"), nil
}

// repository is the root of netchecker's source: the working directory, where
// make runs, or the nearest above it, as tests run in their package's folder.
func repository() (string, error) {
	start, err := os.Getwd()
	if err != nil {
		return "", err
	}
	for dir := start; ; dir = filepath.Dir(dir) {
		_, err := os.Stat(filepath.Join(dir, "test", "tools", "etcd", "go.mod"))
		switch {
		case err == nil:
			return dir, nil
		case !errors.Is(err, os.ErrNotExist):
			return "", err
		case dir == filepath.Dir(dir):
			return "", fmt.Errorf("neither %s nor a folder above it is netchecker's source, where the tools' versions are", start)
		}
	}
}
