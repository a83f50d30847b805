package main

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/netchecker/netchecker/agent/collect"
	"github.com/netchecker/netchecker/agent/responder"
	"github.com/netchecker/netchecker/agent/sender"
	"github.com/netchecker/netchecker/pkg/assignment"
	"github.com/netchecker/netchecker/pkg/report"
	"github.com/netchecker/netchecker/pkg/version"
	"github.com/netchecker/netchecker/test/eventually"
)

// planner is a server that tells agents, by their pods, whom to probe, and keeps what
// they say.
type planner struct {
	*httptest.Server
	mu      sync.Mutex
	peers   map[string][]assignment.Peer
	reports map[string][]report.Report
	updates map[string][]report.Mesh
	shared  *assignment.Shared // told to all who probe somebody
}

func newPlanner(t *testing.T) *planner {
	t.Helper()
	p := &planner{peers: map[string][]assignment.Peer{}, reports: map[string][]report.Report{}, updates: map[string][]report.Mesh{}}
	p.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if err := p.take(w, r); err != nil {
			t.Errorf("%s %s: %v", r.Method, r.URL.Path, err)
		}
	}))
	t.Cleanup(p.Close)
	return p
}

func (p *planner) take(w http.ResponseWriter, r *http.Request) error {
	body, err := io.ReadAll(r.Body)
	if err != nil || r.Method != http.MethodPost {
		return err // a ping
	}
	if path.Base(r.URL.Path) == report.UpdatesKind {
		return p.takeUpdate(body)
	}
	got, err := report.Decode(body)
	if err == nil {
		err = got.Validate()
	}
	if err != nil {
		return err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.reports[got.PodName] = append(p.reports[got.PodName], got)
	return p.reply(w, &got)
}

func (p *planner) reply(w io.Writer, r *report.Report) error {
	peers := p.peers[r.PodName]
	version := fmt.Sprint(len(peers))
	if has, understands := r.Understands[assignment.Topic]; !understands || len(peers) == 0 || has == version {
		return nil
	}
	data, err := assignment.Encode(&assignment.Assignment{Self: 100, Base: version, Peers: peers, Shared: p.shared})
	if err == nil {
		_, err = w.Write(report.AppendReply(nil, &report.Reply{News: []report.News{{Topic: assignment.Topic, Version: version, Data: data}}}))
	}
	return err
}

func (p *planner) takeUpdate(body []byte) error {
	m, err := report.DecodeMessage(body)
	if err == nil {
		err = m.Validate()
	}
	if err != nil {
		return err
	}
	update, err := report.DecodeMesh(m.Body)
	if err != nil {
		return err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.updates[m.PodName] = append(p.updates[m.PodName], update)
	return nil
}

func (p *planner) endpoint() string { return p.Listener.Addr().String() }

// tell has an agent probe those.
func (p *planner) tell(pod string, peers ...assignment.Peer) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.peers[pod] = append(p.peers[pod], peers...)
}

// last waits for a report of a pod's.
func (p *planner) last(t *testing.T, pod string) (last report.Report) {
	t.Helper()
	eventually.True(t, "a report of "+pod, func() bool {
		p.mu.Lock()
		defer p.mu.Unlock()
		all := p.reports[pod]
		if len(all) > 0 {
			last = all[len(all)-1]
		}
		return len(all) > 0
	})
	return last
}

// wantMesh waits until a report of a pod's says such a thing.
func (p *planner) wantMesh(t *testing.T, pod, what string, is func(*report.Mesh) bool) {
	t.Helper()
	eventually.Nil(t, func() error {
		if m := p.last(t, pod).Mesh; m == nil || !is(m) {
			return fmt.Errorf("%s: not so of %s", what, report.AppendMesh(nil, m))
		}
		return nil
	})
}

// podOn is the Machine of a pod on a node.
func podOn(name, node string) Machine {
	m := pod()
	was := m.Getenv
	m.Getenv = func(k string) string {
		switch k {
		case "MY_POD_NAME":
			return name
		case "MY_NODE_NAME":
			return node
		}
		return was(k)
	}
	m.Hostname = func() (string, error) { return name, nil }
	return m
}

// peerAt is an agent at an address of this machine.
func peerAt(id uint64, node, address, boot string) assignment.Peer {
	a := netip.MustParseAddrPort(address)
	return assignment.Peer{ID: id, Node: node, Addresses: []netip.Addr{a.Addr()}, Port: a.Port(), Boot: boot}
}

// deaf is the address of one who takes what comes and never answers.
func deaf(t *testing.T) string {
	t.Helper()
	l, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	return l.LocalAddr().String()
}

func TestAgentsProbeEachOtherAsTheServerTellsThem(t *testing.T) {
	t.Parallel()
	p := newPlanner(t)
	own, first, second := freeAddress(t), freeAddress(t), freeAddress(t)
	running(t, podOn("p1", "n1"), "-serverendpoint", p.endpoint(), "-reportinterval=1", "-listen", own, "-mesh-listen", first, "-allow-loopback")
	s, err := understood("-serverendpoint", p.endpoint(), "-reportinterval=1", "-listen=", "-mesh-listen", second, "-allow-loopback")
	if err != nil {
		t.Fatal(err)
	}
	ctx, end := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- run(ctx, s, podOn("p2", "n2")) }()
	boot := p.last(t, "p2").BootID
	p.tell("p1", peerAt(2, "n2", second, boot))
	p.tell("p2", peerAt(1, "n1", first, p.last(t, "p1").BootID))

	answered := func(m *report.Mesh) bool {
		for s := range m.Sessions.All() {
			if s.Answered() >= 1 && s.Dialed > s.DialRefused+s.DialLost+s.DialMute {
				return m.Mute == "" && s.Forward+s.Back+s.Refused == 0
			}
		}
		return false
	}
	p.wantMesh(t, "p1", "an answer", answered)
	p.wantMesh(t, "p2", "an answer", answered)
	const series = `netchecker_agent_mesh_sent_total{family="ipv4",network="pod",peer="n2"}`
	eventually.True(t, series, func() bool { return strings.Contains(get(own, "/metrics"), series) })
	if text := get(own, "/metrics"); strings.Contains(text, boot) {
		t.Error("the metrics tell a boot id")
	}

	end()
	if err := <-ended; err != nil {
		t.Error(err)
	}
	over := func(m *report.Mesh) bool { return m.Ended.Len() == 1 && m.Sessions.Len() == 0 }
	eventually.True(t, "it is told once that the session is over, without a loss", func() bool {
		p.mu.Lock()
		defer p.mu.Unlock()
		i := slices.IndexFunc(p.reports["p1"], func(r report.Report) bool { return over(r.Mesh) })
		if i < 0 {
			return false
		}
		for s := range p.reports["p1"][i].Mesh.Ended.All() {
			if s.Forward+s.Back+s.Open+s.Refused != 0 {
				t.Errorf("it ended as %+v", s)
			}
		}
		return true
	})
	p.wantMesh(t, "p1", "nothing", func(m *report.Mesh) bool { return m.Ended.Len()+m.Sessions.Len() == 0 })
	if strings.Contains(get(own, "/metrics"), series) {
		t.Error("its series is still there")
	}
}

