//go:build rolling

package system_test

import (
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/netchecker/netchecker/test/eventually"
	"github.com/netchecker/netchecker/test/process"
)

// crew are agents of both releases on both networks, as processes.
type crew struct {
	all       []agent
	programs  map[string]string
	processes map[string]*process.Process
}

func newCrew(releases ...release) *crew {
	c := &crew{programs: map[string]string{}, processes: map[string]*process.Process{}}
	for i, r := range releases {
		node := fmt.Sprintf("n%d", i)
		for _, a := range []agent{{name: "netchecker-agent-" + node}, {name: "netchecker-agent-hostnet-" + node, host: true}} {
			a.node, a.interval = node, 2
			c.all = append(c.all, a)
			c.programs[a.name] = r.agent
		}
	}
	return c
}

func (c *crew) start(t *testing.T, service *service, agents ...agent) {
	t.Helper()
	for _, a := range agents {
		c.processes[a.name] = a.playAs(t, c.programs[a.name], service.url)
	}
}

func (c *crew) stop(t *testing.T, a agent) {
	t.Helper()
	if err := c.processes[a.name].Stop(stopWithin); err != nil {
		t.Fatal(err)
	}
}

// bothAnswer waits until both servers answer the check so, and returns how long
// after the one the other did.
func bothAnswer(t *testing.T, want answer, servers [2]*server) (apart time.Duration) {
	t.Helper()
	var at [2]time.Time
	var wg sync.WaitGroup
	for i, s := range servers {
		wg.Go(func() {
			for end := time.Now().Add(eventually.Patience); time.Now().Before(end); time.Sleep(30 * time.Millisecond) {
				got, err := request{path: checkPath}.to(t.Context(), s.url)
				if err == nil && got.String() == want.String() {
					at[i] = time.Now()
					return
				}
			}
			t.Errorf("the server at %s does not answer %v within %v", s.url, want, eventually.Patience)
		})
	}
	wg.Wait()
	return at[0].Sub(at[1]).Abs()
}

// update is a rolling update that stays half-way.
type update struct {
	crew           *crew
	service        *service
	leads, follows release
	leader, other  *server
}

// beginUpdate starts a server of each release on one etcd, and agents of both that
// report to either in turn.
func beginUpdate(t *testing.T, leads, follows release) *update {
	t.Helper()
	u := &update{crew: newCrew(leads, follows), leads: leads, follows: follows}
	etcd, agents := startEtcd(t), expecting(t, u.crew.all...)
	u.leader = leads.serve(t, in(etcd), agents)
	u.leader.metricBecomes("netchecker_leader", 1)
	u.other = follows.serve(t, in(etcd), agents).ready()
	u.service = newService(t, u.leader, u.other)
	u.crew.start(t, u.service, u.crew.all...)
	return u
}

// bothSay waits until both servers give one answer to the check, and say the same
// of all else, and have counted each report once.
func (u *update) bothSay(t *testing.T, want answer) {
	t.Helper()
	for _, s := range []*server{u.leader, u.other} {
		s.becomes(checkPath, want.status, want.body)
	}
	if got := agree(t, u.leader, u.other).check; got != want.String() {
		t.Errorf("both say %s, want %v", got, want)
	}
	for s, of := range map[*server]release{u.leader: u.leads, u.other: u.follows} {
		u.service.counts(t, s, u.crew.all...)
		of.wantHidden(t, s.get("/api/v1/agents/").body)
	}
}

// handOver ends the leader. The other goes on counting, also the errors of the one
// that is silent.
func (u *update) handOver(t *testing.T, silent agent) {
	t.Helper()
	u.service.is(t, u.other)
	u.leader.terminate()
	u.other.metricBecomes("netchecker_leader", 1)
	errors := rate{t: t, read: u.other.neverFalls(silent.series(errorCount)), interval: 2 * time.Second}
	errors.begin(errors.read() + 1)
	errors.wait(2)
	u.service.counts(t, u.other, u.crew.all...)
}

func TestTheReleaseAndThisTreeSayTheSameOnOneEtcdWhicheverLeads(t *testing.T) {
	t.Parallel()
	earlier, present := bothReleases(t)
	for _, row := range []struct{ leads, follows release }{{earlier, present}, {present, earlier}} {
		t.Run(row.leads.name+" leads", func(t *testing.T) {
			t.Parallel()
			u := beginUpdate(t, row.leads, row.follows)
			well := answer{status: 200, body: allWell(len(u.crew.all))}
			u.bothSay(t, well)
			if v, _ := u.other.metric("netchecker_leader"); v != 0 {
				t.Error("both lead")
			}

			silent := u.crew.all[0]
			fails := answer{status: 400, body: outdated(silent.name)}
			u.crew.stop(t, silent)
			// A second or two, and one for a busy machine.
			if apart := bothAnswer(t, fails, [2]*server{u.leader, u.other}); apart > 3*time.Second {
				t.Errorf("one names %s %v after the other", silent.name, apart)
			}
			u.bothSay(t, fails)

			u.handOver(t, silent)
			u.leader.restart()
			u.leader.ready()
			u.service.is(t, u.leader, u.other)
			u.bothSay(t, fails)
			u.crew.start(t, u.service, silent)
			u.bothSay(t, well)
		})
	}
}

func TestTheReleaseSaysTheSameWhileThisTreesServerRestartsBesideItAndViceVersa(t *testing.T) {
	t.Parallel()
	earlier, present := bothReleases(t)
	for _, row := range []struct{ restarts, stays release }{{present, earlier}, {earlier, present}} {
		t.Run(row.restarts.name+" restarts", func(t *testing.T) {
			t.Parallel()
			well, silent := agent{name: "well"}, agent{name: "silent", node: "n2"}
			etcd := startEtcd(t)
			agents := expecting(t, well, silent)
			restarts := row.restarts.serve(t, in(etcd), agents)
			restarts.metricBecomes("netchecker_leader", 1)
			stays := row.stays.serve(t, in(etcd), agents).ready()
			stays.takes(silent.report(1))
			keepReporting(t, stays.url, well)
			fails := answer{status: 400, body: outdated("silent")}
			stays.becomes(checkPath, fails.status, fails.body)
			reports, errors := stays.neverFalls(well.series(reportCount)), stays.neverFalls(silent.series(errorCount))
			reaches(t, errors, 1)
			began := time.Now()
			seen, stop := watch(t, stays.url)
			for _, end := range []func(){restarts.terminate, restarts.kill, restarts.terminate} {
				end()
				restarts.restart()
				restarts.ready()
				reports()
				errors()
			}
			restarts.becomes(checkPath, fails.status, fails.body)
			stop()
			seen.only(t, fails)
			if v, most := errors(), 2+time.Since(began).Seconds()/2; v > most {
				t.Errorf("%v errors in %v, more than one each 2 s", v, time.Since(began))
			}
			if v, ok := stays.metric(well.series(errorCount)); !ok || v != 0 {
				t.Errorf("who reports has %v errors (there: %t), want 0", v, ok)
			}
		})
	}
}
