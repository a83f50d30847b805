package system_test

import (
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/netchecker/netchecker/test/etcdtest"
	"github.com/netchecker/netchecker/test/eventually"
	"github.com/netchecker/netchecker/test/sweep"
)

// sampler is an agent's life that tells of backends.
type sampler struct {
	agent
	boot  string
	began time.Time
}

func newSampler(a agent) *sampler {
	return &sampler{a, fmt.Sprintf("%016x", rand.Uint64()), time.Now()}
}

// clock is the agent's, in milliseconds.
func (s *sampler) clock() int64 { return time.Since(s.began).Milliseconds() }

// message is one of intervals, with that body.
func (s *sampler) message(number int, body string) request {
	r := s.post(fmt.Sprintf(`{"podname":%q,"namespace":"default","boot_id":%q,"clock_ms":%d,"number":%d,"body":%s}`, s.name, s.boot, s.clock(), number, body))
	r.path += "/intervals"
	return r
}

// report is one with what is open.
func (s *sampler) report(disruption string) request {
	interval := s.interval
	if interval == 0 {
		interval = 1
	}
	return s.post(fmt.Sprintf(`{"report_interval":%d,"podname":%q,"namespace":"default","nodename":%q,"boot_id":%q,"clock_ms":%d,"disruption":%s}`,
		interval, s.name, s.nodeName(), s.boot, s.clock(), disruption))
}

// fold is an interval of backend x over new connections, in milliseconds of the
// agent's clock; one that is open where to is 0.
func fold(id int, level string, from, to int64) string {
	end := ""
	if to != 0 {
		end = fmt.Sprintf(`,"to_ms":%d`, to)
	}
	return fmt.Sprintf(`{"id":%d,"backend":"x","connection":"new","level":%q,"message":%q,"from_ms":%d%s}`, id, level, strings.Repeat("refused", min(1, len(level)-4)), from, end)
}

func disruption(asOf int64, open, sealed string) string {
	return fmt.Sprintf(`{"as_of_ms":%d,"open":[%s],"sealed":[%s]}`, asOf, open, sealed)
}

// interval is one as the API tells it.
type interval struct {
	Level, Locator, Message string
	From, To                time.Time
	Open                    bool
}

// intervals are all that the server knows, page by page.
func (s *server) intervals(query url.Values) []interval {
	s.tb.Helper()
	var all []interval
	for {
		var page struct {
			Items    []interval
			Continue string
		}
		a := s.get("/api/v1/intervals?" + query.Encode())
		if err := json.Unmarshal([]byte(a.body), &page); err != nil {
			s.tb.Fatalf("/api/v1/intervals: %v: %v", a, err)
		}
		all = append(all, page.Items...)
		if page.Continue == "" {
			return all
		}
		query.Set("continue", page.Continue)
	}
}

// levels are those of the intervals, in order, with + behind those that are open.
func (s *server) levels() string {
	s.tb.Helper()
	var all []string
	for _, i := range s.intervals(url.Values{}) {
		if i.Open {
			i.Level += "+"
		}
		all = append(all, i.Level)
	}
	return strings.Join(all, " ")
}

func (s *server) levelsBecome(want string) {
	s.tb.Helper()
	eventually.Nil(s.tb, func() error {
		if got := s.levels(); got != want {
			return fmt.Errorf("the intervals are %q, want %q", got, want)
		}
		return nil
	})
}

const (
	// stormMessages is how many messages each sampler of a storm sends, one after the
	// other, with stormSealed intervals each.
	stormMessages, stormSealed = 60, 8
	stormSamplers              = 8
	// stormPace is a sampler's pause between two messages, so that a storm lasts longer
	// than a second however fast the machine is.
	stormPace = 20 * time.Millisecond
)

