package serve

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"
)

// lines is a log that can be read back.
type lines struct {
	mu  sync.Mutex
	all []string
}

func (l *lines) add(line string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.all = append(l.all, line)
}

func (l *lines) take() []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	all := l.all
	l.all = nil
	return all
}

// startLogging starts a server whose panics are logged to the lines.
func startLogging(t *testing.T, h http.Handler) (life, *lines) {
	t.Helper()
	s, log := New(Config{Name: "API", Addr: "127.0.0.1:0", Handler: h}), &lines{}
	s.guard.panics.sink = log.add
	return run(t, s), log
}

func TestAPanicIsAnsweredAndLoggedOnceAndTheServerGoesOn(t *testing.T) {
	s, log := startLogging(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/bad" {
			panic("nil map")
		}
		fmt.Fprint(w, "ok")
	}))
	client := newClient(t)
	code, body, err := fetch(client, s.url()+"/bad")
	if err != nil || code != http.StatusInternalServerError || body != "internal error; the server's log has the details\n" {
		t.Errorf("got %d %q, %v", code, body, err)
	}
	logged := log.take()
	if len(logged) != 1 || !strings.HasPrefix(logged[0], "panic in GET \"/bad\": nil map\ngoroutine ") {
		t.Errorf("logged %q", logged)
	}
	if len(logged) == 1 && !strings.Contains(logged[0], "guard_test.go") {
		t.Errorf("the stack does not name the place: %s", logged[0])
	}
	if code, _, err := fetch(client, s.url()+"/good"); err != nil || code != http.StatusOK {
		t.Errorf("after the panic: got %d, %v", code, err)
	}
}

func TestAPanicInTheMiddleOfAnAnswerBreaksIt(t *testing.T) {
	for name, begin := range map[string]func(w http.ResponseWriter){
		"after some bytes": func(w http.ResponseWriter) { fmt.Fprint(w, strings.Repeat("x", 10<<10)) },
		"after a flush":    func(w http.ResponseWriter) { w.(http.Flusher).Flush() },
	} {
		t.Run(name, func(t *testing.T) {
			s, log := startLogging(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				begin(w)
				panic("half way")
			}))
			if code, body, err := fetch(newClient(t), s.url()); err == nil {
				t.Errorf("got %d and %d bytes as if they were all", code, len(body))
			}
			if n := len(log.take()); n != 1 {
				t.Errorf("logged %d times, want once", n)
			}
		})
	}
}

func TestAHandlerMayAbortItsAnswerWithoutALogLine(t *testing.T) {
	s, log := startLogging(t, http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
		panic(http.ErrAbortHandler)
	}))
	if _, _, err := fetch(newClient(t), s.url()); err == nil {
		t.Error("an aborted answer came through")
	}
	if logged := log.take(); logged != nil {
		t.Errorf("logged %q", logged)
	}
}

func TestHandlersMayExtendTheirDeadlines(t *testing.T) {
	s := start(t, Config{Name: "API", WriteTimeout: 20 * time.Millisecond, Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		if err := http.NewResponseController(w).SetWriteDeadline(time.Now().Add(10 * time.Second)); err != nil {
			t.Errorf("SetWriteDeadline: %v", err)
		}
		time.Sleep(40 * time.Millisecond)
		_, _ = io.WriteString(w, "in time")
	})})
	if _, body, err := fetch(newClient(t), s.url()); err != nil || body != "in time" {
		t.Errorf("got %q, %v", body, err)
	}
}

func TestAFloodIsLoggedInPart(t *testing.T) {
	now, log := time.Now(), &lines{}
	throttle := newThrottle(func() time.Time { return now }, log.add)
	for i := range 1000 {
		fmt.Fprintf(throttle, "http: TLS handshake error %d\n", i)
	}
	if got := log.take(); len(got) != throttleLines || got[0] != "http: TLS handshake error 0" {
		t.Errorf("of 1000 lines at once, %d were logged: %q", len(got), got)
	}
	now = now.Add(throttlePeriod)
	fmt.Fprintln(throttle, "later")
	got := log.take()
	if len(got) != 2 || got[0] != "990 more lines like these were not written" || got[1] != "later" {
		t.Errorf("in the next period: %q", got)
	}
	now = now.Add(throttlePeriod)
	fmt.Fprintln(throttle, "later still")
	if got := log.take(); len(got) != 1 {
		t.Errorf("what was held back is told twice: %q", got)
	}
}