func TestWhatLooksWorseReachesTheServerAtOnce(t *testing.T) {
	t.Parallel()
	p := newPlanner(t)
	p.tell("p1", peerAt(2, "n2", deaf(t), "0123456789abcdef"))
	// The next report after the first is a long way off.
	running(t, podOn("p1", "n1"), "-serverendpoint", p.endpoint(), "-reportinterval=3600", "-listen=", "-mesh-listen", freeAddress(t), "-allow-loopback")
	eventually.Nil(t, func() error {
		p.mu.Lock()
		defer p.mu.Unlock()
		for _, m := range p.updates["p1"] {
			for s := range m.Sessions.All() {
				if s.Peer == 2 && s.Open >= 2 {
					return nil
				}
			}
		}
		return fmt.Errorf("%d updates", len(p.updates["p1"]))
	})
}

// The next report of the schedule is a long way off.
func TestAnAgentReportsEarlyAsItStartsSinceOthersDoSoWithIt(t *testing.T) {
	t.Parallel()
	p := newPlanner(t)
	running(t, podOn("p1", "n1"), "-serverendpoint", p.endpoint(), "-reportinterval=3600", "-listen=", "-mesh-listen=", "-allow-loopback")
	if r := p.last(t, "p1"); r.Understands[assignment.Topic] != "" {
		t.Errorf("its first report understands %v", r.Understands)
	}
	p.tell("p1", peerAt(2, "n2", deaf(t), "0123456789abcdef")) // which has started since
	p.wantMesh(t, "p1", "what came of probing it", func(m *report.Mesh) bool {
		for s := range m.Sessions.All() {
			return s.Peer == 2 && s.Open > 0
		}
		return false
	})
	p.mu.Lock()
	defer p.mu.Unlock()
	if n := len(p.reports["p1"]); n != 3 {
		t.Errorf("it took %d reports", n)
	}
}

