package responder

import (
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/netchecker/netchecker/pkg/report"
	"github.com/netchecker/netchecker/pkg/version"
)

// Metrics are the agent's own, in a registry of their own. They say whether this
// agent does its work; what it finds out about the network is told by the server
// for all agents, and here for the case that the server can't be reached. Its
// methods may be called by many goroutines at once.
type Metrics struct {
	registry     *prometheus.Registry
	reports      *prometheus.CounterVec
	lookupFails  prometheus.Counter
	lastAccepted prometheus.Gauge
	rounds       prometheus.Histogram
	lookup       prometheus.Gauge
	probeUp      *prometheus.GaugeVec
	probeTook    *prometheus.GaugeVec
	probeCode    *prometheus.GaugeVec
	backends     backends
}

// NewMetrics returns Metrics whose reports have one of the results named, each
// present at 0 from the start. Host is the one that is looked up in each round.
func NewMetrics(build version.Info, host string, results ...string) *Metrics {
	const namespace = "netchecker_agent"
	gauge := func(name, help string, labels ...string) *prometheus.GaugeVec {
		return prometheus.NewGaugeVec(prometheus.GaugeOpts{Namespace: namespace, Name: name, Help: help}, labels)
	}
	lookup := gauge("lookup_success", "1 if the server's name was found by the last round, else 0.", "host")
	info := gauge("build_info", "Always 1; the labels say which build this is.", "version", "commit", "goversion")
	m := &Metrics{
		registry: prometheus.NewRegistry(),
		reports: prometheus.NewCounterVec(prometheus.CounterOpts{Namespace: namespace, Name: "reports_total",
			Help: "What became of reports: attempts that were accepted, refused (not sent again) or failed (sent again), and reports that were dropped for newer ones."}, []string{"result"}),
		lookupFails: prometheus.NewCounter(prometheus.CounterOpts{Namespace: namespace, Name: "delivery_lookup_failures_total",
			Help: "Lookups of the server for the sending of a report that failed or were not answered within a second."}),
		lastAccepted: prometheus.NewGauge(prometheus.GaugeOpts{Namespace: namespace, Name: "report_last_success_timestamp_seconds",
			Help: "When the server last accepted a report, in seconds since 1970; 0 if it never did."}),
		rounds: prometheus.NewHistogram(prometheus.HistogramOpts{Namespace: namespace, Name: "round_duration_seconds",
			Help: "How long a round of lookups and probes took.", Buckets: []float64{.005, .025, .1, .25, 1, 2.5, 5, 10}}),
		lookup:    lookup.WithLabelValues(host),
		probeUp:   gauge("probe_success", "1 if an HTTP answer came to the last probe, whatever its code, else 0.", "url"),
		probeTook: gauge("probe_duration_seconds", "How long the last probe took.", "url"),
		probeCode: gauge("probe_http_status_code", "The HTTP code of the last probe's answer; 0 if none came.", "url"),
		backends:  newBackends(namespace),
	}
	info.WithLabelValues(build.Version, build.Commit, build.GoVersion).Set(1)
	for _, r := range results {
		m.reports.WithLabelValues(r)
	}
	m.registry.MustRegister(m.reports, m.lookupFails, m.lastAccepted, m.rounds, lookup, m.probeUp, m.probeTook, m.probeCode, info,
		collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	m.registry.MustRegister(m.backends.collectors()...)
	return m
}

// Report counts an attempt to send a report, or one that was dropped.
func (m *Metrics) Report(result string) { m.reports.WithLabelValues(result).Inc() }

// DeliveryLookupFailed counts a report whose sending could not look the server up
// in time.
func (m *Metrics) DeliveryLookupFailed() { m.lookupFails.Inc() }

// Accepted notes when the server accepted a report.
func (m *Metrics) Accepted(at time.Time) {
	m.lastAccepted.Set(float64(at.UnixMilli()) / 1000)
}

// Round notes what a round found and how long it took.
func (m *Metrics) Round(took time.Duration, found bool, probes []report.ProbeResult) {
	m.rounds.Observe(took.Seconds())
	m.lookup.Set(0)
	if found {
		m.lookup.Set(1)
	}
	for i := range probes {
		p := &probes[i]
		m.probeUp.WithLabelValues(p.URL).Set(float64(p.ConnectionResult))
		m.probeTook.WithLabelValues(p.URL).Set(float64(p.Total) / 1000)
		m.probeCode.WithLabelValues(p.URL).Set(float64(p.HTTPCode))
	}
}

// handler does not compress: a compressor takes more memory than all the rest of
// the agent.
func (m *Metrics) handler() http.Handler {
	return promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{
		DisableCompression:  true,
		MaxRequestsInFlight: 2,
		Timeout:             5 * time.Second,
	})
}
