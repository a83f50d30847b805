package system_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/netchecker/netchecker/test/eventually"
)

// nobodyHeard is what the check says after a start, of so many reports.
func nobodyHeard(reports string) string {
	return unknownHead + "nobody was heard since the start; " + reports +
		" known from before it, and within two report intervals it will be known who still reports\n"
}

// turns are the answers of the check, each as often as it came anew, from the first
// on that is the one of a server which has just read the store.
func (v *verdicts) turns() []string {
	v.mu.Lock()
	defer v.mu.Unlock()
	var turns []string
	for _, a := range v.all {
		text := fmt.Sprintf("%d %s", a.status, a.body)
		if turns == nil && !strings.Contains(a.body, "nobody was heard since the start") {
			continue
		}
		if len(turns) == 0 || turns[len(turns)-1] != text {
			turns = append(turns, text)
		}
	}
	return turns
}

// wantTurns waits until the answers came in these turns.
func (v *verdicts) wantTurns(tb testing.TB, want ...string) {
	tb.Helper()
	eventually.Nil(tb, func() error {
		if got := v.turns(); !slices.Equal(got, want) {
			return fmt.Errorf("the check answered in turn\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
		}
		return nil
	})
}

// startAgain ends two servers that share an etcd and have the reports of these
// agents, and starts both again while nobody reports.
func startAgain(t *testing.T, agents ...agent) (one, two *server) {
	t.Helper()
	etcd, roster := startEtcd(t), expecting(t, agents...)
	one, two = serve(t, in(etcd), roster), serve(t, in(etcd), roster)
	stop := keepReporting(t, one.url, agents...)
	for _, s := range []*server{one, two} {
		s.becomes(checkPath, 200, allWell(len(agents)))
	}
	stop()
	one.kill()
	two.kill()
	one.restart()
	two.restart()
	return one, two
}

// The intervals of those who are dead are long enough for a busy machine to start two
// servers in.
const deadInterval = 15

// named waits until the check names the dead, which it must within two of their
// intervals, and what a busy machine takes.
func (s *server) named(began time.Time, body string) {
	s.tb.Helper()
	eventually.Within(s.tb, 2*deadInterval*time.Second+eventually.Patience, func() error {
		if a := s.check(); a.status != 400 || a.body != body {
			return fmt.Errorf("%v after the start the check is %v, want 400 %s", time.Since(began), a, body)
		}
		return nil
	})
}

func TestAfterAStartWithAllAgentsDeadNothingIsKnownAndThenTheyAreNamed(t *testing.T) {
	sideBySide(t)
	one, two := startAgain(t, agent{name: "a", interval: deadInterval}, agent{name: "b", node: "n2", interval: deadInterval})
	began := time.Now()
	all := map[*server]*verdicts{}
	for _, s := range []*server{one, two} {
		all[s], _ = watch(t, s.url)
	}
	for s, seen := range all {
		s.named(began, outdated("a", "b"))
		seen.wantTurns(t, "503 "+nobodyHeard("2 reports are"), "400 "+outdated("a", "b"))
	}
	two.metricBecomes(`netchecker_verdict{outcome="failing"}`, 1)
}

func TestAfterAStartWithAllAgentsDeadButOneTheOthersAreNamedAfterTheirTwoIntervals(t *testing.T) {
	sideBySide(t)
	alive := agent{name: "alive", interval: deadInterval}
	one, two := startAgain(t, alive, agent{name: "dead", node: "n2", interval: deadInterval})
	all := map[*server]*verdicts{}
	for _, s := range []*server{one, two} {
		all[s], _ = watch(t, s.url)
		s.becomes(checkPath, 503, nobodyHeard("2 reports are"))
	}
	keepReporting(t, one.url, alive)
	began := time.Now()
	for s, seen := range all {
		s.named(began, outdated("dead"))
		seen.wantTurns(t, "503 "+nobodyHeard("2 reports are"), "200 "+allWell(2), "400 "+outdated("dead"))
	}
}

func TestAServerThatJoinsChangesNothing(t *testing.T) {
	sideBySide(t)
	alive, dead := agent{name: "alive"}, agent{name: "dead", node: "n2"}
	for name, reporting := range map[string][]agent{"all are dead": nil, "all are dead but one": {alive}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			etcd, roster := startEtcd(t), expecting(t, alive, dead)
			one := serve(t, in(etcd), roster).ready()
			one.takes(alive.report(1))
			one.takes(dead.report(1))
			keepReporting(t, one.url, reporting...)
			named := outdated("dead")
			if reporting == nil {
				named = outdated("alive", "dead")
			}
			one.becomes(checkPath, 400, named)
			seen, stop := watch(t, one.url)
			two := serve(t, in(etcd), roster).ready()
			two.becomes(checkPath, 400, named)
			stop()
			seen.only(t, answer{status: 400, body: named})
		})
	}
}

// reached are the flags of servers that tell each other where they are reached.
var reached = flags{"-allow-loopback", "-pod-ip", "127.0.0.1"}

func TestAServerThatJoinsIsReadyOnceItSaysWhatTheOthersSay(t *testing.T) {
	sideBySide(t)
	alive, dead := agent{name: "alive"}, agent{name: "dead", node: "n2"}
	etcd, roster := startEtcd(t), expecting(t, alive, dead)
	one := serve(t, in(etcd), roster, reached).ready()
	one.takes(dead.report(1))
	keepReporting(t, one.url, alive)
	one.becomes(checkPath, 400, outdated("dead"))
	two := serve(t, in(etcd), roster, reached)
	two.becomes("/readyz/serving", 200, "ok")
	if a := two.check(); a.status != 400 || a.body != outdated("dead") {
		t.Errorf("as it is ready, the server that joins says %v, want 400 %s", a, outdated("dead"))
	}
}

func TestAServerThatStartsWaitsForNoneThatDoesNotServe(t *testing.T) {
	sideBySide(t)
	silent := agent{name: "silent", interval: 600}
	etcd, roster := startEtcd(t), expecting(t, silent)
	one := serve(t, in(etcd), roster, reached).ready()
	one.takes(silent.report(1))
	two := serve(t, in(etcd), roster, reached)
	two.becomes("/readyz/serving", 503, "")
	one.kill()
	two.becomes("/readyz/serving", 200, "ok")
	two.becomes(checkPath, 503, nobodyHeard("1 report is"))
}