func TestUpdatesAreSpreadAsTheServerTells(t *testing.T) {
	s, err := understood("-listen=", "-mesh-listen=", "-allow-loopback")
	if err != nil {
		t.Fatal(err)
	}
	self := collect.Self{PodName: "p1", NodeName: "n1", Network: report.Pod}
	server, err := sender.NewServer("127.0.0.1:1", nil)
	if err != nil {
		t.Fatal(err)
	}
	defer server.Close()
	boot := collect.NewBoot()
	ctx, end := context.WithCancel(t.Context())
	m := newMeshing(ctx, s, pod(), self, boot, server, responder.NewMetrics(version.Get(), "netchecker-service"))
	defer func() {
		end()
		if err := m.run(ctx); err != nil {
			t.Error(err)
		}
	}()
	for _, row := range []struct {
		told string
		want time.Duration
	}{
		{"", time.Second},
		{`"update_spread_ms":5000`, 5 * time.Second},
		{`"name":"netchecker-service"`, time.Second}, // by a server that does not know of it
	} {
		if row.told != "" {
			m.mesh.Take(report.News{Topic: assignment.Topic, Version: row.told, Data: fmt.Appendf(nil,
				`{"self":1,"base":"b","peers":[],"shared":{%s,"dns_every_ms":5000,"service_every_ms":5000,"kube_api_every_ms":5000}}`, row.told)})
		}
		if got := m.updates(s, self, boot, server).Spread(); got != row.want {
			t.Errorf("told %q: %v, want %v", row.told, got, row.want)
		}
	}
}

func TestWhatAllShareIsAskedAndReported(t *testing.T) {
	t.Parallel()
	p := newPlanner(t)
	service := netip.MustParseAddrPort(p.endpoint())
	away := netip.MustParseAddrPort(deaf(t)) // nobody listens there for TCP
	p.shared = &assignment.Shared{
		Want: []netip.Addr{service.Addr()}, ServicePort: service.Port(), KubeAPI: []netip.AddrPort{away},
		DNSEvery: 1000, ServiceEvery: 1000, KubeAPIEvery: 1000,
	}
	p.tell("p1", peerAt(2, "n2", deaf(t), "0123456789abcdef"))
	running(t, podOn("p1", "n1"), "-serverendpoint", p.endpoint(), "-reportinterval=1", "-listen=", "-mesh-listen", freeAddress(t), "-allow-loopback", "-network=host")
	p.wantMesh(t, "p1", "both", func(m *report.Mesh) bool {
		if len(m.Shared) != 2 {
			return false
		}
		s, api := m.Shared[0], m.Shared[1]
		return s.Kind == report.ServiceAddress && s.Target == service.String() && s.Asked >= 1 && s.Run == 0 && s.RoundTrips > 0 &&
			api.Kind == report.KubeAPI && api.Refused >= 1 && api.Refused == api.Run && api.Message == "connection refused"
	})
}

