package system_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/netchecker/netchecker/test/eventually"
)

// neverFalls returns a function that reads a counter, and fails the test where it
// is less than it was. A series that is not there is no fall.
func (s *server) neverFalls(series string) func() float64 {
	var highest float64
	return func() float64 {
		s.tb.Helper()
		v, ok := s.metric(series)
		if ok && v < highest {
			s.tb.Errorf("%s fell from %v to %v", series, highest, v)
		}
		highest = max(highest, v)
		return v
	}
}

// reaches waits until a counter is what it should be.
func reaches(t *testing.T, read func() float64, want float64) {
	t.Helper()
	eventually.Nil(t, func() error {
		if v := read(); v != want {
			return fmt.Errorf("it is %v, want %v", v, want)
		}
		return nil
	})
}

func TestReportsCountedOnceStayCountedHoweverTheServerEnds(t *testing.T) {
	sideBySide(t)
	for name, etcd := range map[string]func(*testing.T) flags{
		"with an etcd of its own": func(t *testing.T) flags { return ownEtcd(t) },
		"with an etcd elsewhere":  func(t *testing.T) flags { return in(startEtcd(t)) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			a := agent{name: "a"}
			s := serve(t, etcd(t), expecting(t, a)).ready()
			read := s.neverFalls(a.series(reportCount))
			sent := uint64(0)
			send := func(n int) {
				t.Helper()
				for range n {
					sent++
					s.takes(a.report(sent))
				}
			}
			for _, end := range []struct {
				after time.Duration
				how   func()
			}{
				{0, s.kill},               // before any checkpoint
				{2 * time.Second, s.kill}, // perhaps after the first
				{7 * time.Second, s.kill}, // after one of those that come every 5 s
				{0, s.terminate},
			} {
				send(7)
				reaches(t, read, float64(sent))
				time.Sleep(end.after)
				send(3)
				end.how()
				s.restart()
				reaches(t, read, float64(sent))
			}
			send(1)
			reaches(t, read, float64(sent))
			if v, _ := s.metric(a.series(errorCount)); v != 0 {
				t.Logf("errors: %v", v) // the agent may well be late on a busy machine
			}
		})
	}
}

func TestServersOnOneEtcdShowTheSameCounts(t *testing.T) {
	sideBySide(t)
	a, b := agent{name: "a"}, agent{name: "b", node: "n2"}
	etcd := startEtcd(t)
	agents := expecting(t, a, b)
	one := serve(t, in(etcd), agents).ready()
	two := serve(t, in(etcd), agents).ready()
	for uptime := uint64(1); uptime <= 10; uptime++ {
		one.takes(a.report(uptime))
		two.takes(a.report(uptime))
		two.takes(b.report(uptime))
	}
	for _, s := range []*server{one, two} {
		s.metricBecomes(a.series(reportCount), 20)
		s.metricBecomes(b.series(reportCount), 10)
	}
	// A third, which has not seen any of them.
	three := serve(t, in(etcd), agents).ready()
	three.metricBecomes(a.series(reportCount), 20)
	three.metricBecomes(b.series(reportCount), 10)
}

// rate watches an error counter: one at the beginning, then one an interval.
type rate struct {
	t        *testing.T
	read     func() float64
	interval time.Duration
	// first is when the counter was first seen to be at base.
	first time.Time
	base  float64
}

// wait waits until the counter is at base+n, and fails where that is too soon.
func (r *rate) wait(n int) {
	r.t.Helper()
	reaches(r.t, r.read, r.base+float64(n))
	// The leader looks once a second, and what was first seen may have been there
	// for a moment; twice as many as there should be would still come sooner.
	if took, least := time.Since(r.first), time.Duration(n-1)*r.interval; took < least {
		r.t.Errorf("%d more errors within %v; want one each %v", n, took, r.interval)
	}
}

