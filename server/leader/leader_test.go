package leader_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/netchecker/netchecker/server/leader"
	"github.com/netchecker/netchecker/server/store"
	"github.com/netchecker/netchecker/server/tally"
	"github.com/netchecker/netchecker/test/etcdtest"
	"github.com/netchecker/netchecker/test/eventually"
	"github.com/netchecker/netchecker/test/testmain"
)

func TestMain(m *testing.M) { testmain.Run(m) }

// server is one of several that take part in an election.
type server struct {
	*leader.Elector
	store    *store.Store
	counters *store.Checkpoints
	// reigns has the fence of each reign that began.
	reigns chan store.Fence
	// ended has the cause of each reign that ended.
	ended chan error
	stop  func()
}

func join(t *testing.T, etcd *etcdtest.Etcd, identity string) *server {
	t.Helper()
	counters := store.NewCheckpoints(tally.New(time.Now))
	s, err := store.Open(store.Config{Endpoints: []string{etcd.Endpoint}, Tree: "netchecker"}, counters.Kind())
	if err != nil {
		t.Fatal(err)
	}
	srv := &server{
		Elector: leader.New(leader.Config{Client: s.Client(), Prefix: s.LeaderPrefix(), Identity: identity, SessionTTL: 2 * time.Second}),
		store:   s, counters: counters, reigns: make(chan store.Fence, 10), ended: make(chan error, 10),
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() {
		done <- srv.Run(ctx, func(ctx context.Context, fence store.Fence) error {
			srv.reigns <- fence
			<-ctx.Done()
			srv.ended <- context.Cause(ctx)
			return nil
		})
	}()
	srv.stop = sync.OnceFunc(func() {
		cancel()
		if err := receive(t, done); err != nil {
			t.Errorf("Run ended with %v", err)
		}
		if err := s.Close(); err != nil {
			t.Errorf("closing the store: %v", err)
		}
	})
	t.Cleanup(srv.stop)
	return srv
}

func receive[T any](t *testing.T, c <-chan T) (v T) {
	t.Helper()
	select {
	case v = <-c:
	case <-time.After(eventually.Patience):
		t.Error("nothing came")
	}
	return v
}

// candidates waits until so many servers take part in the election.
func candidates(t *testing.T, etcd *etcdtest.Etcd, want int) {
	t.Helper()
	client := etcd.Client(t)
	eventually.True(t, fmt.Sprintf("%d candidates", want), func() bool {
		keys, err := client.Get(t.Context(), "netchecker/leader/", clientv3.WithPrefix(), clientv3.WithCountOnly())
		return err == nil && keys.Count == int64(want)
	})
}

func TestOneOfSeveralLeads(t *testing.T) {
	t.Parallel()
	etcd := etcdtest.Start(t)
	servers := []*server{join(t, etcd, "a"), join(t, etcd, "b"), join(t, etcd, "c")}
	candidates(t, etcd, len(servers))
	reigns := func() (n int) {
		for _, s := range servers {
			n += len(s.reigns)
		}
		return n
	}
	eventually.True(t, "a reign has begun", func() bool { return reigns() > 0 })
	leading := slices.DeleteFunc(slices.Clone(servers), func(s *server) bool { return !s.Leading() })
	if reigns := reigns(); len(leading) != 1 || reigns != 1 {
		t.Errorf("%d lead, in %d reigns", len(leading), reigns)
	}
}

func TestAnotherTakesOverAtOnceFromALeaderThatEnds(t *testing.T) {
	t.Parallel()
	etcd := etcdtest.Start(t)
	a := join(t, etcd, "a")
	first := receive(t, a.reigns)
	b := join(t, etcd, "b")
	candidates(t, etcd, 2)
	began := time.Now()
	a.stop()
	second := receive(t, b.reigns)
	if took := time.Since(began); took > time.Second {
		t.Errorf("it took %v", took)
	}
	if cause := receive(t, a.ended); !errors.Is(cause, context.Canceled) {
		t.Errorf("a's reign ended because of %v", cause)
	}
	if second.CreateRevision <= first.CreateRevision || second.Key == first.Key {
		t.Errorf("the second fence is %+v, the first was %+v", second, first)
	}
	eventually.True(t, "b alone leads", func() bool { return b.Leading() && !a.Leading() })
}

func TestLeaderThatIsCutOffEndsAndAnotherTakesOver(t *testing.T) {
	t.Parallel()
	etcd := etcdtest.Start(t)
	a := join(t, etcd, "a")
	receive(t, a.reigns)
	b := join(t, etcd, "b")
	candidates(t, etcd, 2)
	// Closing the connection is what a dead process and a cut network have in
	// common: the session is not renewed and not ended.
	if err := a.store.Close(); err != nil {
		t.Fatal(err)
	}
	receive(t, b.reigns)
	if cause := receive(t, a.ended); cause == nil || cause.Error() != "its session with etcd was lost" {
		t.Errorf("a's reign ended because of %v", cause)
	}
}

func TestReignEndsWhenEtcdHangsAndOthersBeginWhenItGoesOn(t *testing.T) {
	t.Parallel()
	etcd := etcdtest.Start(t)
	a := join(t, etcd, "a")
	receive(t, a.reigns)
	etcd.Pause()
	if cause := receive(t, a.ended); cause == nil || cause.Error() != "its session with etcd was lost" {
		t.Errorf("the reign ended because of %v", cause)
	}
	eventually.True(t, "it knows", func() bool { return !a.Leading() })
	etcd.Resume()
	receive(t, a.reigns)
}

func TestServerEndsInTimeWhileEtcdHangs(t *testing.T) {
	t.Parallel()
	etcd := etcdtest.Start(t)
	a := join(t, etcd, "a")
	receive(t, a.reigns)
	b := join(t, etcd, "b")
	candidates(t, etcd, 2)
	etcd.Pause()
	for _, s := range []*server{a, b} {
		began := time.Now()
		s.stop()
		if took := time.Since(began); took > 8*time.Second {
			t.Errorf("it took %v", took)
		}
	}
}

func TestReignEndsWhenItsKeyIsDeleted(t *testing.T) {
	t.Parallel()
	etcd := etcdtest.Start(t)
	a := join(t, etcd, "a")
	receive(t, a.reigns)
	if _, err := etcd.Client(t).Delete(t.Context(), "netchecker/leader/", clientv3.WithPrefix()); err != nil {
		t.Fatal(err)
	}
	if cause := receive(t, a.ended); cause == nil || cause.Error() != "its key in etcd was deleted" {
		t.Errorf("the reign ended because of %v", cause)
	}
	receive(t, a.reigns)
}

func TestFenceRefusesWhoLedBefore(t *testing.T) {
	t.Parallel()
	etcd := etcdtest.Start(t)
	a := join(t, etcd, "a")
	old := receive(t, a.reigns)
	write := func(s *server, fence store.Fence, text string) error {
		return s.counters.Save(t.Context(), fence, map[string][]byte{"0": []byte(text)})
	}
	if err := write(a, old, "of a"); err != nil {
		t.Errorf("the leader can't write: %v", err)
	}
	b := join(t, etcd, "b")
	candidates(t, etcd, 2)
	if _, err := etcd.Client(t).Delete(t.Context(), old.Key); err != nil {
		t.Fatal(err)
	}
	fence := receive(t, b.reigns)
	if err := write(a, old, "of a, again"); !errors.Is(err, store.ErrNotLeader) {
		t.Errorf("who led before writes: %v", err)
	}
	if err := write(b, fence, "of b"); err != nil {
		t.Errorf("the new leader can't write: %v", err)
	}
}

func TestLeadThatReturnsLetsAnotherLead(t *testing.T) {
	t.Parallel()
	etcd := etcdtest.Start(t)
	s, err := store.Open(store.Config{Endpoints: []string{etcd.Endpoint}, Tree: "netchecker"})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	elector := leader.New(leader.Config{Client: s.Client(), Prefix: s.LeaderPrefix(), Identity: "a"})
	ctx, cancel := context.WithCancel(t.Context())
	done, began := make(chan error, 1), make(chan struct{}, 100)
	go func() {
		done <- elector.Run(ctx, func(context.Context, store.Fence) error {
			began <- struct{}{}
			return errors.New("no more")
		})
	}()
	receive(t, began)
	b := join(t, etcd, "b")
	receive(t, b.reigns)
	cancel()
	if err := receive(t, done); err != nil {
		t.Errorf("Run ended with %v", err)
	}
}
