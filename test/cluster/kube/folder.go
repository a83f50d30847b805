package kube

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
)

// folder is where the cluster keeps all of its files, with a name for each.
type folder string

func (f folder) path(parts ...string) string {
	return filepath.Join(append([]string{string(f)}, parts...)...)
}

func (f folder) program(name string) string { return f.path("bin", name) }
func (f folder) place(name string) string   { return f.path("places", name) }
func (f folder) pki() string                { return f.path("pki") }
func (f folder) ca() string                 { return f.path("pki", "ca.crt") }
func (f folder) serviceAccountKey() string  { return f.path("pki", "service-accounts.key") }

// kubeconfig is the file with which user (its certificate's name) logs in.
func (f folder) kubeconfig(user string) string { return f.path("pki", user+".kubeconfig") }

// log is where a program in a place writes.
func (f folder) log(place, program string) string { return f.path("log", place+"-"+program+".log") }

// make makes the folder. It is root's alone: nobody else may put files, or links
// to files, where root writes.
func (f folder) make() error {
	for _, dir := range []string{string(f), f.path("bin"), f.path("log"), f.pki(), f.path("images")} {
		if err := os.Mkdir(dir, 0o700); err != nil {
			return fmt.Errorf("making the cluster's folder: %w", err)
		}
	}
	return nil
}

// own is an error where the folder is there and is not root's own.
func (f folder) own() error {
	info, err := os.Lstat(string(f))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	owner := info.Sys().(*syscall.Stat_t).Uid
	if !info.IsDir() || owner != uint32(os.Getuid()) {
		return fmt.Errorf("%s is not a folder of this user's own", f)
	}
	return nil
}
