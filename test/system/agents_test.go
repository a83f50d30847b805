package system_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

// agent is one that the tests play.
type agent struct {
	name string
	// namespace is default where it is empty, and node n1.
	namespace, node string
	// host says that it is on the host network.
	host bool
	// interval is that of its reports, in seconds; 0 means 2.
	interval int
	// meshPort is where it answers probes, on this machine; 0: nowhere.
	meshPort int
}

func (a agent) nodeName() string {
	if a.node == "" {
		return "n1"
	}
	return a.node
}

// label is the agent's in metrics.
func (a agent) label() string {
	if a.host {
		return a.nodeName() + "-host_network"
	}
	return a.nodeName() + "-private_network"
}

// series is one of the contract's, of this agent.
func (a agent) series(name string) string { return fmt.Sprintf("%s{agent=%q}", name, a.label()) }

const (
	reportCount = "ncagent_report_count_total"
	errorCount  = "ncagent_error_count_total"
)

// path is where the agent reports to, and where its report is.
func (a agent) path() string { return "/api/v1/agents/" + a.name }

// report is one as the last of the original agents sent them. The uptime serves
// as a sequence number.
func (a agent) report(uptime uint64) request {
	interval := a.interval
	if interval == 0 {
		interval = 2
	}
	body := fmt.Sprintf(`{"report_interval":%d,"nodename":%q,"podname":%q,"hostdate":%q,"uptime":%d,`+
		`"nslookup":{"netchecker-service":["10.233.54.44"]},"ips":{"eth0":["10.0.0.2/24"]},`+
		`"network_probes":[{"URL":"http://netchecker-service:8081/api/v1/ping","ConnectionResult":1,"HTTPCode":200,"Total":2,`+
		`"ContentTransfer":0,"TCPConnection":0,"DNSLookup":1,"Connect":1,"ServerProcessing":0}],"zero_extender":[%s0]}`,
		interval, a.nodeName(), a.name, time.Now().UTC().Format(time.RFC3339Nano), uptime, strings.Repeat("0,", 1500))
	return a.post(body)
}

// post sends any body for the agent.
func (a agent) post(body string) request {
	return request{path: a.path(), body: body, headers: map[string]string{"Content-Type": "application/json"}}
}

// takes sends a request that must be taken.
func (s *server) takes(r request) {
	s.tb.Helper()
	if a := s.ask(r); a.status != http.StatusOK || a.body != "" {
		s.tb.Fatalf("the report was answered %v, want 200 and nothing", a)
	}
}

// roster is a file that lists the expected agents.
type roster struct {
	tb   testing.TB
	path string
}

func newRoster(tb testing.TB, agents ...agent) *roster {
	tb.Helper()
	r := &roster{tb, filepath.Join(tb.TempDir(), "agents.yaml")}
	r.set(agents...)
	return r
}

// set makes the file list these agents and no others.
func (r *roster) set(agents ...agent) {
	r.tb.Helper()
	rows := []map[string]any{}
	for _, a := range agents {
		row := map[string]any{"name": a.name, "node": a.nodeName(), "network": "pod"}
		if a.namespace != "" {
			row["namespace"] = a.namespace
		}
		if a.host {
			row["network"] = "host"
		}
		if a.meshPort != 0 {
			row["addresses"], row["meshPort"] = []string{"127.0.0.1"}, a.meshPort
		}
		rows = append(rows, row)
	}
	text, err := json.Marshal(map[string]any{"agents": rows})
	if err != nil {
		r.tb.Fatal(err)
	}
	if err := os.WriteFile(r.path, text, 0o644); err != nil {
		r.tb.Fatal(err)
	}
}

func (r *roster) flag() flags { return flags{"-agents-file", r.path} }

// expecting lists agents that stay the same.
func expecting(tb testing.TB, agents ...agent) flags {
	tb.Helper()
	return newRoster(tb, agents...).flag()
}

// reportEvery is the pause between two reports of keepReporting: short, so that
// no test depends on a busy machine sending each of them in time.
const reportEvery = 250 * time.Millisecond

// keepReporting sends the reports of agents to a server again and again,
// whatever it answers, until the test ends or stop is called.
func keepReporting(tb testing.TB, url string, agents ...agent) (stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	for _, a := range agents {
		wg.Go(func() {
			for uptime := uint64(1); ctx.Err() == nil; uptime++ {
				// A server that is stopped answers nothing; its client gives up.
				once, done := context.WithTimeout(ctx, 3*time.Second)
				_, _ = a.report(uptime).to(once, url)
				done()
				select {
				case <-ctx.Done():
				case <-time.After(reportEvery):
				}
			}
		})
	}
	stop = func() {
		cancel()
		wg.Wait()
	}
	tb.Cleanup(stop)
	return stop
}

// verdicts are the answers of the check while somebody watched.
type verdicts struct {
	mu  sync.Mutex
	all []answer
}

func (v *verdicts) add(a answer) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.all = append(v.all, a)
}

// wantNobodyBlamed fails tb for each answer that names an agent, and for each that
// does not know and could be taken for something else.
func (v *verdicts) wantNobodyBlamed(tb testing.TB) {
	tb.Helper()
	v.mu.Lock()
	defer v.mu.Unlock()
	for i, a := range v.all {
		switch {
		case a.status == http.StatusOK && strings.Contains(a.body, `"Absent":null,"Outdated":null`):
		case a.status == http.StatusServiceUnavailable && strings.HasPrefix(a.body, unknownHead) && !json.Valid([]byte(a.body)):
		default:
			tb.Errorf("answer %d of %d blames somebody: %v", i+1, len(v.all), a)
			return
		}
	}
	if len(v.all) == 0 {
		tb.Error("nobody watched")
	}
}

// only fails tb unless each answer was the same one.
func (v *verdicts) only(tb testing.TB, want answer) {
	tb.Helper()
	v.mu.Lock()
	defer v.mu.Unlock()
	for i, a := range v.all {
		if a.String() != want.String() {
			tb.Errorf("answer %d of %d is %v, want %v", i+1, len(v.all), a, want)
			return
		}
	}
	if len(v.all) == 0 {
		tb.Error("nobody watched")
	}
}

// watch asks for the verdict every 50 ms until stop is called.
func watch(tb testing.TB, url string) (seen *verdicts, stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	seen = &verdicts{}
	var wg sync.WaitGroup
	wg.Go(func() {
		for ctx.Err() == nil {
			once, done := context.WithTimeout(ctx, 3*time.Second)
			if a, err := (request{path: checkPath}).to(once, url); err == nil {
				seen.add(a)
			}
			done()
			select {
			case <-ctx.Done():
			case <-time.After(50 * time.Millisecond):
			}
		}
	})
	stop = func() {
		cancel()
		wg.Wait()
	}
	tb.Cleanup(stop)
	return seen, stop
}
