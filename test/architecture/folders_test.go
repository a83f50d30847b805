package architecture_test

import (
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

func TestEachFolderUnderTestHasItsRow(t *testing.T) {
	text, err := os.ReadFile(filepath.Join(root, "docs", "architecture.md"))
	if err != nil {
		t.Fatal(err)
	}
	var rows []string
	for _, m := range regexp.MustCompile("(?m)^\\| `(test/[a-z0-9]+)` \\|").FindAllStringSubmatch(string(text), -1) {
		rows = append(rows, m[1])
	}
	var folders []string
	entries, err := os.ReadDir(filepath.Join(root, "test"))
	if err != nil {
		t.Fatal(err)
	}
	for _, entry := range entries {
		if entry.IsDir() {
			folders = append(folders, "test/"+entry.Name())
		}
	}
	slices.Sort(rows)
	if !slices.Equal(rows, folders) {
		t.Errorf("docs/architecture.md has rows for\n%q, and there are\n%q", rows, folders)
	}
}

// TestEveryTestThatATargetNamesIsThere is about -run: go test passes where it finds
// no test of that name.
func TestEveryTestThatATargetNamesIsThere(t *testing.T) {
	there := map[string]bool{}
	for _, dir := range []string{"test/system", "test/etcdtest", "test/e2e", "test/cluster/kube", "test/campaign", "server/store"} {
		maps.Copy(there, testsOf(t, filepath.Join(root, dir)))
	}
	for _, file := range []string{"Makefile", "test/sweep/thorough"} {
		text, err := os.ReadFile(filepath.Join(root, file))
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range regexp.MustCompile(`\bTest[A-Z]\w+`).FindAllString(string(text), -1) {
			if !slices.ContainsFunc(slices.Collect(maps.Keys(there)), func(test string) bool { return strings.HasPrefix(test, name) }) {
				t.Errorf("%s names %s, and there is no such test", file, name)
			}
		}
	}
}

// TestEachTestWithATagIsRunByATarget: those beside other tests are chosen by name.
func TestEachTestWithATagIsRunByATarget(t *testing.T) {
	for _, row := range []struct{ tag, names string }{
		{"chart", "TestPromtool"}, {"older", "Older"}, {"rolling", "TheRelease"},
	} {
		found := 0
		for _, dir := range []string{"test/system", "test/etcdtest", "server/store"} {
			files, err := filepath.Glob(filepath.Join(root, dir, "*_test.go"))
			if err != nil {
				t.Fatal(err)
			}
			for _, file := range files {
				text, err := os.ReadFile(file)
				if err != nil {
					t.Fatal(err)
				}
				if !strings.HasPrefix(string(text), "//go:build "+row.tag+"\n") {
					continue
				}
				for _, m := range regexp.MustCompile(`(?m)^func (Test\w+)\(`).FindAllStringSubmatch(string(text), -1) {
					found++
					if !strings.Contains(m[1], row.names) {
						t.Errorf("%s: the target for %s runs tests whose names have %q, and not %s", file, row.tag, row.names, m[1])
					}
				}
			}
		}
		if found == 0 {
			t.Errorf("no test has the tag %s", row.tag)
		}
	}
}
