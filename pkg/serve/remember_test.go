package serve

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"testing"
)

func TestAnAnswersStatusIsRemembered(t *testing.T) {
	for _, row := range []struct {
		name   string
		handle http.HandlerFunc
		want   int
	}{
		{"none yet", func(http.ResponseWriter, *http.Request) {}, 0},
		{"one that was set", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(404); _, _ = w.Write([]byte("x")) }, 404},
		{"what is written without one", func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(nil) }, 200},
		{"what is flushed without one", func(w http.ResponseWriter, _ *http.Request) { w.(http.Flusher).Flush() }, 200},
		{"what comes before the answer is none", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(103) }, 0},
		{"nor does it hide the answer", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(103); w.WriteHeader(204) }, 204},
	} {
		a := Remember(httptest.NewRecorder())
		row.handle(a, nil)
		if a.Status() != row.want {
			t.Errorf("%s: %d, want %d", row.name, a.Status(), row.want)
		}
		if Remember(a) != a {
			t.Errorf("%s: it is remembered twice", row.name)
		}
	}
}

func TestHandlersAreGivenAnswersThatRemember(t *testing.T) {
	s := start(t, Config{Name: "API", Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, is := w.(*Answer)
		fmt.Fprint(w, is)
	})})
	if _, body, err := fetch(newClient(t), s.url()); err != nil || body != "true" {
		t.Errorf("got %q, %v", body, err)
	}
}
