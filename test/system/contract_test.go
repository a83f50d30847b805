package system_test

import (
	"fmt"
	"net/http"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/netchecker/netchecker/test/eventually"
	"github.com/netchecker/netchecker/test/process"
)

// play starts a real agent that reports to s every second, until the test ends.
func (a agent) play(tb testing.TB, s *server) {
	tb.Helper()
	a.interval = 1
	a.playAs(tb, agentProgram, s.url)
}

// playAs starts a real agent of that program, which reports to a URL, until it is
// stopped or the test ends. It gets more flags.
func (a agent) playAs(tb testing.TB, program, url string, more ...string) *process.Process {
	tb.Helper()
	network := map[bool]string{false: "pod", true: "host"}[a.host]
	p, err := process.Start(process.Spec{
		Path: program,
		Args: append(flags{"-serverendpoint", strings.TrimPrefix(url, "http://"), "-reportinterval", strconv.Itoa(a.interval), "-listen", "", "-network", network}, more...),
		Env:  flags{"MY_POD_NAME=" + a.name, "MY_NODE_NAME=" + a.nodeName(), "MY_POD_NAMESPACE=default"},
		Log:  filepath.Join(tb.TempDir(), a.name+".log"),
	})
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		if err := p.Stop(stopWithin); err != nil {
			tb.Error(err)
		}
		if tb.Failed() {
			tb.Logf("the log of %s ends with:\n%s", a.name, p.LogTail())
		}
	})
	return p
}

func TestSixAgentsOnThreeNodesReportAndAllIsWell(t *testing.T) {
	sideBySide(t)
	var six []agent
	for _, node := range []string{"node-1", "node-2", "node-3"} {
		six = append(six, agent{name: "netchecker-agent-" + node, node: node},
			agent{name: "netchecker-agent-hostnet-" + node, node: node, host: true})
	}
	s := serve(t, ownEtcd(t), expecting(t, six...))
	for _, a := range six {
		a.play(t, s)
	}
	s.becomes(checkPath, 200, `{"Message":"All 6 pods successfully reported back to the server","Absent":null,"Outdated":null}`)
	entries := s.agents()
	if len(entries) != len(six) {
		t.Errorf("%d entries, want %d", len(entries), len(six))
	}
	for _, a := range six {
		if e := entries[a.name]; e.PodName != a.name || e.NodeName != a.node || e.Interval != 1 || e.Uptime == 0 {
			t.Errorf("the entry of %s is %+v", a.name, e)
		}
		s.metricBecomes(a.series(errorCount), 0)
		probe := fmt.Sprintf(`ncagent_http_probe_code{agent=%q,url="%s/api/v1/ping"}`, a.label(), s.url)
		s.metricBecomes(probe, 200)
	}
}

func TestPayloadsOfAllOriginalAgentsAreTaken(t *testing.T) {
	sideBySide(t)
	const common = `"report_interval":15,"podname":"netchecker-agent-x","hostdate":"2017-11-30T14:54:19.5Z","nslookup":{"netchecker-service":["10.233.54.44"]},"ips":{"eth0":["10.0.0.2/24"]}`
	const probes = `"network_probes":[{"URL":"http://netchecker-service:8081/api/v1/ping","ConnectionResult":0,"HTTPCode":0,"Total":9223372036854,"ContentTransfer":9223372036854,"TCPConnection":0,"DNSLookup":1,"Connect":1,"ServerProcessing":0}]`
	x := agent{name: "netchecker-agent-x"}
	s := serve(t, ownEtcd(t), expecting(t, x)).ready()
	for _, row := range []struct {
		version, body, node string
		uptime              uint64
	}{
		{"v1.0", `{` + common + `}`, "", 0},
		{"v1.1", `{` + common + `,"nodename":"n1",` + probes + `,"zero_extender":[0,0,0]}`, "n1", 0},
		{"v1.2", `{` + common + `,"nodename":"n1","uptime":12345,` + probes + `,"zero_extender":[0,0,0]}`, "n1", 12345},
		{"v1.2 without lookups", `{"report_interval":15,"podname":"netchecker-agent-x","hostdate":"2017-11-30T14:54:19.5Z","nodename":"n1","uptime":12346,"nslookup":{"netchecker-service":null},"ips":null,"network_probes":null}`, "n1", 12346},
	} {
		s.takes(x.post(row.body))
		want := record{PodName: x.name, NodeName: row.node, HostDate: "2017-11-30T14:54:19.5Z", Uptime: row.uptime, Interval: 15}
		eventually.Nil(t, func() error {
			got := s.agents()[x.name]
			got.LastUpdated = ""
			if got != want {
				return fmt.Errorf("%s: the entry is %+v, want %+v", row.version, got, want)
			}
			return nil
		})
	}
	s.becomes(checkPath, 200, allWell(1))
}

func TestKubeProxyInitIsAWarningAndTheServersOwnEtcd(t *testing.T) {
	sideBySide(t)
	a := agent{name: "a"}
	s := serve(t, ownEtcd(t), expecting(t, a), flags{"-kubeproxyinit=true", "-etcd-endpoints=http://127.0.0.1:1"}).ready()
	s.takes(a.report(1))
	s.becomes(checkPath, 200, allWell(1))
	if !strings.Contains(s.log(), "-kubeproxyinit: reports are not kept in Kubernetes custom resources any more; the server's own etcd keeps them") {
		t.Errorf("there is no warning in the log:\n%s", s.log())
	}
}

