package store_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/netchecker/netchecker/server/store"
	"github.com/netchecker/netchecker/test/etcdtest"
	"github.com/netchecker/netchecker/test/eventually"
)

const ping = time.Second

func quick(c *setting) { c.PingTimeout = ping }

func TestStoppedEtcdIsToldInTimeAndForgottenOnceItGoesOn(t *testing.T) {
	t.Parallel()
	etcd := etcdtest.Start(t)
	s := openOn(t, etcd, quick)
	put(t, s, pod(0), 1)
	before := s.listeningSince()

	etcd.Pause()
	began := time.Now()
	_, err := s.Put(t.Context(), pod(0), value(pod(0), 2), nil, time.Minute)
	if took := time.Since(began); !errors.Is(err, store.ErrUnavailable) || took > 3*time.Second {
		t.Errorf("put: %v after %v", err, took)
	}
	if as := s.asOf(); as.After(began) {
		t.Errorf("the view is current as of %v after etcd was stopped", as.Sub(began))
	}
	if since := s.listeningSince(); !since.IsZero() {
		t.Errorf("listening since %v", since)
	}
	if trouble := s.Trouble(); !strings.HasPrefix(trouble, "etcd does not answer") {
		t.Errorf("trouble is %q", trouble)
	}
	if s.Get(pod(0)) == nil {
		t.Error("the view was lost")
	}

	etcd.Resume()
	resumed := time.Now()
	eventually.True(t, "it listens again", func() bool { return !s.listeningSince().IsZero() })
	if since := s.listeningSince(); !since.After(resumed) || since.Equal(before) {
		t.Errorf("listening since %v before etcd went on", resumed.Sub(since))
	}
	put(t, s, pod(0), 3)
	eventually.True(t, "the view has it", func() bool { return uptime(s, pod(0)) == 3 })
	if trouble := s.Trouble(); trouble != "" {
		t.Errorf("trouble is %q", trouble)
	}
}

func TestShortSilenceChangesNothing(t *testing.T) {
	t.Parallel()
	etcd := etcdtest.Start(t)
	s := openOn(t, etcd, func(c *setting) { c.PingTimeout = 10 * time.Second })
	before := s.listeningSince()
	etcd.Pause()
	time.Sleep(300 * time.Millisecond)
	etcd.Resume()
	resumed := time.Now()
	eventually.True(t, "the view is current", func() bool { return s.asOf().After(resumed) })
	if since := s.listeningSince(); !since.Equal(before) {
		t.Errorf("listening since %v later than before", since.Sub(before))
	}
}

func TestKilledEtcdComesBackOnItsData(t *testing.T) {
	t.Parallel()
	etcd := etcdtest.Start(t)
	s := openOn(t, etcd, quick)
	put(t, s, pod(0), 1)
	eventually.True(t, "the view has it", func() bool { return s.Get(pod(0)) != nil })
	learned := s.Get(pod(0)).Learned

	etcd.Kill()
	eventually.True(t, "it is told", func() bool { return s.Trouble() != "" })
	if _, err := s.Put(t.Context(), pod(0), value(pod(0), 2), nil, time.Minute); !errors.Is(err, store.ErrUnavailable) || !strings.Contains(err.Error(), "connection refused") {
		t.Errorf("put: %v", err)
	}
	if err := s.Check(t.Context()); !errors.Is(err, store.ErrUnavailable) {
		t.Errorf("check: %v", err)
	}

	etcd.Restart()
	restarted := time.Now()
	eventually.True(t, "the view is current", func() bool { return s.asOf().After(restarted) })
	if r := s.Get(pod(0)); r == nil || !r.Learned.Equal(learned) {
		t.Errorf("the record is %+v, want one learned at %v", r, learned)
	}
	put(t, s, pod(0), 3)
	eventually.True(t, "the view has it", func() bool { return uptime(s, pod(0)) == 3 })
	if err := s.Check(t.Context()); err != nil {
		t.Errorf("check: %v", err)
	}
}