func TestTheServiceIsLookedUpInTheClustersDomainAsThePodIsToldIt(t *testing.T) {
	t.Parallel()
	p := newPlanner(t)
	p.shared = &assignment.Shared{Name: "netchecker-service.ns.svc", DNSEvery: 1000, ServiceEvery: 1000, KubeAPIEvery: 1000}
	p.tell("p1", peerAt(2, "n2", deaf(t), "0123456789abcdef"))
	names, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = names.Close() }()
	m := podOn("p1", "n1")
	m.ResolvConf = filepath.Join(t.TempDir(), "resolv.conf")
	if err := os.WriteFile(m.ResolvConf, []byte("search ns.svc.kube.example svc.kube.example kube.example\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	m.Names.Dial = func(ctx context.Context, _, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, "udp", names.LocalAddr().String())
	}
	running(t, m, "-serverendpoint", p.endpoint(), "-listen=", "-mesh-listen=", "-allow-loopback")
	if err := names.SetReadDeadline(time.Now().Add(20 * time.Second)); err != nil {
		t.Fatal(err)
	}
	buf := make([]byte, 512)
	n, _, err := names.ReadFrom(buf)
	const want = "\x12netchecker-service\x02ns\x03svc\x04kube\x07example\x00"
	if err != nil || !strings.Contains(string(buf[:n]), want) {
		t.Errorf("it was asked %q, %v", buf[:n], err)
	}
	if (Machine{ResolvConf: m.ResolvConf + ".missing"}).domain() != "" {
		t.Error("there is a domain without a file")
	}
}

func TestAnAgentWhosePortIsTakenSaysSoAndGoesOn(t *testing.T) {
	t.Parallel()
	p := newPlanner(t)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	at := netip.MustParseAddrPort(l.Addr().String())
	running(t, podOn("p1", "n1"), "-serverendpoint", p.endpoint(), "-listen=", "-mesh-listen", at.String())
	if m, want := p.last(t, "p1").Mesh, fmt.Sprintf("port %d is taken: address already in use", at.Port()); m == nil || m.Mute != want {
		t.Errorf("it says %+v, want %q", m, want)
	}
}

func TestAnAgentThatIsToldSoDoesNotMeshOrDoesNotAnswer(t *testing.T) {
	t.Parallel()
	p := newPlanner(t)
	running(t, podOn("p1", "n1"), "-serverendpoint", p.endpoint(), "-listen=", "-mesh=false")
	running(t, podOn("p2", "n2"), "-serverendpoint", p.endpoint(), "-listen=", "-mesh-listen=")
	r := p.last(t, "p1")
	if _, understands := r.Understands[assignment.Topic]; r.Mesh != nil || understands {
		t.Errorf("it says %+v, and understands %v", r.Mesh, r.Understands)
	}
	if m := p.last(t, "p2").Mesh; m == nil || m.Mute != "-mesh-listen is empty" {
		t.Errorf("the other says %+v", m)
	}
}

func TestAServerThatTellsNobodyToProbeHearsOnlyThatTheAgentWould(t *testing.T) {
	t.Parallel()
	srv := newOriginalServer(t)
	running(t, podOn("p1", "n1"), "-serverendpoint", srv.endpoint(), "-listen=", "-mesh-listen", freeAddress(t))
	body := string(srv.reports(t, 1, 5*time.Second)[0].body)
	_, mesh, found := strings.Cut(body, `,"mesh":{"as_of_ms":`)
	if mesh, _, _ = strings.Cut(mesh, "}"); !found || strings.Contains(mesh, `"sessions"`) || len(mesh) > 8 {
		t.Errorf("it says %s", mesh)
	}
}
