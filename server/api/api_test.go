package api

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/netchecker/netchecker/pkg/report"
	"github.com/netchecker/netchecker/server/findings"
	"github.com/netchecker/netchecker/server/fleet"
	"github.com/netchecker/netchecker/server/intake"
	"github.com/netchecker/netchecker/server/intervals"
	"github.com/netchecker/netchecker/server/judge"
	"github.com/netchecker/netchecker/server/paths"
	"github.com/netchecker/netchecker/test/testmain"
)

func TestMain(m *testing.M) { testmain.Run(m) }

var errAway = errors.New("etcd is away")

// cluster is a made-up store and list, with the real intake and judge between it
// and the API.
type cluster struct {
	mu           sync.Mutex
	records      map[fleet.Key]*fleet.Record
	list         *fleet.List
	asOf         time.Time
	err          error
	requests     []string
	history      *intervals.History
	paths        *paths.Paths
	findings     *findings.Kept
	findingsFail bool
	left         map[string]time.Time // name servers, and when they were there last
	declared     []intervals.Declared
	refused      []Refusal
}

func newCluster(keys ...fleet.Key) *cluster {
	c := &cluster{records: map[fleet.Key]*fleet.Record{}, asOf: time.Now(), list: &fleet.List{Source: "a made-up list"}}
	c.findings = findings.NewKept()
	c.history = intervals.New(func() time.Time { return noon })
	left := func(target string) (time.Time, bool) { since, left := c.left[target]; return since, left }
	c.paths = paths.New(paths.Config{Left: left, Now: func() time.Time { return noon }})
	for _, k := range keys {
		c.list.Agents = append(c.list.Agents, fleet.Agent{Key: k, Node: "n1", FirstSeen: c.asOf.Add(-time.Hour)})
	}
	slices.SortFunc(c.list.Agents, func(a, b fleet.Agent) int { return a.Key.Compare(b.Key) })
	return c
}

func (c *cluster) Put(_ context.Context, key fleet.Key, record, life []byte, _ time.Duration) (int64, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.err != nil {
		return 0, c.err
	}
	decoded, err := report.DecodeRecord(record)
	if err != nil {
		return 0, err
	}
	if len(life) > 0 {
		beside, err := report.DecodeLife(life)
		if err != nil {
			return 0, err
		}
		decoded.Join(&beside)
	}
	rec := &fleet.Record{Key: key, Record: decoded, Learned: time.Now(), Revision: int64(len(c.records) + 1)}
	c.records[key] = rec
	return rec.Revision, nil
}

func (c *cluster) Unlisted(key fleet.Key) (int, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	n := 0
	for k := range c.records {
		if k.Unlisted() {
			n++
		}
	}
	return n, c.records[key] != nil
}

func (c *cluster) Get(k fleet.Key) *fleet.Record {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.records[k]
}
func (c *cluster) EachUnlisted(func(*fleet.Record)) {}
func (c *cluster) Freshness() fleet.Freshness {
	if c.asOf.IsZero() {
		return fleet.Freshness{}
	}
	return fleet.Freshness{AsOf: time.Now(), Since: c.asOf.Add(-time.Hour), Unbroken: c.asOf.Add(-time.Hour)}
}
func (c *cluster) Declared() []intervals.Declared { return c.declared }
func (c *cluster) Refused() []Refusal             { return c.refused }
func (c *cluster) Changed() <-chan struct{}       { return nil }
func (c *cluster) Trouble() string                { return "" }
func (c *cluster) List() *fleet.List              { return c.list }
func (c *cluster) AsOf() time.Time                { return time.Now() }
func (c *cluster) Request(route string, code int, _ time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.requests = append(c.requests, fmt.Sprintf("%s %d", route, code))
}

// fresh judges anew for each request.
type fresh struct{ *cluster }

func (f fresh) Snapshot() *judge.Snapshot {
	return judge.New(judge.Config{Store: f.cluster, Pods: f.cluster, Paths: f.paths, Findings: f.findings, FindingsFail: f.findingsFail, BlindAfter: 5 * time.Second, Grace: time.Minute, Now: time.Now}).Snapshot()
}

const maxBody = 64 << 10

// noon is when these tests ask.
var noon = time.Date(2026, 11, 27, 12, 0, 0, 0, time.UTC)

// serve runs the API on a real socket and returns its URL.
func (c *cluster) serve(t *testing.T) string {
	t.Helper()
	return c.serveWith(t, intake.New(intake.Config{Store: c, Pods: c, TTL: time.Minute, Now: time.Now}))
}

