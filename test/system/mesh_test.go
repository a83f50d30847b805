package system_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/netchecker/netchecker/pkg/assignment"
	"github.com/netchecker/netchecker/pkg/report"
	"github.com/netchecker/netchecker/server/fleet"
	"github.com/netchecker/netchecker/server/mesh"
	"github.com/netchecker/netchecker/test/eventually"
	"github.com/netchecker/netchecker/test/process"
)

// podToPod is what counts the datagrams between pods of nodes without a zone.
const podToPod = `netchecker_mesh_sent_total{class="pod-to-pod",from_zone="",to_zone=""}`

// cell is one of /api/v1/mesh, as far as these tests look at it.
type cell struct {
	Class    string   `json:"class"`
	From     string   `json:"from"`
	To       string   `json:"to"`
	Sent     int      `json:"sent"`
	Answered int      `json:"answered"`
	Forward  int      `json:"lost_forward"`
	Back     int      `json:"lost_back"`
	Open     int      `json:"unanswered"`
	Suspect  int      `json:"suspect"`
	Dead     int      `json:"dead_sessions"`
	By       []string `json:"measured_by"`
}

// mesh are the cells that the server tells.
func (s *server) mesh(query string) []cell {
	s.tb.Helper()
	a := s.get("/api/v1/mesh" + query)
	var answer struct {
		Cells []cell `json:"cells"`
	}
	if err := json.Unmarshal([]byte(a.body), &answer); err != nil || a.status != http.StatusOK {
		s.tb.Fatalf("%v: %v", a, err)
	}
	return answer.Cells
}

// meshing are agents of two nodes that answer probes on this machine.
func meshing(t *testing.T, interval int) []agent {
	t.Helper()
	var all []agent
	for i, name := range []string{"pod-1", "host-1", "pod-2", "host-2"} {
		port, err := process.FreePort()
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, agent{name: name, node: fmt.Sprint("n", 1+i/2), host: i%2 == 1, interval: interval, meshPort: port})
	}
	return all
}

// plays starts a real agent that meshes on this machine.
func (a agent) plays(t *testing.T, url string) *process.Process {
	t.Helper()
	return a.playAs(t, agentProgram, url, "-allow-loopback", "-mesh-listen", fmt.Sprintf("127.0.0.1:%d", a.meshPort))
}

// knowsAllPaths waits until answers are known on all paths between the agents of meshing.
func (s *server) knowsAllPaths() {
	s.tb.Helper()
	want := []string{
		"host-to-host n1>n2", "host-to-host n2>n1", "host-to-pod n1>n2", "host-to-pod n2>n1", "own-node n1>n1", "own-node n2>n2",
		"pod-to-host n1>n2", "pod-to-host n2>n1", "pod-to-pod n1>n2", "pod-to-pod n2>n1",
	}
	eventually.Nil(s.tb, func() error {
		var got []string
		for _, c := range s.mesh("") {
			if c.Answered > 0 {
				got = append(got, fmt.Sprintf("%s %s>%s", c.Class, c.From, c.To))
			}
		}
		if slices.Sort(got); !slices.Equal(got, want) {
			return fmt.Errorf("answers are known of %q, want %q", got, want)
		}
		return nil
	})
}

// However seldom they report: before their second report is due.
func TestAllPathsAreMeasuredWithinAMinuteOfTheStart(t *testing.T) {
	sideBySide(t)
	agents := meshing(t, 3600)
	s := serve(t, ownEtcd(t), expecting(t, agents...), flags{"-allow-loopback"}).ready()
	began := time.Now()
	for _, a := range agents {
		a.plays(t, s.url)
	}
	s.knowsAllPaths()
	took := time.Since(began)
	t.Logf("all paths are measured after %v", took)
	if took > time.Minute {
		t.Errorf("all paths are measured after %v", took)
	}
}

