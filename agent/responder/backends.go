package responder

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// backends are the metrics of the backends that the agent samples, by their name and
// the kind of connection. Their series go with the backend.
type backends struct {
	up          *prometheus.GaugeVec
	samples     *prometheus.CounterVec
	connections *prometheus.CounterVec
	disrupted   *prometheus.CounterVec
}

func newBackends(namespace string) backends {
	labels := []string{"backend", "connection"}
	counter := func(name, help string, more ...string) *prometheus.CounterVec {
		return prometheus.NewCounterVec(prometheus.CounterOpts{Namespace: namespace, Name: name, Help: help}, append(more, labels...))
	}
	return backends{
		up: prometheus.NewGaugeVec(prometheus.GaugeOpts{Namespace: namespace, Name: "backend_up",
			Help: "1 if the newest sample of the backend was answered as it should be, else 0."}, labels),
		samples: counter("backend_samples_total",
			"Samples of the backend: good, failed, or not_asked for a reason of the agent's own.", "outcome"),
		connections: counter("backend_connections_total",
			"Samples of the backend for which a connection was made; the others used one that was kept."),
		disrupted: counter("backend_disrupted_seconds_total",
			"How long the backend has failed, from a sample that did to the next that did not."),
	}
}

func (b backends) collectors() []prometheus.Collector {
	return []prometheus.Collector{b.up, b.samples, b.connections, b.disrupted}
}

// Outcome is what became of a sample.
type Outcome string

// Outcomes of samples.
const (
	Good     Outcome = "good"
	Failed   Outcome = "failed"
	NotAsked Outcome = "not_asked"
)

// Sampled counts a sample of a backend over a kind of connection, whether a connection
// was made for it, and how much longer the backend is known to have failed by it.
func (m *Metrics) Sampled(backend, connection string, o Outcome, connected bool, disrupted time.Duration) {
	up := 0.0
	if o == Good {
		up = 1
	}
	m.backends.up.WithLabelValues(backend, connection).Set(up)
	m.backends.samples.WithLabelValues(string(o), backend, connection).Inc()
	made := m.backends.connections.WithLabelValues(backend, connection)
	if connected {
		made.Inc()
	}
	m.backends.disrupted.WithLabelValues(backend, connection).Add(disrupted.Seconds())
}

// Withdrawn forgets a backend.
func (m *Metrics) Withdrawn(backend string) {
	of := prometheus.Labels{"backend": backend}
	m.backends.up.DeletePartialMatch(of)
	for _, c := range []*prometheus.CounterVec{m.backends.samples, m.backends.connections, m.backends.disrupted} {
		c.DeletePartialMatch(of)
	}
}