func (c *cluster) serveWith(t *testing.T, taker Taker) string {
	t.Helper()
	tell := func(what string) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { _, _ = io.WriteString(w, what+r.URL.Path) })
	}
	h := New(Config{
		Taker: taker, Snapshots: fresh{c}, History: c.history, Backends: c, Paths: c.paths, Findings: c.findings, Observer: c, StaleAfter: time.Minute,
		Now:     func() time.Time { return noon },
		MaxBody: maxBody, BodyWithin: 300 * time.Millisecond,
		Unavailable: func(err error) bool { return errors.Is(err, errAway) },
		Health:      tell("health "), Ready: tell("ready "), Metrics: tell("metrics "),
	})
	s := httptest.NewServer(h)
	t.Cleanup(s.Close)
	return s.URL
}

// response is one, read.
type response struct {
	status int
	header http.Header
	body   string
}

func ask(t *testing.T, method, url, body string, headers ...string) response {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i+1 < len(headers); i += 2 {
		req.Header.Set(headers[i], headers[i+1])
	}
	client := &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }, Transport: &http.Transport{DisableKeepAlives: true}}
	res, err := client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	b, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return response{res.StatusCode, res.Header, string(b)}
}

func post(t *testing.T, url, pod, body string, headers ...string) response {
	t.Helper()
	return ask(t, "POST", url+"/api/v1/agents/"+pod, body, append([]string{"Content-Type", "application/json"}, headers...)...)
}

// contractReport is the report of the original agent that the contract quotes.
const contractReport = `{"report_interval":15,"nodename":"n1","podname":"netchecker-agent-x","hostdate":"2017-11-30T14:54:19.5Z","uptime":12345,
 "nslookup":{"netchecker-service":["10.233.54.44"]},"ips":{"eth0":["10.0.0.2/24"]},
 "network_probes":[{"URL":"http://netchecker-service:8081/api/v1/ping","ConnectionResult":1,"HTTPCode":200,"Total":2,
   "ContentTransfer":0,"TCPConnection":0,"DNSLookup":1,"Connect":1,"ServerProcessing":0}],
 "zero_extender":[0,0,0]}`

var agentX = fleet.Key{Namespace: "default", Name: "netchecker-agent-x"}

func TestPingIs200AndEmpty(t *testing.T) {
	if a := ask(t, "GET", newCluster().serve(t)+"/api/v1/ping", ""); a.status != 200 || a.body != "" {
		t.Errorf("%d %q", a.status, a.body)
	}
}

func TestEveryOtherRouteLeadsSomewhere(t *testing.T) {
	url := newCluster().serve(t)
	for path, want := range map[string]string{
		"/": "netchecker: is the network", "/metrics": "metrics /metrics", "/healthz": "health /healthz", "/healthz/loop": "health /healthz/loop",
		"/readyz": "ready /readyz", "/readyz/serving": "ready /readyz/serving", "/openapi.yaml": "openapi: 3.",
	} {
		if a := ask(t, "GET", url+path, ""); a.status != 200 || !strings.HasPrefix(a.body, want) {
			t.Errorf("%s: %d %s", path, a.status, a.body)
		}
		if a := ask(t, "HEAD", url+path, ""); a.status != 200 || a.body != "" {
			t.Errorf("HEAD %s: %d %q", path, a.status, a.body)
		}
	}
	if a := ask(t, "GET", url+"/nowhere", ""); a.status != 404 || a.body != "Nothing is served here; GET / lists what is\n" {
		t.Errorf("%d %q", a.status, a.body)
	}
	if a := ask(t, "DELETE", url+"/api/v1/agents/p", ""); a.status != 405 || a.header.Get("Allow") != "POST, GET" || a.body != "The method should be POST or GET\n" {
		t.Errorf("%d %q, Allow %q", a.status, a.body, a.header.Get("Allow"))
	}
}

func TestRequestsAreObservedByRouteAndCode(t *testing.T) {
	c := newCluster(agentX)
	url := c.serve(t)
	post(t, url, "netchecker-agent-x", contractReport)
	post(t, url, "netchecker-agent-x", "{")
	ask(t, "GET", url+"/api/v1/ping", "")
	ask(t, "GET", url+"/nowhere/"+strings.Repeat("x", 100), "")
	want := []string{"report 200", "report 400", "ping 200", "other 404"}
	c.mu.Lock()
	defer c.mu.Unlock()
	if !slices.Equal(c.requests, want) {
		t.Errorf("observed %q, want %q", c.requests, want)
	}
}
