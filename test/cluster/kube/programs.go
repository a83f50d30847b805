package kube

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/netchecker/netchecker/test/tools"
)

// pluginDir is where Debian's containernetworking-plugins are.
const pluginDir = "/usr/lib/cni"

// fromDebian are the packages that have what the cluster runs besides its own.
var fromDebian = []struct{ program, in string }{
	{"runc", "runc"},
	{pluginDir + "/bridge", "containernetworking-plugins"},
	{"nft", "nftables"},
	{"iptables", "iptables"},
	{"ip", "iproute2"},
	{"mount", "mount"},
}

// missing says what a machine lacks for a cluster, and how to get it.
func missing() error {
	if os.Getuid() != 0 {
		return errors.New("a cluster makes network namespaces and mounts, which takes root")
	}
	var packages []string
	for _, p := range fromDebian {
		if _, err := exec.LookPath(p.program); err != nil && !slices.Contains(packages, p.in) {
			packages = append(packages, p.in)
		}
	}
	if len(packages) == 0 {
		return bridgesAreFiltered()
	}
	return fmt.Errorf("programs are missing: apt-get install --no-install-recommends %s", strings.Join(packages, " "))
}

// bridgesAreFiltered loads the module without which kube-proxy's rules do not see
// what pods of one node send each other.
func bridgesAreFiltered() error {
	if _, err := os.Stat("/proc/sys/net/bridge"); err == nil {
		return nil
	}
	if said, err := exec.Command("modprobe", "br_netfilter").CombinedOutput(); err != nil {
		return fmt.Errorf("the kernel has no br_netfilter: modprobe: %w: %s", err, said)
	}
	return nil
}

// built are the programs from netchecker's cache of tools.
var built = []string{
	"etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler", "kubelet", "kube-proxy", "kubectl", "helm",
	"containerd", "containerd-shim-runc-v2", "ctr", "coredns",
}

// Tools are the names of all programs that a cluster takes from the cache of
// tools; Up builds those that are not there, which takes minutes.
func Tools() []string { return slices.Clone(built) }

// findPrograms puts all of them into bin, under their plain names: containerd
// looks for its shim by that.
func (c *Cluster) findPrograms(ctx context.Context) error {
	for _, name := range built {
		if err := (tools.Builder{Out: c.out}).Build(ctx, name); err != nil {
			return err
		}
		path, err := tools.Path(name)
		if err != nil {
			return err
		}
		if err := link(path, c.folder.program(name)); err != nil {
			return err
		}
	}
	for _, name := range []string{"pause", "relay", "burn"} {
		if err := c.build(ctx, name); err != nil {
			return err
		}
	}
	return nil
}

// link puts a program at path. A hard link is in reach also where a place hides
// the cache, as below /var/lib; to another file system there is none.
func link(program, path string) error {
	err := os.Link(program, path)
	if errors.Is(err, unix.EXDEV) {
		return os.Symlink(program, path)
	}
	return err
}

// build compiles one of the cluster's own small programs.
func (c *Cluster) build(ctx context.Context, name string) error {
	source := "github.com/netchecker/netchecker/test/cluster/" + name
	cmd := exec.CommandContext(ctx, "go", "build", "-trimpath", "-ldflags", "-s -w", "-o", c.folder.program(name), source)
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if said, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("building %s: %w: %s", name, err, said)
	}
	return nil
}
