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

	"golang.org/x/sync/semaphore"

	"github.com/netchecker/netchecker/server/judge"
)

// Taker takes in what agents send. A nil error means that it is durable. body is the
// caller's again when the call returns.
type Taker interface {
	// Accept takes the report of that pod. The reply is what to answer, as JSON; empty
	// where there is nothing to say.
	Accept(ctx context.Context, pod string, body []byte) (reply []byte, err error)
	// AcceptMessage takes what that pod sends beside its report, and read returns, whose
	// error it passes on. The error is an *intake.UnknownKindError where there are no
	// messages of the kind.
	AcceptMessage(ctx context.Context, pod, kind string, read func() ([]byte, error)) error
}

// Snapshots gives the newest Snapshot, never nil.
type Snapshots interface {
	Snapshot() *judge.Snapshot
}

// Observer is told of every request that was answered.
type Observer interface {
	Request(route string, code int, took time.Duration)
}

// Config is what the API needs.
type Config struct {
	Taker     Taker
	Snapshots Snapshots
	History   History
	Backends  Backends
	Paths     Paths
	Findings  Findings
	Observer  Observer
	// StaleAfter is how old the list of pods may be before answers say so.
	StaleAfter time.Duration
	// MaxBody bounds a report, in bytes.
	MaxBody int64
	// BodyWithin bounds how long a report's body may take to arrive.
	BodyWithin time.Duration
	// Unavailable says of a Taker's error that it passes, so that the agent should
	// send again.
	Unavailable func(error) bool
	// Now is the wall clock.
	Now func() time.Time
	// Health serves /healthz, Ready /readyz and what is below it, Metrics /metrics.
	Health, Ready, Metrics http.Handler
}

//go:embed openapi.yaml
var openapi []byte

type server struct {
	Config
	answers answerer
	// bodies is the memory that large bodies may take, in bytes.
	bodies *semaphore.Weighted
	// turns has room for the questions about the history that are being answered.
	turns  chan struct{}
	tables tables
}

// New returns the handler of everything that the server serves.
func New(cfg Config) http.Handler { return newServer(cfg).router() }

func newServer(cfg Config) *server {
	return &server{
		Config:  cfg,
		answers: answerer{staleAfter: cfg.StaleAfter},
		bodies:  semaphore.NewWeighted(max(bodiesInFlight, roomFor(cfg.MaxBody))),
		turns:   make(chan struct{}, atOnce),
		tables:  newTables(),
	}
}

const indexText = `netchecker: is the network between the nodes all right?

  GET  /api/v1/connectivity_check    the verdict: 200 all well, 400 not well, 503 cannot know; ?starting=ok&findings=ok
  GET  /api/v1/agents/               the newest report of each agent
  GET  /api/v1/agents/{pod}          that of one agent
  POST /api/v1/agents/{pod}          take a report in
  POST /api/v1/agents/{pod}/{kind}   take a message in that is no report
  GET  /api/v1/disruption            how long backends were disrupted; ?from=-1h&to=
  GET  /api/v1/intervals             when, for whom, and why
  GET  /api/v1/synthetic_tests       were they available in a stretch of time; ?from=-1h&format=junit
  GET  /api/v1/mesh                  the paths between nodes, or zones; ?by=node or zone, ?node=NAME
  GET  /api/v1/findings              what is broken, and where; past ones with ?from=-1h
  GET  /api/v1/ping                  200, empty
  GET  /metrics                      for Prometheus
  GET  /healthz  /readyz             add ?verbose to see each check
  GET  /openapi.yaml                 all of this, described
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

// plain answers with a line of text.
func plain(w http.ResponseWriter, code int, text string) {
	h := w.Header()
	h.Set("Content-Type", "text/plain; charset=utf-8")
	h.Set("X-Content-Type-Options", "nosniff")
	w.WriteHeader(code)
	_, _ = w.Write([]byte(text + "\n"))
}