func TestAgentsThatAreToldOfEachOtherProbeEachOtherAndTellAtOnceWhatIsBroken(t *testing.T) {
	sideBySide(t)
	const interval = 5
	agents := meshing(t, interval)
	s := serve(t, ownEtcd(t), expecting(t, agents...), flags{"-allow-loopback"}).ready()
	var played []*process.Process
	for _, a := range agents {
		played = append(played, a.plays(t, s.url))
	}
	s.knowsAllPaths()

	if err := played[3].Pause(); err != nil { // host-2
		t.Fatal(err)
	}
	paused := time.Now()
	eventually.Nil(t, func() error {
		for _, c := range s.mesh("?node=n1") {
			if dead := c.To == "n2" && strings.HasSuffix(c.Class, "-host"); dead != (c.Dead > 0) && c.From == "n1" {
				return fmt.Errorf("%+v: it should be dead, or not: %v", c, dead)
			}
		}
		return nil
	})
	t.Logf("that an agent stands still shows in the right cells after %v", time.Since(paused))
	if updates, _ := s.metric(`netchecker_http_requests_total{code="200",route="message"}`); updates == 0 {
		t.Error("nobody sent an update")
	}
	if err := played[3].Resume(); err != nil {
		t.Fatal(err)
	}
	eventually.Nil(t, func() error {
		for _, c := range s.mesh("") {
			if c.Dead > 0 {
				return fmt.Errorf("%+v is dead", c)
			}
		}
		return nil
	})
	eventually.True(t, "the datagrams between pods are counted", func() bool {
		sent, _ := s.metric(podToPod)
		return sent > 20
	})
}

// The update of an agent that never reported makes nobody reporting, and counts nowhere.
func TestAnUpdateIsNoReport(t *testing.T) {
	sideBySide(t)
	agents := meshing(t, 2)
	s := serve(t, ownEtcd(t), expecting(t, agents[0], agents[2]), flags{"-starting-grace", "0"}).ready()
	keepReporting(t, s.url, agents[2])
	peer := mesh.ID(&fleet.Agent{Key: fleet.Key{Namespace: "default", Name: agents[2].name}})
	update := func(asOf, sent int) request {
		r := agents[0].post(fmt.Sprintf(`{"podname":%q,"boot_id":"0123456789abcdef","clock_ms":90000,"number":1,"body":{"as_of_ms":%d,"sessions":[[1,%d,0,0,0,%d]]}}`, agents[0].name, asOf, peer, sent))
		r.path += "/updates"
		return r
	}
	eventually.Nil(t, func() error {
		if a := s.ask(update(80_000, 7)); a.status != http.StatusOK || a.body != "" {
			return fmt.Errorf("the update was answered %v", a)
		}
		return nil
	})
	eventually.Nil(t, func() error {
		if got := s.mesh(""); len(got) != 1 || got[0].Sent != 7 || !slices.Equal(got[0].By, []string{agents[0].name}) {
			return fmt.Errorf("the cells are %+v", got)
		}
		return nil
	})
	s.becomes(checkPath, http.StatusBadRequest, `{"Message":"Connectivity check fails. Reason: there are absent or outdated pods; look up the payload","Absent":["pod-1"],"Outdated":null}`)
	// An error that was counted already has its series begin at 0.
	if reports, _ := s.metric(agents[0].series(reportCount)); reports > 0 {
		t.Errorf("it was counted as %v reports", reports)
	}
	if a := s.get(agents[0].path()); a.status != http.StatusNotFound {
		t.Errorf("it is shown as a report: %v", a)
	}
	// A server that starts knows it, and newer ones take its place and add to its sums
	// what they have more.
	s.terminate()
	s.restart()
	s.ready()
	eventually.Nil(t, func() error {
		if got := s.mesh(""); len(got) != 1 || got[0].Sent != 7 {
			return fmt.Errorf("the cells are %+v", got)
		}
		return nil
	})
	sent := 7
	eventually.Nil(t, func() error {
		sent++
		s.takes(update(80_000+sent, sent))
		counted, _ := s.metric(podToPod)
		if got := s.mesh(""); len(got) != 1 || got[0].Sent <= 7 || counted == 0 || counted > float64(sent-7) {
			return fmt.Errorf("%v were counted of %d, and the cells are %+v", counted, sent, got)
		}
		return nil
	})
}

