package health

import (
	"fmt"
	"net/http"
	"path"
	"strings"
	"time"
)

// Handler answers for the Set at the path base (such as /readyz) and for one
// check at base/{name}. Mount it at both. It takes GET and HEAD.
//
// When all is well it answers 200 and "ok", else 503 and a line for each check
// that failed: its name, how long it took, and why. With ?verbose it tells every
// check, in the form of Kubernetes' own /readyz?verbose. A name that is no check
// is answered 404, with the names that are.
func (s *Set) Handler(base string) http.Handler {
	base = strings.TrimSuffix(base, "/")
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		code, body := http.StatusOK, ""
		name, inside := cutBase(r.URL.Path, base)
		indices, known := s.find(name)
		switch {
		case r.Method != http.MethodGet && r.Method != http.MethodHead:
			w.Header().Set("Allow", "GET, HEAD")
			code, body = http.StatusMethodNotAllowed, "use GET or HEAD\n"
		case !inside || !known:
			code, body = http.StatusNotFound, s.unknown(base, name)
		default:
			code, body = render(path.Base(base), s.ask(r.Context(), indices), r.URL.Query().Has("verbose"))
		}
		answer(w, code, body)
	})
}

// cutBase returns what follows base in a URL's path, and whether the path is
// base or below it.
func cutBase(urlPath, base string) (name string, inside bool) {
	rest, found := strings.CutPrefix(urlPath, base)
	return strings.Trim(rest, "/"), found && (rest == "" || rest[0] == '/')
}

// find returns the indices of the checks of that name; no name means all.
func (s *Set) find(name string) (indices []int, known bool) {
	for i, c := range s.checks {
		if name == "" || name == c.Name {
			indices = append(indices, i)
		}
	}
	return indices, name == "" || indices != nil
}

func (s *Set) unknown(base, name string) string {
	names := make([]string, len(s.checks))
	for i, c := range s.checks {
		names[i] = base + "/" + c.Name
	}
	return fmt.Sprintf("there is no check %q; there are %s\n", name, strings.Join(append([]string{base}, names...), ", "))
}

// render says the results in the words of Kubernetes' health endpoints.
func render(title string, results []result, verbose bool) (code int, body string) {
	code, verdict := http.StatusOK, "passed"
	var b strings.Builder
	for _, r := range results {
		if r.err != nil {
			code, verdict = http.StatusServiceUnavailable, "failed"
			fmt.Fprintf(&b, "[-]%s failed (%v): %s\n", r.name, rounded(r.took), oneLine(r.err))
		} else if verbose {
			fmt.Fprintf(&b, "[+]%s ok (%v)\n", r.name, rounded(r.took))
		}
	}
	switch {
	case verbose:
		fmt.Fprintf(&b, "%s check %s\n", title, verdict)
	case code == http.StatusOK:
		b.WriteString("ok")
	}
	return code, b.String()
}

// rounded leaves what people want to read of a duration.
func rounded(d time.Duration) time.Duration {
	if d < time.Millisecond {
		return d.Round(time.Microsecond)
	}
	return d.Round(time.Millisecond)
}

// oneLine keeps a reason from looking like several checks.
func oneLine(err error) string { return strings.Join(strings.Fields(err.Error()), " ") }

func answer(w http.ResponseWriter, code int, body string) {
	h := w.Header()
	h.Set("Content-Type", "text/plain; charset=utf-8")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Cache-Control", "no-store")
	w.WriteHeader(code)
	// The only error is a client that left, and there is nobody else to tell.
	_, _ = w.Write([]byte(body))
}
