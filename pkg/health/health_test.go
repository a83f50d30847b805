package health

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/netchecker/netchecker/test/testmain"
)

func TestMain(m *testing.M) { testmain.Run(m) }

func TestTwoHungDependenciesCostOneDeadline(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := New(2*time.Second, takes("etcd", time.Hour, nil), takes("pods", time.Hour, nil))
		defer closeSet(t, s)
		began := time.Now()
		w := get(s.Handler("/readyz"), "/readyz")
		if took := time.Since(began); took != 2*time.Second {
			t.Errorf("the answer took %v, want 2s", took)
		}
		want := "[-]etcd failed (2s): no answer within 2s\n[-]pods failed (2s): no answer within 2s\n"
		if w.Body.String() != want {
			t.Errorf("got %q, want %q", w.Body, want)
		}
	})
}

func TestChecksRunSideBySide(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := New(0, takes("a", time.Second, nil), takes("b", time.Second, nil), takes("c", time.Second, nil))
		defer closeSet(t, s)
		began := time.Now()
		if w := get(s.Handler("/readyz"), "/readyz"); w.Code != http.StatusOK {
			t.Errorf("got %d %q", w.Code, w.Body)
		}
		if took := time.Since(began); took != time.Second {
			t.Errorf("the answer took %v, want 1s", took)
		}
	})
}

// stubborn is a check that ignores its context until it is released.
type stubborn struct {
	release chan struct{}
	starts  atomic.Int32
}

func newStubborn() *stubborn { return &stubborn{release: make(chan struct{})} }

func (c *stubborn) check() Check {
	return Check{Name: "disk", Run: func(context.Context) error {
		c.starts.Add(1)
		<-c.release
		return nil
	}}
}

func TestACheckThatOutlivesItsDeadlineIsNotStartedAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		disk := newStubborn()
		s := New(0, disk.check())
		defer closeSet(t, s)
		h := s.Handler("/healthz")

		get(h, "/healthz")
		time.Sleep(12 * time.Second)
		asked := time.Now()
		w := get(h, "/healthz")
		if want := "[-]disk failed (14s): no answer within 2s\n"; w.Body.String() != want {
			t.Errorf("got %q, want %q", w.Body, want)
		}
		if waited := time.Since(asked); waited != 0 {
			t.Errorf("an answer that was known took %v", waited)
		}
		if n := disk.starts.Load(); n != 1 {
			t.Errorf("started %d times, want once", n)
		}

		close(disk.release)
		synctest.Wait()
		if w := get(h, "/healthz"); w.Body.String() != "ok" || disk.starts.Load() != 2 {
			t.Errorf("once it has ended: got %q after %d starts, want ok after 2", w.Body, disk.starts.Load())
		}
	})
}

func TestWhoeverAsksLaterJoinsTheRunThatGoesOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		disk := newStubborn()
		s := New(0, disk.check())
		defer closeSet(t, s)
		h := s.Handler("/healthz")

		var asking sync.WaitGroup
		for range 3 {
			asking.Go(func() {
				if w := get(h, "/healthz?verbose"); w.Body.String() != "[+]disk ok (1.5s)\nhealthz check passed\n" {
					t.Errorf("got %q", w.Body)
				}
			})
			time.Sleep(500 * time.Millisecond)
		}
		close(disk.release)
		asking.Wait()
		if n := disk.starts.Load(); n != 1 {
			t.Errorf("started %d times, want once", n)
		}
	})
}

func TestAResultAfterTheDeadlineIsNoAnswer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := New(time.Second, Check{"slow", func(context.Context) error {
			time.Sleep(time.Second)
			return nil
		}})
		defer closeSet(t, s)
		if w := get(s.Handler("/readyz"), "/readyz"); w.Body.String() != "[-]slow failed (1s): no answer within 1s\n" {
			t.Errorf("got %q", w.Body)
		}
	})
}