func TestStoreOpensBeforeEtcdIsThere(t *testing.T) {
	t.Parallel()
	etcd := etcdtest.Start(t)
	etcd.Kill()
	s, _ := open(t, store.Config{Endpoints: []string{etcd.Endpoint}, PingTimeout: ping})
	if as := s.asOf(); !as.IsZero() {
		t.Errorf("current as of %v", as)
	}
	eventually.True(t, "the cause is told", func() bool { return strings.Contains(s.Trouble(), "connection refused") })
	etcd.Restart()
	eventually.True(t, "it listens", func() bool { return !s.listeningSince().IsZero() })
	put(t, s, pod(0), 1)
}

func TestEtcdThatLostItsDataIsReadAnew(t *testing.T) {
	t.Parallel()
	etcd, empty := etcdtest.Start(t), etcdtest.Start(t)
	relay := newRelay(t, etcd.Endpoint)
	s, _ := open(t, store.Config{Endpoints: []string{relay.endpoint}, PingTimeout: ping})
	eventually.True(t, "it listens", func() bool { return !s.listeningSince().IsZero() })
	for i := range 5 {
		put(t, s, pod(i), 1)
	}
	eventually.True(t, "the view has them", func() bool { return s.has(5) == 5 })
	turned := time.Now()
	relay.turn(empty.Endpoint)
	eventually.True(t, "the view is that of the other", func() bool { return s.has(5) == 0 })
	eventually.True(t, "puts work", func() bool {
		_, err := s.Put(t.Context(), pod(9), value(pod(9), 1), nil, time.Minute)
		return err == nil
	})
	eventually.True(t, "the view has it", func() bool { return s.Get(pod(9)) != nil })
	eventually.True(t, "it listens anew", func() bool { return s.listeningSince().After(turned) })
}

func TestConnectionThatWentSilentIsLeft(t *testing.T) {
	t.Parallel()
	etcd := etcdtest.Start(t)
	relay := newRelay(t, etcd.Endpoint)
	s, _ := open(t, store.Config{Endpoints: []string{relay.endpoint}, PingTimeout: ping})
	eventually.True(t, "it listens", func() bool { return !s.listeningSince().IsZero() })
	relay.freeze()
	eventually.True(t, "it is told", func() bool { return s.Trouble() != "" })
	frozen := time.Now()
	eventually.True(t, "another connection is used", func() bool { return s.asOf().After(frozen) })
}

func TestEndpointThatIsDeadIsPassedOver(t *testing.T) {
	t.Parallel()
	etcd := etcdtest.Start(t)
	s, _ := open(t, store.Config{Endpoints: []string{"http://127.0.0.1:1", etcd.Endpoint}})
	eventually.True(t, "it listens", func() bool { return !s.listeningSince().IsZero() })
	for i := range 10 {
		put(t, s, pod(i), 1)
	}
}

func TestPutAfterTheEndIsRefused(t *testing.T) {
	t.Parallel()
	etcd := etcdtest.Start(t)
	s, stop := open(t, store.Config{Endpoints: []string{etcd.Endpoint}})
	put(t, s, pod(0), 1)
	stop()
	if _, err := s.Put(t.Context(), pod(0), value(pod(0), 2), nil, time.Minute); !errors.Is(err, store.ErrUnavailable) {
		t.Errorf("got error %v", err)
	}
}

func TestWaitingPutsAreAnsweredAtTheEnd(t *testing.T) {
	t.Parallel()
	etcd := etcdtest.Start(t)
	s, stop := open(t, store.Config{Endpoints: []string{etcd.Endpoint}, WriteTimeout: time.Second})
	put(t, s, pod(0), 1)
	etcd.Pause()
	answers := make(chan error, 100)
	for range cap(answers) {
		go func() {
			_, err := s.Put(t.Context(), pod(0), value(pod(0), 2), nil, time.Minute)
			answers <- err
		}()
	}
	time.Sleep(50 * time.Millisecond)
	stop()
	for range cap(answers) {
		if err := <-answers; !errors.Is(err, store.ErrUnavailable) {
			t.Errorf("got error %v", err)
		}
	}
}
