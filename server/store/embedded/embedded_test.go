package embedded_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"
	"go.uber.org/zap"

	"github.com/netchecker/netchecker/server/store/embedded"
	"github.com/netchecker/netchecker/test/testmain"
)

func TestMain(m *testing.M) { testmain.Run(m) }

func start(t *testing.T, dir string) *embedded.Etcd {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	e, err := embedded.Start(ctx, embedded.Config{Dir: dir, QuotaBytes: 64 << 20})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { closeEtcd(t, e) })
	return e
}

func closeEtcd(t *testing.T, e *embedded.Etcd) {
	t.Helper()
	if err := e.Close(); err != nil {
		t.Errorf("closing: %v", err)
	}
}

func connect(t *testing.T, e *embedded.Etcd) *clientv3.Client {
	t.Helper()
	client, err := clientv3.New(clientv3.Config{Endpoints: []string{e.Endpoint()}, Logger: zap.NewNop()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = client.Close() })
	return client
}

func TestRestartKeepsTheData(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	first := start(t, dir)
	if _, err := connect(t, first).Put(t.Context(), "key", "value"); err != nil {
		t.Fatal(err)
	}
	closeEtcd(t, first)
	second := start(t, dir)
	answer, err := connect(t, second).Get(t.Context(), "key")
	if err != nil || len(answer.Kvs) != 1 || string(answer.Kvs[0].Value) != "value" {
		t.Errorf("after the restart, the key is %v, %v", answer, err)
	}
	select {
	case err := <-first.Err():
		t.Errorf("closing was told as a failure: %v", err)
	default:
	}
}

func TestSecondStartOnTheSameDirectoryIsToldAtOnce(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	start(t, dir)
	_, err := embedded.Start(t.Context(), embedded.Config{Dir: dir})
	want := "-data-dir " + dir + " is used by another netchecker-server; each needs one of its own"
	if err == nil || err.Error() != want {
		t.Errorf("got error %v, want %s", err, want)
	}
}

func TestDirectoryThatCannotBeWrittenIsToldAtOnce(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	_, err := embedded.Start(t.Context(), embedded.Config{Dir: file})
	want := "-data-dir " + file + " can't be written: not a directory"
	if err == nil || err.Error() != want {
		t.Errorf("got error %v, want %s", err, want)
	}
}

func TestOtherDataIsNotTakenForItsOwn(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "etcd"), []byte("a file"), 0o600); err != nil {
		t.Fatal(err)
	}
	_, err := embedded.Start(t.Context(), embedded.Config{Dir: dir})
	if err == nil || !strings.HasPrefix(err.Error(), "starting etcd: ") {
		t.Fatalf("got error %v", err)
	}
	if err := os.Remove(filepath.Join(dir, "etcd")); err != nil {
		t.Fatal(err)
	}
	start(t, dir) // the lock was let go
}

func TestStartEndsWithItsContext(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := embedded.Start(ctx, embedded.Config{Dir: dir}); !errors.Is(err, context.Canceled) {
		t.Errorf("got error %v", err)
	}
	start(t, dir)
}

func TestItListensOnLoopbackAlone(t *testing.T) {
	// Not parallel: all that this process listens on is looked at.
	e := start(t, t.TempDir())
	u, err := url.Parse(e.Endpoint())
	if err != nil || u.Hostname() != "127.0.0.1" {
		t.Errorf("the endpoint is %s, %v", e.Endpoint(), err)
	}
	own := sockets(t)
	found := 0
	for _, table := range []string{"tcp", "tcp6"} {
		for _, s := range listening(t, table) {
			if !own[s.inode] {
				continue
			}
			found++
			if s.address != "0100007F" { // 127.0.0.1, as /proc/net/tcp has it
				t.Errorf("it listens on %s of %s", s.address, table)
			}
		}
	}
	if found != 2 {
		t.Errorf("it listens on %d sockets, want 2, one for clients and one for peers", found)
	}
}

// sockets are the inodes of the sockets that this process has open.
func sockets(t *testing.T) map[string]bool {
	t.Helper()
	entries, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	inodes := make(map[string]bool)
	for _, e := range entries {
		link, err := os.Readlink("/proc/self/fd/" + e.Name())
		if err != nil {
			continue // the one that read the directory
		}
		var inode string
		if _, err := fmt.Sscanf(link, "socket:[%s", &inode); err == nil {
			inodes[strings.TrimSuffix(inode, "]")] = true
		}
	}
	return inodes
}

type socket struct{ address, inode string }

func listening(t *testing.T, table string) (found []socket) {
	t.Helper()
	f, err := os.Open("/proc/self/net/" + table)
	if errors.Is(err, os.ErrNotExist) && table == "tcp6" {
		return nil // there is no IPv6
	}
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	const listen = "0A"
	for lines := bufio.NewScanner(f); lines.Scan(); {
		fields := strings.Fields(lines.Text())
		if len(fields) > 9 && fields[3] == listen {
			address, _, _ := strings.Cut(fields[1], ":")
			found = append(found, socket{address, fields[9]})
		}
	}
	return found
}
