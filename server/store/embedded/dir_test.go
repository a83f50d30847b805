package embedded

import (
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

func TestFlagNamesTheDirectory(t *testing.T) {
	if dir, err := DirFor("/some/where"); err != nil || dir != "/some/where" {
		t.Errorf("got %s, %v", dir, err)
	}
}

func TestCandidatesFollowTheEnvironment(t *testing.T) {
	own := "netchecker-" + strconv.Itoa(os.Getuid())
	for _, test := range []struct {
		state, home string
		want        []string
	}{
		{"/state", "/home/me", []string{"/var/lib/netchecker", "/state/netchecker", "/temp/" + own, "/dev/shm/" + own}},
		{"", "/home/me", []string{"/var/lib/netchecker", "/home/me/.local/state/netchecker", "/temp/" + own, "/dev/shm/" + own}},
		{"relative", "", []string{"/var/lib/netchecker", "/temp/" + own, "/dev/shm/" + own}},
	} {
		t.Setenv("XDG_STATE_HOME", test.state)
		t.Setenv("HOME", test.home)
		t.Setenv("TMPDIR", "/temp")
		if got := candidates(); !slices.Equal(got, test.want) {
			t.Errorf("with XDG_STATE_HOME=%s HOME=%s: %v, want %v", test.state, test.home, got, test.want)
		}
	}
}

func TestFirstDirectoryThatCanBeWrittenIsTaken(t *testing.T) {
	top := t.TempDir()
	file := filepath.Join(top, "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	good := filepath.Join(top, "a", "b")
	dir, err := firstWritable([]string{filepath.Join(file, "x"), good, filepath.Join(top, "later")})
	if err != nil || dir != good {
		t.Errorf("got %s, %v; want %s", dir, err, good)
	}
	if left, err := os.ReadDir(good); err != nil || len(left) != 0 {
		t.Errorf("the attempt left %v, %v", left, err)
	}
	_, err = firstWritable([]string{filepath.Join(file, "x"), filepath.Join(file, "y")})
	if err == nil || !strings.HasPrefix(err.Error(), "no directory for the data of the server's own etcd; -data-dir should name one that can be written:\n") {
		t.Errorf("got error %v", err)
	}
}