// storm posts the messages of a sampler in order, each until it is acknowledged.
func (s *sampler) storm(ctx context.Context, url string) error {
	for number := 1; number <= stormMessages; number++ {
		var sealed []string
		for i := range stormSealed {
			id := (number-1)*stormSealed + i + 1
			sealed = append(sealed, fold(id, []string{"Info", "Error"}[id%2], int64(id), int64(id+1)))
		}
		body := disruption(int64(stormMessages*stormSealed+1), fold(1e6, "Info", int64(number), 0), strings.Join(sealed, ","))
		for acknowledged := false; !acknowledged; {
			if ctx.Err() != nil {
				return fmt.Errorf("message %d of %s was never acknowledged: %w", number, s.name, ctx.Err())
			}
			once, done := context.WithTimeout(ctx, 3*time.Second)
			a, err := s.message(number, body).to(once, url)
			done()
			if acknowledged = err == nil && a.status == http.StatusOK; !acknowledged {
				if err == nil && a.status != http.StatusServiceUnavailable {
					return fmt.Errorf("message %d of %s was answered %v", number, s.name, a)
				}
				time.Sleep(20 * time.Millisecond)
			}
		}
		time.Sleep(stormPace)
	}
	return nil
}

// inAStorm lets samplers send while meddle does what it likes, until all is
// acknowledged, and then looks for each interval, in etcd and in the API.
func inAStorm(t *testing.T, meddle func(ctx context.Context, s *server, etcd *etcdtest.Etcd)) {
	t.Helper()
	var samplers []*sampler
	var agents []agent
	for i := range stormSamplers {
		a := agent{name: fmt.Sprintf("sampler-%d", i), node: fmt.Sprintf("node-%d", i)}
		agents = append(agents, a)
		one := newSampler(a)
		one.began = one.began.Add(-time.Minute)
		samplers = append(samplers, one)
	}
	etcd := startEtcd(t)
	s := serve(t, in(etcd), expecting(t, agents...)).ready()
	ctx, stop := context.WithTimeout(t.Context(), 3*time.Minute)
	defer stop()
	var sending, meddling sync.WaitGroup
	sent := make(chan struct{})
	for _, one := range samplers {
		sending.Go(func() {
			if err := one.storm(ctx, s.url); err != nil {
				t.Error(err)
			}
		})
	}
	until, over := context.WithCancel(ctx)
	meddling.Go(func() { meddle(until, s, etcd) })
	go func() { sending.Wait(); close(sent) }()
	<-sent
	over()
	meddling.Wait()
	s.ready()
	wantEachOnce(t, s, etcd)
}

// wantEachOnce looks for each interval of a storm.
func wantEachOnce(t *testing.T, s *server, etcd *etcdtest.Etcd) {
	t.Helper()
	stored, err := etcd.Client(t).Get(t.Context(), "netchecker/intervals/", clientv3.WithPrefix(), clientv3.WithKeysOnly())
	if err != nil {
		t.Fatal(err)
	}
	messages := 0
	for _, kv := range stored.Kvs {
		key := string(kv.Key)
		if strings.HasSuffix(key, "/open") || strings.HasSuffix(key, "/totals") {
			continue
		}
		if messages++; kv.Version != 1 {
			t.Errorf("%s was written %d times", key, kv.Version)
		}
	}
	if want := stormSamplers * stormMessages; messages != want {
		t.Errorf("etcd has %d messages, want %d", messages, want)
	}
	want := stormSamplers * stormMessages * stormSealed
	eventually.Nil(t, func() error {
		seen, over := map[string]int{}, 0
		for _, i := range s.intervals(url.Values{"limit": {"1000"}}) {
			if i.Open {
				continue
			}
			over++
			seen[i.Locator+i.From.String()]++
		}
		if over != want || len(seen) != want {
			return fmt.Errorf("the API has %d intervals, of which %d differ, want %d", over, len(seen), want)
		}
		return nil
	})
}

func TestEachIntervalOfAStormIsThereOnceHoweverOftenTheServerIsKilled(t *testing.T) {
	sideBySide(t)
	sweep.Times(t, 50, func(t *testing.T, round int) {
		random := rand.New(rand.NewPCG(uint64(round), 8))
		kills := 0
		inAStorm(t, func(ctx context.Context, s *server, _ *etcdtest.Etcd) {
			for ctx.Err() == nil && kills < 5 {
				select {
				case <-ctx.Done():
				case <-time.After(time.Duration(20+random.IntN(400)) * time.Millisecond):
					s.kill()
					kills++
					s.restart()
				}
			}
		})
		if kills == 0 {
			t.Error("the server was never killed")
		}
		t.Logf("the server was killed %d times", kills)
	})
}

