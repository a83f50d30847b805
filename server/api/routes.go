package api

import (
	"net/http"
	"strings"
	"time"

	"github.com/gorilla/mux"

	"github.com/netchecker/netchecker/pkg/serve"
)

// route is one row of the table of all that is served.
type route struct {
	// name is the route's label in metrics.
	name   string
	method string
	path   string
	handle http.HandlerFunc
}

// routes is that table. Of the rows whose paths fit a request, those of the first
// such path hold. The paths are tried one after another, by a regular expression each,
// so those come first that are asked for most.
func (s *server) routes() []route {
	const get, post = http.MethodGet, http.MethodPost
	return []route{
		{"report", post, "/api/v1/agents/{name}", s.report},
		{"agent", get, "/api/v1/agents/{name}", s.agent},
		{"ping", get, "/api/v1/ping", ping},
		{"connectivity_check", get, "/api/v1/connectivity_check", s.check},
		{"message", post, "/api/v1/agents/{name}/{kind}", s.message},
		{"index", get, "/", index},
		{"agents", get, "/api/v1/agents/", s.agents},
		{"agents", get, "/api/v1/agents", toAgents},
		// With slashes in it a name is nobody's, which its handlers say.
		{"report", post, "/api/v1/agents/{name:.+}", s.report},
		{"agent", get, "/api/v1/agents/{name:.+}", s.agent},
		{"intervals", get, "/api/v1/intervals", s.inTurn(s.intervals)},
		{"disruption", get, "/api/v1/disruption", s.inTurn(s.disruption)},
		{"synthetic_tests", get, "/api/v1/synthetic_tests", s.inTurn(s.syntheticTests)},
		{"mesh", get, "/api/v1/mesh", s.inTurn(s.mesh)},
		{"findings", get, "/api/v1/findings", s.inTurn(s.findings)},
		{"metrics", get, "/metrics", s.Metrics.ServeHTTP},
		{"healthz", get, "/healthz", s.Health.ServeHTTP},
		{"healthz", get, "/healthz/{name}", s.Health.ServeHTTP},
		{"readyz", get, "/readyz", s.Ready.ServeHTTP},
		{"readyz", get, "/readyz/{name}", s.Ready.ServeHTTP},
		{"openapi", get, "/openapi.yaml", spec},
	}
}

// router has handlers find what the path says by name as PathValues of their request.
type router struct{ *mux.Router }

// ServeHTTP implements http.Handler. That of mux copies each request twice to tell of the path.
func (rt router) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	var match mux.RouteMatch
	rt.Match(r, &match) // else NotFoundHandler
	for name, value := range match.Vars {
		r.SetPathValue(name, value)
	}
	match.Handler.ServeHTTP(w, r)
}

// router serves each path by the handlers of its methods.
func (s *server) router() http.Handler {
	r := mux.NewRouter().SkipClean(true).UseEncodedPath()
	r.NotFoundHandler = s.observed("other", notFound)
	paths := map[string]*methods{}
	for _, rt := range s.routes() {
		m := paths[rt.path]
		if m == nil {
			m = &methods{}
			m.other = s.observed("other", m.notAllowed)
			paths[rt.path] = m
			r.Path(rt.path).Handler(m)
		}
		m.names = append(m.names, rt.method)
		m.handlers = append(m.handlers, s.observed(rt.name, rt.handle))
	}
	return router{r}
}

// methods are what one path has.
type methods struct {
	names    []string
	handlers []http.Handler
	other    http.Handler
}

func (m *methods) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	for i, name := range m.names {
		if r.Method == name || r.Method == http.MethodHead && name == http.MethodGet {
			m.handlers[i].ServeHTTP(w, r)
			return
		}
	}
	m.other.ServeHTTP(w, r)
}

// notAllowed answers with the methods that the path has.
func (m *methods) notAllowed(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Allow", strings.Join(m.names, ", "))
	plain(w, http.StatusMethodNotAllowed, "The method should be "+strings.Join(m.names, " or "))
}

// observed tells the Observer of each request.
func (s *server) observed(name string, handle http.HandlerFunc) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		began := time.Now()
		a := serve.Remember(w)
		handle(a, r)
		code := a.Status()
		if code == 0 {
			code = http.StatusOK
		}
		s.Observer.Request(name, code, time.Since(began))
	})
}
