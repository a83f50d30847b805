package system

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"regexp"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/netchecker/netchecker/agent/collect"
	"github.com/netchecker/netchecker/agent/sender"
	"github.com/netchecker/netchecker/pkg/report"
	"github.com/netchecker/netchecker/pkg/serve"
	"github.com/netchecker/netchecker/server/api"
	"github.com/netchecker/netchecker/server/fleet"
	"github.com/netchecker/netchecker/server/intake"
	"github.com/netchecker/netchecker/server/judge"
	"github.com/netchecker/netchecker/server/store"
	"github.com/netchecker/netchecker/test/etcdtest"
	"github.com/netchecker/netchecker/test/eventually"
)

// notes is a kind of messages, as a further kind would be added: here to the agent's
// sender, the server's API and intake, and the store.
const notes = "notes"

// notesServer serves the API with a kind of messages, on that etcd, and returns its
// address. Its wall clock is ahead of the agents' by so much.
func notesServer(t *testing.T, etcd *etcdtest.Etcd, ahead time.Duration) string {
	t.Helper()
	kept := store.NewView(func(key string) (string, bool) { return key, true },
		func(_ string, e store.Entry) (string, error) { return string(e.Value), nil })
	kind := &store.Kind{Name: notes, Keeper: kept}
	st, err := store.Open(store.Config{Endpoints: []string{etcd.Endpoint}, Tree: "netchecker"}, kind)
	if err != nil {
		t.Fatal(err)
	}
	in := intake.New(intake.Config{
		Pods: roster{&fleet.List{Agents: []fleet.Agent{{Key: fleet.Key{Namespace: "default", Name: "a"}}}}},
		Kinds: []intake.Kind{{Name: notes, Keep: func(ctx context.Context, s intake.Sent) error {
			value := fmt.Appendf(nil, `{"booted":%q,"body":%s}`, s.Booted.Format(time.RFC3339Nano), s.Body)
			_, err := kind.Put(ctx, store.Op{Key: s.Key(), Value: value, TTL: time.Hour, Once: true})
			return err
		}}},
		Now: func() time.Time { return time.Now().Add(ahead) },
	})
	srv := serve.New(serve.Config{Name: "API", Addr: "127.0.0.1:0", Handler: api.New(api.Config{
		Taker: in, Snapshots: nothing{}, Observer: nothing{}, MaxBody: 1 << 20, BodyWithin: 10 * time.Second,
		Unavailable: store.Passing,
		Health:      http.NotFoundHandler(), Ready: http.NotFoundHandler(), Metrics: http.NotFoundHandler(),
	})})
	if err := srv.Listen(); err != nil {
		t.Fatal(err)
	}
	runUntilTheEnd(t, func(ctx context.Context) error { return st.Run(ctx) }, func(ctx context.Context) error { return srv.Run(ctx) })
	return srv.Addr().String()
}

// runUntilTheEnd runs all until the test ends.
func runUntilTheEnd(t *testing.T, all ...func(context.Context) error) {
	ctx, stop := context.WithCancel(context.Background())
	var parts sync.WaitGroup
	for _, run := range all {
		parts.Go(func() {
			if err := run(ctx); err != nil {
				t.Error(err)
			}
		})
	}
	t.Cleanup(func() { stop(); parts.Wait() })
}

type roster struct{ list *fleet.List }

func (r roster) List() *fleet.List { return r.list }

// nothing knows nothing, and notes nothing.
type nothing struct{}

func (nothing) Snapshot() *judge.Snapshot {
	return &judge.Snapshot{Unknown: judge.Unknown{Cause: judge.StoreUnread}}
}
func (nothing) Request(string, int, time.Duration) {}

// notesAgent is an agent's outbox of notes.
type notesAgent struct {
	*sender.Outbox
	boot     collect.Boot
	accepted atomic.Int64
}

func newNotesAgent(t *testing.T, address string) *notesAgent {
	t.Helper()
	a := &notesAgent{boot: collect.NewBoot()}
	server, err := sender.NewServer(address, func(context.Context, string) ([]netip.Addr, error) { return nil, nil })
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(server.Close)
	a.Outbox = sender.NewOutbox(sender.OutboxConfig{
		Server: server, Kind: notes, URL: "http://" + address + "/api/v1/agents/a/" + notes,
		From: report.Message{PodName: "a", Namespace: "default", BootID: a.boot.ID}, Clock: a.boot.Clock,
		MaxCount: 100, MaxBytes: 1 << 20, Deadline: time.Second, FirstPause: 100 * time.Millisecond, LongestPause: 500 * time.Millisecond,
		Observe: func(_ uint64, at sender.Attempt) {
			if at.Outcome == sender.Accepted {
				a.accepted.Add(1)
			}
		},
	})
	runUntilTheEnd(t, func(ctx context.Context) error { a.Run(ctx); return nil })
	return a
}

// note keeps a note of this moment, by the agent's own clock.
func (a *notesAgent) note() (number uint64, at time.Time) {
	at = time.Now()
	return a.Keep(fmt.Appendf(nil, `{"at_ms":%d}`, a.boot.Clock().Milliseconds())), at
}

