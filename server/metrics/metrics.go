// Package metrics is what Prometheus sees: the contract's series of each agent,
// the verdict, and how the server itself is doing. All that concerns agents comes
// from the judge's newest Snapshot, so that it agrees with what the API says, and
// series of pods that are gone go with them.
//
// The series of agents are made as whole families for each scrape rather than
// kept in a registry: there are many, they change with the Snapshot, and nothing
// then has to be deleted.
package metrics

import (
	"fmt"
	"iter"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	dto "github.com/prometheus/client_model/go"

	"github.com/netchecker/netchecker/pkg/version"
	"github.com/netchecker/netchecker/server/fleet"
	"github.com/netchecker/netchecker/server/intervals"
	"github.com/netchecker/netchecker/server/judge"
	"github.com/netchecker/netchecker/server/paths"
	"github.com/netchecker/netchecker/server/tally"
)

// Snapshots gives the newest Snapshot, never nil.
type Snapshots interface {
	Snapshot() *judge.Snapshot
}

// Counter has the counters that survive a restart, by label. Reading them changes
// nothing.
type Counter interface {
	Counts(labels iter.Seq2[fleet.Key, string]) map[string]tally.Counts
}

// History has what agents tell of backends.
type History interface {
	Current() intervals.Current
	Totals() intervals.Totals
}

// Paths has what agents tell of the paths between them, and of what they all share.
type Paths interface {
	Totals() []paths.Total
	SharedTotals() []paths.SharedTotal
	// Meshing counts the agents of a list, whose newest records these are.
	Meshing(list *fleet.List, records []*fleet.Record) paths.Meshing
}

// StoreStatus is the store's own health.
type StoreStatus struct {
	// ViewAge is how old the view of the store is; negative: never read.
	ViewAge time.Duration
	// OutOfSpace says that etcd refuses writes for want of space.
	OutOfSpace bool
}

// Config is where the figures come from.
type Config struct {
	Snapshots Snapshots
	Counter   Counter
	History   History
	Paths     Paths
	Findings  Findings
	Store     func() StoreStatus
	// Leading says whether this server is the one that writes the counters.
	Leading func() bool
	Now     func() time.Time
}

// Metrics observes and exposes. It is safe for use by many goroutines.
type Metrics struct {
	cfg      Config
	registry *prometheus.Registry

	requests      *prometheus.CounterVec
	requestTimes  *prometheus.HistogramVec
	groups        prometheus.Histogram
	writes        prometheus.Histogram
	writeFailures prometheus.Counter
}

// New returns Metrics with a registry of its own. What it reads is set by Watch.
func New() *Metrics {
	m := &Metrics{
		registry: prometheus.NewRegistry(),
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "netchecker_http_requests_total", Help: "HTTP requests answered, by route and status code.",
		}, []string{"route", "code"}),
		requestTimes: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "netchecker_http_request_duration_seconds", Help: "Time from a request's headers to its answer, by route.",
			Buckets: []float64{.0005, .001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5},
		}, []string{"route"}),
		groups: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: "netchecker_store_group_reports", Help: "Reports written to etcd in one transaction.",
			Buckets: []float64{1, 2, 4, 8, 16, 32, 64, 128},
		}),
		writes: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: "netchecker_store_write_duration_seconds", Help: "Time of one transaction of reports, until etcd had committed it.",
			Buckets: []float64{.001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5},
		}),
		writeFailures: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "netchecker_store_write_failures_total", Help: "Transactions of reports that failed.",
		}),
	}
	m.registry.MustRegister(m.requests, m.requestTimes, m.groups, m.writes, m.writeFailures,
		collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}), buildInfo())
	return m
}

func buildInfo() prometheus.Collector {
	v := version.Get()
	return prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "netchecker_build_info", Help: "Always 1; the labels tell the build.",
		ConstLabels: prometheus.Labels{"version": v.Version, "commit": v.Commit, "goversion": v.GoVersion},
	}, func() float64 { return 1 })
}

// Watch says where the figures come from, once, before the first scrape.
func (m *Metrics) Watch(cfg Config) {
	m.cfg = cfg
	m.registry.MustRegister(&verdictCollector{cfg})
}

// Request counts an HTTP request.
func (m *Metrics) Request(route string, code int, took time.Duration) {
	m.requests.WithLabelValues(route, strconv.Itoa(code)).Inc()
	m.requestTimes.WithLabelValues(route).Observe(took.Seconds())
}

// Group counts a transaction of reports.
func (m *Metrics) Group(reports int, took time.Duration, err error) {
	m.groups.Observe(float64(reports))
	m.writes.Observe(took.Seconds())
	if err != nil {
		m.writeFailures.Inc()
	}
}

// Gather implements prometheus.Gatherer.
func (m *Metrics) Gather() ([]*dto.MetricFamily, error) {
	families, err := m.registry.Gather()
	if err != nil {
		return nil, fmt.Errorf("gathering the server's own metrics: %w", err)
	}
	s := m.cfg.Snapshots.Snapshot()
	more := slices.Concat(
		agentFamilies(s, m.cfg.Counter.Counts(s.Keys())), backendFamilies(s, m.cfg.History),
		pathFamilies(m.cfg.Paths.Totals()), sharedFamilies(m.cfg.Paths.SharedTotals()), meshingFamilies(s, m.cfg.Paths),
		findingFamilies(m.cfg.Findings),
	)
	for _, f := range more {
		if f != nil {
			families = append(families, f)
		}
	}
	slices.SortFunc(families, func(a, b *dto.MetricFamily) int { return strings.Compare(a.GetName(), b.GetName()) })
	return families, nil
}

// Handler serves the metrics. At most two scrapes are answered at a time, so that
// nobody can fill the memory with them; a third gets 503.
func (m *Metrics) Handler() http.Handler {
	return promhttp.HandlerFor(m, promhttp.HandlerOpts{MaxRequestsInFlight: 2, Timeout: 20 * time.Second})
}
