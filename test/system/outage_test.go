package system_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/netchecker/netchecker/test/etcdtest"
	"github.com/netchecker/netchecker/test/eventually"
)

// outages are the ways in which an etcd goes away and comes back.
var outages = map[string]struct{ leave, back func(*etcdtest.Etcd) }{
	"stopped": {(*etcdtest.Etcd).Pause, (*etcdtest.Etcd).Resume},
	"killed":  {(*etcdtest.Etcd).Kill, (*etcdtest.Etcd).Restart},
}

// eachOutage runs a test for each of them, with a server that is blind after a
// second without etcd.
func eachOutage(t *testing.T, more flags, test func(t *testing.T, s *server, a agent, leave, back func())) {
	sideBySide(t)
	for name, o := range outages {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			a := agent{name: "a"}
			etcd := startEtcd(t)
			s := serve(t, in(etcd), expecting(t, a), flags{"-ping-timeout", "1"}, more).ready()
			test(t, s, a, func() { o.leave(etcd) }, func() { o.back(etcd) })
		})
	}
}

// wantUnknown fails the test where a is not the answer that nothing can be known.
func wantUnknown(t *testing.T, a answer) {
	t.Helper()
	if a.status != http.StatusServiceUnavailable || !strings.HasPrefix(a.body, unknownHead) ||
		json.Valid([]byte(a.body)) || !strings.HasPrefix(a.header.Get("Content-Type"), "text/plain") {
		t.Errorf("the check answers %v, want 503 and plain text that begins with %q", a, unknownHead)
	}
}

func TestWithoutEtcdReportsAreRefusedWithinThreeSecondsAndAskedForAgain(t *testing.T) {
	eachOutage(t, nil, func(t *testing.T, s *server, a agent, leave, back func()) {
		s.takes(a.report(1))
		leave()
		for range 3 {
			answer := s.ask(a.report(2))
			if answer.status != http.StatusServiceUnavailable || answer.header.Get("Retry-After") == "" || answer.took > 3*time.Second {
				t.Errorf("a report is answered %v after %v, Retry-After %q; want 503 within 3 s", answer, answer.took, answer.header.Get("Retry-After"))
			}
			if !strings.HasPrefix(answer.body, "The report could not be stored, and should be sent again: etcd does not answer") {
				t.Errorf("the answer does not say what is wrong: %v", answer)
			}
		}
		back()
		eventually.Nil(t, func() error { return wantTaken(s.ask(a.report(3))) })
	})
}

func TestWithoutEtcdNothingIsClaimedToBeKnown(t *testing.T) {
	eachOutage(t, flags{"-starting-grace", "0"}, func(t *testing.T, s *server, a agent, leave, back func()) {
		s.takes(a.report(1))
		s.becomes(checkPath, 200, allWell(1))
		seen, stop := watch(t, s.url)
		leave()
		wantUnknown(t, s.becomes(checkPath, 503, ""))
		wantUnknown(t, s.becomes(checkPath+"?starting=ok", 503, ""))
		s.metricBecomes(`netchecker_verdict{outcome="cannot_know"}`, 1)
		// Long enough for a report of a second's interval to be outdated.
		time.Sleep(5 * time.Second)
		wantUnknown(t, s.check())
		stop()
		seen.wantNobodyBlamed(t)
	})
}

func TestWithoutEtcdTheServerLivesAndServesAndIsNotReady(t *testing.T) {
	eachOutage(t, nil, func(t *testing.T, s *server, a agent, leave, back func()) {
		leave()
		unready := s.becomes("/readyz", 503, "")
		if !strings.HasPrefix(unready.body, "[-]etcd failed (") || strings.Count(unready.body, "\n") != 1 {
			t.Errorf("/readyz does not name etcd alone: %v", unready)
		}
		for _, path := range []string{"/healthz", "/readyz/serving", "/readyz/pods"} {
			if answer := s.get(path); answer.status != http.StatusOK || answer.body != "ok" {
				t.Errorf("%s: %v", path, answer)
			}
		}
		back()
		s.ready()
	})
}

func TestWhenEtcdIsBackAllGoesOnAndNobodyIsBlamed(t *testing.T) {
	eachOutage(t, nil, func(t *testing.T, s *server, a agent, leave, back func()) {
		pid := s.process.PID()
		keepReporting(t, s.url, a)
		s.becomes(checkPath, 200, allWell(1))
		seen, stop := watch(t, s.url)
		for range 2 {
			leave()
			s.becomes(checkPath, 503, "")
			// More than two intervals, after which an agent that is heard is outdated.
			time.Sleep(5 * time.Second)
			back()
			s.becomes(checkPath, 200, allWell(1))
		}
		s.ready()
		// One more patience, for blame that comes late.
		time.Sleep(5 * time.Second)
		stop()
		seen.wantNobodyBlamed(t)
		if s.hasEnded() || s.process.PID() != pid {
			t.Error("the server did not live through it")
		}
	})
}

func TestReportsThatExpireWhileEtcdIsStoppedMakeNobodyAbsent(t *testing.T) {
	sideBySide(t)
	a, b := agent{name: "a", interval: 4}, agent{name: "b", node: "n2", interval: 4}
	etcd := startEtcd(t)
	direct := etcd.Client(t)
	s := serve(t, in(etcd), expecting(t, a, b), flags{"-ping-timeout", "1", "-report-ttl", "1", "-starting-grace", "0"}).ready()
	s.takes(a.report(1))
	s.takes(b.report(1))
	s.becomes(checkPath, 200, allWell(2))
	seen, stop := watch(t, s.url)
	etcd.Pause()
	s.becomes(checkPath, 503, "")
	// Three intervals, and a lease's bucket of 30 s.
	time.Sleep(43 * time.Second)
	etcd.Resume()
	eventually.Nil(t, func() error {
		if got := stored(t, direct, a); got != (record{}) {
			return fmt.Errorf("etcd still has %+v", got)
		}
		return nil
	})
	// Agents have two intervals to report again; one takes its time.
	keepReporting(t, s.url, a)
	eventually.Nil(t, func() error { return wantStatus(s.check(), 200) })
	time.Sleep(2 * time.Second)
	keepReporting(t, s.url, b)
	eventually.Nil(t, func() error { return wantStatus(s.get(b.path()), 200) })
	s.becomes(checkPath, 200, allWell(2))
	stop()
	seen.wantNobodyBlamed(t)
}

func TestAServerThatStartsWithoutEtcdWaitsForIt(t *testing.T) {
	sideBySide(t)
	a := agent{name: "a"}
	etcd := startEtcd(t)
	etcd.Kill()
	s := serve(t, in(etcd), expecting(t, a), flags{"-starting-grace", "0"})
	wantUnknown(t, s.check())
	if answer := s.get("/api/v1/agents/"); answer.status != 503 || !strings.HasPrefix(answer.body, unknownHead+"the reports in etcd were never read") {
		t.Errorf("the list of agents: %v", answer)
	}
	etcd.Restart()
	s.ready()
	s.becomes(checkPath, 400, absent("a"))
	s.takes(a.report(1))
	s.becomes(checkPath, 200, allWell(1))
}
