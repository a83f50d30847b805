// Package sweep is for tests that are swept over many items, or repeated: "on each
// node in turn", "20 times". As a rule one item is enough, which the commit's hash
// chooses, so that commit after commit all have their turn; make thorough runs the
// test for all of them.
package sweep

import (
	"fmt"
	"hash/fnv"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

const (
	// thorough is the variable that names the file of finished items; where it does,
	// all items are run. See test/sweep/thorough.
	thorough = "THOROUGH"
	// pick is the variable that names an item to run instead of the chosen one, so
	// that a failure can be repeated with another commit.
	pick = "PICK"
)

// Whole says whether all items are asked for.
func Whole() bool { return os.Getenv(thorough) != "" }

// Each runs f, as a subtest named after the item, for one of the items. Where make
// thorough runs, it does so for all of them that were not finished before, in
// their order, until one fails. Names must differ, and have no tabs or line ends.
func Each(t *testing.T, items []string, f func(t *testing.T, item string)) {
	t.Helper()
	if len(items) == 0 {
		t.Fatal("there is nothing to sweep over")
	}
	if file := os.Getenv(thorough); file != "" {
		all(t, ledger(file), items, f)
		return
	}
	item := one(t, items)
	t.Run(item, func(t *testing.T) { f(t, item) })
}

// Times runs f for one of the rounds 1 to n, or for all of them.
func Times(t *testing.T, n int, f func(t *testing.T, round int)) {
	t.Helper()
	items := make([]string, n)
	for i := range items {
		items[i] = fmt.Sprintf("%d of %d", i+1, n)
	}
	Each(t, items, func(t *testing.T, item string) { f(t, slices.Index(items, item)+1) })
}

// one is the item that is run, and is logged with what chooses it again.
func one(t *testing.T, items []string) string {
	t.Helper()
	if item := os.Getenv(pick); slices.Contains(items, item) {
		t.Logf("of %d items, %s=%q chooses this one", len(items), pick, item)
		return item
	}
	commit := head(t)
	item := items[choose(commit, t.Name(), len(items))]
	t.Logf("of %d items, the commit %.12s chooses %q; %s=%[3]q does so for any commit", len(items), commit, item, pick)
	return item
}

// choose is an index below n.
func choose(commit, test string, n int) int {
	h := fnv.New64a()
	fmt.Fprintf(h, "%s %s", commit, test)
	return int(h.Sum64() % uint64(n))
}

// head is the commit's hash; outside of a repository there is none to choose by.
func head(t *testing.T) string {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), "git", "rev-parse", "HEAD").Output()
	if err != nil {
		t.Logf("git rev-parse HEAD: %v", err)
		return "none"
	}
	return strings.TrimSpace(string(out))
}

func all(t *testing.T, done ledger, items []string, f func(*testing.T, string)) {
	t.Helper()
	finished, err := done.read()
	if err != nil {
		t.Fatal(err)
	}
	for _, item := range items {
		name := t.Name() + "/" + item
		if took, there := finished[name]; there {
			t.Logf("%s: finished before, in %.1f s", item, took.Seconds())
			continue
		}
		begun := time.Now()
		if !t.Run(item, func(t *testing.T) { f(t, item) }) {
			t.Logf("%s: failed after %.1f s; the next run goes on with it", item, time.Since(begun).Seconds())
			return
		}
		took := time.Since(begun)
		t.Logf("%s: %.1f s", item, took.Seconds())
		if err := done.write(name, took); err != nil {
			t.Fatal(err)
		}
	}
}

// ledger is the path of the file of finished items: a line for each, with its
// name, a tab and how many seconds it took.
type ledger string

func (l ledger) read() (map[string]time.Duration, error) {
	finished := map[string]time.Duration{}
	text, err := os.ReadFile(string(l))
	if os.IsNotExist(err) {
		return finished, nil
	}
	if err != nil {
		return nil, fmt.Errorf("reading which items are finished: %w", err)
	}
	for line := range strings.Lines(string(text)) {
		name, seconds, _ := strings.Cut(strings.TrimSuffix(line, "\n"), "\t")
		took, err := strconv.ParseFloat(seconds, 64)
		if err != nil {
			return nil, fmt.Errorf("reading which items are finished, in %s: %q is no line of it; FRESH=1 begins anew", l, line)
		}
		finished[name] = time.Duration(took * float64(time.Second))
	}
	return finished, nil
}

// write adds a line by one write, so that a run that is killed leaves whole ones.
func (l ledger) write(name string, took time.Duration) error {
	f, err := os.OpenFile(string(l), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return fmt.Errorf("writing down what is finished: %w", err)
	}
	if _, err = fmt.Fprintf(f, "%s\t%.1f\n", name, took.Seconds()); err != nil {
		_ = f.Close()
		return fmt.Errorf("writing down what is finished: %w", err)
	}
	return f.Close()
}
