package system_test

import (
	"cmp"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/netchecker/netchecker/pkg/backend"
	"github.com/netchecker/netchecker/pkg/report"
	"github.com/netchecker/netchecker/test/eventually"
)

// declaring is a file that declares backends, and can be written anew.
func declaring(tb testing.TB, text string) (path string, write func(text string)) {
	tb.Helper()
	path = filepath.Join(tb.TempDir(), "backends.yaml")
	write = func(text string) {
		tb.Helper()
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			tb.Fatal(err)
		}
	}
	write(text)
	return path, write
}

// understanding is a report of an agent that has that version of its backends.
func (a agent) understanding(version string) request {
	return a.post(fmt.Sprintf(`{"report_interval":2,"podname":%q,"nodename":%q,"understands":{"backends":%q}}`, a.name, a.nodeName(), version))
}

// told are the names of the backends that the reply tells, and their version; none
// where it tells nothing.
func told(tb testing.TB, a answer) (version string, names []string) {
	tb.Helper()
	reply, err := report.DecodeReply([]byte(a.body))
	if err != nil || a.status != 200 {
		tb.Fatalf("the report was answered %v: %v", a, err)
	}
	for _, n := range reply.News {
		list, err := backend.Decode(n.Data)
		if err != nil || n.Topic != backend.Topic {
			tb.Fatalf("the reply has news of %s: %s: %v", n.Topic, n.Data, err)
		}
		for _, b := range list {
			names = append(names, b.Name)
		}
		version = n.Version
	}
	return version, names
}

func TestAgentsAreToldTheirBackendsInRepliesAndThoseThatAreBadAreRefusedByName(t *testing.T) {
	sideBySide(t)
	path, write := declaring(t, `
backends:
- {name: netchecker, url: "http://{server}/api/v1/ping"}
- {name: metadata, url: "http://169.254.169.254/"}
- {name: own, url: "http://127.0.0.1/", from: every-agent}
`)
	pod, host := agent{name: "a"}, agent{name: "b", host: true}
	s := serve(t, ownEtcd(t), expecting(t, pod, host), flags{"-backends-file", path}).ready()
	tells := func(a agent, has string, want ...string) (version string) {
		t.Helper()
		eventually.Nil(t, func() error {
			var names []string
			if version, names = told(t, s.ask(a.understanding(has))); !slices.Equal(names, want) {
				return fmt.Errorf("%s is told %q, want %q", a.name, names, want)
			}
			return nil
		})
		return version
	}
	version := tells(pod, "", "netchecker")
	tells(host, "", "netchecker")
	if again, _ := told(t, s.ask(pod.understanding(version))); again != "" {
		t.Errorf("an agent that has version %s is told %s", version, again)
	}
	if a := s.ask(pod.report(1)); a.body != "" {
		t.Errorf("an agent that understands nothing is told %v", a)
	}
	for _, want := range []string{
		"Backend metadata is not sampled: url: leads to 169.254.169.254, a link-local address, which no agent may be aimed at",
		"Backend own is not sampled: url: leads to 127.0.0.1, a loopback address, which no agent may be aimed at",
	} {
		if !strings.Contains(s.log(), want) {
			t.Errorf("the log does not say %s", want)
		}
	}
	// That there are none is news as well.
	write("backends: []")
	eventually.Nil(t, func() error {
		v, names := told(t, s.ask(pod.understanding(version)))
		if v == "" || len(names) > 0 {
			return fmt.Errorf("an agent whose backends were taken away is told %q of version %q", names, v)
		}
		return nil
	})
}

func TestABackendsFileThatIsBrokenIsToldAtTheStart(t *testing.T) {
	sideBySide(t)
	path, _ := declaring(t, "backends: {}")
	ended := runToEnd(t, serverProgram, "-agents-file", newRoster(t).path, "-backends-file", path)
	want := "-backends-file: reading the backends from " + path + ": backends: a map; it should be a list"
	if ended.exit != 1 || !strings.Contains(ended.stderr, want) {
		t.Errorf("exit %d, want 1, and %s:\n%s", ended.exit, want, ended.stderr)
	}
}

