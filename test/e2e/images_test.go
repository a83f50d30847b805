//go:build e2e

package e2e

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/netchecker/netchecker/test/cluster/kube"
	"github.com/netchecker/netchecker/test/tools"
)

// Images as chart and examples name them.
const (
	serverImage     = "docker.io/netchecker/netchecker-server:0.1.0"
	agentImage      = "docker.io/netchecker/netchecker-agent:0.1.0"
	etcdImage       = "cluster.test/etcd:3.5"
	prometheusImage = "cluster.test/prometheus:1"
	shopImage       = "cluster.test/shop:1"
	// aheadImage is the agent's with a wall clock that is ahead by as much.
	aheadImage   = "cluster.test/netchecker-agent:ahead"
	builderImage = "localhost/netchecker-builder"
)

// yard is where buildah builds, with a storage of its own.
type yard struct {
	t   *testing.T
	dir string
}

// buildImages builds all images that the tests use and returns their archives.
func buildImages(t *testing.T) []string {
	t.Helper()
	// In the cluster's folder, which the next one clears, too.
	dir, err := os.MkdirTemp(kube.Dir, "images-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	y := yard{t, dir}
	y.buildBuilder()
	y.buildOurs("server", serverImage)
	y.buildOurs("agent", agentImage)
	y.buildAhead()
	y.pack(shopImage, map[string]string{"shop": y.buildShop()})
	etcd, err := tools.Path("etcd35")
	y.must(err)
	y.pack(etcdImage, map[string]string{"etcd": etcd})
	// Debian's is built without the discovery of a cluster's pods.
	prometheus, err := tools.Path("prometheus")
	y.must(err)
	y.pack(prometheusImage, map[string]string{"prometheus": prometheus})
	return []string{
		y.push("server", serverImage), y.push("agent", agentImage), y.push("agent-ahead", aheadImage),
		y.push("etcd", etcdImage), y.push("prometheus", prometheusImage), y.push("shop", shopImage),
	}
}

// buildBuilder makes the image to build in of this machine's programs, because no
// registry is in reach. Go itself comes in as a volume.
func (y yard) buildBuilder() {
	y.pack(builderImage, map[string]string{"sh": "/bin/sh", "cp": "/bin/cp", "mkdir": "/bin/mkdir"})
}

// buildOurs builds one of the Dockerfiles, as make images does. The modules that
// were downloaded, and what was compiled before, are the machine's.
func (y yard) buildOurs(room, image string) {
	y.t.Helper()
	y.build(room, image, "")
}

// build takes further flags of go, and of the build.
func (y yard) build(room, image, goflags string, more ...string) {
	y.t.Helper()
	begun := time.Now()
	args := []string{
		"--file", "Dockerfile." + room, "--tag", image,
		"--build-arg", "BUILDER=" + builderImage, "--build-arg", "GOPROXY=off", "--build-arg", "GOFLAGS=-buildvcs=false " + goflags,
		"--volume", y.goEnv("GOROOT") + ":/usr/local/go:ro",
		"--volume", y.goEnv("GOMODCACHE") + ":/go/pkg/mod",
		"--volume", y.goEnv("GOCACHE") + ":/root/.cache/go-build",
	}
	y.bud(slices.Concat(args, more, []string{root})...)
	y.t.Logf("%s is built after %.1f s", image, time.Since(begun).Seconds())
}

// ahead is how far the wall clock is ahead in aheadImage.
const ahead = 10 * time.Minute

// buildAhead builds the agent with a time.Now whose wall clock is ahead, and whose
// monotonic clock is not, as where a node's clock is set wrongly: all nodes here have
// the machine's. The Go tool takes the changed file instead of the standard library's;
// nothing of netchecker is changed.
func (y yard) buildAhead() {
	y.t.Helper()
	const inGo = "src/time/time.go"
	text, err := os.ReadFile(filepath.Join(y.goEnv("GOROOT"), inGo))
	y.must(err)
	const now = "sec, nsec, mono := runtimeNow()\n"
	_, body, found := strings.Cut(string(text), "\nfunc Now() Time {\n\t"+now)
	if !found {
		y.t.Fatalf("time.Now of this Go does not begin with %s", now)
	}
	changed := strings.TrimSuffix(string(text), body) + fmt.Sprintf("\tsec += %d\n", int64(ahead.Seconds())) + body
	dir, err := os.MkdirTemp(y.dir, "ahead")
	y.must(err)
	y.must(os.WriteFile(filepath.Join(dir, "time.go"), []byte(changed), 0o600))
	overlay := fmt.Sprintf(`{"Replace": {"/usr/local/go/%s": "/ahead/time.go"}}`, inGo)
	y.must(os.WriteFile(filepath.Join(dir, "overlay.json"), []byte(overlay), 0o600))
	y.build("agent", aheadImage, "-overlay=/ahead/overlay.json", "--volume", dir+":/ahead:ro")
}

// buildShop builds the program of shopImage, and returns where it is.
func (y yard) buildShop() string {
	y.t.Helper()
	program := filepath.Join(y.dir, "shop")
	cmd := exec.CommandContext(y.t.Context(), "go", "build", "-o", program, "./shop")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		y.t.Fatalf("building the shop: %v\n%s", err, out)
	}
	return program
}

