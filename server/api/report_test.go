package api

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/netchecker/netchecker/server/fleet"
)

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
