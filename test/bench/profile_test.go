package main

import (
	"context"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/netchecker/netchecker/pkg/serve"
	"github.com/netchecker/netchecker/server/api"
	"github.com/netchecker/netchecker/server/intake"
	"github.com/netchecker/netchecker/server/judge"
	"github.com/netchecker/netchecker/server/metrics"
	"github.com/netchecker/netchecker/server/paths"
	"github.com/netchecker/netchecker/server/store"
	"github.com/netchecker/netchecker/server/tally"
	"github.com/netchecker/netchecker/test/etcdtest"
)

// BenchmarkReportPath takes reports in by the server's parts, in this process and
// into a real etcd, so that they can be profiled:
//
//	go test -run '^$' -bench ReportPath -cpuprofile cpu.prof -memprofile mem.prof ./test/bench
//	go tool pprof -http :0 -focus 'conn..serve|store' cpu.prof
//
// The figures contain what sending costs, which is little.
func BenchmarkReportPath(b *testing.B) {
	addr := startParts(b, etcdtest.Start(b).Endpoint, reporters)
	l := newLoad(addr, encode(crew(reporters), addr, steadyInterval), senders, senders)
	b.Cleanup(l.close)
	if err := l.once(b.Context()); err != nil {
		b.Fatal(err)
	}
	var left atomic.Int64
	left.Store(int64(b.N))
	b.ReportAllocs()
	b.ResetTimer()
	err := l.each(b.Context(), func(_ context.Context, w *worker) error {
		for left.Add(-1) >= 0 {
			if err := w.send(); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		b.Fatal(err)
	}
}

// BenchmarkUpdatePath does so with updates, each over a connection of its own.
func BenchmarkUpdatePath(b *testing.B) {
	addr := startParts(b, etcdtest.Start(b).Endpoint, reporters)
	messages := updates(probing(crew(reporters)), addr)
	var sent atomic.Int64
	b.ReportAllocs()
	b.ResetTimer()
	var all sync.WaitGroup
	for range senders {
		all.Go(func() {
			for n := sent.Add(1) - 1; n < int64(b.N); n = sent.Add(1) - 1 {
				if _, err := tell(b.Context(), addr, messages[n%reporters], time.Now(), 0); err != nil {
					b.Error(err)
				}
			}
		})
	}
	all.Wait()
}

// startParts wires the report path as server/run.go does, until b ends, and
// returns where it serves.
func startParts(b *testing.B, endpoint string, agents int) (addr string) {
	m, counters, list := metrics.New(), tally.New(time.Now), listOf(crew(agents))
	reports, checkpoints := store.NewReports(counters, time.Now), store.NewCheckpoints(counters)
	told := paths.New(paths.Config{TTL: time.Minute, Now: time.Now})
	st, err := store.Open(store.Config{Endpoints: []string{endpoint}, Tree: "netchecker", Observer: m}, append(reports.Kinds(), checkpoints.Kind(), told.Kept())...)
	if err != nil {
		b.Fatal(err)
	}
	j := judge.New(judge.Config{
		Store: struct {
			*store.Store
			*store.Reports
		}{st, reports}, Pods: always{list}, BlindAfter: 5 * time.Second, Grace: time.Minute, Now: time.Now,
	})
	srv := serve.New(serve.Config{
		Name: "API", Addr: "127.0.0.1:0", IdleTimeout: 20 * time.Second,
		Handler: api.New(api.Config{
			Taker:     intake.New(intake.Config{Store: reports, Pods: list, TTL: 300 * time.Second, Kinds: []intake.Kind{told.Kind()}, Now: time.Now}),
			Snapshots: j, Observer: m, StaleAfter: time.Minute,
			MaxBody: 1 << 20, BodyWithin: 10 * time.Second, Unavailable: store.Passing,
			Health: http.NotFoundHandler(), Ready: http.NotFoundHandler(), Metrics: http.NotFoundHandler(),
		}),
	})
	if err := srv.Listen(); err != nil {
		b.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	var parts sync.WaitGroup
	b.Cleanup(func() { stop(); parts.Wait() })
	for _, run := range []func(context.Context) error{st.Run, srv.Run} {
		parts.Go(func() {
			if err := run(ctx); err != nil {
				b.Error(err)
			}
		})
	}
	parts.Go(func() { j.Run(ctx, func() {}) })
	return srv.Addr().String()
}

// always is a list of pods that is always current.
type always struct{ fixed }

func (always) AsOf() time.Time          { return time.Now() }
func (always) Changed() <-chan struct{} { return nil }
func (always) Trouble() string          { return "" }
