package main

import (
	"bytes"
	"context"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/netchecker/netchecker/pkg/cli"
)

// answering serves those answers in order, the last one again and again.
func answering(t *testing.T, answers ...func(http.ResponseWriter)) *httptest.Server {
	t.Helper()
	var n atomic.Int64
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if got := r.URL.String(); got != "/api/v1/connectivity_check?starting=ok" {
			t.Errorf("asked for %s", got)
		}
		answers[min(int(n.Add(1)), len(answers))-1](w)
	}))
	t.Cleanup(s.Close)
	return s
}

func says(code int, body string) func(http.ResponseWriter) {
	return func(w http.ResponseWriter) {
		w.WriteHeader(code)
		_, _ = w.Write([]byte(body))
	}
}

func questionTo(s *httptest.Server, within time.Duration) question {
	q := newQuestion(Options{Check: s.URL + "/"})
	q.within, q.every = within, time.Millisecond
	return q
}

const well = `{"Message":"All 6 pods successfully reported back to the server","Absent":null,"Outdated":null}`

func TestCheckAsksUntilAllIsWell(t *testing.T) {
	s := answering(t, says(503, "Error occurred"), says(400, "{}"), says(200, well))
	var out bytes.Buffer
	if err := questionTo(s, time.Minute).ask(t.Context(), &out); err != nil || out.String() != well+"\n" {
		t.Errorf("%v, %q", err, &out)
	}
}

func TestCheckThatIsNotWellInTimeIsAnErrorWithTheLastAnswer(t *testing.T) {
	s := answering(t, says(400, `{"Absent":["p"]}`))
	var out bytes.Buffer
	err := questionTo(s, 0).ask(t.Context(), &out)
	want := "not well within 0s: " + s.URL + `/api/v1/connectivity_check?starting=ok answers 400 Bad Request: {"Absent":["p"]}`
	if err == nil || err.Error() != want || out.Len() > 0 {
		t.Errorf("%v, %q, want %s", err, &out, want)
	}
}

func TestCheckTellsFindingsInLinesOfTheirOwn(t *testing.T) {
	const broken = `"Absent":null,"Outdated":null,"Findings":["n2: \"dead\"","n1: lossy","and 3 more"]}`
	const lines = "\nn2: \"dead\"\nn1: lossy\nand 3 more"
	var out bytes.Buffer
	if err := questionTo(answering(t, says(200, `{"Message":"All",`+broken)), 0).ask(t.Context(), &out); err != nil || out.String() != `{"Message":"All",`+broken+lines+"\n" {
		t.Errorf("%v, %s", err, &out)
	}
	s := answering(t, says(400, `{"Message":"fails",`+broken))
	want := "not well within 0s: " + s.URL + `/api/v1/connectivity_check?starting=ok answers 400 Bad Request: {"Message":"fails",` + broken + lines
	if err := questionTo(s, 0).ask(t.Context(), nil); err == nil || err.Error() != want {
		t.Errorf("%v\nwant %s", err, want)
	}
}

func TestCheckOfAServerThatIsNotThereIsAnError(t *testing.T) {
	s := answering(t)
	s.Close()
	if err := questionTo(s, 0).ask(t.Context(), nil); err == nil || !strings.Contains(err.Error(), "connection refused") {
		t.Error(err)
	}
}

func TestCheckEndsWithItsContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	s := answering(t, func(w http.ResponseWriter) { says(503, "")(w); cancel() })
	if err := questionTo(s, time.Hour).ask(ctx, nil); err == nil || !strings.Contains(err.Error(), "context canceled") {
		t.Error(err)
	}
}

func TestCheckNeedsNothingElseAndTellsByTheExitCode(t *testing.T) {
	for _, row := range []struct {
		answer func(http.ResponseWriter)
		code   int
	}{
		{says(200, well), cli.ExitOK},
		{says(400, "{}"), cli.ExitError},
	} {
		var o Options
		var out, errors bytes.Buffer
		args := []string{"-check", answering(t, row.answer).URL, "-check-within=0"}
		if code := command(&o).Run(t.Context(), args, &out, &errors); code != row.code {
			t.Errorf("exit code %d, want %d: %s", code, row.code, &errors)
		}
	}
}
