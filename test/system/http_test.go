package system_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/netchecker/netchecker/test/eventually"
)

// client connects anew for each request, as servers come and go, and does not
// say so, as agents don't.
var client = &http.Client{
	Transport:     &http.Transport{MaxIdleConnsPerHost: -1},
	CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
}

// request is one to a server; the method is POST where there is a body.
type request struct {
	path, body string
	headers    map[string]string
}

// answer is a response, read.
type answer struct {
	status int
	body   string
	header http.Header
	took   time.Duration
}

func (a answer) String() string { return fmt.Sprintf("%d %q", a.status, a.body) }

// to sends r to the server at url and reads the answer.
func (r request) to(ctx context.Context, url string) (answer, error) {
	method := http.MethodGet
	if r.body != "" {
		method = http.MethodPost
	}
	req, err := http.NewRequestWithContext(ctx, method, url+r.path, strings.NewReader(r.body))
	if err != nil {
		return answer{}, err
	}
	for name, value := range r.headers {
		req.Header.Set(name, value)
	}
	began := time.Now()
	response, err := client.Do(req)
	if err != nil {
		return answer{}, err
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		return answer{}, err
	}
	return answer{response.StatusCode, string(body), response.Header, time.Since(began)}, nil
}

// patience is how long a test waits for one answer.
const patience = 30 * time.Second

// ask sends a request that must be answered.
func (s *server) ask(r request) answer {
	s.tb.Helper()
	ctx, cancel := context.WithTimeout(s.tb.Context(), patience)
	defer cancel()
	a, err := r.to(ctx, s.url)
	if err != nil {
		s.tb.Fatal(err)
	}
	return a
}

func (s *server) get(path string) answer {
	s.tb.Helper()
	return s.ask(request{path: path})
}

// checkPath is that of the one question.
const checkPath = "/api/v1/connectivity_check"

func (s *server) check() answer {
	s.tb.Helper()
	return s.get(checkPath)
}

// agents are the entries of /api/v1/agents/.
func (s *server) agents() map[string]record {
	s.tb.Helper()
	a := s.get("/api/v1/agents/")
	entries := map[string]record{}
	if err := json.Unmarshal([]byte(a.body), &entries); err != nil {
		s.tb.Fatalf("/api/v1/agents/: %v: %v", a, err)
	}
	return entries
}

// record is what tests read of an entry.
type record struct {
	PodName     string `json:"podname"`
	NodeName    string `json:"nodename"`
	Namespace   string `json:"namespace"`
	HostDate    string `json:"hostdate"`
	LastUpdated string `json:"last_updated"`
	Uptime      uint64 `json:"uptime"`
	Interval    int64  `json:"report_interval"`
}

// metric is the value of a series, written as in the text format; false where
// there is no such series.
func (s *server) metric(series string) (float64, bool) {
	s.tb.Helper()
	for line := range strings.Lines(s.get("/metrics").body) {
		if text, ok := strings.CutPrefix(line, series+" "); ok {
			value, err := strconv.ParseFloat(strings.TrimSpace(text), 64)
			if err != nil {
				s.tb.Fatalf("%s: %v", line, err)
			}
			return value, true
		}
	}
	return 0, false
}

// becomes waits until the path is answered so; body "" means whatever body.
func (s *server) becomes(path string, status int, body string) answer {
	s.tb.Helper()
	var a answer
	eventually.Nil(s.tb, func() error {
		a = s.get(path)
		if a.status != status || body != "" && a.body != body {
			return fmt.Errorf("%s: %v, want %d %q", path, a, status, body)
		}
		return nil
	})
	return a
}

// metricBecomes waits until a series has that value.
func (s *server) metricBecomes(series string, value float64) {
	s.tb.Helper()
	eventually.Nil(s.tb, func() error {
		if v, ok := s.metric(series); !ok || v != value {
			return fmt.Errorf("%s is %v (there: %t), want %v", series, v, ok, value)
		}
		return nil
	})
}

// ready waits until the server has all that it needs, and has judged by it.
func (s *server) ready() *server {
	s.tb.Helper()
	s.becomes("/readyz", http.StatusOK, "ok")
	s.becomes("/api/v1/agents/", http.StatusOK, "")
	return s
}

// The answers of the connectivity check.

func allWell(agents int) string {
	return fmt.Sprintf(`{"Message":"All %d pods successfully reported back to the server","Absent":null,"Outdated":null}`, agents)
}

const failingHead = `{"Message":"Connectivity check fails. Reason: there are absent or outdated pods; look up the payload",`

func outdated(names ...string) string {
	return failingHead + `"Absent":null,"Outdated":` + list(names) + `}`
}

func absent(names ...string) string {
	return failingHead + `"Absent":` + list(names) + `,"Outdated":null}`
}

func starting(names ...string) string {
	return failingHead + `"Absent":` + list(names) + `,"Outdated":null,"Starting":` + list(names) + `}`
}

func list(names []string) string {
	slices.Sort(names)
	return `["` + strings.Join(names, `","`) + `"]`
}

// unknownHead begins each answer that says that nothing can be known.
const unknownHead = "Error occurred while checking the agents. Details: "

// names says whether an answer says some text, as an error where it does not.
func names(a answer, text string) error {
	if !strings.Contains(a.body, text) {
		return fmt.Errorf("%v does not say %q", a, text)
	}
	return nil
}

func wantTaken(a answer) error { return wantStatus(a, http.StatusOK) }

func wantStatus(a answer, status int) error {
	if a.status != status {
		return fmt.Errorf("the answer is %v, want %d", a, status)
	}
	return nil
}
