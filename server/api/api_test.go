package api

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/netchecker/netchecker/pkg/report"
	"github.com/netchecker/netchecker/server/fleet"
	"github.com/netchecker/netchecker/server/intake"
	"github.com/netchecker/netchecker/server/judge"
	"github.com/netchecker/netchecker/test/testmain"
)

func TestMain(m *testing.M) { testmain.Run(m) }

var errAway = errors.New("etcd is away")

// cluster is a made-up store and list, with the real intake and judge between it
// and the API.
type cluster struct {
	mu       sync.Mutex
	records  map[fleet.Key]*fleet.Record
	list     *fleet.List
	asOf     time.Time
	err      error
	requests []string
}

func newCluster(keys ...fleet.Key) *cluster {
	c := &cluster{records: map[fleet.Key]*fleet.Record{}, asOf: time.Now(), list: &fleet.List{Source: "a made-up list"}}
	for _, k := range keys {
		c.list.Agents = append(c.list.Agents, fleet.Agent{Key: k, Node: "n1", FirstSeen: c.asOf.Add(-time.Hour)})
	}
	slices.SortFunc(c.list.Agents, func(a, b fleet.Agent) int { return a.Key.Compare(b.Key) })
	return c
}

func (c *cluster) Put(_ context.Context, key fleet.Key, value []byte, _ time.Duration) (int64, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.err != nil {
		return 0, c.err
	}
	decoded, err := report.DecodeRecord(value)
	if err != nil {
		return 0, err
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
func (c *cluster) Changed() <-chan struct{} { return nil }
func (c *cluster) Trouble() string          { return "" }
func (c *cluster) List() *fleet.List        { return c.list }
func (c *cluster) AsOf() time.Time          { return time.Now() }
func (c *cluster) Request(route string, code int, _ time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.requests = append(c.requests, fmt.Sprintf("%s %d", route, code))
}

// fresh judges anew for each request.
type fresh struct{ *cluster }

func (f fresh) Snapshot() *judge.Snapshot {
	return judge.New(judge.Config{Store: f.cluster, Pods: f.cluster, BlindAfter: 5 * time.Second, Grace: time.Minute, Now: time.Now}).Snapshot()
}

const maxBody = 64 << 10

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
		Taker: taker, Snapshots: fresh{c}, Observer: c, StaleAfter: time.Minute,
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

func TestPostAReportIs200WithAnEmptyBody(t *testing.T) {
	url := newCluster(agentX).serve(t)
	if a := post(t, url, "netchecker-agent-x", contractReport); a.status != 200 || a.body != "" {
		t.Errorf("%d %q", a.status, a.body)
	}
}

func TestPostBadJSONIs400WithTheOriginalsText(t *testing.T) {
	url := newCluster(agentX).serve(t)
	a := post(t, url, "netchecker-agent-x", `{"report_interval":`)
	if a.status != 400 || !strings.HasPrefix(a.body, "Error while unmarshaling data. Details: report_interval: ") {
		t.Errorf("%d %q", a.status, a.body)
	}
}

func TestAgentsIsAnObjectOfRecordsByPod(t *testing.T) {
	url := newCluster(agentX, fleet.Key{Namespace: "default", Name: "silent"}).serve(t)
	post(t, url, "netchecker-agent-x", contractReport)
	a := ask(t, "GET", url+"/api/v1/agents/", "")
	var got map[string]map[string]any
	if err := json.Unmarshal([]byte(a.body), &got); err != nil {
		t.Fatalf("%v in %s", err, a.body)
	}
	rec := got["netchecker-agent-x"]
	var keys []string
	for k := range rec {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	want := []string{"hostdate", "ips", "last_updated", "network_probes", "nodename", "nslookup", "podname", "report_interval", "uptime"}
	if a.status != 200 || len(got) != 1 || !slices.Equal(keys, want) {
		t.Errorf("%d, %d entries with the keys %v", a.status, len(got), keys)
	}
}

func TestAgentsIsExactlyTwoBracesWhenEmpty(t *testing.T) {
	url := newCluster(agentX).serve(t)
	if a := ask(t, "GET", url+"/api/v1/agents/", ""); a.status != 200 || a.body != "{}" {
		t.Errorf("%d %q", a.status, a.body)
	}
}

func TestAgentsOfThousandsIsOneObject(t *testing.T) {
	const many = 3000
	var keys []fleet.Key
	for i := range many {
		keys = append(keys, fleet.Key{Namespace: "default", Name: fmt.Sprintf("p%d", i)})
	}
	c := newCluster(keys...)
	for _, k := range keys {
		if _, err := c.Put(t.Context(), k, fmt.Appendf(nil, `{"podname":%q,"report_interval":15}`, k.Name), 0); err != nil {
			t.Fatal(err)
		}
	}
	a := ask(t, "GET", c.serve(t)+"/api/v1/agents/", "")
	var got map[string]struct{ PodName string }
	if err := json.Unmarshal([]byte(a.body), &got); err != nil || len(got) != many {
		t.Fatalf("%d entries, error %v", len(got), err)
	}
	for name, rec := range got {
		if rec.PodName != name {
			t.Errorf("under %s there is the record of %s", name, rec.PodName)
		}
	}
}

func TestAgentsWithoutTheSlashIsARedirect(t *testing.T) {
	a := ask(t, "GET", newCluster().serve(t)+"/api/v1/agents", "")
	if a.status != 301 || a.header.Get("Location") != "/api/v1/agents/" {
		t.Errorf("%d to %q", a.status, a.header.Get("Location"))
	}
}

func TestAgentIsTheBareRecord(t *testing.T) {
	c := newCluster(agentX)
	url := c.serve(t)
	post(t, url, "netchecker-agent-x", contractReport)
	want := string(report.AppendShown(nil, &c.records[agentX].Record))
	if a := ask(t, "GET", url+"/api/v1/agents/netchecker-agent-x", ""); a.status != 200 || a.body != want {
		t.Errorf("%d %s, want %s", a.status, a.body, want)
	}
}

func TestWhatIsStoredIsNotWhatIsShown(t *testing.T) {
	c := newCluster(agentX)
	url := c.serve(t)
	post(t, url, "netchecker-agent-x", `{"report_interval":15,"podname":"netchecker-agent-x","pod_uid":"u1","boot_id":"00112233aabbccdd"}`)
	if rec := c.records[agentX]; rec == nil || rec.UID != "u1" || rec.BootID != "00112233aabbccdd" {
		t.Fatalf("stored is %+v", rec)
	}
	for _, path := range []string{"/api/v1/agents/", "/api/v1/agents/netchecker-agent-x"} {
		a := ask(t, "GET", url+path, "")
		if a.status != 200 || !strings.Contains(a.body, `"podname":"netchecker-agent-x"`) || strings.Contains(a.body, "uid") || strings.Contains(a.body, "00112233aabbccdd") {
			t.Errorf("%s: %d %s", path, a.status, a.body)
		}
	}
}

func TestAgentThatIsMissingIs404WithTheOriginalsText(t *testing.T) {
	a := ask(t, "GET", newCluster(agentX).serve(t)+"/api/v1/agents/netchecker-agent-x", "")
	if a.status != 404 || a.body != "There is no such entry in the agent cache\n" {
		t.Errorf("%d %q", a.status, a.body)
	}
}

func TestAgentOfANameInTwoNamespacesNeedsOne(t *testing.T) {
	c := newCluster(fleet.Key{Namespace: "blue", Name: "twin"}, fleet.Key{Namespace: "green", Name: "twin"})
	url := c.serve(t)
	for _, ns := range []string{"blue", "green"} {
		if a := post(t, url, "twin", fmt.Sprintf(`{"report_interval":15,"podname":"twin","namespace":%q}`, ns)); a.status != 200 {
			t.Fatal(a)
		}
	}
	if a := ask(t, "GET", url+"/api/v1/agents/twin?namespace=green", ""); a.status != 200 || !strings.Contains(a.body, `"namespace":"green"`) {
		t.Errorf("%d %s", a.status, a.body)
	}
	if a := ask(t, "GET", url+"/api/v1/agents/twin", ""); a.status != 409 || a.body != "namespace: should be given, because pods of this name are in blue and green; for example ?namespace=blue\n" {
		t.Errorf("%d %q", a.status, a.body)
	}
	if a := ask(t, "GET", url+"/api/v1/agents/", ""); !strings.HasPrefix(a.body, `{"blue/twin":{`) || !strings.Contains(a.body, `,"green/twin":{`) {
		t.Error(a.body)
	}
	if a := post(t, url, "twin", `{"report_interval":15,"podname":"twin"}`); a.status != 409 {
		t.Errorf("a report that fits both: %d %s", a.status, a.body)
	}
}

func TestConnectivityCheckAnswersAsTheContractSays(t *testing.T) {
	c := newCluster(agentX)
	url := c.serve(t)
	a := ask(t, "GET", url+"/api/v1/connectivity_check", "")
	if a.status != 400 || a.body != `{"Message":"Connectivity check fails. Reason: there are absent or outdated pods; look up the payload","Absent":["netchecker-agent-x"],"Outdated":null}` || a.header.Get("Content-Type") != "application/json" {
		t.Errorf("absent: %d %s", a.status, a.body)
	}
	post(t, url, "netchecker-agent-x", contractReport)
	if a := ask(t, "GET", url+"/api/v1/connectivity_check", ""); a.status != 200 || a.body != `{"Message":"All 1 pods successfully reported back to the server","Absent":null,"Outdated":null}` {
		t.Errorf("well: %d %s", a.status, a.body)
	}
	c.list = &fleet.List{Source: "a made-up list"}
	a = ask(t, "GET", url+"/api/v1/connectivity_check", "")
	if a.status != 503 || !strings.HasPrefix(a.body, "Error occurred while checking the agents. Details: no agent pod exists") || json.Valid([]byte(a.body)) {
		t.Errorf("cannot know: %d %s", a.status, a.body)
	}
	if a := ask(t, "GET", url+"/api/v1/connectivity_check?starting=maybe", ""); a.status != 400 || a.body != "starting: is \"maybe\"; it should be ok, or be left out\n" {
		t.Errorf("a wrong parameter: %d %s", a.status, a.body)
	}
}

func TestNothingIsShownBeforeAnythingWasRead(t *testing.T) {
	for name, spoil := range map[string]func(*cluster){
		"the list":  func(c *cluster) { c.list = nil },
		"the store": func(c *cluster) { c.asOf = time.Time{} },
	} {
		c := newCluster(agentX)
		spoil(c)
		url := c.serve(t)
		for _, path := range []string{"/api/v1/agents/", "/api/v1/agents/p", "/api/v1/connectivity_check"} {
			if a := ask(t, "GET", url+path, ""); a.status != 503 || !strings.HasPrefix(a.body, unknownHead) {
				t.Errorf("%s was never read: %s answers %d %s", name, path, a.status, a.body)
			}
		}
	}
}

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

func TestBadReportsGetA4xxThatNamesTheFieldAndLeaveNoTrace(t *testing.T) {
	c := newCluster(agentX)
	url := c.serve(t)
	const x = "netchecker-agent-x"
	const podname = "Error while unmarshaling data. Details: podname: in the URL should be the name of a pod, a DNS-1123 subdomain\n"
	var entries strings.Builder
	for i := range 5000 {
		fmt.Fprintf(&entries, `"k%d":[],`, i)
	}
	for _, row := range []struct {
		name, pod, body string
		headers         []string
		status          int
		want            string
	}{
		{"oversized", x, `{"zero_extender":[` + strings.Repeat("0,", maxBody) + `0]}`, nil, 413, "body: is larger than 65536 bytes, the limit that -max-body-bytes sets\n"},
		{"malformed", x, `{"podname":}`, nil, 400, "Error while unmarshaling data. Details: podname: "},
		{"empty", x, ``, nil, 400, "Error while unmarshaling data. Details: body: is empty; it should be a JSON object\n"},
		{"wrong type", x, `{"uptime":"long"}`, nil, 400, "Error while unmarshaling data. Details: uptime: "},
		{"wrong content type", x, contractReport, []string{"Content-Type", "text/plain"}, 415, "Content-Type: is \"text/plain\"; it should be application/json\n"},
		{"wrong encoding", x, contractReport, []string{"Content-Encoding", "gzip"}, 415, "Content-Encoding: is \"gzip\"; a report should not be encoded\n"},
		{"no pod name", x, `{"report_interval":15}`, nil, 400, "Error while unmarshaling data. Details: podname: is missing"},
		{"another pod's name", x, `{"report_interval":15,"podname":"y"}`, nil, 400, "Error while unmarshaling data. Details: podname: is \"y\"; it should be \"netchecker-agent-x\", as in the URL\n"},
		{"../ in the URL", "../x", contractReport, nil, 400, podname},
		{"encoded ../ in the URL", "..%2Fx", contractReport, nil, 400, podname},
		{"no DNS-1123 subdomain in the URL", "Agent_X", contractReport, nil, 400, podname},
		{"../ in the body", x, `{"report_interval":15,"podname":"../x"}`, nil, 400, "Error while unmarshaling data. Details: podname: is \"../x\"; it should be a DNS-1123 subdomain"},
		{"negative interval", x, `{"report_interval":-1,"podname":"` + x + `"}`, nil, 400, "Error while unmarshaling data. Details: report_interval: is -1;"},
		{"absurd interval", x, `{"report_interval":9223372036854775807,"podname":"` + x + `"}`, nil, 400, "Error while unmarshaling data. Details: report_interval: is 9223372036854775807;"},
		{"thousands of map entries", x, `{"nslookup":{` + entries.String() + `"z":[]}}`, nil, 400, "Error while unmarshaling data. Details: nslookup: has too many entries; it should have at most 1024\n"},
		{"deep nesting", x, `{"what":` + strings.Repeat("[", 10000) + strings.Repeat("]", 10000) + `}`, nil, 400, "Error while unmarshaling data. Details: [\"what\"]: is nested more than 32 deep\n"},
	} {
		a := post(t, url, row.pod, row.body, row.headers...)
		if a.status != row.status || !strings.HasPrefix(a.body, row.want) {
			t.Errorf("%s: %d %q, want %d %q", row.name, a.status, a.body, row.status, row.want)
		}
	}
	if len(c.records) != 0 {
		t.Errorf("left behind: %v", c.records)
	}
}

func TestGzippedBodiesAreNotUnpacked(t *testing.T) {
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	_, _ = w.Write([]byte(contractReport))
	_ = w.Close()
	c := newCluster(agentX)
	if a := post(t, c.serve(t), "netchecker-agent-x", b.String()); a.status != 400 || len(c.records) != 0 {
		t.Errorf("%d %s", a.status, a.body)
	}
}

func TestTheSenderOfAnOversizedBodyGetsToReadWhy(t *testing.T) {
	url := newCluster(agentX).serve(t)
	for range 20 {
		// A client that closes the connection after the answer, as many do.
		a := post(t, url, "netchecker-agent-x", strings.Repeat(" ", 1<<20), "Connection", "close")
		if a.status != 413 {
			t.Fatalf("%d %s", a.status, a.body)
		}
	}
}

func TestASlowSenderIsTold(t *testing.T) {
	c := newCluster(agentX)
	url := c.serve(t)
	conn, err := net.Dial("tcp", strings.TrimPrefix(url, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	fmt.Fprintf(conn, "POST /api/v1/agents/netchecker-agent-x HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{")
	_ = conn.SetDeadline(time.Now().Add(5 * time.Second))
	got, _ := io.ReadAll(conn)
	if !strings.HasPrefix(string(got), "HTTP/1.1 408 ") || !strings.HasSuffix(string(got), "body: did not arrive within 300ms\n") {
		t.Errorf("%s", got)
	}
}

func TestAReportThatCouldNotBeStoredShouldBeSentAgain(t *testing.T) {
	c := newCluster(agentX)
	c.err = fmt.Errorf("writing: %w", errAway)
	a := post(t, c.serve(t), "netchecker-agent-x", contractReport)
	if a.status != 503 || a.header.Get("Retry-After") != "2" || a.body != "The report could not be stored, and should be sent again: writing: etcd is away\n" {
		t.Errorf("%d, Retry-After %q, %q", a.status, a.header.Get("Retry-After"), a.body)
	}
}

func TestTwoHundredSendersAtOnce(t *testing.T) {
	var keys []fleet.Key
	for i := range 200 {
		keys = append(keys, fleet.Key{Namespace: "default", Name: fmt.Sprintf("p%d", i)})
	}
	c := newCluster(keys...)
	url := c.serve(t)
	var wg sync.WaitGroup
	for _, k := range keys {
		wg.Go(func() {
			for range 3 {
				if a := post(t, url, k.Name, fmt.Sprintf(`{"report_interval":15,"podname":%q}`, k.Name)); a.status != 200 {
					t.Errorf("%d %s", a.status, a.body)
				}
			}
		})
	}
	wg.Wait()
	if len(c.records) != len(keys) {
		t.Errorf("%d records, want %d", len(c.records), len(keys))
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
