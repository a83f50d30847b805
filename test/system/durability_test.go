package system_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/netchecker/netchecker/test/eventually"
)

// stored is the report of an agent of namespace default as etcd has it.
func stored(t *testing.T, etcd *clientv3.Client, a agent) record {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	got, err := etcd.Get(ctx, "netchecker/agents/default/"+a.name)
	if err != nil {
		t.Fatal(err)
	}
	if len(got.Kvs) == 0 {
		return record{}
	}
	var r record
	if err := json.Unmarshal(got.Kvs[0].Value, &r); err != nil {
		t.Fatalf("etcd has %s: %v", got.Kvs[0].Value, err)
	}
	return r
}

// sender posts one agent's reports, one after the other, and knows which was
// acknowledged last.
type sender struct {
	agent  agent
	uptime uint64
	acked  uint64
	other  map[int]int
}

// send sends until ctx ends or the server is gone.
func (s *sender) send(ctx context.Context, url string) {
	for ctx.Err() == nil {
		s.uptime++
		a, err := s.agent.report(s.uptime).to(ctx, url)
		switch {
		case err != nil:
			return
		case a.status == http.StatusOK:
			s.acked = s.uptime
		default:
			s.other[a.status]++
		}
	}
}

func TestEachReportThatWasAnswered200IsInEtcdHoweverOftenTheServerIsKilled(t *testing.T) {
	sideBySide(t)
	var senders []*sender
	var agents []agent
	for i := range 8 {
		a := agent{name: fmt.Sprintf("agent-%d", i), node: fmt.Sprintf("node-%d", i)}
		agents = append(agents, a)
		senders = append(senders, &sender{agent: a, other: map[int]int{}})
	}
	etcd := startEtcd(t)
	direct := etcd.Client(t)
	s := serve(t, in(etcd), expecting(t, agents...))
	for round := range 10 {
		ctx, stop := context.WithTimeout(t.Context(), patience)
		var wg sync.WaitGroup
		for _, each := range senders {
			wg.Go(func() { each.send(ctx, s.url) })
		}
		time.Sleep(time.Duration(200+37*round) * time.Millisecond)
		s.kill()
		wg.Wait()
		stop()
		for _, each := range senders {
			if got := stored(t, direct, each.agent); got.Uptime < each.acked || got.Uptime > each.uptime {
				t.Errorf("round %d: etcd has report %d of %s; %d was acknowledged, %d was sent last", round, got.Uptime, each.agent.name, each.acked, each.uptime)
			}
		}
		s.restart()
	}
	for _, each := range senders {
		if each.acked < 10 || len(each.other) > 0 {
			t.Errorf("%s: %d reports, refused by status: %v", each.agent.name, each.acked, each.other)
		}
	}
}

func TestAReportIsInEtcdWhenItIsAnswered(t *testing.T) {
	sideBySide(t)
	a := agent{name: "a"}
	etcd := startEtcd(t)
	direct := etcd.Client(t)
	s := serve(t, in(etcd), expecting(t, a)).ready()
	for uptime := uint64(1); uptime <= 20; uptime++ {
		s.takes(a.report(uptime))
		if got := stored(t, direct, a); got.Uptime != uptime {
			t.Fatalf("report %d is answered, and etcd has %d", uptime, got.Uptime)
		}
	}
}

func TestTwoHundredSendersAtOnceAreAllHeard(t *testing.T) {
	sideBySide(t)
	const senders, each = 200, 5
	var agents []agent
	for i := range senders {
		agents = append(agents, agent{name: fmt.Sprintf("agent-%d", i), node: fmt.Sprintf("node-%d", i), interval: 60})
	}
	s := serve(t, ownEtcd(t), expecting(t, agents...)).ready()
	var wg sync.WaitGroup
	for _, a := range agents {
		wg.Go(func() {
			for uptime := uint64(1); uptime <= each; uptime++ {
				answer, err := a.report(uptime).to(t.Context(), s.url)
				if err == nil {
					err = wantTaken(answer)
				}
				if err != nil {
					t.Errorf("report %d of %s: %v", uptime, a.name, err)
				}
			}
		})
	}
	wg.Wait()
	s.becomes(checkPath, 200, allWell(senders))
	eventually.Nil(t, func() error {
		metrics := s.get("/metrics").body
		for _, a := range agents {
			if want := fmt.Sprintf("\n%s %d\n", a.series(reportCount), each); !strings.Contains(metrics, want) {
				return fmt.Errorf("/metrics lacks %q", want)
			}
		}
		return nil
	})
	// Counts are those of now; what is shown of the agents is a moment older.
	eventually.Nil(t, func() error {
		shown := s.agents()
		for _, a := range agents {
			if e := shown[a.name]; e.PodName != a.name || e.Uptime != each {
				return fmt.Errorf("the entry of %s is %+v", a.name, e)
			}
		}
		return nil
	})
}
