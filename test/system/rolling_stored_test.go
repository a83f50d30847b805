//go:build rolling

package system_test

import (
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/netchecker/netchecker/test/eventually"
)

// TestWhatTheReleaseStoredThisTreeReadsAndViceVersa is an update where one server
// ends before the next begins, and the way back.
func TestWhatTheReleaseStoredThisTreeReadsAndViceVersa(t *testing.T) {
	t.Parallel()
	earlier, present := bothReleases(t)
	for _, row := range []struct {
		name         string
		before, then release
		end          func(*server)
	}{
		{"update", earlier, present, (*server).terminate},
		{"update after a crash", earlier, present, (*server).kill},
		{"rollback", present, earlier, (*server).terminate},
		{"rollback after a crash", present, earlier, (*server).kill},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			failed, played := agent{name: "failed", node: "n1", interval: 1}, agent{name: "played", node: "n2", interval: 60}
			crew := []agent{{name: "pod", node: "n3", interval: 60}, {name: "host", node: "n3", host: true, interval: 60}}
			listed, late := append(crew, failed, played), agent{name: "late", node: "n4", interval: 60}
			etcd, roster := startEtcd(t), newRoster(t, listed...)
			before := row.before.serve(t, in(etcd), roster.flag()).ready()
			fillStore(t, before, row.before, failed, played, crew)
			before.takes(late.presentReport(1))
			was, list := before.says(), before.get("/api/v1/agents/").body
			row.before.wantHidden(t, list)
			// What is hidden is not what was lost, but with a server that does not know it.
			if life := valuesOf(t, etcd.Client(t))["netchecker/lives/default/"+played.name]; strings.Contains(life, `"mesh":`) == row.before.earlier {
				t.Errorf("%s stored of a life %q", row.before.name, life)
			}
			// An error is stored within a second.
			time.Sleep(2 * time.Second)
			row.end(before)

			then := row.then.serve(t, in(etcd), roster.flag()).ready()
			wantRead(t, then, row.then, was, list)
			then.takes(played.presentReport(9))
			then.becomes(checkPath, 200, allWell(len(listed)))
			if was.check != then.check().String() {
				t.Errorf("the check says %v, and said %s", then.check(), was.check)
			}
			then.metricBecomes(played.series(reportCount), 4)
			roster.set(append(listed, late)...)
			then.becomes(checkPath, 200, allWell(len(listed)+1))
			then.metricBecomes(late.series(reportCount), 1)
		})
	}
}

// fillStore lets a server store what it stores: reports of agents that are
// processes, or played, and the counters of one that failed and is well again.
func fillStore(t *testing.T, s *server, of release, failed, played agent, crew []agent) {
	t.Helper()
	s.takes(failed.report(1))
	reaches(t, s.neverFalls(failed.series(errorCount)), 2)
	failed.interval = 60
	s.takes(failed.presentReport(2))
	s.takes(played.report(1))
	s.takes(played.report(2))
	s.takes(played.presentReport(3))
	for _, a := range crew {
		process := a.playAs(t, of.agent, s.url)
		s.becomes(a.path(), 200, "")
		if err := process.Stop(stopWithin); err != nil {
			t.Fatal(err)
		}
	}
	s.becomes(checkPath, 200, allWell(len(crew)+2))
	eventually.Nil(t, func() error {
		if got := s.agents()[played.name].Uptime; got != 3 {
			return fmt.Errorf("%s is shown with report %d, want 3", played.name, got)
		}
		return nil
	})
}

// wantRead fails t unless a server that has just begun says what the one of the
// other release said, whose list of agents was was list.
func wantRead(t *testing.T, s *server, of release, was said, list string) {
	t.Helper()
	got, shown := s.says(), s.get("/api/v1/agents/").body
	if !reflect.DeepEqual(got.agents, was.agents) || !of.earlier && shown != list {
		t.Errorf("the list is\n%s\nand was\n%s", shown, list)
	}
	if !reflect.DeepEqual(got.counters, was.counters) {
		t.Errorf("the counters are\n%v\nand were\n%v", got.counters, was.counters)
	}
	of.wantHidden(t, shown)
	if !of.earlier {
		if err := names(s.check(), "nobody was heard since the start"); err != nil {
			t.Error(err)
		}
		return
	}
	for _, key := range addedKeys {
		if !strings.Contains(shown, `"`+key+`":`) {
			t.Errorf("nothing is stored that has %s, which the release does not know: %s", key, shown)
		}
	}
}
