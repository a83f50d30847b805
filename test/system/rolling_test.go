//go:build rolling

package system_test

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"reflect"
	"strings"
	"sync"
	"testing"

	"github.com/netchecker/netchecker/test/eventually"
	"github.com/netchecker/netchecker/test/process"
	"github.com/netchecker/netchecker/test/tools"
)

// release is the programs of one release.
type release struct {
	name, server, agent string
	// earlier says that it is the one of the history.
	earlier bool
	// hides are the keys, of those that the earlier release does not know, which its
	// server shows nobody.
	hides []string
}

// bothReleases are that which test/tools builds from the history, and this tree.
func bothReleases(t *testing.T) (earlier, present release) {
	t.Helper()
	path := func(name string) string {
		t.Helper()
		program, err := tools.Path(name)
		if err != nil {
			t.Fatal(err)
		}
		return program
	}
	// The earlier release shows whatever is stored under the keys that it knows.
	hides := []string{"clock_ms", "understands", "boot_id", "booted", "mesh", "disruption"}
	earlier = release{"the release", path("released-server"), path("released-agent"), true, hides}
	return earlier, release{"this tree", serverProgram, agentProgram, false, append(hides, "pod_uid")}
}

// wantHidden fails t where a list of agents shows what the release hides.
func (r release) wantHidden(t *testing.T, list string) {
	t.Helper()
	for _, key := range r.hides {
		if strings.Contains(list, `"`+key+`":`) {
			t.Errorf("%s shows %s: %s", r.name, key, list)
		}
	}
}

// serve is serve for a server of that release.
func (r release) serve(t *testing.T, sets ...flags) *server {
	t.Helper()
	return serveAs(t, process.Spec{Path: r.server}, sets...)
}

// addedKeys are those that the one release or the other shows, where the earlier one
// does not know them.
var addedKeys = []string{"pod_uid", "delivery"}

// presentReport is a report with all keys of this release.
func (a agent) presentReport(uptime uint64) request {
	r := a.report(uptime)
	r.body = strings.TrimSuffix(r.body, "}") + `,"namespace":"default","network":"pod","addresses":["10.0.0.2"],` +
		`"pod_uid":"0c5e0c0e-8f7f-4d8e-9a53-5f6f5b3c2f11","boot_id":"0123456789abcdef","clock_ms":86400001,"understands":{"peers":"v1"},` +
		`"delivery":{"lookup_ms":1001,"lookup_error":"no answer within 1s"},` +
		`"disruption":{"as_of_ms":86400000,"open":[{"id":1,"backend":"netchecker-service","connection":"new","level":"Info","from_ms":0}]},` +
		`"mesh":{"as_of_ms":86400000,"sessions":[[1,7,0,0,86300000,100]]}}`
	return r
}

// said is what a server says of all agents, and of their counters.
type said struct {
	check    string
	agents   map[string]map[string]any
	counters map[string]string
}

// says asks for all of that, and leaves out addedKeys.
func (s *server) says() said {
	s.tb.Helper()
	got := said{check: s.check().String(), agents: map[string]map[string]any{}, counters: map[string]string{}}
	list := s.get("/api/v1/agents/")
	if err := json.Unmarshal([]byte(list.body), &got.agents); err != nil {
		s.tb.Fatalf("/api/v1/agents/: %v: %v", list, err)
	}
	for _, entry := range got.agents {
		for _, key := range addedKeys {
			delete(entry, key)
		}
	}
	for line := range strings.Lines(s.get("/metrics").body) {
		series, value, _ := strings.Cut(strings.TrimSpace(line), "} ")
		if strings.HasPrefix(series, reportCount+"{") || strings.HasPrefix(series, errorCount+"{") {
			got.counters[series+"}"] = value
		}
	}
	return got
}

// agree waits until servers say the same, and returns what.
func agree(t *testing.T, servers ...*server) said {
	t.Helper()
	var first said
	eventually.Nil(t, func() error {
		first = servers[0].says()
		for _, s := range servers[1:] {
			if other := s.says(); !reflect.DeepEqual(other, first) {
				return fmt.Errorf("one server says\n%+v\nand another\n%+v", first, other)
			}
		}
		return nil
	})
	return first
}

// service gives each request to the next of its servers, as a Service of
// Kubernetes does, and counts the reports that were taken.
type service struct {
	url string

	mu      sync.Mutex
	servers []*url.URL
	turn    int
	taken   map[string]int
}

func newService(t *testing.T, servers ...*server) *service {
	t.Helper()
	s := &service{taken: map[string]int{}}
	s.is(t, servers...)
	proxy := &httputil.ReverseProxy{
		Transport:      client.Transport,
		Rewrite:        func(r *httputil.ProxyRequest) { r.SetURL(s.next()) },
		ModifyResponse: s.count,
	}
	front := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		// An agent that is stopped takes back no report that is on its way.
		proxy.ServeHTTP(w, r.WithContext(context.WithoutCancel(r.Context())))
	}))
	t.Cleanup(front.Close)
	s.url = front.URL
	return s
}

// is names the servers from now on.
func (s *service) is(t *testing.T, servers ...*server) {
	t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.servers = nil
	for _, to := range servers {
		u, err := url.Parse(to.url)
		if err != nil {
			t.Fatal(err)
		}
		s.servers = append(s.servers, u)
	}
}

func (s *service) next() *url.URL {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.turn++
	return s.servers[s.turn%len(s.servers)]
}

func (s *service) count(r *http.Response) error {
	if r.Request.Method == http.MethodPost && r.StatusCode == http.StatusOK {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.taken[r.Request.URL.Path]++
	}
	return nil
}

// counts waits until a server has counted each report that was taken once.
func (s *service) counts(t *testing.T, by *server, agents ...agent) {
	t.Helper()
	eventually.Nil(t, func() error {
		s.mu.Lock()
		taken := maps.Clone(s.taken)
		s.mu.Unlock()
		for _, a := range agents {
			if counted, _ := by.metric(a.series(reportCount)); counted != float64(taken[a.path()]) || counted == 0 {
				return fmt.Errorf("%v reports of %s are counted, %d were taken", counted, a.name, taken[a.path()])
			}
		}
		return nil
	})
}
