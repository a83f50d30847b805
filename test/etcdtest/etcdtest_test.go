package etcdtest_test

import (
	"context"
	"errors"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	clientv3 "go.etcd.io/etcd/client/v3"
	"go.uber.org/goleak"

	"github.com/netchecker/netchecker/test/certtest"
	"github.com/netchecker/netchecker/test/etcdtest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func put(t *testing.T, client *clientv3.Client, key, value string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	if _, err := client.Put(ctx, key, value); err != nil {
		t.Fatalf("putting %s: %v", key, err)
	}
}

func get(t *testing.T, client *clientv3.Client, key string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	answer, err := client.Get(ctx, key)
	if err != nil {
		t.Fatalf("getting %s: %v", key, err)
	}
	if len(answer.Kvs) != 1 {
		t.Fatalf("%s has %d values, want 1", key, len(answer.Kvs))
	}
	return string(answer.Kvs[0].Value)
}

func TestDataOutlivesKillAndStop(t *testing.T) {
	t.Parallel()
	for name, end := range map[string]func(*etcdtest.Etcd){
		"killed":  (*etcdtest.Etcd).Kill,
		"stopped": (*etcdtest.Etcd).Stop,
		"running": func(*etcdtest.Etcd) {},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			etcd := etcdtest.Start(t)
			client := etcd.Client(t)
			put(t, client, "key", "value")
			endpoint, pid := etcd.Endpoint, etcd.PID()
			end(etcd)
			etcd.Restart()
			if etcd.Endpoint != endpoint || etcd.PID() == pid {
				t.Errorf("restarted at %s as process %d, want another process than %d at %s", etcd.Endpoint, etcd.PID(), pid, endpoint)
			}
			if v := get(t, client, "key"); v != "value" {
				t.Errorf("after the restart, key is %q", v)
			}
		})
	}
}

func TestPausedEtcdDoesNotAnswerUntilItIsResumed(t *testing.T) {
	t.Parallel()
	etcd := etcdtest.Start(t)
	client := etcd.Client(t)
	put(t, client, "key", "value")
	etcd.Pause()
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	if _, err := client.Get(ctx, "key"); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("a paused etcd answered: %v", err)
	}
	etcd.Resume()
	if v := get(t, client, "key"); v != "value" {
		t.Errorf("after the pause, key is %q", v)
	}
}

func TestPausedEtcdEndsWithItsTest(t *testing.T) {
	t.Parallel()
	var pid int
	t.Run("test", func(t *testing.T) {
		etcd := etcdtest.Start(t)
		pid = etcd.PID()
		etcd.Pause()
	})
	if err := syscall.Kill(pid, 0); !errors.Is(err, syscall.ESRCH) {
		t.Errorf("process %d is still there (%v)", pid, err)
	}
}

func TestQuotaIsKept(t *testing.T) {
	t.Parallel()
	client := etcdtest.Start(t, etcdtest.Quota(1<<20)).Client(t)
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	for {
		_, err := client.Put(ctx, "key", strings.Repeat("x", 100<<10))
		if errors.Is(err, rpctypes.ErrNoSpace) {
			return
		}
		if err != nil {
			t.Fatalf("want %v, got %v", rpctypes.ErrNoSpace, err)
		}
	}
}

func TestTLSIsVerified(t *testing.T) {
	t.Parallel()
	ca := authority(t)
	stranger, err := authority(t).Client("stranger", "stranger")
	if err != nil {
		t.Fatal(err)
	}
	etcd := etcdtest.Start(t, etcdtest.MutualTLS(ca))
	put(t, etcd.Client(t), "key", "value")

	config, err := ca.ClientConfig(stranger)
	if err != nil {
		t.Fatal(err)
	}
	client, err := clientv3.New(clientv3.Config{Endpoints: []string{etcd.Endpoint}, TLS: config})
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	ctx, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	if _, err := client.Get(ctx, "key"); err == nil {
		t.Error("a client with a stranger's certificate was let in")
	}
}

func TestUnknownReleaseIsAnError(t *testing.T) {
	_, err := etcdtest.Run(t.Context(), t.TempDir(), etcdtest.Version("2.3"))
	const want = `there is no etcd "2.3" to test with; there are 3.4 and 3.5`
	if err == nil || err.Error() != want {
		t.Errorf("got error %v, want %s", err, want)
	}
}

func TestEtcdThatCannotStartSaysWhatItLogged(t *testing.T) {
	_, err := etcdtest.Run(t.Context(), t.TempDir(), etcdtest.Args("--no-such-flag"))
	if err == nil || !strings.Contains(err.Error(), "no-such-flag") {
		t.Errorf("got error %v", err)
	}
}

func TestProgramWithoutEtcdIsToldToMakeTools(t *testing.T) {
	t.Setenv("ETCD", "")
	t.Setenv("NETCHECKER_CACHE", t.TempDir())
	_, err := etcdtest.Run(t.Context(), t.TempDir())
	const want = "etcd has not been built: run `make tools`, or let ETCD name one that is there"
	if err == nil || !strings.HasPrefix(err.Error(), want) || !errors.Is(err, os.ErrNotExist) {
		t.Errorf("got error %v, want %s", err, want)
	}
}

func authority(t *testing.T) *certtest.Authority {
	t.Helper()
	ca, err := certtest.New(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	return ca
}
