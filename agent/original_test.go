package main

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"
)

// originalReport is the payload as the original k8s-netchecker server declares
// it (v1.2); it decodes with encoding/json and gives 500 for what does not fit.
type originalReport struct {
	ReportInterval int                 `json:"report_interval"`
	NodeName       string              `json:"nodename"`
	PodName        string              `json:"podname"`
	HostDate       time.Time           `json:"hostdate"`
	Uptime         uint64              `json:"uptime"`
	LastUpdated    time.Time           `json:"last_updated"`
	LookupHost     map[string][]string `json:"nslookup"`
	NetworkProbes  []originalProbe     `json:"network_probes"`
	IPs            map[string][]string `json:"ips"`
	ZeroExtender   []int8              `json:"zero_extender"`
}

type originalProbe struct {
	URL              string
	ConnectionResult int
	HTTPCode         int
	Total            int
	ContentTransfer  int
	TCPConnection    int
	DNSLookup        int
	Connect          int
	ServerProcessing int
}

// received is a report as it arrived.
type received struct {
	originalReport
	path, contentType string
	body              []byte
	at                time.Time
}

// originalServer behaves as the original one does.
type originalServer struct {
	*httptest.Server
	mu   sync.Mutex
	list []received
	bad  []string
}

func newOriginalServer(t *testing.T) *originalServer {
	t.Helper()
	s := &originalServer{}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /api/v1/ping", func(http.ResponseWriter, *http.Request) {})
	mux.HandleFunc("GET /hang", func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() })
	mux.HandleFunc("POST /api/v1/agents/{name}", s.report)
	s.Server = httptest.NewServer(mux)
	t.Cleanup(s.Close)
	return s
}

func (s *originalServer) report(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	got := received{path: r.URL.Path, contentType: r.Header.Get("Content-Type"), body: body, at: time.Now()}
	err := json.Unmarshal(body, &got.originalReport)
	s.mu.Lock()
	defer s.mu.Unlock()
	if err != nil {
		s.bad = append(s.bad, err.Error())
		http.Error(w, "Error while unmarshaling data. Details: "+err.Error(), http.StatusInternalServerError)
		return
	}
	s.list = append(s.list, got)
}

// reports waits until there are n, for at most d.
func (s *originalServer) reports(t *testing.T, n int, d time.Duration) []received {
	t.Helper()
	for end := time.Now().Add(d); ; time.Sleep(5 * time.Millisecond) {
		s.mu.Lock()
		list, bad := s.list, s.bad
		s.mu.Unlock()
		if len(bad) > 0 {
			t.Fatalf("the original server could not read a report: %s", bad[0])
		}
		if len(list) >= n {
			return list
		}
		if time.Now().After(end) {
			t.Fatalf("%d of %d reports arrived in %v", len(list), n, d)
		}
	}
}

func (s *originalServer) endpoint() string { return s.Listener.Addr().String() }