func TestABackendThatIsRefusedIsAnEventOnceWhicheverServerLeads(t *testing.T) {
	c := useCluster(t)
	c.create(agent{name: "a"})
	path, _ := declaring(t, `backends: [{name: shop, url: "ftp://shop"}]`)
	etcd := startEtcd(t)
	all := []flags{in(etcd), c.allowed("netchecker-events", may("pods", "list", "watch"), may("events", "create")), {"-namespace", "default", "-backends-file", path}}
	const want = `BackendRefused: shop is not sampled: url: is "ftp://shop"; it should be a URL such as https://example.com:8443/healthz, with http or https and without a password`
	events := func() []string { return c.told("shop is") }
	first := serve(t, all...).ready()
	eventually.Nil(t, func() error {
		if got := events(); !slices.Equal(got, []string{want}) {
			return fmt.Errorf("the events are %q, want %s", got, want)
		}
		return nil
	})
	second := serve(t, all...).ready()
	first.terminate()
	eventually.True(t, "the other server leads", func() bool { leads, _ := second.metric("netchecker_leader"); return leads == 1 })
	time.Sleep(3 * time.Second) // three of its turns
	if got := events(); len(got) != 1 {
		t.Errorf("the events are %q", got)
	}
}

// All that can be wrong with a backend is told by its name, in three places; the others
// are sampled, the last of 16 among them.
func TestABackendThatIsRefusedIsNamedInLogAPIAndEventAndTheOthersGoOn(t *testing.T) {
	c := useCluster(t)
	sampler := agent{name: "a", interval: 1}
	c.create(sampler)
	good := shop{tb: t}
	good.open()
	away := httptest.NewServer(http.RedirectHandler("http://169.254.169.254/latest", http.StatusFound))
	defer away.Close()
	var file strings.Builder
	file.WriteString("backends:\n")
	declare := func(name, url string, interval int) {
		fmt.Fprintf(&file, "- {name: %s, url: %q, intervalMillis: %d}\n", name, url, interval)
	}
	declare("wrong", "ftp://shop", 2000)
	declare("metadata", "http://169.254.169.254/", 2000)
	declare("led-away", away.URL, 2000)
	declare("busy", "http://"+good.address, 1000)
	for i := range backend.Most - 2 {
		declare(fmt.Sprintf("good-%d", i+1), "http://"+good.address, 2000)
	}
	declare("seventeenth", "http://"+good.address, 2000)
	path, _ := declaring(t, file.String())
	s := serve(t, ownEtcd(t), c.allowed("netchecker-refusals", may("pods", "list", "watch"), may("events", "create")),
		flags{"-namespace", "default", "-backends-file", path, "-allow-loopback", "-backend-rate-limit", "1"}).ready()
	sampler.playAs(t, agentProgram, s.url, "-allow-loopback")

	const linkLocal = "leads to 169.254.169.254, a link-local address, which no agent may be aimed at"
	for name, reason := range map[string]string{
		"wrong":       "url: is \"ftp://shop\"; it should be a URL such as https://example.com:8443/healthz, with http or https and without a password",
		"metadata":    "url: " + linkLocal,
		"busy":        "1 agents would ask it 2 times a second, over two connections every 1s; -backend-rate-limit allows 1: it should have fewer agents, or a longer intervalMillis",
		"seventeenth": "there are 16 before it; there should be at most 16",
		"led-away":    linkLocal,
	} {
		eventually.Nil(t, func() error {
			shown, _ := json.Marshal(map[string]string{"backend": name, "reason": reason})
			if body := s.get("/api/v1/disruption").body; !strings.Contains(body, strings.TrimSuffix(string(shown), "}")) {
				return fmt.Errorf("the API does not have %s: %s", shown, body)
			}
			if events := c.told(name + " is not sampled"); len(events) != 1 || !strings.HasSuffix(events[0], reason) {
				return fmt.Errorf("the Events of %s are %q", name, events)
			}
			return nil
		})
		if name != "led-away" && !strings.Contains(s.log(), "Backend "+name+" is not sampled: "+reason) {
			t.Errorf("the log does not say that %s is refused: %s", name, reason)
		}
	}
	for _, name := range []string{"good-1", "good-14"} {
		s.metricBecomes(`netchecker_backend_up{backend="`+name+`",connection="reused",network="pod"}`, 1)
	}
}

// told are the Events of the server's Service that begin so, as reason: message.
func (c *cluster) told(begin string) []string {
	c.t.Helper()
	list, err := c.Client().CoreV1().Events("default").List(c.t.Context(), metav1.ListOptions{FieldSelector: "involvedObject.name=netchecker-service"})
	c.must(err)
	var all []string
	for _, e := range list.Items {
		if strings.HasPrefix(e.Message, begin) {
			all = append(all, e.Reason+": "+e.Message)
		}
	}
	slices.Sort(all)
	return all
}

// shop is a web server that can be closed, and opened again at the same address.
type shop struct {
	tb      testing.TB
	address string
	server  *http.Server
}

