package sweep

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

var nodes = []string{"node-1", "node-2", "node-3"}

// swept are the items that Each runs in a test called name.
func swept(t *testing.T, name string, items []string) []string {
	t.Helper()
	var ran []string
	t.Run(name, func(t *testing.T) {
		Each(t, items, func(t *testing.T, item string) {
			if !strings.HasSuffix(t.Name(), "/"+strings.ReplaceAll(item, " ", "_")) {
				t.Errorf("%s is run as %s", item, t.Name())
			}
			ran = append(ran, item)
		})
	})
	return ran
}

func TestOneItemIsRunAsARuleAndTheSameOfOneCommit(t *testing.T) {
	t.Setenv(thorough, "")
	t.Setenv(pick, "")
	first := swept(t, "faults", nodes)
	if len(first) != 1 || !slices.Contains(nodes, first[0]) {
		t.Errorf("of %q it runs %q, want one", nodes, first)
	}
	want := nodes[choose(head(t), t.Name()+"/faults", len(nodes))]
	if first[0] != want {
		t.Errorf("it runs %q, want %q", first[0], want)
	}
}

func TestPickChoosesWhateverTheCommit(t *testing.T) {
	t.Setenv(thorough, "")
	for _, node := range nodes {
		t.Setenv(pick, node)
		if ran := swept(t, "faults", nodes); !slices.Equal(ran, []string{node}) {
			t.Errorf("%s=%s runs %q", pick, node, ran)
		}
	}
	// Other sweeps of the same run have no such item.
	t.Setenv(pick, "node-9")
	if ran := swept(t, "faults", nodes); len(ran) != 1 {
		t.Errorf("%s=node-9 runs %q, want one", pick, ran)
	}
}

func TestCommitsAndTestsChooseEveryItemInTheirTurn(t *testing.T) {
	t.Parallel()
	byCommit, byTest := map[int]int{}, map[int]int{}
	for i := range 300 {
		text := strings.Repeat("a", i)
		byCommit[choose(text, "test", 3)]++
		byTest[choose("commit", text, 3)]++
	}
	for _, counts := range []map[int]int{byCommit, byTest} {
		for item := range 3 {
			if counts[item] < 50 {
				t.Errorf("of 300 choices item %d has %d, want about 100", item, counts[item])
			}
		}
	}
}

func TestThoroughRunsAllAndGoesOnWhereItWasStopped(t *testing.T) {
	done := ledger(filepath.Join(t.TempDir(), "finished"))
	t.Setenv(thorough, string(done))
	t.Setenv(pick, "node-1")
	if err := done.write(t.Name()+"/faults/node-2", time.Second); err != nil {
		t.Fatal(err)
	}
	if ran, want := swept(t, "faults", nodes), []string{"node-1", "node-3"}; !slices.Equal(ran, want) {
		t.Errorf("with node-2 finished it runs %q, want %q", ran, want)
	}
	if ran := swept(t, "other", nodes); !slices.Equal(ran, nodes) {
		t.Errorf("of another test it runs %q, want %q", ran, nodes)
	}
	finished, err := done.read()
	if err != nil || len(finished) != 6 {
		t.Errorf("finished are %v, %v, want six", finished, err)
	}
}

func TestTimesCountsItsRounds(t *testing.T) {
	t.Setenv(thorough, filepath.Join(t.TempDir(), "finished"))
	var rounds []int
	t.Run("rounds", func(t *testing.T) { Times(t, 3, func(_ *testing.T, round int) { rounds = append(rounds, round) }) })
	if want := []int{1, 2, 3}; !slices.Equal(rounds, want) {
		t.Errorf("the rounds are %v, want %v", rounds, want)
	}
}

func TestLedgerKeepsWhatWasFinished(t *testing.T) {
	t.Parallel()
	l := ledger(filepath.Join(t.TempDir(), "finished"))
	if finished, err := l.read(); err != nil || len(finished) > 0 {
		t.Errorf("one that is not there has %v, %v", finished, err)
	}
	for _, name := range []string{"TestA/1 of 2", "TestA/node-1"} {
		if err := l.write(name, 1500*time.Millisecond); err != nil {
			t.Fatal(err)
		}
	}
	finished, err := l.read()
	if err != nil || len(finished) != 2 || finished["TestA/1 of 2"] != 1500*time.Millisecond {
		t.Errorf("it has %v, %v", finished, err)
	}
	if err := os.WriteFile(string(l), []byte("TestA/node-1\tsoon\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	want := "reading which items are finished, in " + string(l) + `: "TestA/node-1\tsoon\n" is no line of it; FRESH=1 begins anew`
	if _, err := l.read(); err == nil || err.Error() != want {
		t.Errorf("got error %v, want %s", err, want)
	}
}
