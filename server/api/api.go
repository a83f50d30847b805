// Package api is the server's HTTP: routes, what a request may cost, and the
// words of every answer. It knows neither etcd nor Kubernetes: reports go to a
// Taker, and every reader gets the judge's newest Snapshot, so that no request
// but a report waits for anything.
//
// The paths, bodies and texts are those of the original k8s-netchecker server,
// which people's scripts depend on; openapi.yaml describes them all.
package api

import (
	"context"
	_ "embed"
	"net/http"
	"strings"
	"time"

	"github.com/gorilla/mux"
	"golang.org/x/sync/semaphore"

	"github.com/netchecker/netchecker/server/judge"
)

// Taker takes reports in. A nil error means that the report is durable.
type Taker interface {
	Accept(ctx context.Context, pod string, body []byte) error
}

// Verdicts gives the newest Snapshot, never nil.
type Verdicts interface {
	Snapshot() *judge.Snapshot
}

// Observer is told of every request that was answered.
type Observer interface {
	Request(route string, code int, took time.Duration)
}

// Config is what the API needs.
type Config struct {
	Taker    Taker
	Verdicts Verdicts
	Observer Observer
	// MaxBody bounds a report, in bytes.
	MaxBody int64
	// BodyWithin bounds how long a report's body may take to arrive.
	BodyWithin time.Duration
	// Unavailable says of a Taker's error that it passes, so that the agent should
	// send again.
	Unavailable func(error) bool
	// Health serves /healthz, Ready /readyz and what is below it, Metrics /metrics.
	Health, Ready, Metrics http.Handler
}

// route is one row of the table of all that is served.
type route struct {
	// name is the route's label in metrics.
	name   string
	method string
	path   string
	handle http.HandlerFunc
}

//go:embed openapi.yaml
var openapi []byte

// bodiesInFlight bounds the memory of large reports that are being read at the
// same time, in bytes. Ordinary ones do not count (see smallBody).
const bodiesInFlight = 64 << 20

type server struct {
	Config
	bodies *semaphore.Weighted
}

// New returns the handler of everything that the server serves.
func New(cfg Config) http.Handler {
	s := &server{Config: cfg, bodies: semaphore.NewWeighted(max(bodiesInFlight, cfg.MaxBody))}
	r := mux.NewRouter().SkipClean(true).UseEncodedPath()
	r.NotFoundHandler = s.observed("other", notFound)
	r.MethodNotAllowedHandler = s.observed("other", methodNotAllowed(s.routes()))
	for _, rt := range s.routes() {
		methods := []string{rt.method}
		if rt.method == http.MethodGet {
			methods = append(methods, http.MethodHead)
		}
		r.Path(rt.path).Methods(methods...).Handler(s.observed(rt.name, rt.handle))
	}
	return r
}

func (s *server) routes() []route {
	const get, post = http.MethodGet, http.MethodPost
	return []route{
		{"index", get, "/", index},
		{"report", post, "/api/v1/agents/{name:.+}", s.report},
		{"agents", get, "/api/v1/agents/", s.agents},
		{"agents", get, "/api/v1/agents", toAgents},
		{"agent", get, "/api/v1/agents/{name:.+}", s.agent},
		{"connectivity_check", get, "/api/v1/connectivity_check", s.check},
		{"ping", get, "/api/v1/ping", ping},
		{"metrics", get, "/metrics", s.Metrics.ServeHTTP},
		{"healthz", get, "/healthz", s.Health.ServeHTTP},
		{"healthz", get, "/healthz/{name}", s.Health.ServeHTTP},
		{"readyz", get, "/readyz", s.Ready.ServeHTTP},
		{"readyz", get, "/readyz/{name}", s.Ready.ServeHTTP},
		{"openapi", get, "/openapi.yaml", spec},
	}
}

const indexText = `netchecker: is the network between the nodes all right?

  GET  /api/v1/connectivity_check   the verdict: 200 all well, 400 not well, 503 cannot know
  GET  /api/v1/agents/              the newest report of each agent
  GET  /api/v1/agents/{pod}         that of one agent
  POST /api/v1/agents/{pod}         take a report in
  GET  /api/v1/ping                 200, empty
  GET  /metrics                     for Prometheus
  GET  /healthz  /readyz            add ?verbose to see each check
  GET  /openapi.yaml                all of this, described
`

func index(w http.ResponseWriter, _ *http.Request) {
	plain(w, http.StatusOK, strings.TrimSuffix(indexText, "\n"))
}

func ping(w http.ResponseWriter, _ *http.Request) {
	w.WriteHeader(http.StatusOK)
}

func spec(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "application/yaml")
	_, _ = w.Write(openapi)
}

func notFound(w http.ResponseWriter, _ *http.Request) {
	plain(w, http.StatusNotFound, "Nothing is served here; GET / lists what is")
}

// pathOf is a route's path alone, to find out which methods a path has.
type pathOf struct {
	method string
	path   *mux.Route
}

// methodNotAllowed answers with the methods that the path has.
func methodNotAllowed(routes []route) http.HandlerFunc {
	var paths []pathOf
	for _, rt := range routes {
		paths = append(paths, pathOf{rt.method, mux.NewRouter().SkipClean(true).UseEncodedPath().Path(rt.path)})
	}
	return func(w http.ResponseWriter, r *http.Request) {
		var allowed []string
		for _, p := range paths {
			if p.path.Match(r, &mux.RouteMatch{}) {
				allowed = append(allowed, p.method)
			}
		}
		w.Header().Set("Allow", strings.Join(allowed, ", "))
		plain(w, http.StatusMethodNotAllowed, "The method should be "+strings.Join(allowed, " or "))
	}
}

// plain answers with a line of text.
func plain(w http.ResponseWriter, code int, text string) {
	h := w.Header()
	h.Set("Content-Type", "text/plain; charset=utf-8")
	h.Set("X-Content-Type-Options", "nosniff")
	w.WriteHeader(code)
	_, _ = w.Write([]byte(text + "\n"))
}

// answered is a ResponseWriter that remembers the status.
type answered struct {
	http.ResponseWriter
	code int
}

func (a *answered) WriteHeader(code int) {
	if a.code == 0 {
		a.code = code
	}
	a.ResponseWriter.WriteHeader(code)
}

// Unwrap lets http.ResponseController reach what is below.
func (a *answered) Unwrap() http.ResponseWriter { return a.ResponseWriter }

// observed tells the Observer of each request.
func (s *server) observed(name string, handle http.HandlerFunc) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		began := time.Now()
		a := answered{ResponseWriter: w}
		handle(&a, r)
		if a.code == 0 {
			a.code = http.StatusOK
		}
		s.Observer.Request(name, a.code, time.Since(began))
	})
}
