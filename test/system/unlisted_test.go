package system_test

import (
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/netchecker/netchecker/test/eventually"
)

func TestAReportOfAPodThatIsNotListedYetIsTakenAndShownOnceItIs(t *testing.T) {
	sideBySide(t)
	known, early := agent{name: "known", interval: 60}, agent{name: "early", node: "n2", interval: 60}
	agents := newRoster(t, known)
	s := serve(t, ownEtcd(t), agents.flag()).ready()
	s.takes(early.report(1))
	s.takes(early.report(2))
	s.takes(known.report(1))
	s.becomes(checkPath, 200, allWell(1))
	if answer := s.get(early.path()); answer.status != 404 {
		t.Errorf("its entry: %v", answer)
	}
	if entries := s.agents(); len(entries) != 1 {
		t.Errorf("there are entries of %v", entries)
	}
	if _, ok := s.metric(early.series(reportCount)); ok {
		t.Error("it has a series")
	}
	agents.set(known, early)
	s.becomes(checkPath, 200, allWell(2))
	if got := s.agents()["early"].Uptime; got != 2 {
		t.Errorf("its entry is that of report %d, want 2", got)
	}
	s.metricBecomes(early.series(reportCount), 2)
}

func TestReportsOfAThousandUnlistedPodsAreKeptAndNoMore(t *testing.T) {
	sideBySide(t)
	const most = 1000
	etcd := startEtcd(t)
	known := agent{name: "known", interval: 60}
	s := serve(t, in(etcd), expecting(t, known)).ready()
	stranger := func(i int) agent { return agent{name: fmt.Sprintf("stranger-%d", i), interval: 60} }
	var senders errgroup.Group
	senders.SetLimit(16)
	for i := range most {
		senders.Go(func() error {
			answer, err := stranger(i).report(1).to(t.Context(), s.url)
			// One that is in the view and not answered yet counts twice for a moment.
			for tries := 0; err == nil && answer.status == http.StatusTooManyRequests && tries < 20; tries++ {
				time.Sleep(50 * time.Millisecond)
				answer, err = stranger(i).report(1).to(t.Context(), s.url)
			}
			if err != nil {
				return err
			}
			return wantTaken(answer)
		})
	}
	if err := senders.Wait(); err != nil {
		t.Fatal(err)
	}
	refused := s.ask(stranger(most).report(1))
	if refused.status != http.StatusTooManyRequests || refused.header.Get("Retry-After") == "" ||
		!strings.Contains(refused.body, `"stranger-1000" is not in the list of agent pods, and 1000 reports of such pods are waiting already`) {
		t.Errorf("one more is answered %v, Retry-After %q; want 429", refused, refused.header.Get("Retry-After"))
	}
	// Those that are kept may report again, and so may who is expected.
	s.takes(stranger(0).report(2))
	s.takes(known.report(1))
	s.becomes(checkPath, 200, allWell(1))
	got, err := etcd.Client(t).Get(t.Context(), "netchecker/agents/_/stranger-1000")
	if err != nil || len(got.Kvs) != 0 {
		t.Errorf("the one that was refused left %v in etcd, %v", got.Kvs, err)
	}
}

func TestReportsThatFitSeveralPodsAreRefusedAndOthersToldApart(t *testing.T) {
	sideBySide(t)
	blue := agent{name: "twin", namespace: "blue", node: "n1", interval: 60}
	green := agent{name: "twin", namespace: "green", node: "n2", interval: 60}
	s := serve(t, ownEtcd(t), expecting(t, blue, green)).ready()

	ambiguous := s.ask(agent{name: "twin", node: "n3"}.report(1))
	if ambiguous.status != http.StatusConflict || !strings.Contains(ambiguous.body, `"twin" is the name of pods in the namespaces blue and green`) {
		t.Errorf("a report of either is answered %v, want 409", ambiguous)
	}
	// By the node that they tell, as original agents do.
	s.takes(blue.report(11))
	s.takes(green.report(22))
	s.becomes(checkPath, 200, allWell(2))
	entries := s.agents()
	if entries["blue/twin"].Uptime != 11 || entries["green/twin"].Uptime != 22 || len(entries) != 2 {
		t.Errorf("the entries are %+v", entries)
	}
	// By their namespace.
	s.takes(blue.post(`{"report_interval":60,"nodename":"n9","podname":"twin","namespace":"green","uptime":33}`))
	s.becomes(checkPath, 200, allWell(2))
	eventually.Nil(t, func() error {
		if got := s.agents()["green/twin"].Uptime; got != 33 {
			return fmt.Errorf("green's entry is that of report %d, want 33", got)
		}
		return nil
	})
}

// together runs f n times at once.
func together(n int, f func(i int)) {
	var wg sync.WaitGroup
	for i := range n {
		wg.Go(func() { f(i) })
	}
	wg.Wait()
}