// stored are the notes in etcd by number: when each was written, by the server's
// clock, and how often its key was.
func (a *notesAgent) stored(t *testing.T, etcd *etcdtest.Etcd) map[string]stored {
	t.Helper()
	answer, err := etcd.Client(t).Get(t.Context(), "netchecker/notes/", clientv3.WithPrefix())
	if err != nil {
		t.Fatal(err)
	}
	found := map[string]stored{}
	for _, kv := range answer.Kvs {
		var value struct {
			Booted time.Time
			Body   struct {
				At int64 `json:"at_ms"`
			}
		}
		if err := json.Unmarshal(kv.Value, &value); err != nil {
			t.Fatalf("%s: %v", kv.Value, err)
		}
		number := strings.TrimPrefix(string(kv.Key), "netchecker/notes/default/a/"+a.boot.ID+"/")
		found[number] = stored{value.Booted.Add(time.Duration(value.Body.At) * time.Millisecond), kv.Version}
	}
	return found
}

type stored struct {
	at      time.Time
	version int64
}

// forgetfulWay passes requests on to a server, and loses its first answers.
type forgetfulWay struct {
	address string
	lost    atomic.Int64

	mu     sync.Mutex
	bodies []string
}

func newForgetfulWay(t *testing.T, to string, lose int64) *forgetfulWay {
	t.Helper()
	w := &forgetfulWay{}
	srv := serve.New(serve.Config{Name: "way", Addr: "127.0.0.1:0", Handler: http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		w.mu.Lock()
		w.bodies = append(w.bodies, string(body))
		w.mu.Unlock()
		there := url.URL{Scheme: "http", Host: to, Path: r.URL.Path}
		answer, err := http.Post(there.String(), r.Header.Get("Content-Type"), strings.NewReader(string(body)))
		if err != nil {
			t.Error(err)
			return
		}
		defer answer.Body.Close()
		if answer.StatusCode == http.StatusOK && w.lost.Add(1) <= lose {
			panic(http.ErrAbortHandler) // the connection breaks before the answer
		}
		rw.WriteHeader(answer.StatusCode)
	})})
	if err := srv.Listen(); err != nil {
		t.Fatal(err)
	}
	w.address = net.JoinHostPort("127.0.0.1", fmt.Sprint(srv.Addr().(*net.TCPAddr).Port))
	runUntilTheEnd(t, srv.Run)
	t.Cleanup(http.DefaultClient.CloseIdleConnections)
	return w
}

func (w *forgetfulWay) sent() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return append([]string(nil), w.bodies...)
}

func TestAMessageWhoseAcknowledgementWasLostIsStoredOnce(t *testing.T) {
	t.Parallel()
	etcd := etcdtest.Start(t)
	way := newForgetfulWay(t, notesServer(t, etcd, 0), 2)
	a := newNotesAgent(t, way.address)
	_, first := a.note()
	eventually.True(t, "the first note is acknowledged", func() bool { return a.accepted.Load() == 1 })
	a.note()
	eventually.True(t, "the second is", func() bool { return a.accepted.Load() == 2 })

	sent := way.sent()
	if len(sent) != 4 {
		t.Errorf("%d were sent, want the first three times and the second once", len(sent))
	}
	inner := regexp.MustCompile(`"number":.*$`)
	for _, s := range sent[:3] {
		if got, want := inner.FindString(s), inner.FindString(sent[0]); got != want {
			t.Errorf("sent again as %s, want the bytes of %s", got, want)
		}
	}
	// No wall clock of the agent's is in them, so that none can spoil their times.
	if wall := regexp.MustCompile(`\d{4}-\d{2}-\d{2}`); wall.MatchString(strings.Join(sent, "")) {
		t.Errorf("there is a date in %s", sent)
	}
	found := a.stored(t, etcd)
	if len(found) != 2 || found["1"].version != 1 || found["2"].version != 1 {
		t.Errorf("stored is %v, want both, each written once", found)
	}
	if off := found["1"].at.Sub(first).Abs(); off > time.Second {
		t.Errorf("the first note is told %v off its time", off)
	}
}

func TestAMessageOfAnOutageArrivesAfterItWithItsTrueTime(t *testing.T) {
	t.Parallel()
	for name, ahead := range map[string]time.Duration{"clocks alike": 0, "the agent's clock 10 minutes behind": 10 * time.Minute} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			etcd := etcdtest.Start(t)
			a := newNotesAgent(t, notesServer(t, etcd, ahead))
			a.note()
			eventually.True(t, "a note is acknowledged", func() bool { return a.accepted.Load() == 1 })

			etcd.Pause()
			_, during := a.note()
			time.Sleep(6 * time.Second) // the outage
			if got := a.accepted.Load(); got != 1 {
				t.Fatalf("%d notes are acknowledged although etcd stands still", got)
			}
			etcd.Resume()
			eventually.True(t, "the note of the outage is acknowledged", func() bool { return a.accepted.Load() == 2 })
			found := a.stored(t, etcd)
			if found["2"].version != 1 {
				t.Errorf("it was written %d times", found["2"].version)
			}
			if off := found["2"].at.Sub(during.Add(ahead)).Abs(); off > time.Second {
				t.Errorf("it is told %v off its time", off)
			}
		})
	}
}
