package tools

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
)

// The released programs are netchecker's own, of the release that this tree has to
// get on with on one etcd, during a rolling update and after a rollback. They are
// built from the repository's own history, of the commit that the file
// test/tools/released/commit names.

var commitName = regexp.MustCompile(`^[0-9a-f]{40}$`)

// released says whether t is one of them.
func (t tool) released() bool { return t.module == "" }

// commit is the one that a released program is built of.
func (t tool) commit() (string, error) {
	dir, err := t.folder()
	if err != nil {
		return "", err
	}
	path := filepath.Join(dir, "commit")
	text, err := os.ReadFile(path)
	if err != nil {
		return "", fmt.Errorf("looking up the commit of %s: %w", t.name, err)
	}
	commit := strings.TrimSpace(string(text))
	if !commitName.MatchString(commit) {
		return "", fmt.Errorf("%s has %q; it should be the 40 hexadecimal digits of a commit", path, commit)
	}
	return commit, nil
}

// export writes the source of t's commit into dir, which it makes anew.
func (t tool) export(ctx context.Context, dir string) error {
	commit, err := t.commit()
	if err != nil {
		return err
	}
	root, err := repository()
	if err != nil {
		return err
	}
	if out, err := exec.CommandContext(ctx, "git", "-C", root, "cat-file", "-e", commit+"^{commit}").CombinedOutput(); err != nil {
		return fmt.Errorf("the history in %s has no commit %s: run `git fetch --unshallow` there, or clone it whole (git: %w: %s)",
			root, commit, err, strings.TrimSpace(string(out)))
	}
	if err := os.RemoveAll(dir); err != nil {
		return err
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	const pipe = `git -C "$1" archive "$2" | tar -x -C "$3"`
	if out, err := exec.CommandContext(ctx, "bash", "-o", "pipefail", "-c", pipe, "bash", root, commit, dir).CombinedOutput(); err != nil {
		return fmt.Errorf("taking commit %s out of the history in %s: %w: %s", commit, root, err, strings.TrimSpace(string(out)))
	}
	return nil
}
