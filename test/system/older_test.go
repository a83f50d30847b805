//go:build older

package system_test

import (
	"testing"

	"github.com/netchecker/netchecker/test/etcdtest"
	"github.com/netchecker/netchecker/test/eventually"
)

func TestOlderReleasesOfEtcdDo(t *testing.T) {
	sideBySide(t)
	for _, version := range etcdtest.Older() {
		t.Run(version, func(t *testing.T) {
			t.Parallel()
			a := agent{name: "a"}
			etcd := startEtcd(t, etcdtest.Version(version))
			s := serve(t, in(etcd), expecting(t, a), flags{"-ping-timeout", "1"}).ready()
			for uptime := uint64(1); uptime <= 20; uptime++ {
				s.takes(a.report(uptime))
			}
			s.becomes(checkPath, 200, allWell(1))
			s.metricBecomes(a.series(reportCount), 20)
			s.metricBecomes("netchecker_leader", 1)
			seen, stop := watch(t, s.url)
			etcd.Pause()
			s.becomes(checkPath, 503, "")
			etcd.Resume()
			eventually.Nil(t, func() error { return wantTaken(s.ask(a.report(21))) })
			s.becomes(checkPath, 200, allWell(1))
			stop()
			seen.wantNobodyBlamed(t)
			s.kill()
			s.restart()
			s.ready().metricBecomes(a.series(reportCount), 21)
			if got := s.agents()["a"].Uptime; got != 21 {
				t.Errorf("shown is report %d, want 21", got)
			}
		})
	}
}
