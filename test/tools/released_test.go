package tools_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/netchecker/netchecker/test/tools"
)

// git runs git in dir and returns what it prints.
func git(t *testing.T, dir string, args ...string) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "git", append([]string{"-C", dir, "-c", "user.name=test", "-c", "user.email=test@example.test"}, args...)...)
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("git %q: %v: %s", args, err, out)
	}
	return strings.TrimSpace(string(out))
}

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

// history makes the working directory that of a repository whose released server
// says hello, and whose present one is something else.
func history(t *testing.T) (root, commit, cache string) {
	t.Helper()
	root, cache = t.TempDir(), filepath.Join(t.TempDir(), "cache")
	t.Setenv("NETCHECKER_CACHE", cache)
	t.Setenv("RELEASED_SERVER", "")
	write(t, root+"/go.mod", "module example.test/netchecker\n\ngo 1.26.0\n")
	write(t, root+"/server/main.go", hello)
	write(t, root+"/test/tools/etcd/go.mod", "module example.test/tools\n")
	git(t, root, "init", "--quiet")
	git(t, root, "add", ".")
	git(t, root, "commit", "--quiet", "-m", "release")
	commit = git(t, root, "rev-parse", "HEAD")
	write(t, root+"/server/main.go", "no program")
	write(t, root+"/test/tools/released/commit", commit+"\n")
	git(t, root, "add", ".")
	git(t, root, "commit", "--quiet", "-m", "work")
	t.Chdir(root)
	return root, commit, cache
}

func TestReleaseIsBuiltFromTheHistoryAndKeptByItsCommit(t *testing.T) {
	_, commit, cache := history(t)
	builder := tools.Builder{Out: new(lines)}
	if err := builder.Build(t.Context(), "released-server"); err != nil {
		t.Fatal(err)
	}
	path, err := tools.Path("released-server")
	if want := filepath.Join(cache, "released-server-"+commit[:12]); err != nil || path != want {
		t.Fatalf("it is at %q, %v, want %q", path, err, want)
	}
	if said, err := exec.Command(path).CombinedOutput(); err != nil || string(said) != "hello\n" {
		t.Errorf("it says %q, %v", said, err)
	}
	if left, err := filepath.Glob(cache + "/*"); err != nil || len(left) != 2 {
		t.Errorf("the cache has more than the program and its lock: %q, %v", left, err)
	}
}

func TestCloneWithoutTheReleaseIsToldToFetchIt(t *testing.T) {
	root, commit, cache := history(t)
	clone := filepath.Join(t.TempDir(), "clone")
	git(t, root, "clone", "--quiet", "--depth", "1", "file://"+root, clone)
	t.Chdir(clone)
	err := tools.Builder{Out: new(lines)}.Build(t.Context(), "released-server")
	want := "building released-server " + commit[:12] + ": the history in " + clone + " has no commit " + commit +
		": run `git fetch --unshallow` there, or clone it whole (git: "
	if !strings.HasPrefix(message(err), want) {
		t.Errorf("got error %v, want %s…", err, want)
	}
	if left, err := filepath.Glob(cache + "/*"); err != nil || len(left) != 1 {
		t.Errorf("the cache has more than the lock: %q, %v", left, err)
	}
}

func TestCommitThatIsNoneIsAnError(t *testing.T) {
	root, _, _ := history(t)
	path := filepath.Join(root, "test", "tools", "released", "commit")
	write(t, path, "v1.2\n")
	_, err := tools.Path("released-server")
	if want := path + ` has "v1.2"; it should be the 40 hexadecimal digits of a commit`; message(err) != want {
		t.Errorf("got error %v, want %s", err, want)
	}
}
