package system_test

import (
	"context"
	"encoding/json"
	"io/fs"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"

	clientv3 "go.etcd.io/etcd/client/v3"
)

// releasedValues is a tree of etcd's keys, each a file with the value as the
// release that test/tools/released names stores it. They were printed by
//
//	go test -tags rolling -run TestTheReleaseStoresWhatIsInTestdata ./test/system -write-stored
//
// and that test says which reports they come from.
const releasedValues = "testdata/released"

// The agents of these values: one of the original ones; one of ours, with all of
// its keys, extremes, and null for each list; one that failed once; one that is
// gone, whose counts went over to its node's next.
var (
	originalAgent = agent{name: "netchecker-agent-8ck2x", node: "n1"}
	ourAgent      = agent{name: "netchecker-agent-hostnet-x7k2p", node: "n2", host: true}
	failedAgent   = agent{name: "netchecker-agent-qdk2x", node: "n3"}
	goneAgent     = agent{name: "netchecker-agent-grk2x", node: "n4", interval: 60}
	nextAgent     = agent{name: "netchecker-agent-g2k2x", node: "n4", interval: 60}
)

// storedValues reads releasedValues, by key.
func storedValues(t *testing.T) map[string]string {
	t.Helper()
	values := map[string]string{}
	root := os.DirFS(releasedValues)
	err := fs.WalkDir(root, ".", func(key string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		text, err := fs.ReadFile(root, key)
		values[key] = string(text)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return values
}

// restore puts values into an etcd as a snapshot of that of the release would have
// them: the counters have all reports up to a revision that etcd has reached.
func restore(t *testing.T, etcd *clientv3.Client, values map[string]string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	put := func(key, value string) (revision int64) {
		t.Helper()
		done, err := etcd.Put(ctx, key, value)
		if err != nil {
			t.Fatal(err)
		}
		return done.Header.Revision
	}
	for _, key := range slices.Sorted(maps.Keys(values)) {
		if !strings.Contains(key, "/counters/") {
			put(key, values[key])
		}
	}
	for key, value := range values {
		var counters struct{ Revision int64 }
		if !strings.Contains(key, "/counters/") {
			continue
		}
		if err := json.Unmarshal([]byte(value), &counters); err != nil || counters.Revision == 0 {
			t.Fatalf("%s is %s: %v", key, value, err)
		}
		for put("somebody/else", "") < counters.Revision {
		}
		put(key, value)
	}
}

func TestWhatTheReleaseStoredIsReadFromItsBytes(t *testing.T) {
	t.Parallel()
	values := storedValues(t)
	// A leader that was killed may have written some checkpoints and not others.
	values["netchecker/counters/7"] = `{"revision":1,"pods":{}}`
	etcd := startEtcd(t)
	restore(t, etcd.Client(t), values)
	s := serve(t, in(etcd), expecting(t, originalAgent, ourAgent, failedAgent, nextAgent)).ready()

	var list []string
	for _, a := range []agent{originalAgent, ourAgent, failedAgent} {
		value := values["netchecker/agents/default/"+a.name]
		if got := s.get(a.path()); value == "" || got.body != value {
			t.Errorf("%s is shown as %v, want %q", a.name, got, value)
		}
		list = append(list, `"`+a.name+`":`+value)
	}
	slices.Sort(list)
	if got, want := s.get("/api/v1/agents/"), "{"+strings.Join(list, ",")+"}"; got.body != want {
		t.Errorf("the list is\n%v, want\n%s", got, want)
	}
	for _, row := range []struct {
		agent           agent
		reports, errors float64
	}{{originalAgent, 2, 0}, {ourAgent, 1, 0}, {failedAgent, 2, 1}, {nextAgent, 1, 0}} {
		s.metricBecomes(row.agent.series(reportCount), row.reports)
		s.metricBecomes(row.agent.series(errorCount), row.errors)
	}
	s.takes(nextAgent.report(1))
	s.metricBecomes(nextAgent.series(reportCount), 2)
	s.becomes(checkPath, 200, allWell(4))
}
