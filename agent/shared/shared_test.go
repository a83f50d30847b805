package shared

import (
	"context"
	"maps"
	"net/netip"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/netchecker/netchecker/agent/probe"
	"github.com/netchecker/netchecker/pkg/assignment"
	"github.com/netchecker/netchecker/pkg/report"
)

// world answers in made-up time.
type world struct {
	mu      sync.Mutex
	fails   error
	suspect bool
	asked   map[string]int // by where it was asked, or connected to
}

func (w *world) set(change func()) {
	w.mu.Lock()
	defer w.mu.Unlock()
	change()
}

// all is how often was asked, by where.
func (w *world) all() map[string]int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return maps.Clone(w.asked)
}

// take notes that somebody was asked, which takes a millisecond, or all the time there is.
func (w *world) take(ctx context.Context, where string) error {
	w.mu.Lock()
	w.asked[where]++
	err := w.fails
	w.mu.Unlock()
	if err != nil {
		<-ctx.Done()
	}
	time.Sleep(time.Millisecond)
	return err
}

func inWorld(t *testing.T, p Place, test func(*world, *Asker)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		w, began := &world{asked: map[string]int{}}, time.Now()
		a := New(Config{
			Place: p, Clock: func() time.Duration { return time.Since(began) },
			Suspect: func(time.Duration, time.Duration) bool { w.mu.Lock(); defer w.mu.Unlock(); return w.suspect },
			Ways: Ways{
				Lookup: func(ctx context.Context, server netip.AddrPort, name string) ([]netip.Addr, error) {
					return []netip.Addr{addr("10.96.0.9")}, w.take(ctx, server.String())
				},
				Connect: func(ctx context.Context, to netip.AddrPort) error { return w.take(ctx, to.String()) },
			},
		})
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() { a.Run(ctx); close(done) }()
		test(w, a)
		cancel()
		<-done
	})
}

func pass(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

func TestEachIsAskedAtThePaceThatIsTold(t *testing.T) {
	inWorld(t, Place{Host: true, Node: addr("192.168.0.1")}, func(w *world, a *Asker) {
		a.Take(told())
		pass(10 * time.Minute)
		for where, want := range map[string]int{
			"10.244.0.3:53": 120, "10.244.0.4:53": 120, "10.96.0.9:8081": 200, "[fd00::9]:8081": 100, "192.168.0.1:31081": 100, "10.96.0.1:443": 10,
		} {
			if got := w.all()[where]; got > want || got < want-want/20-2 {
				t.Errorf("%s was asked %d times in 10 min, want about %d", where, got, want)
			}
		}
		for _, s := range a.Rows() {
			if s.Asked == 0 || s.Lost+s.Refused+s.Wrong+s.Suspect+s.Run != 0 || s.Message != "" || s.RoundTrips < 1000*s.Asked {
				t.Errorf("%+v", s)
			}
		}
		if n := len(a.Rows()); n != 8 {
			t.Errorf("%d rows", n)
		}
	})
}

func TestWhatIsToldAnewGoesOnWhereItIsTheSame(t *testing.T) {
	inWorld(t, Place{}, func(w *world, a *Asker) {
		a.Take(told())
		pass(time.Minute)
		next := told()
		next.DNSServers = ports("10.244.0.4:53", "10.244.0.5:53")
		a.Take(next)
		byTarget := map[string]report.Shared{}
		for _, s := range a.Rows() {
			byTarget[string(s.Kind)+" "+s.Target] = s
		}
		if _, there := byTarget["dns-server 10.244.0.3:53"]; there || byTarget["dns-server 10.244.0.4:53"].Asked < 10 || byTarget["dns-server 10.244.0.5:53"].Asked != 0 {
			t.Errorf("rows: %+v", byTarget)
		}
		pass(time.Minute)
		if n := w.all()["10.244.0.5:53"]; n < 10 {
			t.Errorf("the new one was asked %d times", n)
		}
	})
}

func TestWhatDoesNotAnswerIsLostUnlessTheAgentStarved(t *testing.T) {
	inWorld(t, Place{}, func(w *world, a *Asker) {
		a.Take(&assignment.Shared{Want: []netip.Addr{addr("10.96.0.9")}, ServicePort: 8081, ServiceEvery: 20_000})
		w.set(func() { w.fails = probe.ErrUnanswered })
		pass(20*time.Second + 8*time.Second + 100*time.Millisecond)
		s := a.Rows()[0]
		if s.Lost < 3 || s.Lost > 4 || s.Run != s.Lost || s.Message != "no answer" {
			t.Errorf("%+v", s)
		}
		w.set(func() { w.suspect = true })
		pass(time.Minute)
		if s := a.Rows()[0]; s.Suspect == 0 || s.Lost > 5 {
			t.Errorf("while it starved: %+v", s)
		}
		w.set(func() { w.fails, w.suspect = nil, false })
		pass(time.Minute)
		if s := a.Rows()[0]; s.Run != 0 || s.Message != "" {
			t.Errorf("once it is well: %+v", s)
		}
	})
}

func TestNothingIsAskedThatWasNotToldAndNotAllAtOnceOnceItIs(t *testing.T) {
	inWorld(t, Place{Host: true, Node: addr("192.168.0.1")}, func(w *world, a *Asker) {
		pass(time.Hour)
		if len(w.all()) != 0 || a.Rows() != nil {
			t.Errorf("asked %v, rows %v", w.all(), a.Rows())
		}
		a.Take(told())
		pass(50 * time.Millisecond)
		if len(w.all()) > 3 {
			t.Errorf("asked at once: %v", w.all())
		}
		pass(6 * time.Second)
		if len(w.all()) < 5 {
			t.Errorf("asked: %v", w.all())
		}
	})
}

func TestAnotherPaceAndOtherAddressesHoldAtOnce(t *testing.T) {
	inWorld(t, Place{}, func(w *world, a *Asker) {
		s := &assignment.Shared{Name: name, Want: []netip.Addr{addr("10.96.0.9")}, DNSEvery: time.Hour.Milliseconds()}
		a.Take(s)
		pass(time.Hour)
		asked := a.Rows()[0].Asked
		next := *s
		next.DNSEvery, next.Want = 5000, []netip.Addr{addr("10.96.0.10")}
		a.Take(&next)
		pass(time.Minute)
		if r := a.Rows()[0]; r.Asked < asked+10 || r.Wrong < 10 || r.Message != "10.96.0.9 was answered" {
			t.Errorf("%+v, %d times before", r, asked)
		}
	})
}