func (s *shop) open() {
	s.tb.Helper()
	l, err := net.Listen("tcp", cmp.Or(s.address, "127.0.0.1:0"))
	if err != nil {
		s.tb.Fatal(err)
	}
	s.address, s.server = l.Addr().String(), &http.Server{Handler: http.HandlerFunc(func(http.ResponseWriter, *http.Request) {})}
	go func(server *http.Server) { _ = server.Serve(l) }(s.server) // it ends by Close
	s.tb.Cleanup(func() { _ = s.server.Close() })
}

func (s *shop) close() { _ = s.server.Close() }

func TestAnOutageThatAgentsSeeIsToldInEventsByConnectionAndNetwork(t *testing.T) {
	c := useCluster(t)
	agents := []agent{{name: "a", interval: 1}, {name: "b", interval: 1, node: "n2"}, {name: "c", interval: 1, host: true}}
	c.create(agents...)
	backend := shop{tb: t}
	backend.open()
	path, _ := declaring(t, `backends: [{name: seen, url: "http://`+backend.address+`/"}]`)
	s := serve(t, ownEtcd(t), c.allowed("netchecker-outage", may("pods", "list", "watch"), may("events", "create")),
		flags{"-namespace", "default", "-backends-file", path, "-allow-loopback"}).ready()
	for _, a := range agents {
		a.playAs(t, agentProgram, s.url, "-allow-loopback")
	}
	up := func(network string) string {
		return `netchecker_backend_up{backend="seen",connection="new",network="` + network + `"}`
	}
	s.metricBecomes(up("pod"), 1)
	s.metricBecomes(up("host"), 1)
	backend.close()
	s.metricBecomes(up("pod"), 0)
	time.Sleep(4 * time.Second)
	backend.open()
	s.metricBecomes(up("pod"), 1)
	told := regexp.MustCompile(`^DisruptionBegan: seen over kept connections on the host network is disrupted since \S+Z, from 1 of 1 agents: \S.*
DisruptionBegan: seen over kept connections on the pod network is disrupted since \S+Z, from [12] of 2 agents: \S.*
DisruptionBegan: seen over new connections on the host network is disrupted since \S+Z, from 1 of 1 agents: \S.*
DisruptionBegan: seen over new connections on the pod network is disrupted since \S+Z, from [12] of 2 agents: \S.*
DisruptionEnded: seen over kept connections on the host network was disrupted for \S+s, from \S+Z to \S+Z, from 1 of 1 agents
DisruptionEnded: seen over kept connections on the pod network was disrupted for \S+s, from \S+Z to \S+Z, from 2 of 2 agents
DisruptionEnded: seen over new connections on the host network was disrupted for \S+s, from \S+Z to \S+Z, from 1 of 1 agents
DisruptionEnded: seen over new connections on the pod network was disrupted for \S+s, from \S+Z to \S+Z, from 2 of 2 agents$`)
	eventually.Nil(t, func() error {
		if got := strings.Join(c.told("seen "), "\n"); !told.MatchString(got) {
			return fmt.Errorf("the events are\n%s", got)
		}
		return nil
	})
	t.Logf("the events are\n%s", strings.Join(c.told("seen "), "\n"))
}

// An agent that is to end while a sample is under way saw no outage, and what it knows
// gets to the server before it ends.
func TestAnAgentThatEndsInMidSampleLeavesNoOutageAndNothingOpen(t *testing.T) {
	sideBySide(t)
	var hangs atomic.Bool
	asked := make(chan struct{}, 2)
	backend := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		if hangs.Load() {
			asked <- struct{}{}
			<-r.Context().Done()
		}
	}))
	defer backend.Close()
	path, _ := declaring(t, `backends: [{name: slow, url: "`+backend.URL+`/"}]`)
	a := agent{name: "a", interval: 1}
	s := serve(t, ownEtcd(t), expecting(t, a), flags{"-backends-file", path, "-allow-loopback"}).ready()
	p := a.playAs(t, agentProgram, s.url, "-allow-loopback")
	s.levelsBecome("Info+ Info+")
	hangs.Store(true)
	<-asked
	<-asked
	ended := time.Now()
	if err := p.Stop(stopWithin); err != nil {
		t.Fatal(err)
	}
	s.levelsBecome("Info Info")
	for _, i := range s.intervals(url.Values{}) {
		if off := ended.Sub(i.To); off < -time.Second || off > 3*time.Second {
			t.Errorf("%s is over at %v, want about when the agent ended, %v", i.Locator, i.To, ended)
		}
	}
}
