package system_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/netchecker/netchecker/test/eventually"
	"github.com/netchecker/netchecker/test/process"
)

// finding is one as the API tells it, as far as these tests look at it.
type finding struct {
	ID      string
	Kind    string
	Subject struct{ Names []string }
	Since   time.Time
	Until   time.Time
	By      string `json:"ended_by"`
	Says    string `json:"sentence"`
}

// isStill says whether f is what it was; since when may be known better by and by, as when
// another path of the same fault tells that it failed a moment before.
func (f finding) isStill(was finding) bool {
	return f.ID == was.ID && !f.Since.After(was.Since) && was.Since.Sub(f.Since) <= 2*time.Second
}

// found is an answer of /api/v1/findings.
type found struct {
	Findings []finding
	Still    string `json:"standing_still"`
}

func (s *server) findings(query string) found {
	s.tb.Helper()
	a := s.get("/api/v1/findings" + query)
	var is found
	if err := json.Unmarshal([]byte(a.body), &is); err != nil || a.status != http.StatusOK {
		s.tb.Fatalf("%v: %v", a, err)
	}
	return is
}

// looks waits until findings do not stand still.
func (s *server) looks() {
	s.tb.Helper()
	eventually.Within(s.tb, 2*eventually.Patience, func() error {
		if still := s.findings("").Still; still != "" {
			return errors.New(still)
		}
		return nil
	})
}

// An agent that is frozen is told of by all servers alike, also while the leader dies, until
// it goes on.
func TestAFindingIsTheSameOnAllServersAndOutlivesTheLeader(t *testing.T) {
	sideBySide(t)
	etcd := startEtcd(t)
	agents := meshing(t, 5)
	roster := expecting(t, agents...)
	one := serve(t, in(etcd), roster, flags{"-allow-loopback"})
	one.metricBecomes("netchecker_leader", 1)
	two := serve(t, in(etcd), roster, flags{"-allow-loopback"}).ready()
	var played []*process.Process
	for _, a := range agents {
		played = append(played, a.plays(t, two.url))
	}
	for _, s := range []*server{one, two} {
		s.knowsAllPaths()
		s.looks()
	}
	if got := two.findings("").Findings; len(got) > 0 {
		t.Fatalf("found %+v, though all is well", got)
	}

	if err := played[3].Pause(); err != nil { // host-2
		t.Fatal(err)
	}
	paused := time.Now()
	is := one.findsStill("n2")
	t.Logf("%v after an agent was frozen: %s", time.Since(paused), is.Says)
	if took := is.Since.Sub(paused).Abs(); took > 3*time.Second {
		t.Errorf("it is told to be since %v, which is %v from when it began", is.Since, took)
	}
	const series = `netchecker_finding{kind="agent-still",severity="warning",subject="n2"}`
	two.metricBecomes(series, 1)
	if got := two.findings("").Findings; len(got) != 1 || !got[0].isStill(is) {
		t.Errorf("one server tells %+v, the other %+v", is, got)
	}
	if a := two.ask(request{path: "/api/v1/findings", headers: map[string]string{"Accept": "text/plain"}}); !strings.HasPrefix(a.body, "n2: agent on the host network stands still since ") {
		t.Errorf("as text it is %v", a)
	}

	for _, s := range []*server{one, two} {
		eventually.Nil(t, func() error { // with the next Snapshot
			if a := s.check(); !strings.Contains(a.body, `,"Findings":["n2: agent on the host network stands still since `) {
				return fmt.Errorf("the check says %v", a)
			}
			return nil
		})
	}

	one.kill()
	for _, stands := range []bool{true, false} {
		eventually.Nil(t, func() error {
			got := two.findings("")
			if len(got.Findings) != 1 || got.Findings[0].ID != is.ID {
				t.Fatalf("after the leader's death the other server tells %+v, want %s alone", got, is.ID)
			}
			if (got.Still != "") != stands {
				return fmt.Errorf("it should stand still: %t, and says %q", stands, got.Still)
			}
			return nil
		})
	}
	two.metricBecomes("netchecker_leader", 1)

	if err := played[3].Resume(); err != nil {
		t.Fatal(err)
	}
	resumed := time.Now()
	eventually.Nil(t, func() error {
		if got := two.findings("").Findings; len(got) > 0 {
			return fmt.Errorf("it is still told: %+v", got)
		}
		return nil
	})
	t.Logf("it is gone %v after it went on", time.Since(resumed))
	if _, there := two.metric(series); there {
		t.Error("its series is still there")
	}
	one.restart()
	one.ready()
	for _, s := range []*server{one, two} {
		// As it goes on, the agent tells that it hardly ran, which is told until it tells more.
		got := slices.DeleteFunc(s.findings("?from=-10m").Findings, func(f finding) bool { return f.Kind == "agent-starved" })
		if len(got) != 1 || !got[0].isStill(is) || !got[0].Until.After(got[0].Since) || got[0].By != "well" {
			t.Errorf("afterwards %+v is told, want %s, which is over", got, is.ID)
		}
	}
}

// findsStill waits until the only finding is that an agent on that node stands still.
func (s *server) findsStill(node string) (is finding) {
	s.tb.Helper()
	eventually.Nil(s.tb, func() error {
		got := s.findings("").Findings
		if len(got) != 1 || got[0].Kind != "agent-still" || len(got[0].Subject.Names) != 1 || got[0].Subject.Names[0] != node {
			return fmt.Errorf("found %+v", got)
		}
		is = got[0]
		return nil
	})
	return is
}
