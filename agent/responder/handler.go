// Package responder is what the agent itself answers, on a port of its own: is
// its loop turning (/healthz), did the server take its last report (/readyz),
// and its metrics (/metrics). An agent whose port is taken does its work without.
package responder

import (
	"net/http"

	"github.com/netchecker/netchecker/pkg/health"
)

// Handler serves the agent's own port. The sets and the metrics stay the
// caller's.
func Handler(live, ready *health.Set, m *Metrics) http.Handler {
	mux := http.NewServeMux()
	for path, set := range map[string]*health.Set{"/healthz": live, "/readyz": ready} {
		mux.Handle(path, set.Handler(path))
		mux.Handle(path+"/", set.Handler(path))
	}
	mux.Handle("GET /metrics", m.handler())
	return mux
}