func TestAThousandQuestionsWhileACheckHangsRunItOnce(t *testing.T) {
	disk := newStubborn()
	s := New(50*time.Millisecond, disk.check())
	srv := httptest.NewServer(s.Handler("/healthz"))
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 20}}

	var asking sync.WaitGroup
	for range 20 {
		asking.Go(func() {
			for range 50 {
				if code := status(t, client, srv.URL+"/healthz"); code != http.StatusServiceUnavailable {
					t.Errorf("got %d, want 503", code)
				}
			}
		})
	}
	asking.Wait()
	if n := disk.starts.Load(); n != 1 {
		t.Errorf("started %d times, want once", n)
	}
	client.CloseIdleConnections()
	srv.Close()
	close(disk.release)
	closeSet(t, s)
}

func status(t *testing.T, client *http.Client, url string) int {
	t.Helper()
	resp, err := client.Get(url)
	if err != nil {
		t.Errorf("GET %s: %v", url, err)
		return 0
	}
	defer resp.Body.Close()
	if _, err := io.Copy(io.Discard, resp.Body); err != nil {
		t.Errorf("reading the answer: %v", err)
	}
	return resp.StatusCode
}

func TestAQuestionThatIsGivenUpEndsAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := New(0, takes("etcd", time.Hour, nil))
		defer closeSet(t, s)
		ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
		defer cancel()
		began := time.Now()
		s.ask(ctx, []int{0})
		if took := time.Since(began); took != 300*time.Millisecond {
			t.Errorf("took %v, want 300ms", took)
		}
	})
}

func TestCloseWaitsForChecksUnderWay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ended := false
		s := New(0, Check{"etcd", func(ctx context.Context) error {
			<-ctx.Done()
			time.Sleep(100 * time.Millisecond)
			ended = true
			return ctx.Err()
		}})
		h := s.Handler("/readyz")
		var asking sync.WaitGroup
		asking.Go(func() {
			if w := get(h, "/readyz"); w.Body.String() != "[-]etcd failed (500ms): the process is shutting down\n" {
				t.Errorf("got %q", w.Body)
			}
		})
		time.Sleep(500 * time.Millisecond)
		closeSet(t, s)
		if !ended {
			t.Error("Close came back before the check had ended")
		}
		asking.Wait()
		if w := get(h, "/readyz"); w.Body.String() != "[-]etcd failed (0s): the process is shutting down\n" {
			t.Errorf("after Close: got %q", w.Body)
		}
	})
}

func TestCloseNamesTheChecksThatDoNotEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		disk := newStubborn()
		defer close(disk.release)
		s := New(0, takes("etcd", time.Hour, nil), disk.check())
		get(s.Handler("/healthz"), "/healthz")
		began := time.Now()
		err := s.Close()
		want := "health checks that did not end within 2s of being told to: disk"
		if err == nil || err.Error() != want {
			t.Errorf("got %v, want %s", err, want)
		}
		if took := time.Since(began); took != 2*time.Second {
			t.Errorf("Close took %v, want 2s", took)
		}
	})
}

func TestTheCircuitConductsBetweenCloseAndOpen(t *testing.T) {
	var c Circuit
	check := c.Check()
	if check.Name != "serving" {
		t.Errorf("the check's name is %q", check.Name)
	}
	for _, step := range []struct {
		do   func()
		want error
	}{
		{func() {}, errors.New("not started yet")},
		{c.Close, nil},
		{func() { c.Open("shutting down") }, errors.New("shutting down")},
	} {
		step.do()
		got := check.Run(t.Context())
		if (got == nil) != (step.want == nil) || got != nil && got.Error() != step.want.Error() {
			t.Errorf("got %v, want %v", got, step.want)
		}
	}
}

func TestThePulseFailsWhenTheLoopStandsStill(t *testing.T) {
	now := time.Now()
	p := NewPulse("judge", 30*time.Second, func() time.Time { return now })
	check := p.Check()
	if check.Name != "judge" {
		t.Errorf("the check's name is %q", check.Name)
	}
	expect := func(want string) {
		t.Helper()
		got := ""
		if err := check.Run(t.Context()); err != nil {
			got = err.Error()
		}
		if got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
	expect("")
	now = now.Add(30 * time.Second)
	expect("")
	now = now.Add(15 * time.Second)
	expect("last went round 45s ago, expected within 30s")
	p.Beat()
	expect("")
}
