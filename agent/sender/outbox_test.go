package sender

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/netchecker/netchecker/pkg/report"
	"github.com/netchecker/netchecker/test/eventually"
)

// ledger notes what became of each message.
type ledger struct {
	mu   sync.Mutex
	list []string
}

func (l *ledger) observe(number uint64, a Attempt) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.list = append(l.list, fmt.Sprint(number, " ", a.Outcome))
}

func (l *ledger) entries() []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Clone(l.list)
}

// outbox is the OutboxConfig of messages to server, and what becomes of them.
func outbox(server *Server, url string) (OutboxConfig, *ledger) {
	seen := &ledger{}
	return OutboxConfig{
		Server: server, URL: url + "/api/v1/agents/p/things", Kind: "things",
		From:     report.Message{PodName: "p", BootID: "0123456789abcdef"},
		Clock:    func() time.Duration { return time.Minute },
		MaxCount: 4, MaxBytes: 1000,
		Deadline: 500 * time.Millisecond, FirstPause: 40 * time.Millisecond, LongestPause: 200 * time.Millisecond,
		Observe: seen.observe,
	}, seen
}

// messages are those of all requests so far.
func (s *server) messages(t *testing.T) []report.Message {
	t.Helper()
	var list []report.Message
	for _, body := range s.bodies() {
		m, err := report.DecodeMessage(body)
		if err == nil {
			err = m.Validate()
		}
		if err != nil {
			t.Fatal(err)
		}
		list = append(list, m)
	}
	return list
}

// arrivals are the messages so far as number and body.
func (s *server) arrivals(t *testing.T) []string {
	t.Helper()
	var list []string
	for _, m := range s.messages(t) {
		list = append(list, fmt.Sprint(m.Number, string(m.Body)))
	}
	return list
}

func wantEventually[T comparable](t *testing.T, got func() []T, want ...T) {
	t.Helper()
	eventually.True(t, fmt.Sprint(want), func() bool { return slices.Equal(got(), want) })
}

func TestMessagesAreNumberedAndSentInOrderUntilAcknowledged(t *testing.T) {
	var path atomic.Value
	srv := serve(t, func(n int, w http.ResponseWriter, r *http.Request) {
		path.Store(r.Method + " " + r.URL.Path)
		if n == 1 || n == 2 {
			w.WriteHeader(http.StatusServiceUnavailable)
		}
	})
	cfg, seen := outbox(newServer(t, srv.address(), nil), srv.URL)
	o := NewOutbox(cfg)
	for n, body := range []string{`{"a":1}`, `{"a":2}`} {
		if got := o.Keep([]byte(body)); got != uint64(n+1) {
			t.Errorf("message %d is number %d", n+1, got)
		}
	}
	run(t, o.Run)
	wantEventually(t, seen.entries, "1 failed", "1 failed", "1 accepted", "2 accepted")
	if got, want := srv.arrivals(t), []string{`1{"a":1}`, `1{"a":1}`, `1{"a":1}`, `2{"a":2}`}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
	if got := path.Load(); got != "POST /api/v1/agents/p/things" {
		t.Errorf("got %s", got)
	}
	o.Keep([]byte(`{"a":3}`))
	eventually.True(t, "the third", func() bool { return len(srv.bodies()) == 5 && o.empty() })
}

func TestMessageWhoseAcknowledgementIsLostIsSentAgainAsTheSameBytes(t *testing.T) {
	srv := serve(t, nil)
	var clock atomic.Int64
	cfg, seen := outbox(newServer(t, eatFirstAnswer(t, srv.address()), nil), srv.URL)
	cfg.Clock = func() time.Duration { return time.Duration(clock.Add(1)) * time.Second }
	o := NewOutbox(cfg)
	run(t, o.Run)
	body := "{\"from\" :  1.50,\"é\":\"\\u00e9\"}" // no encoder would write it so
	o.Keep([]byte(body))
	wantEventually(t, seen.entries, "1 failed", "1 accepted")
	got := srv.messages(t)
	if len(got) != 2 {
		t.Fatalf("the server got %d messages", len(got))
	}
	for i, m := range got {
		if string(m.Body) != body || m.Number != 1 || m.BootID != cfg.From.BootID || m.PodName != "p" {
			t.Errorf("sending %d: %+v %s", i+1, m, m.Body)
		}
		if want := time.Duration(i+1) * time.Second; m.Clock != want {
			t.Errorf("sending %d says that the clock shows %v, want %v", i+1, m.Clock, want)
		}
	}
}