func TestEachIntervalOfAStormIsThereOnceAlthoughEtcdStoodStill(t *testing.T) {
	sideBySide(t)
	inAStorm(t, func(ctx context.Context, _ *server, etcd *etcdtest.Etcd) {
		time.Sleep(200 * time.Millisecond)
		etcd.Pause()
		time.Sleep(5 * time.Second)
		etcd.Resume()
	})
}

func TestWhatADeadAgentLeftOpenIsUnknownOnEachServerUntilItSpeaks(t *testing.T) {
	sideBySide(t)
	a := newSampler(agent{name: "a"})
	etcd := startEtcd(t)
	agents := expecting(t, a.agent, agent{name: "b", node: "n2"})
	one, two := serve(t, in(etcd), agents).ready(), serve(t, in(etcd), agents).ready()
	time.Sleep(50 * time.Millisecond)
	keepReporting(t, one.url, agent{name: "b", node: "n2"})
	one.takes(a.report(disruption(a.clock(), fold(1, "Info", 0, 0), "")))
	for _, s := range []*server{one, two} {
		s.levelsBecome("Info+")
	}
	// It is not heard for two intervals.
	for _, s := range []*server{one, two} {
		s.levelsBecome("Info Unknown+")
	}
	one.takes(a.message(1, disruption(a.clock(), fold(3, "Info", 40, 0), fold(1, "Info", 0, 20)+","+fold(2, "Error", 20, 40))))
	for _, s := range []*server{one, two} {
		s.levelsBecome("Info Error Info+")
	}
	// With its report expired and all servers new, it is still known.
	for _, s := range []*server{one, two} {
		s.levelsBecome("Info Error Info Unknown+")
		s.kill()
	}
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	if _, err := etcd.Client(t).Delete(ctx, "netchecker/agents/", clientv3.WithPrefix()); err != nil {
		t.Fatal(err)
	}
	two.restart()
	two.ready()
	two.levelsBecome("Info Error Info Unknown+")
}

func TestDisruptedSecondsAreTheSameOnEachServerAndNeverFall(t *testing.T) {
	sideBySide(t)
	a, b := newSampler(agent{name: "a"}), newSampler(agent{name: "b", node: "n2"})
	for _, one := range []*sampler{a, b} {
		one.began = one.began.Add(-time.Minute)
	}
	etcd := startEtcd(t)
	agents := expecting(t, a.agent, b.agent)
	one, two := serve(t, in(etcd), agents).ready(), serve(t, in(etcd), agents).ready()
	const total = `netchecker_disrupted_seconds_total{backend="x",connection="new",network="pod"}`
	one.takes(a.message(1, disruption(50_000, "", fold(1, "Info", 0, 10_000)+","+fold(2, "Error", 10_000, 15_000))))
	for _, s := range []*server{one, two} {
		s.metricBecomes(total, 5)
	}
	// Told later, of a time that overlaps with that. Their clocks are some
	// milliseconds apart, as the messages' ways were.
	two.takes(b.message(1, disruption(50_000, "", fold(1, "Error", 12_000, 20_000))))
	grown := 0.0
	eventually.Nil(t, func() error {
		first, _ := one.metric(total)
		second, _ := two.metric(total)
		if first < 9.5 || first > 10.5 || first != second {
			return fmt.Errorf("the servers count %v and %v, want about 10 from both", first, second)
		}
		grown = first
		return nil
	})
	one.kill()
	two.kill()
	two.restart()
	two.ready()
	if got, _ := two.metric(total); got != grown {
		t.Errorf("after the restart %v are counted, want %v", got, grown)
	}
	two.takes(a.message(2, disruption(55_000, "", fold(3, "Error", 52_000, 52_100))))
	eventually.Nil(t, func() error {
		if got, _ := two.metric(total); got < grown+0.999 || got > grown+1.001 {
			return fmt.Errorf("%v are counted, want a second more than %v", got, grown)
		}
		return nil
	})
}
