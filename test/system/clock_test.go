package system_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/netchecker/netchecker/test/eventually"
)

func TestTheNewestReportIsShownAtOnceWhateverItSaysOfTime(t *testing.T) {
	sideBySide(t)
	a := agent{name: "a", interval: 60}
	s := serve(t, ownEtcd(t), expecting(t, a)).ready()
	for _, row := range []struct {
		why, hostdate string
		uptime        uint64
	}{
		{"a first report", "2026-01-01T00:00:00Z", 1_000_000},
		{"the host was rebooted", "2026-01-01T00:01:00Z", 5},
		{"its clock jumped years ahead", "2099-01-01T00:00:00Z", 6},
		{"its clock jumped years back", "1970-01-01T00:00:00Z", 7},
		{"it was rebooted again", "1970-01-01T00:00:01Z", 0},
	} {
		s.takes(a.post(fmt.Sprintf(`{"report_interval":60,"nodename":"n1","podname":"a","hostdate":%q,"uptime":%d}`, row.hostdate, row.uptime)))
		taken := time.Now()
		eventually.Nil(t, func() error {
			if got := s.agents()["a"]; got.Uptime != row.uptime || got.HostDate != row.hostdate {
				return fmt.Errorf("%s: shown is uptime %d of %s, want %d of %s", row.why, got.Uptime, got.HostDate, row.uptime, row.hostdate)
			}
			return nil
		})
		if took := time.Since(taken); took > 3*time.Second {
			t.Errorf("%s: shown after %v", row.why, took)
		}
		s.becomes(checkPath, 200, allWell(1))
	}
}

func TestTheClockOfAnotherServerChangesNoVerdict(t *testing.T) {
	sideBySide(t)
	a, b := agent{name: "a", interval: 1}, agent{name: "b", node: "n2"}
	etcd := startEtcd(t)
	direct := etcd.Client(t)
	s := serve(t, in(etcd), expecting(t, a, b)).ready()
	keepReporting(t, s.url, b)
	for _, year := range []string{"2099", "1970"} {
		// As another server wrote it, whose clock jumped.
		ctx, cancel := context.WithTimeout(t.Context(), patience)
		_, err := direct.Put(ctx, "netchecker/agents/default/a",
			`{"report_interval":1,"nodename":"n1","podname":"a","hostdate":"`+year+`-06-01T00:00:00Z","uptime":1,"last_updated":"`+year+`-06-01T00:00:00Z","nslookup":null,"network_probes":null,"ips":null}`)
		cancel()
		if err != nil {
			t.Fatal(err)
		}
		s.becomes(checkPath, 200, allWell(2))
		if got := s.agents()["a"].LastUpdated; got != year+"-06-01T00:00:00Z" {
			t.Errorf("last_updated is %q", got)
		}
		s.becomes(checkPath, 400, outdated("a"))
	}
}

func TestStartingIsListedAsAbsentUnlessOneAsksOtherwise(t *testing.T) {
	sideBySide(t)
	a, b := agent{name: "a", interval: 60}, agent{name: "b", node: "n2"}
	agents := newRoster(t, a)
	s := serve(t, ownEtcd(t), agents.flag(), flags{"-starting-grace", "60"}).ready()
	s.takes(a.report(1))
	s.becomes(checkPath, 200, allWell(1))
	agents.set(a, b)
	s.becomes(checkPath, 400, starting("b"))
	s.becomes(checkPath+"?starting=ok", 200, `{"Message":"All 1 pods successfully reported back to the server","Absent":null,"Outdated":null,"Starting":["b"]}`)
	s.metricBecomes(`netchecker_agents{network="pod",state="starting"}`, 1)
	s.takes(b.report(1))
	s.becomes(checkPath, 200, allWell(2))
}

func TestStartingEndsWithTheGrace(t *testing.T) {
	sideBySide(t)
	a, b := agent{name: "a", interval: 60}, agent{name: "b", node: "n2"}
	s := serve(t, ownEtcd(t), expecting(t, a, b), flags{"-starting-grace", "5"})
	s.becomes(checkPath, 400, starting("a", "b"))
	s.ready().takes(a.report(1))
	s.becomes(checkPath, 400, absent("b"))
	s.becomes(checkPath+"?starting=ok", 400, absent("b"))
	s.metricBecomes(`netchecker_agents{network="pod",state="absent"}`, 1)
}
