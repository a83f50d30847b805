package sender

import (
	"fmt"
	"net/http"
	"slices"
	"sync"
	"testing"
	"time"
)

// diarist is an Author that writes down all that has happened until then.
type diarist struct {
	mu     sync.Mutex
	events []int
}

func (d *diarist) happens(n int) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.events = append(d.events, n)
}

func (d *diarist) Waits() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return len(d.events) > 0
}

func (d *diarist) Write() []byte {
	d.mu.Lock()
	defer d.mu.Unlock()
	body := fmt.Appendf(nil, `{"e":"%v"}`, d.events)
	d.events = nil
	return body
}

func TestAnAuthorsMessageIsWrittenWhenItCanBeSentAndIsTheSameEachTime(t *testing.T) {
	author := &diarist{}
	srv := serve(t, func(n int, w http.ResponseWriter, _ *http.Request) {
		switch n {
		case 1: // what happens now is not in this message, however often it is sent
			author.happens(3)
			w.WriteHeader(http.StatusServiceUnavailable)
		case 2:
			author.happens(4)
		}
	})
	cfg, seen := outbox(newServer(t, srv.address(), nil), srv.URL)
	cfg.Author, cfg.Pace = author, 100*time.Millisecond
	o := NewOutbox(cfg)
	run(t, o.Run)
	author.happens(1)
	author.happens(2)
	o.Wake()
	wantEventually(t, seen.entries, "1 failed", "1 accepted", "2 accepted")
	if got, want := srv.arrivals(t), []string{`1{"e":"[1 2]"}`, `1{"e":"[1 2]"}`, `2{"e":"[3 4]"}`}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestAtTheEndAnAuthorsLastMessagesAreSent(t *testing.T) {
	author := &diarist{}
	srv := serve(t, nil)
	cfg, _ := outbox(newServer(t, srv.address(), nil), srv.URL)
	cfg.Author, cfg.Pace = author, time.Hour
	o := NewOutbox(cfg)
	stop := run(t, o.Run)
	author.happens(1)
	o.Wake()
	wantEventually(t, func() []string { return srv.arrivals(t) }, `1{"e":"[1]"}`)
	author.happens(2)
	stop()
	if got, want := srv.arrivals(t), []string{`1{"e":"[1]"}`, `2{"e":"[2]"}`}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}
