package health

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"testing"
	"testing/synctest"
	"time"
)

// takes is a check that answers err after d, or when its context ends.
func takes(name string, d time.Duration, err error) Check {
	return Check{Name: name, Run: func(ctx context.Context) error {
		select {
		case <-time.After(d):
			return err
		case <-ctx.Done():
			return ctx.Err()
		}
	}}
}

func get(h http.Handler, target string) *httptest.ResponseRecorder {
	return request(h, http.MethodGet, target)
}

func request(h http.Handler, method, target string) *httptest.ResponseRecorder {
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequest(method, target, nil))
	return w
}

func closeSet(t *testing.T, s *Set) {
	t.Helper()
	if err := s.Close(); err != nil {
		t.Errorf("Close: %v", err)
	}
}

func TestAnswers(t *testing.T) {
	etcdHangs := takes("etcd", time.Hour, nil)
	etcdWell := takes("etcd", 3*time.Millisecond, nil)
	podsWell := takes("pods", 0, nil)
	podsFail := takes("pods", 40*time.Millisecond, errors.New("never read:\n403 Forbidden"))

	for _, row := range []struct {
		name   string
		checks []Check
		target string
		code   int
		body   string
	}{
		{"all well", []Check{etcdWell, podsWell}, "/readyz", 200, "ok"},
		{"a slash at the end", []Check{etcdWell}, "/readyz/", 200, "ok"},
		{"nothing to check", nil, "/readyz", 200, "ok"},
		{"all well, verbose", []Check{etcdWell, podsWell}, "/readyz?verbose", 200,
			"[+]etcd ok (3ms)\n[+]pods ok (0s)\nreadyz check passed\n"},
		{"one fails", []Check{etcdWell, podsFail}, "/readyz", 503,
			"[-]pods failed (40ms): never read: 403 Forbidden\n"},
		{"one fails, verbose", []Check{etcdWell, podsFail}, "/readyz?verbose", 503,
			"[+]etcd ok (3ms)\n[-]pods failed (40ms): never read: 403 Forbidden\nreadyz check failed\n"},
		{"one hangs", []Check{etcdHangs, podsWell}, "/readyz", 503,
			"[-]etcd failed (2s): no answer within 2s\n"},
		{"one of them", []Check{etcdHangs, podsWell}, "/readyz/pods", 200, "ok"},
		{"one of them, failed", []Check{etcdWell, podsFail}, "/readyz/pods", 503,
			"[-]pods failed (40ms): never read: 403 Forbidden\n"},
		{"one of them, verbose", []Check{etcdWell, podsFail}, "/readyz/etcd?verbose=1", 200,
			"[+]etcd ok (3ms)\nreadyz check passed\n"},
		{"a panic", []Check{{"pods", func(context.Context) error { panic("nil map") }}}, "/readyz", 503,
			"[-]pods failed (0s): panicked: nil map\n"},
		{"an unknown name", []Check{etcdHangs, podsWell}, "/readyz/dns", 404,
			"there is no check \"dns\"; there are /readyz, /readyz/etcd, /readyz/pods\n"},
		{"a path below a name", []Check{podsWell}, "/readyz/pods/x", 404,
			"there is no check \"pods/x\"; there are /readyz, /readyz/pods\n"},
		{"another path", []Check{podsWell}, "/readyzpods", 404,
			"there is no check \"pods\"; there are /readyz, /readyz/pods\n"},
	} {
		t.Run(row.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := New(0, row.checks...)
				defer closeSet(t, s)
				w := get(s.Handler("/readyz"), row.target)
				if w.Code != row.code || w.Body.String() != row.body {
					t.Errorf("got %d %q, want %d %q", w.Code, w.Body, row.code, row.body)
				}
			})
		})
	}
}

func TestAnswersAreTextThatNobodyKeeps(t *testing.T) {
	s := New(0, takes("pods", 0, nil))
	defer closeSet(t, s)
	for _, target := range []string{"/healthz", "/healthz/none"} {
		w := get(s.Handler("/healthz"), target)
		for header, want := range map[string]string{
			"Content-Type":           "text/plain; charset=utf-8",
			"X-Content-Type-Options": "nosniff",
			"Cache-Control":          "no-store",
		} {
			if got := w.Header().Get(header); got != want {
				t.Errorf("%s: %s is %q, want %q", target, header, got, want)
			}
		}
	}
}

func TestOnlyReadingMethodsAreTaken(t *testing.T) {
	s := New(0, takes("pods", 0, nil))
	defer closeSet(t, s)
	h := s.Handler("/healthz")
	if w := request(h, http.MethodHead, "/healthz"); w.Code != http.StatusOK {
		t.Errorf("HEAD: got %d, want 200", w.Code)
	}
	for _, method := range []string{http.MethodPost, http.MethodPut, http.MethodDelete, http.MethodOptions} {
		w := request(h, method, "/healthz")
		if w.Code != http.StatusMethodNotAllowed || w.Header().Get("Allow") != "GET, HEAD" {
			t.Errorf("%s: got %d, Allow %q", method, w.Code, w.Header().Get("Allow"))
		}
	}
}
