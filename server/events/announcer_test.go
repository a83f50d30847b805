package events

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/netchecker/netchecker/pkg/report"
	"github.com/netchecker/netchecker/server/backends"
	"github.com/netchecker/netchecker/server/findings"
	"github.com/netchecker/netchecker/server/intervals"
	"github.com/netchecker/netchecker/server/store"
	"github.com/netchecker/netchecker/test/etcdtest"
	"github.com/netchecker/netchecker/test/eventually"
	"github.com/netchecker/netchecker/test/kubetest"
)

// shared is the cluster of all tests, which run one after another, each in a namespace of
// its own.
var shared *kubetest.Server

func TestMain(m *testing.M) {
	if err := flag.Set("logtostderr", "true"); err != nil {
		panic(err)
	}
	status := kubetest.Main(func(s *kubetest.Server) int {
		shared = s
		return m.Run()
	})
	glogs := goleak.IgnoreAnyFunction("github.com/golang/glog.(*fileSink).flushDaemon")
	if err := goleak.Find(glogs); err != nil && status == 0 {
		fmt.Fprintln(os.Stderr, err)
		status = 1
	}
	os.Exit(status)
}

// world is a store, a cluster, and what is known of backends.
type world struct {
	t         *testing.T
	cluster   *kubetest.Cluster
	namespace string
	etcd      *etcdtest.Etcd
	now       time.Time
	list      []intervals.Interval
	refused   []backends.Refusal
	found     []*findings.Finding
}

// worlds counts them, and their namespaces.
var worlds atomic.Int64

// newWorld is one whose server may do what rules say in the cluster.
func newWorld(t *testing.T, rules ...rbacv1.PolicyRule) *world {
	t.Helper()
	w := &world{
		t: t, cluster: shared.For(t), now: epoch, etcd: etcdtest.Start(t, etcdtest.UnsafeNoFsync()),
		namespace: fmt.Sprintf("world-%d", worlds.Add(1)),
	}
	w.cluster.Grant(w.user(), rules...)
	_, err := w.cluster.Client().CoreV1().Namespaces().Create(t.Context(),
		&corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: w.namespace}}, metav1.CreateOptions{})
	w.must(err)
	return w
}

func (w *world) user() string { return "events-" + w.namespace }

func (w *world) must(err error) {
	w.t.Helper()
	if err != nil {
		w.t.Fatal(err)
	}
}

// create is the right that the server needs.
var create = rbacv1.PolicyRule{APIGroups: []string{""}, Resources: []string{"events"}, Verbs: []string{"create"}}

// leader is a server that leads.
type leader struct {
	*Announcer
	world *world
	fence store.Fence
	stop  func()
}

// lead lets a server lead from now on, and none that did before. A sender of nil is the
// cluster's.
func (w *world) lead(sender Sender) *leader {
	w.t.Helper()
	if sender == nil {
		r, err := NewRecipient(w.cluster.Kubeconfig(w.user()), w.namespace, "netchecker-service", "server-1")
		w.must(err)
		w.t.Cleanup(r.Close)
		sender = r
	}
	kept := NewKept()
	st, err := store.Open(store.Config{Endpoints: []string{w.etcd.Endpoint}, Tree: "netchecker"}, kept.Kind())
	w.must(err)
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() { _ = st.Run(ctx) })
	l := &leader{world: w, stop: sync.OnceFunc(func() { cancel(); running.Wait() })}
	w.t.Cleanup(l.stop)
	key := "netchecker/leader/x"
	client := w.etcd.Client(w.t)
	_, err = client.Delete(w.t.Context(), key)
	w.must(err)
	answer, err := client.Put(w.t.Context(), key, "")
	w.must(err)
	l.fence = store.Fence{Key: key, CreateRevision: answer.Header.Revision}
	w.must(st.Await(w.t.Context(), l.fence.CreateRevision))
	l.Announcer = NewAnnouncer(Config{
		Kept: kept, Sender: sender,
		Intervals: func() []intervals.Interval { return w.list },
		Refusals:  func() []backends.Refusal { return w.refused },
		Findings:  func() []*findings.Finding { return w.found },
		Now:       func() time.Time { return w.now },
	})
	return l
}

// turnsTo takes turns until that second.
func (l *leader) turnsTo(second float64) {
	l.world.t.Helper()
	for ; !l.world.now.After(at(second)); l.world.now = l.world.now.Add(time.Second) {
		l.world.must(l.Turn(l.world.t.Context(), l.fence))
	}
}

// events are those of the namespace, in the order of their time, as reason: message.
func (w *world) events() []string {
	w.t.Helper()
	list, err := w.cluster.Client().CoreV1().Events(w.namespace).List(w.t.Context(), metav1.ListOptions{})
	w.must(err)
	slices.SortFunc(list.Items, func(a, b corev1.Event) int { return a.LastTimestamp.Compare(b.LastTimestamp.Time) })
	var all []string
	for _, e := range list.Items {
		all = append(all, e.Reason+": "+e.Message)
	}
	return all
}

