package architecture_test

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// TestEveryTestThatThePromisesNameIsThere holds docs/promises.md against the
// test files.
func TestEveryTestThatThePromisesNameIsThere(t *testing.T) {
	text, err := os.ReadFile(filepath.Join("..", "..", "docs", "promises.md"))
	if err != nil {
		t.Fatal(err)
	}
	group := regexp.MustCompile("`([a-z/]+)` (Test[A-Za-z0-9_]+(?:, Test[A-Za-z0-9_]+)*)")
	named := 0
	for _, m := range group.FindAllStringSubmatch(string(text), -1) {
		there := testsOf(t, filepath.Join("..", "..", filepath.FromSlash(m[1])))
		for _, name := range strings.Split(m[2], ", ") {
			named++
			if !there[name] {
				t.Errorf("docs/promises.md names %s, and %s has no such test", name, m[1])
			}
		}
	}
	if all := len(regexp.MustCompile(`\bTest[A-Z]\w+`).FindAllString(string(text), -1)); named != all || named == 0 {
		t.Errorf("%d tests are named, of which %d after their package", all, named)
	}
}

// testsOf has the names of a directory's tests.
func testsOf(t *testing.T, dir string) map[string]bool {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, "*_test.go"))
	if err != nil {
		t.Fatal(err)
	}
	names := map[string]bool{}
	for _, f := range files {
		source, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range regexp.MustCompile(`(?m)^func (Test\w+)\(`).FindAllStringSubmatch(string(source), -1) {
			names[m[1]] = true
		}
	}
	return names
}
