package disruption

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/netchecker/netchecker/pkg/backend"
	"github.com/netchecker/netchecker/pkg/report"
	"github.com/netchecker/netchecker/test/eventually"
)

// audience counts what it is told of.
type audience struct {
	mu      sync.Mutex
	samples map[Target]int
	gone    []string
}

func (a *audience) Sampled(l Target, _ Observation) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.samples[l]++
}

func (a *audience) Withdrawn(backend string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.gone = append(a.gone, backend)
}

func (a *audience) of(l Target) int {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.samples[l]
}

func (a *audience) left() []string {
	a.mu.Lock()
	defer a.mu.Unlock()
	return slices.Clone(a.gone)
}

// agent is a Sampling that runs until the test ends, or stop is called.
type agent struct {
	*Sampling
	ledger *Ledger
	seen   *audience
	stop   func()
}

func newAgent(t *testing.T, p Place) *agent {
	t.Helper()
	clock, seen := newClock(), &audience{samples: map[Target]int{}}
	l := NewLedger(clock, func() {})
	a := &agent{New(p, clock, l, seen), l, seen, nil}
	ctx, cancel := context.WithCancel(t.Context())
	var over sync.WaitGroup
	over.Go(func() { a.Run(ctx) })
	a.stop = func() { cancel(); over.Wait() }
	t.Cleanup(a.stop)
	return a
}

// tell tells it its backends, as the server does.
func (a *agent) tell(t *testing.T, version string, list ...backend.Backend) {
	t.Helper()
	data, err := backend.Encode(list)
	if err != nil {
		t.Fatal(err)
	}
	a.Take(report.News{Topic: backend.Topic, Version: version, Data: data})
}

// open are the intervals that are open, by backend and connection.
func (a *agent) open() (all []string) {
	if d := a.ledger.Report(); d != nil {
		for _, i := range d.Open {
			all = append(all, fmt.Sprint(i.Backend, " ", i.Connection, " ", says(i)))
		}
	}
	slices.Sort(all)
	return all
}

func (a *agent) wantOpen(t *testing.T, want ...string) {
	t.Helper()
	eventually.Nil(t, func() error {
		if got := a.open(); !slices.Equal(got, want) {
			return fmt.Errorf("open: %q, want %q", got, want)
		}
		return nil
	})
}

func called(b backend.Backend, name string) backend.Backend {
	b.Name = name
	return b
}

func TestBackendsThatAreTakenAwayEndAndTheOthersGoOnUndisturbed(t *testing.T) {
	t.Parallel()
	site, a := newSite(t), newAgent(t, here())
	stays, goes := called(site.backend(), "stays"), called(site.backend(), "goes")
	a.tell(t, "v1", stays, goes)
	a.wantOpen(t, "goes new Info", "goes reused Info", "stays new Info", "stays reused Info")
	if d := written(t, a.ledger); len(d.Open) != 4 || len(d.Sealed) != 0 {
		t.Errorf("%+v", d)
	}
	begun := a.ledger.Report().Open
	a.tell(t, "v2", stays)
	a.wantOpen(t, "stays new Info", "stays reused Info")
	d := written(t, a.ledger)
	if len(d.Sealed) != 2 || d.Sealed[0].Backend != "goes" || d.Sealed[1].Backend != "goes" {
		t.Errorf("over: %+v", d.Sealed)
	}
	for _, i := range d.Open {
		if !slices.ContainsFunc(begun, func(b report.Interval) bool { return b.ID == i.ID && b.From.Truncate(time.Millisecond) == i.From }) {
			t.Errorf("%+v has begun since", i)
		}
	}
	if got := a.seen.left(); !slices.Equal(got, []string{"goes"}) || a.Version() != "v2" {
		t.Errorf("%q left; version %q", got, a.Version())
	}
	changed := stays
	changed.Status = []int{418}
	a.tell(t, "v3", changed)
	a.wantOpen(t, "stays new Error answered 200", "stays reused Error answered 200")
	a.tell(t, "v4")
	a.wantOpen(t)
	if d := a.ledger.Report(); d != nil {
		t.Errorf("a report tells %+v", d)
	}
}