func (w *world) expect(want ...string) {
	w.t.Helper()
	if got := w.events(); !slices.Equal(got, want) {
		w.t.Errorf("the events are %q\nwant           %q", got, want)
	}
}

// begin lets an agent see errors from second 10 on; end ends them at 20.
func (w *world) begin() {
	w.list = []intervals.Interval{saw("a", report.Info, 0, 10), open(saw("a", report.Error, 10, 11, "connection refused"))}
}

func (w *world) end() {
	w.list = []intervals.Interval{saw("a", report.Info, 0, 10), saw("a", report.Error, 10, 20, "connection refused"), open(saw("a", report.Info, 20, 30))}
}

const (
	began = "DisruptionBegan: " + subject + " is disrupted since 2026-11-27T12:00:10.0Z, from 1 of 1 agents: connection refused"
	ended = "DisruptionEnded: " + subject + " was disrupted for 10s, from 2026-11-27T12:00:10.0Z to 2026-11-27T12:00:20.0Z, from 1 of 1 agents"
)

func TestEventsAreReadableInTheCluster(t *testing.T) {
	w := newWorld(t, create)
	l := w.lead(nil)
	w.now = at(11)
	w.begin()
	l.turnsTo(15)
	w.expect(began)
	w.end()
	l.turnsTo(30)
	w.expect(began, ended)
	w.lead(senderFunc(func(_ context.Context, e Event) error { t.Errorf("%s is sent again", e.Note); return nil })).turnsTo(35)

	list, err := w.cluster.Client().CoreV1().Events(w.namespace).List(t.Context(), metav1.ListOptions{FieldSelector: "reason=DisruptionBegan"})
	w.must(err)
	e := list.Items[0]
	if o := e.InvolvedObject; o.Kind != "Service" || o.Name != "netchecker-service" || o.Namespace != w.namespace || e.Type != "Warning" ||
		e.Count != 1 || e.Source.Component != "netchecker-server" || e.ReportingController != "netchecker-server" || e.ReportingInstance != "server-1" ||
		!e.FirstTimestamp.Time.Equal(at(10)) || !strings.HasPrefix(e.Name, "netchecker-service.") {
		t.Errorf("the event is %+v", e)
	}
}

func TestARefusedBackendIsAnEvent(t *testing.T) {
	w := newWorld(t, create)
	w.refused = []backends.Refusal{{Name: "backends[3]", Reason: "url: is bad"}, {Name: "shop", Reason: "no such file", Agents: 3}}
	w.lead(nil).turnsTo(2)
	w.lead(nil).turnsTo(4)
	got := w.events()
	slices.Sort(got)
	if want := []string{"BackendRefused: backends[3] is not sampled: url: is bad", "BackendRefused: shop is not sampled by 3 agents: no such file"}; !slices.Equal(got, want) {
		t.Errorf("the events are %q, want %q", got, want)
	}
}

func TestWhatTheAPIServerCouldNotTakeIsSentOnceItIsBack(t *testing.T) {
	w := newWorld(t, create)
	w.cluster = kubetest.Start(t)
	w.cluster.Grant(w.user(), create)
	_, err := w.cluster.Client().CoreV1().Namespaces().Create(t.Context(),
		&corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: w.namespace}}, metav1.CreateOptions{})
	w.must(err)
	l := w.lead(nil)
	w.now = at(11)
	w.begin()
	l.turnsTo(12)
	w.cluster.Kill()
	turn := func() error {
		w.now = w.now.Add(time.Second)
		return l.Turn(t.Context(), l.fence)
	}
	for i := range 10 {
		if err := turn(); i > 3 && (err == nil || !strings.Contains(err.Error(), "1 wait, the first since 2026-11-27T12:00:10.0Z: the API server at "+w.cluster.URL+" can't be reached")) {
			t.Fatalf("without an API server: %v", err)
		}
	}
	w.end()
	w.now = at(30)
	if err := turn(); err == nil || !strings.Contains(err.Error(), "2 wait") {
		t.Fatalf("without an API server: %v", err)
	}
	l.stop()
	// Another server takes over, still without an API server.
	l = w.lead(nil)
	if err := turn(); err == nil || !strings.Contains(err.Error(), "2 wait") {
		t.Fatalf("the new leader: %v", err)
	}
	w.cluster.Restart()
	eventually.Nil(t, turn)
	w.expect(began, ended)
	l.turnsTo(60)
	w.expect(began, ended)
}

