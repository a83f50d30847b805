package system_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"

	"github.com/netchecker/netchecker/test/etcdtest"
	"github.com/netchecker/netchecker/test/eventually"
)

const (
	quota          = 64 << 20
	outOfSpace     = "etcd is out of space"
	outOfSpaceGage = "netchecker_store_out_of_space"
)

func TestAnEtcdOfOthersThatIsOutOfSpaceIsTold(t *testing.T) {
	sideBySide(t)
	a := agent{name: "a", interval: 60}
	etcd := startEtcd(t, etcdtest.Quota(quota))
	s := serve(t, in(etcd), expecting(t, a)).ready()
	s.takes(a.report(1))
	s.becomes(checkPath, 200, allWell(1))
	s.metricBecomes(outOfSpaceGage, 0)
	fill(t, etcd)

	answer := s.ask(a.report(2))
	if answer.status != http.StatusServiceUnavailable || !strings.Contains(answer.body, outOfSpace) || answer.header.Get("Retry-After") == "" {
		t.Errorf("a report is answered %v, Retry-After %q; want 503 that names the cause", answer, answer.header.Get("Retry-After"))
	}
	s.metricBecomes(outOfSpaceGage, 1)
	if answer := s.get("/readyz/etcd"); answer.status != 503 || !strings.Contains(answer.body, outOfSpace) {
		t.Errorf("/readyz/etcd: %v", answer)
	}
	// What is there can still be read.
	if answer := s.check(); answer.status != 200 || answer.body != allWell(1) {
		t.Errorf("the check: %v", answer)
	}
	if got := s.agents()[a.name].Uptime; got != 1 {
		t.Errorf("the entry is that of report %d, want 1", got)
	}
}

// fill writes to etcd until it takes no more.
func fill(t *testing.T, etcd *etcdtest.Etcd) {
	t.Helper()
	client := etcd.Client(t)
	ctx, cancel := context.WithTimeout(t.Context(), eventually.Patience)
	defer cancel()
	for {
		_, err := client.Put(ctx, "somebody/else", strings.Repeat("x", 1<<20))
		if errors.Is(err, rpctypes.ErrNoSpace) {
			return
		}
		if err != nil {
			t.Fatal(err)
		}
	}
}

// large is a report of about 200 kB as it is stored.
func (a agent) large(uptime uint64) request {
	var addresses []string
	for i := range 100 {
		addresses = append(addresses, fmt.Sprintf(`"%d-%s"`, i, strings.Repeat("x", 2000)))
	}
	return a.post(fmt.Sprintf(`{"report_interval":60,"nodename":%q,"podname":%q,"uptime":%d,"ips":{"eth0":[%s]}}`,
		a.nodeName(), a.name, uptime, strings.Join(addresses, ",")))
}

func TestTheServersOwnEtcdThatIsOutOfSpaceHealsItself(t *testing.T) {
	sideBySide(t)
	var agents []agent
	for i := range 8 {
		agents = append(agents, agent{name: fmt.Sprintf("agent-%d", i), node: fmt.Sprintf("n%d", i), interval: 60})
	}
	s := serve(t, ownEtcd(t), expecting(t, agents...), flags{"-embedded-etcd-quota", fmt.Sprint(quota)}).ready()
	ctx, cancel := context.WithTimeout(t.Context(), eventually.Patience)
	defer cancel()
	var full atomic.Bool
	var wg sync.WaitGroup
	for _, a := range agents {
		wg.Go(func() {
			for uptime := uint64(1); ctx.Err() == nil && !full.Load(); uptime++ {
				answer, err := a.large(uptime).to(ctx, s.url)
				switch {
				case err != nil:
					t.Error(err)
					return
				case answer.status == http.StatusServiceUnavailable && strings.Contains(answer.body, outOfSpace):
					full.Store(true)
				case answer.status == http.StatusServiceUnavailable:
					// The disk is slow: "should be sent again".
				case answer.status != http.StatusOK:
					t.Errorf("a large report is answered %v", answer)
					return
				}
			}
		})
	}
	wg.Wait()
	if !full.Load() {
		t.Fatal("the etcd never ran out of space")
	}
	for _, a := range agents {
		eventually.Nil(t, func() error { return wantTaken(s.ask(a.report(1))) })
	}
	s.ready()
	s.metricBecomes(outOfSpaceGage, 0)
	s.becomes(checkPath, 200, allWell(len(agents)))
}
