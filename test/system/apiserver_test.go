package system_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/netchecker/netchecker/test/eventually"
)

func TestTheVerdictGoesOnWithoutTheAPIServerAndTellsHowOldTheListIs(t *testing.T) {
	c := useCluster(t)
	for name, away := range map[string]struct{ leave, back func() }{
		"stopped where it is": {c.Pause, c.Resume},
		"killed":              {c.Kill, c.Restart},
	} {
		t.Run(name, func(t *testing.T) {
			silent := agent{name: "silent", node: "node-silent"}
			c.create(well, silent)
			s := serve(t, ownEtcd(t), c.all()).ready()
			keepReporting(t, s.url, well)
			stop := keepReporting(t, s.url, silent)
			s.becomes(checkPath, 200, allWell(2))
			away.leave()
			const age = `,"PodListAgeSeconds":`
			eventually.Nil(t, func() error {
				answer := s.check()
				if answer.status != 200 || !strings.HasPrefix(answer.body, strings.TrimSuffix(allWell(2), "}")+age) {
					return fmt.Errorf("the check is %v, want all well, and %s", answer, age)
				}
				return nil
			})
			if age, _ := s.metric("netchecker_pod_list_age_seconds"); age < 3 {
				t.Errorf("the metric says the list is %v s old", age)
			}
			if answer := s.get("/readyz/serving"); answer.status != 200 {
				t.Errorf("/readyz/serving: %v", answer)
			}
			stop()
			eventually.Nil(t, func() error { return names(s.check(), `"Outdated":["silent"],"PodListAgeSeconds":`) })
			away.back()
			s.becomes(checkPath, 400, outdated("silent"))
			// What happens now is noticed again.
			c.remove(silent, 0)
			s.becomes(checkPath, 200, allWell(1))
			c.remove(well, 0)
		})
	}
}

func TestWhereTheListWasNeverReadNothingIsKnown(t *testing.T) {
	well := well
	well.interval = 60 // longer than the API server takes to come back
	c := useCluster(t)
	c.create(well)
	cluster := c.all()
	c.Kill()
	s := serve(t, ownEtcd(t), cluster, flags{"-starting-grace", "0"})
	eventually.Nil(t, func() error { return names(s.check(), unknownHead+"the list of agent pods was never read") })
	wantUnknown(t, s.check())
	eventually.Nil(t, func() error { return names(s.get("/readyz"), "[-]pods failed") })
	s.takes(well.report(1))
	if answer := s.get("/api/v1/agents/"); answer.status != 503 {
		t.Errorf("the list of agents is %v", answer)
	}
	c.Restart()
	// That takes longer than two of the agent's intervals.
	keepReporting(t, s.url, well)
	s.becomes(checkPath, 200, allWell(1))
}

func TestTwoDependenciesThatHangCostOneDeadline(t *testing.T) {
	c := useCluster(t)
	c.create(well)
	etcd := startEtcd(t)
	s := serve(t, in(etcd), c.all()).ready()
	etcd.Pause()
	c.Pause()
	defer c.Resume()
	for range 3 {
		answer := s.get("/readyz?verbose")
		if answer.status != 503 || !strings.Contains(answer.body, "[-]etcd failed (2") || !strings.Contains(answer.body, "[+]serving ok") {
			t.Errorf("/readyz: %v", answer)
		}
		// Less where it joins a question that was asked before.
		if answer.took > 3500*time.Millisecond {
			t.Errorf("it took %v, want 2 s at the most", answer.took)
		}
	}
	if answer := s.get("/healthz"); answer.status != 200 || answer.took > time.Second {
		t.Errorf("/healthz: %v after %v", answer, answer.took)
	}
}
