package system_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"
)

const maxBody = 1 << 20

// entries are n entries of a map of the report's.
func entries(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, `"%x":[],`, i)
	}
	return strings.TrimSuffix(b.String(), ",")
}

// hostile are requests that must be refused, and what the refusal must say.
var hostile = map[string]struct {
	path, body, contentType, encoding string
	status                            int
	want                              string
}{
	"more than a megabyte":     {body: strings.Repeat(" ", maxBody) + `{}`, status: 413, want: "body: is larger than 1048576 bytes"},
	"a million map entries":    {body: `{"podname":"a","report_interval":1,"ips":{` + strings.Repeat(`"":0,`, 200_000) + `"":0}}`, status: 400, want: "ips"},
	"many map entries":         {body: `{"podname":"a","report_interval":1,"ips":{` + entries(90_000) + `}}`, status: 400, want: "ips"},
	"deep nesting":             {body: `{"podname":"a","nslookup":` + strings.Repeat("[", 500_000), status: 400, want: "nslookup"},
	"deep nesting somewhere":   {body: `{"x":` + strings.Repeat(`{"x":`, 200_000), status: 400, want: "x"},
	"half a report":            {body: `{"podname":"a","report_interval":1`, status: 400, want: "body"},
	"no JSON":                  {body: "uptime 12", status: 400, want: "body"},
	"a list":                   {body: `[]`, status: 400, want: "body"},
	"a text for a number":      {body: `{"podname":"a","report_interval":"soon"}`, status: 400, want: "report_interval"},
	"no interval":              {body: `{"podname":"a"}`, status: 400, want: "report_interval: is 0"},
	"a negative interval":      {body: `{"podname":"a","report_interval":-1}`, status: 400, want: "report_interval: is -1"},
	"an absurd interval":       {body: `{"podname":"a","report_interval":9223372036854775807}`, status: 400, want: "report_interval: is 9223372036854775807"},
	"a negative uptime":        {body: `{"podname":"a","report_interval":1,"uptime":-1}`, status: 400, want: "uptime"},
	"no pod name":              {body: `{"report_interval":1}`, status: 400, want: "podname: is missing"},
	"another's name":           {body: `{"podname":"b","report_interval":1}`, status: 400, want: `podname: is "b"; it should be "a", as in the URL`},
	"a path for a name":        {path: "/api/v1/agents/..%2f..%2fx", body: `{"podname":"../../x","report_interval":1}`, status: 400, want: "podname: in the URL should be the name of a pod"},
	"dots for a name":          {path: "/api/v1/agents/../../x", body: `{"podname":"../../x","report_interval":1}`, status: 400, want: "podname: in the URL should be the name of a pod"},
	"capitals":                 {path: "/api/v1/agents/A", body: `{"podname":"A","report_interval":1}`, status: 400, want: "podname: in the URL should be the name of a pod"},
	"a long name":              {path: "/api/v1/agents/" + strings.Repeat("a", 254), body: `{}`, status: 400, want: "podname: in the URL should be the name of a pod"},
	"a node that is no name":   {body: `{"podname":"a","nodename":"a\nb","report_interval":1}`, status: 400, want: "nodename"},
	"a namespace with a slash": {body: `{"podname":"a","namespace":"a/b","report_interval":1}`, status: 400, want: "namespace"},
	"a hidden namespace":       {body: `{"podname":"a","namespace":"_","report_interval":1}`, status: 400, want: "namespace"},
	"a form":                   {body: `podname=a`, contentType: "application/x-www-form-urlencoded", status: 415, want: "Content-Type"},
	"a compressed body":        {body: `x`, encoding: "gzip", status: 415, want: "Content-Encoding"},
}

// sendHostile sends one of them and says what was wrong with the answer.
func sendHostile(ctx context.Context, url, name string) error {
	h := hostile[name]
	r := request{path: h.path, body: h.body, headers: map[string]string{"Content-Type": "application/json"}}
	if r.path == "" {
		r.path = "/api/v1/agents/a"
	}
	if h.contentType != "" {
		r.headers["Content-Type"] = h.contentType
	}
	if h.encoding != "" {
		r.headers["Content-Encoding"] = h.encoding
	}
	answer, err := r.to(ctx, url)
	if err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	if answer.status != h.status || !strings.Contains(answer.body, h.want) || len(answer.body) > 1000 {
		return fmt.Errorf("%s: %v, want %d and a text with %q", name, answer, h.status, h.want)
	}
	return nil
}

func TestHostileReportsAreRefusedInBoundedMemoryAndLeaveNoTrace(t *testing.T) {
	sideBySide(t)
	etcd := startEtcd(t)
	s := serve(t, in(etcd), expecting(t, agent{name: "a"})).ready()
	names := slices.Sorted(maps.Keys(hostile))
	send := func(name string) {
		if err := sendHostile(t.Context(), s.url, name); err != nil {
			t.Error(err)
		}
	}
	for _, name := range names {
		send(name)
	}
	before := s.residentMiB()
	const rounds = 20
	together(8, func(i int) {
		for n := i; n < rounds*len(names); n += 8 {
			send(names[n%len(names)])
		}
	})
	if t.Failed() {
		return
	}
	// The race detector multiplies what everything takes.
	if after := s.residentMiB(); after > before+300 {
		t.Errorf("the server had %d MiB, and has %d after %d hostile requests", before, after, rounds*len(names))
	}
	left, err := etcd.Client(t).Get(t.Context(), "netchecker/agents/", clientv3.WithPrefix(), clientv3.WithKeysOnly())
	if err != nil || len(left.Kvs) > 0 {
		t.Errorf("etcd has %v, %v", left.Kvs, err)
	}
	if metrics := s.get("/metrics").body; strings.Contains(metrics, "ncagent_") {
		t.Errorf("there are series of agents:\n%s", metrics)
	}
	if answer := s.get("/api/v1/agents/"); answer.body != "{}" {
		t.Errorf("there are entries: %v", answer)
	}
}

func TestASlowSenderIsToldSoAndHoldsUpNobody(t *testing.T) {
	sideBySide(t)
	a := agent{name: "a"}
	s := serve(t, ownEtcd(t), expecting(t, a)).ready()
	conn, _ := begin(t, s, a.report(1))
	s.takes(a.report(2))
	response, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		t.Fatalf("no answer: %v", err)
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil || response.StatusCode != http.StatusRequestTimeout || string(text) != "body: did not arrive within 10s\n" {
		t.Errorf("%s %q, %v", response.Status, text, err)
	}
}

func TestManySlowClientsKeepNobodyFromReporting(t *testing.T) {
	sideBySide(t)
	a := agent{name: "a"}
	s := serve(t, ownEtcd(t), expecting(t, a)).ready()
	for range 500 {
		conn, err := net.Dial("tcp", strings.TrimPrefix(s.url, "http://"))
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		if _, err := io.WriteString(conn, "POST /api/v1/agents/a HTTP/1.1\r\nHost: netchecker\r\nContent-Length: 1048576\r\n\r\n{"); err != nil {
			t.Fatal(err)
		}
	}
	began := time.Now()
	s.takes(a.report(1))
	s.becomes(checkPath, 200, allWell(1))
	if took := time.Since(began); took > 4*time.Second {
		t.Errorf("a report took %v", took)
	}
}