func TestFlagsAsOriginalManifestsHaveThemAreUnderstood(t *testing.T) {
	sideBySide(t)
	for name, args := range map[string]flags{
		"entry point":      {"-v=5", "-logtostderr", "-kubeproxyinit=false"},
		"Kubespray's":      {"-v=5", "-logtostderr", "-kubeproxyinit=false", "-report-ttl", "300", "-ping-timeout=5"},
		"helm's":           {"--v=5", "--logtostderr", "--kubeproxyinit", "--report-ttl=600", "--check-interval", "10"},
		"alsologtostderr":  {"-alsologtostderr=true", "-v", "10", "-etcd-tree=netchecker", "-etcd-key=", "-etcd-cert", "", "-etcd-ca", ""},
		"every one, twice": {"-v=1", "--v=2", "-logtostderr=true", "--logtostderr=true"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			a := agent{name: "a"}
			s := serve(t, ownEtcd(t), expecting(t, a), args).ready()
			s.takes(a.report(1))
			s.becomes(checkPath, 200, allWell(1))
		})
	}
}

func TestWrongFlagsEndWithAMessageAndAnExitCode(t *testing.T) {
	sideBySide(t)
	agents := newRoster(t, agent{name: "a"})
	for _, row := range []struct {
		args flags
		exit int
		want string
	}{
		{flags{"-nope"}, 2, "flag provided but not defined: -nope; see netchecker-server -help"},
		{flags{"-report-ttl", "soon"}, 2, `invalid value "soon" for flag -report-ttl: parse error; see netchecker-server -help`},
		{flags{"serve"}, 2, `unexpected argument "serve"; see netchecker-server -help`},
		{flags{"-report-ttl", "0"}, 1, "-report-ttl is 0; it should be from 1 to 2592000"},
		{flags{"-endpoint", "8081"}, 1, `-endpoint is "8081"; it should be an address and a port, such as 0.0.0.0:8081`},
		{flags{"-endpoint", ":99999"}, 1, `-endpoint has the port "99999"; it should be a number from 0 to 65535`},
		{flags{"-etcd-tree", "/"}, 1, `-etcd-tree is "/"; it should be a prefix such as netchecker`},
		{flags{"-etcd-cert", "c.pem"}, 1, "-etcd-cert and -etcd-key belong together; one of them is missing"},
		{flags{"-kubeconfig", "k", "-agents-file", "f"}, 1, "-kubeconfig and -agents-file are both given; the expected agents come from one of them"},
		{flags{"-agents-file", "/nonexistent"}, 1, "-agents-file: reading the agents: stat /nonexistent: no such file or directory"},
		{append(agents.flag(), "-etcd-endpoints", "localhost"), 1, `-etcd-endpoints has "localhost"; it should be a URL with a port, such as http://127.0.0.1:2379`},
		{append(agents.flag(), "-etcd-endpoints", "https://127.0.0.1:2379", "-etcd-ca", "/nonexistent"), 1, "-etcd-ca: open /nonexistent: no such file or directory"},
	} {
		o := runToEnd(t, serverProgram, row.args...)
		line := lastLine(o.stderr)
		if want := "netchecker-server: " + row.want; o.exit != row.exit || line != want || o.stdout != "" {
			t.Errorf("%q: exit status %d and %q\nwant %d and %q", row.args, o.exit, line, row.exit, want)
		}
	}
}

// lastLine is what follows the log lines on standard error.
func lastLine(stderr string) string {
	lines := strings.Split(strings.TrimSpace(stderr), "\n")
	return lines[len(lines)-1]
}

func TestVersionAndHelpAreToldOnStandardOutput(t *testing.T) {
	sideBySide(t)
	for program, groups := range map[string]flags{
		serverProgram: {"Serving:", "Judging:", "Whom to expect:", "etcd:", "The server's own etcd (without -etcd-endpoints):", "Of the original server:", "Logging (glog):", "Other:"},
		agentProgram:  {"Logging (glog):", "Other:"},
	} {
		name := filepath.Base(program)
		if o := runToEnd(t, program, "-version"); o.exit != 0 || !strings.HasPrefix(o.stdout, name+" ") || o.stderr != "" {
			t.Errorf("%s -version: %+v", name, o)
		}
		for _, help := range []string{"-help", "--help", "-h"} {
			o := runToEnd(t, program, help)
			lines := strings.Split(o.stdout, "\n")
			for _, g := range groups {
				if !slices.Contains(lines, g) {
					t.Errorf("%s %s has no group %q:\n%s", name, help, g, o.stdout)
				}
			}
			if o.exit != 0 || o.stderr != "" {
				t.Errorf("%s %s: exit status %d, standard error %q", name, help, o.exit, o.stderr)
			}
		}
	}
}

func TestTheListIsRedirectedToAndMissingAgentsAreNamedAsBefore(t *testing.T) {
	sideBySide(t)
	s := serve(t, ownEtcd(t), expecting(t, agent{name: "a"})).ready()
	if a := s.get("/api/v1/agents/"); a.status != 200 || a.body != "{}" {
		t.Errorf("without reports the list is %v", a)
	}
	if a := s.get("/api/v1/agents"); a.status != http.StatusMovedPermanently || a.header.Get("Location") != "/api/v1/agents/" {
		t.Errorf("without the slash: %v to %q", a, a.header.Get("Location"))
	}
	if a := s.get("/api/v1/agents/a"); a.status != 404 || a.body != "There is no such entry in the agent cache\n" {
		t.Errorf("an agent without a report: %v", a)
	}
	if a := s.get("/api/v1/ping"); a.status != 200 || a.body != "" {
		t.Errorf("ping: %v", a)
	}
}