func TestAnAgentIsToldItsPeersAndTheServersAndThenWhatIsNewAlone(t *testing.T) {
	sideBySide(t)
	agents := meshing(t, 2)[:3]
	s := serve(t, ownEtcd(t), expecting(t, agents...), flags{"-allow-loopback", "-pod-ip", "127.0.0.1", "-node-ip", "127.0.0.9"}).ready()
	versions := map[int]string{}
	reports := func(i int, version string) *assignment.Assignment {
		t.Helper()
		a := agents[i]
		answer := s.ask(a.post(fmt.Sprintf(`{"report_interval":2,"podname":%q,"nodename":%q,"boot_id":"%016x","clock_ms":9000,"understands":{"mesh":%q},"mesh":{"as_of_ms":9000}}`,
			a.name, a.nodeName(), i, version)))
		reply, err := report.DecodeReply([]byte(answer.body))
		if err != nil || answer.status != http.StatusOK {
			t.Fatalf("%v: %v", answer, err)
		}
		if len(reply.News) == 0 {
			return nil
		}
		told, err := assignment.Decode(reply.News[0].Data, true)
		if err != nil {
			t.Fatal(err)
		}
		versions[i] = reply.News[0].Version
		return told
	}
	at := netip.MustParseAddrPort(strings.TrimPrefix(s.url, "http://"))
	eventually.Nil(t, func() error {
		reports(1, "")
		reports(2, "")
		told := reports(0, "")
		if told == nil || len(told.Peers) != 2 || told.Shared == nil || !slices.Equal(told.Shared.Servers, []netip.AddrPort{at}) || told.Shared.Nodes[0].String() != "127.0.0.9" {
			return fmt.Errorf("told %+v", told)
		}
		return nil
	})
	if again := reports(0, versions[0]); again != nil {
		t.Errorf("told again: %+v", again)
	}
	// Nothing of the secret gets out.
	for _, path := range []string{"/api/v1/agents/", "/api/v1/mesh", "/metrics"} {
		if body := s.get(path).body; strings.Contains(body, fmt.Sprintf("%016x", 2)) {
			t.Errorf("%s shows a boot id", path)
		}
	}
	if strings.Contains(s.log(), fmt.Sprintf("%016x", 2)) {
		t.Error("the log has a boot id")
	}
}

// What an update says of what all share, and of the agent, is told by every answer that
// has it, and counted once: not by a server that starts and reads it.
func TestAnUpdateTellsWhatAllShareAndOfTheAgent(t *testing.T) {
	sideBySide(t)
	a := meshing(t, 2)[0]
	s := serve(t, ownEtcd(t), expecting(t, a)).ready()
	update := func(asOf, asked int) request {
		r := a.post(fmt.Sprintf(`{"podname":%q,"boot_id":"0123456789abcdef","clock_ms":90000,"number":1,"via":"node","body":{"as_of_ms":%d,"mute":"its port is taken","shared":[{"kind":"dns","target":"netchecker-service","asked":%d,"lost":2,"run":1,"message":"no such host"}]}}`, a.name, asOf, asked))
		r.path += "/updates"
		return r
	}
	type answer struct {
		Shared []struct {
			Kind    string `json:"kind"`
			Asked   int    `json:"asked"`
			Lost    int    `json:"lost"`
			Failing int    `json:"failing_agents"`
			Message string `json:"message"`
		} `json:"shared"`
		Agents []struct{ Pod, Mute, Via string } `json:"agents"`
	}
	tells := func(asked int) {
		t.Helper()
		eventually.Nil(t, func() error {
			var got answer
			if err := json.Unmarshal([]byte(s.get("/api/v1/mesh").body), &got); err != nil {
				return err
			}
			want := fmt.Sprintf("{[{dns %d 2 1 no such host}] [{%s its port is taken node}]}", asked, a.name)
			if fmt.Sprint(got) != want {
				return fmt.Errorf("it tells %v, want %s", got, want)
			}
			return nil
		})
	}
	eventually.Nil(t, func() error {
		if got := s.ask(update(80_000, 20)); got.status != http.StatusOK {
			return fmt.Errorf("the update was answered %v", got)
		}
		return nil
	})
	tells(20)
	s.terminate()
	s.restart()
	s.ready()
	tells(20)
	asked := 20
	eventually.Nil(t, func() error {
		asked++
		s.takes(update(80_000+asked, asked))
		tells(asked)
		counted, _ := s.metric(`netchecker_shared_asked_total{kind="dns",network="pod"}`)
		mute, _ := s.metric("netchecker_mesh_mute_agents")
		if counted == 0 || counted > float64(asked-20) || mute != 1 {
			return fmt.Errorf("%v were counted of %d that are new, and %v are mute", counted, asked-20, mute)
		}
		return nil
	})
}