func TestALeaderThatDiesBetweenSendingAndSayingSoTellsNothingTwice(t *testing.T) {
	w := newWorld(t, create)
	w.now = at(11)
	w.begin()
	r, err := NewRecipient(w.cluster.Kubeconfig(w.user()), w.namespace, "netchecker-service", "server-1")
	w.must(err)
	t.Cleanup(r.Close)
	var l *leader
	dies := senderFunc(func(ctx context.Context, e Event) error {
		w.must(r.Send(ctx, e))
		l.stop() // the store is gone before it can keep that
		return nil
	})
	l = w.lead(dies)
	for err = error(nil); err == nil && w.now.Before(at(20)); w.now = w.now.Add(time.Second) {
		err = l.Turn(t.Context(), l.fence)
	}
	if err == nil {
		t.Fatal("the leader did not die")
	}
	w.expect(began)
	sent := 0
	counts := senderFunc(func(ctx context.Context, e Event) error { sent++; return r.Send(ctx, e) })
	w.lead(counts).turnsTo(25)
	if sent != 1 {
		t.Errorf("the new leader sent %d events, want that one again", sent)
	}
	w.expect(began)
	w.end()
	w.lead(nil).turnsTo(40)
	w.expect(began, ended)
}

type senderFunc func(context.Context, Event) error

func (f senderFunc) Send(ctx context.Context, e Event) error { return f(ctx, e) }

func TestWhoDoesNotLeadAnyMoreSendsNothing(t *testing.T) {
	w := newWorld(t, create)
	old := w.lead(senderFunc(func(context.Context, Event) error { t.Error("it sent an event"); return nil }))
	w.now = at(11)
	w.begin()
	old.turnsTo(12)
	next := w.lead(nil)
	w.now = at(16)
	if err := old.Turn(t.Context(), old.fence); !errors.Is(err, store.ErrNotLeader) {
		t.Errorf("the former leader's turn: %v", err)
	}
	next.turnsTo(20)
	w.expect(began)
}

func TestWhereEventsMayNotBeCreatedThatIsToldAndTheyWait(t *testing.T) {
	w := newWorld(t)
	l := w.lead(nil)
	w.refused = []backends.Refusal{{Name: "shop", Reason: "url: is bad"}}
	err := l.Turn(t.Context(), l.fence)
	if err == nil || !strings.Contains(err.Error(), "1 wait, the first since 2026-11-27T12:00:00.0Z: the API server forbids to create events in the namespace "+w.namespace) ||
		!strings.Contains(err.Error(), "; a Role and a RoleBinding should allow it") {
		t.Errorf("got %v", err)
	}
	w.cluster.Grant(w.user(), create)
	eventually.Nil(t, func() error { return l.Turn(t.Context(), l.fence) })
	w.expect("BackendRefused: shop is not sampled: url: is bad")
}

func TestAThousandEventsAreSentAtAPaceThatLosesNone(t *testing.T) {
	w := newWorld(t, create)
	l := w.lead(nil)
	for n := range 500 {
		w.list = append(w.list, saw("a", report.Error, float64(6*n), float64(6*n)+0.5, "x"))
	}
	w.list = append(w.list, open(saw("a", report.Info, 3000, 3010)))
	w.now = at(3010)
	turns := 0
	for ; len(w.events()) < 1000 && turns < 300; turns++ {
		w.now = w.now.Add(time.Second)
		for range 10 { // ten seconds of the clock would pass; the API server's don't
			w.must(l.Turn(t.Context(), l.fence))
		}
		if n := len(l.state.queue); n > mostQueued {
			t.Fatalf("%d wait", n)
		}
	}
	if n := len(w.events()); n != 1000 {
		t.Errorf("%d events, want 1,000", n)
	}
	t.Logf("1,000 events in %d turns of at most %d", 10*turns, perTurn)
}

func TestWhatTheAPIServerWillNeverTakeIsLetGo(t *testing.T) {
	w := newWorld(t, create)
	l := w.lead(senderFunc(func(_ context.Context, e Event) error { return &RefusedError{errors.New("its message is bad")} }))
	w.refused = []backends.Refusal{{Name: "shop", Reason: "url: is bad"}}
	w.must(l.Turn(t.Context(), l.fence))
	if n := len(l.state.queue); n != 0 {
		t.Errorf("%d wait", n)
	}
}

func TestAnEventThatWaitedADayIsLetGo(t *testing.T) {
	w := newWorld(t, create)
	away := errors.New("away")
	l := w.lead(senderFunc(func(context.Context, Event) error { return away }))
	w.refused = []backends.Refusal{{Name: "shop", Reason: "url: is bad"}}
	if err := l.Turn(t.Context(), l.fence); !errors.Is(err, away) {
		t.Fatal(err)
	}
	w.now = w.now.Add(queueFor + time.Second)
	w.must(l.Turn(t.Context(), l.fence))
}
