package store_test

import (
	"context"
	"fmt"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/netchecker/netchecker/server/store"
	"github.com/netchecker/netchecker/test/eventually"
	"github.com/netchecker/netchecker/test/process"
	"github.com/netchecker/netchecker/test/tools"
)

// startMembers starts an etcd of three members.
func startMembers(t *testing.T) (endpoints []string, members []*process.Process) {
	t.Helper()
	path, err := tools.Path("etcd")
	if err != nil {
		t.Fatal(err)
	}
	var peers, cluster []string
	for i := range 3 {
		for _, list := range []*[]string{&endpoints, &peers} {
			port, err := process.FreePort()
			if err != nil {
				t.Fatal(err)
			}
			*list = append(*list, fmt.Sprintf("http://127.0.0.1:%d", port))
		}
		cluster = append(cluster, fmt.Sprintf("m%d=%s", i, peers[i]))
	}
	for i := range 3 {
		p, err := process.Start(process.Spec{
			Path: path,
			Args: []string{
				"--name", fmt.Sprintf("m%d", i), "--data-dir", t.TempDir(),
				"--listen-client-urls", endpoints[i], "--advertise-client-urls", endpoints[i],
				"--listen-peer-urls", peers[i], "--initial-advertise-peer-urls", peers[i],
				"--initial-cluster", strings.Join(cluster, ","),
			},
			Log: filepath.Join(t.TempDir(), "etcd.log"),
		})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = p.Kill() })
		members = append(members, p)
	}
	return endpoints, members
}

func TestWhatWasAnsweredOutlivesAnyMinorityOfEtcd(t *testing.T) {
	for lost := range 3 { // one of them leads
		t.Run(fmt.Sprintf("member %d", lost), func(t *testing.T) {
			endpoints, members := startMembers(t)
			s, _ := open(t, store.Config{Endpoints: endpoints})
			eventually.True(t, "it listens", func() bool { return !s.listeningSince().IsZero() })

			const senders = 8
			var answered [senders]atomic.Uint64
			ctx, cancel := context.WithCancel(t.Context())
			var wg sync.WaitGroup
			for i := range senders {
				wg.Go(func() {
					for n := uint64(1); ctx.Err() == nil; n++ {
						if _, err := s.Put(ctx, pod(i), value(pod(i), n), nil, time.Minute); err == nil {
							answered[i].Store(n)
						}
					}
				})
			}
			reach := func(more uint64) {
				for i := range senders {
					from := answered[i].Load()
					eventually.True(t, "reports are answered", func() bool { return answered[i].Load() > from+more })
				}
			}
			reach(20)
			if err := members[lost].Kill(); err != nil {
				t.Error(err)
			}
			reach(20)
			cancel()
			wg.Wait()

			client, err := clientv3.New(clientv3.Config{Endpoints: append(endpoints[:lost:lost], endpoints[lost+1:]...)})
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = client.Close() }()
			for i := range senders {
				stored := read(t, client, "netchecker/agents/default/"+pod(i).Name)
				_, after, _ := strings.Cut(stored, `"uptime":`)
				var n uint64
				if _, err := fmt.Sscanf(after, "%d", &n); err != nil || n < answered[i].Load() {
					t.Errorf("%v: stored is %d, answered was %d (%v)", pod(i), n, answered[i].Load(), err)
				}
			}
		})
	}
}