func (r *rate) begin(base float64) {
	r.t.Helper()
	reaches(r.t, r.read, base)
	r.base, r.first = base, time.Now()
}

func TestErrorsCountOnceAtTheBeginningAndOncePerIntervalOnEachServer(t *testing.T) {
	sideBySide(t)
	silent, well := agent{name: "silent", interval: 2}, agent{name: "well", node: "n2", interval: 5}
	etcd := startEtcd(t)
	agents := expecting(t, silent, well)
	one := serve(t, in(etcd), agents).ready()
	two := serve(t, in(etcd), agents).ready()
	keepReporting(t, one.url, well)
	one.takes(silent.report(1))
	for _, s := range []*server{one, two} {
		s.metricBecomes(silent.series(errorCount), 0)
	}
	errors := rate{t: t, read: two.neverFalls(silent.series(errorCount)), interval: 2 * time.Second}
	errors.begin(1)
	// The leader's verdict may be about a second ahead of the other's, which each
	// wait for a proof of their own that nothing was missed.
	eventually.Within(t, 3*time.Second, func() error {
		if answer := two.check(); answer.body != outdated("silent") {
			return fmt.Errorf("an error is counted while the check says %v", answer)
		}
		return nil
	})
	errors.wait(3)
	same(t, silent.series(errorCount), one, two)
	for _, s := range []*server{one, two} {
		if v, ok := s.metric(well.series(errorCount)); !ok || v != 0 {
			t.Errorf("who reports has %v errors (there: %t), want 0", v, ok)
		}
	}
	two.takes(silent.report(2))
	two.becomes(checkPath, 200, allWell(2))
}

// same waits until all servers show one value.
func same(t *testing.T, series string, servers ...*server) {
	t.Helper()
	eventually.Nil(t, func() error {
		first, _ := servers[0].metric(series)
		for _, s := range servers[1:] {
			if v, _ := s.metric(series); v != first {
				return fmt.Errorf("%s is %v on one server and %v on another", series, first, v)
			}
		}
		return nil
	})
}

func TestErrorsDoNotCountTwiceWhenTheLeaderIsKilled(t *testing.T) {
	sideBySide(t)
	silent, well := agent{name: "silent", interval: 2}, agent{name: "well", node: "n2", interval: 10}
	etcd := startEtcd(t)
	agents := expecting(t, silent, well)
	one := serve(t, in(etcd), agents).ready()
	one.metricBecomes("netchecker_leader", 1)
	two := serve(t, in(etcd), agents).ready()
	keepReporting(t, two.url, well)
	two.takes(silent.report(1))
	read := two.neverFalls(silent.series(errorCount))
	reaches(t, read, 1)
	first := time.Now()
	reaches(t, read, 2)
	one.kill()
	two.metricBecomes("netchecker_leader", 1)
	errors := rate{t: t, read: read, interval: 2 * time.Second}
	errors.begin(read() + 1)
	errors.wait(3)
	if most := 2 + time.Since(first).Seconds()/2; read() > most {
		t.Errorf("%v errors in %v, more than one each 2 s", read(), time.Since(first))
	}
	one.restart()
	same(t, silent.series(errorCount), one, two)
}

func TestNoErrorsCountWhileEtcdIsStopped(t *testing.T) {
	sideBySide(t)
	silent := agent{name: "silent", interval: 1}
	etcd := startEtcd(t)
	s := serve(t, in(etcd), expecting(t, silent), flags{"-ping-timeout", "1"}).ready()
	s.takes(silent.report(1))
	read := s.neverFalls(silent.series(errorCount))
	reaches(t, read, 2)
	etcd.Pause()
	s.becomes(checkPath, 503, "")
	before := read()
	time.Sleep(4 * time.Second)
	if after := read(); after != before {
		t.Errorf("the errors rose from %v to %v while nothing could be known", before, after)
	}
	etcd.Resume()
	s.becomes(checkPath, 400, outdated("silent"))
	reaches(t, read, before+1)
}