func (y yard) goEnv(name string) string {
	y.t.Helper()
	out, err := exec.CommandContext(y.t.Context(), "go", "env", name).Output()
	if err != nil {
		y.t.Fatal(err)
	}
	return strings.TrimSpace(string(out))
}

// pack makes an image of programs and the libraries that they are linked with.
func (y yard) pack(image string, programs map[string]string) {
	y.t.Helper()
	dir, err := os.MkdirTemp(y.dir, "image")
	y.must(err)
	for _, folder := range []string{"bin", "tmp", "root"} {
		y.must(os.Mkdir(filepath.Join(dir, folder), 0o755))
	}
	for name, path := range programs {
		path, err := filepath.EvalSymlinks(path)
		y.must(err)
		y.copy(path, filepath.Join(dir, "bin", name))
		for _, library := range libraries(y.t.Context(), path) {
			y.copy(library, filepath.Join(dir, library))
		}
	}
	dockerfile := filepath.Join(y.dir, filepath.Base(dir)+".Dockerfile")
	const text = "FROM scratch\nCOPY . /\nENV PATH=/usr/local/go/bin:/bin HOME=/root GOPATH=/go\n"
	y.must(os.WriteFile(dockerfile, []byte(text), 0o600))
	y.bud("--file", dockerfile, "--tag", image, dir)
}

// libraries are what a program is linked with at run time; none for a static one.
func libraries(ctx context.Context, program string) []string {
	// ldd fails for a static program.
	out, _ := exec.CommandContext(ctx, "ldd", program).Output()
	var found []string
	for field := range strings.FieldsSeq(string(out)) {
		if strings.HasPrefix(field, "/") {
			found = append(found, strings.TrimSuffix(field, ":"))
		}
	}
	return slices.Compact(found)
}

func (y yard) copy(from, to string) {
	y.t.Helper()
	text, err := os.ReadFile(from)
	y.must(err)
	y.must(os.MkdirAll(filepath.Dir(to), 0o755))
	y.must(os.WriteFile(to, text, 0o755))
}

// bud builds without a network, and without a container engine.
func (y yard) bud(args ...string) {
	y.t.Helper()
	y.buildah(append([]string{"bud", "--quiet", "--isolation", "chroot", "--pull-never"}, args...)...)
}

// push writes an image as an archive.
func (y yard) push(name, image string) string {
	y.t.Helper()
	archive := filepath.Join(y.dir, name+".tar")
	y.buildah("push", "--quiet", image, fmt.Sprintf("oci-archive:%s:%s", archive, image))
	return archive
}

func (y yard) buildah(args ...string) {
	y.t.Helper()
	storage := []string{"--storage-driver", "vfs", "--root", filepath.Join(y.dir, "storage"), "--runroot", filepath.Join(y.dir, "run")}
	cmd := exec.CommandContext(y.t.Context(), "buildah", append(storage, args...)...)
	cmd.Env = append(os.Environ(), "TMPDIR="+y.dir)
	out, err := cmd.CombinedOutput()
	if err != nil {
		y.t.Fatalf("buildah %s: %v\n%s", strings.Join(args, " "), err, out)
	}
}

func (y yard) must(err error) {
	y.t.Helper()
	if err != nil {
		y.t.Fatal(err)
	}
}