// eatFirstAnswer is the address of a proxy that hands requests on to a server, and
// everything back but the first answer.
func eatFirstAnswer(t *testing.T, server string) string {
	t.Helper()
	l := listen(t, "127.0.0.1:0")
	var proxies sync.WaitGroup
	proxies.Go(func() {
		for n := 0; ; n++ {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			proxies.Go(func() {
				if err := proxy(conn, server, n == 0); err != nil {
					t.Error(err)
				}
			})
		}
	})
	t.Cleanup(func() { _ = l.Close(); proxies.Wait() })
	return l.Addr().String()
}

func proxy(conn net.Conn, server string, eat bool) error {
	defer func() { _ = conn.Close() }()
	behind, err := net.Dial("tcp", server)
	if err != nil {
		return err
	}
	defer func() { _ = behind.Close() }()
	go func() { _, _ = io.Copy(behind, conn); _ = behind.Close() }()
	answer := make([]byte, 64<<10)
	n, err := behind.Read(answer)
	if err == nil && !eat {
		_, err = conn.Write(answer[:n])
		_, _ = io.Copy(conn, behind)
	}
	return err
}

func TestMessageThatWillNeverBeAcceptedIsDroppedAndTheNextSent(t *testing.T) {
	for _, code := range []int{400, 403, 409, 413} {
		srv := serve(t, func(n int, w http.ResponseWriter, _ *http.Request) {
			if n == 1 {
				w.WriteHeader(code)
			}
		})
		cfg, seen := outbox(newServer(t, srv.address(), nil), srv.URL)
		o := NewOutbox(cfg)
		o.Keep([]byte(`{"a":1}`))
		o.Keep([]byte(`{"a":2}`))
		run(t, o.Run)
		wantEventually(t, seen.entries, "1 refused", "2 accepted")
	}
}

func TestMessageOfAKindThatTheServerDoesNotKnowIsKept(t *testing.T) {
	for _, code := range []int{404, 405} {
		srv := serve(t, func(n int, w http.ResponseWriter, _ *http.Request) {
			if n <= 2 {
				w.WriteHeader(code)
			}
		})
		cfg, seen := outbox(newServer(t, srv.address(), nil), srv.URL)
		o := NewOutbox(cfg)
		o.Keep([]byte(`{"a":1}`))
		run(t, o.Run)
		wantEventually(t, seen.entries, "1 unsupported", "1 unsupported", "1 accepted")
	}
}

func TestWhatHasNoRoomIsDroppedTheOldestFirst(t *testing.T) {
	sized := func(n int) []byte { return fmt.Appendf(nil, "{%s}", strings.Repeat(" ", n-2)) }
	for _, c := range []struct {
		name  string
		sizes []int
		fates []string
		kept  []uint64
	}{
		{"four messages may wait", []int{10, 10, 10, 10}, nil, []uint64{1, 2, 3, 4}},
		{"the fifth takes the first one's place", []int{10, 10, 10, 10, 10, 10}, []string{"1 dropped", "2 dropped"}, []uint64{3, 4, 5, 6}},
		{"1000 bytes may wait", []int{500, 500}, nil, []uint64{1, 2}},
		{"a byte more takes the first one's place", []int{500, 500, 2}, []string{"1 dropped"}, []uint64{2, 3}},
		{"a large one takes the place of several", []int{300, 300, 300, 700}, []string{"1 dropped", "2 dropped"}, []uint64{3, 4}},
		{"one that never has room takes nobody's", []int{300, 1001, 300}, []string{"2 dropped"}, []uint64{1, 3}},
	} {
		t.Run(c.name, func(t *testing.T) {
			cfg, seen := outbox(nil, "")
			o := NewOutbox(cfg)
			for _, size := range c.sizes {
				o.Keep(sized(size))
			}
			var kept []uint64
			for _, k := range o.kept {
				kept = append(kept, k.number)
			}
			if !slices.Equal(seen.entries(), c.fates) || !slices.Equal(kept, c.kept) {
				t.Errorf("%q and %d are kept; want %q and %d", seen.entries(), kept, c.fates, c.kept)
			}
		})
	}
}

func TestMessageThatIsDroppedWhileItIsSentTakesNoOtherWithIt(t *testing.T) {
	arrived, answer := make(chan struct{}), make(chan struct{})
	srv := serve(t, func(n int, _ http.ResponseWriter, _ *http.Request) {
		if n == 1 {
			close(arrived)
			<-answer
		}
	})
	cfg, seen := outbox(newServer(t, srv.address(), nil), srv.URL)
	cfg.MaxCount, cfg.Deadline = 1, 5*time.Second
	o := NewOutbox(cfg)
	o.Keep([]byte(`{"a":1}`))
	run(t, o.Run)
	<-arrived
	o.Keep([]byte(`{"a":2}`))
	close(answer)
	wantEventually(t, seen.entries, "1 dropped", "1 accepted", "2 accepted")
}