func TestARedirectToAForbiddenAddressEndsTheSampling(t *testing.T) {
	t.Parallel()
	site, a := newSite(t), newAgent(t, here())
	a.tell(t, "v1", called(site.backend(), "good"), called(site.backend(), "turns"))
	a.wantOpen(t, "good new Info", "good reused Info", "turns new Info", "turns reused Info")
	site.handle(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Location", "http://[fe80::1%25lo]:80/")
		w.WriteHeader(http.StatusFound)
	})
	a.wantOpen(t)
	eventually.True(t, "both are refused", func() bool { return len(a.ledger.Report().Refused) == 2 })
	want := report.Refusal{Backend: "turns", Reason: "leads to fe80::1%lo, a link-local address, which no agent may be aimed at"}
	if got := a.ledger.Report().Refused[1]; got != want {
		t.Errorf("%+v, want %+v", got, want)
	}
	// It stays refused until it is declared otherwise.
	site.answer(http.StatusOK)
	a.tell(t, "v2", called(site.backend(), "turns"))
	eventually.True(t, "the other's refusal went with it", func() bool { return len(a.ledger.Report().Refused) == 1 })
	if got := a.open(); len(got) != 0 {
		t.Errorf("open: %q", got)
	}
	again := called(site.backend(), "turns")
	again.URL += "otherwise"
	a.tell(t, "v3", again)
	a.wantOpen(t, "turns new Info", "turns reused Info")
	if got := a.ledger.Report().Refused; len(got) != 0 {
		t.Errorf("refused: %+v", got)
	}
}

func TestBackendsThatMakeNoSenseAreRefusedByNameAndTheOthersSampled(t *testing.T) {
	t.Parallel()
	site, a := newSite(t), newAgent(t, here())
	a.tell(t, "v1", backend.Backend{Name: "bad", URL: "gopher://a"}, called(site.backend(), "good"))
	a.wantOpen(t, "good new Info", "good reused Info")
	d := written(t, a.ledger)
	if len(d.Refused) != 1 || d.Refused[0].Backend != "bad" || d.Refused[0].Reason[:22] != `url: is "gopher://a"; ` {
		t.Errorf("refused: %+v", d.Refused)
	}
}

func TestNewsThatCannotBeReadChangeNothing(t *testing.T) {
	t.Parallel()
	site, a := newSite(t), newAgent(t, here())
	a.tell(t, "v1", site.backend())
	a.wantOpen(t, "site new Info", "site reused Info")
	a.Take(report.News{Topic: backend.Topic, Version: "v2", Data: []byte(`[]`)})
	if a.Version() != "v1" {
		t.Errorf("the version is %q", a.Version())
	}
	before := a.seen.of(Target{"site", report.New})
	eventually.True(t, "sampling goes on", func() bool { return a.seen.of(Target{"site", report.New}) > before+1 })
}

func TestAtTheEndAllIntervalsAreOverAndInTheLedger(t *testing.T) {
	t.Parallel()
	site, a := newSite(t), newAgent(t, here())
	a.tell(t, "v1", site.backend())
	a.wantOpen(t, "site new Info", "site reused Info")
	a.stop()
	d := written(t, a.ledger)
	if len(d.Open) != 0 || len(d.Sealed) != 2 || a.ledger.Waits() {
		t.Errorf("%+v", d)
	}
}

func TestWhatFailsWhileTheAgentStoodStillIsNoOutage(t *testing.T) {
	t.Parallel()
	site, clock := newSite(t), newStepped()
	b := site.backend()
	b.TimeoutMillis = 1000
	r, stop := sampling(t, b, here(), clock)
	for _, c := range connections {
		r.await(t, c, 1)
	}
	arrived := make(chan struct{}, 100)
	site.handle(func(_ http.ResponseWriter, req *http.Request) {
		arrived <- struct{}{}
		<-req.Context().Done()
	})
	clock.step(time.Second)
	<-arrived
	<-arrived
	site.answer(http.StatusOK)
	clock.step(30 * time.Second) // it stands still, and goes on with a request whose time is out
	for _, c := range connections {
		r.await(t, c, 2)
	}
	stop()
	for _, c := range connections {
		r.wantEventually(t, c, "Info", "Info")
		if all := r.ended(c); all[0].To >= time.Second || all[1].From != 31*time.Second {
			t.Errorf("%s: %+v; nobody looked in between", c, all)
		}
	}
}
