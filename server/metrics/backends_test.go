package metrics

import (
	"testing"
	"time"

	"github.com/netchecker/netchecker/pkg/report"
	"github.com/netchecker/netchecker/server/intervals"
	"github.com/netchecker/netchecker/server/judge"
)

// sampling is three with a backend that is sampled.
func sampling() *scene {
	v := three()
	fresh, kept := intervals.Key{Backend: "kube-api", Connection: report.New, Network: report.Pod}, intervals.Key{Backend: "kube-api", Connection: report.Reused, Network: report.Host}
	v.current.Up = map[intervals.Key]float64{kept: 1, fresh: 0.75}
	v.totals = intervals.Totals{Dropped: 3, Of: []intervals.Total{{Key: fresh, Base: time.Second, Shown: 7500 * time.Millisecond}, {Key: kept}}}
	return v
}

const disrupted = `
# HELP netchecker_disrupted_seconds_total Seconds in which at least one agent of the network saw the backend fail.
# TYPE netchecker_disrupted_seconds_total counter
netchecker_disrupted_seconds_total{backend="kube-api",connection="new",network="pod"} 7.5
netchecker_disrupted_seconds_total{backend="kube-api",connection="reused",network="host"} 0
# HELP netchecker_dropped_intervals_total Intervals of backends that were deleted to make room.
# TYPE netchecker_dropped_intervals_total counter
netchecker_dropped_intervals_total 3
`

func TestBackendsAreToldByConnectionAndNetwork(t *testing.T) {
	wantText(t, metricsOf(sampling()), `
# HELP netchecker_backend_up Share of the agents that sample the backend whose newest sample was good; not there while nothing can be known.
# TYPE netchecker_backend_up gauge
netchecker_backend_up{backend="kube-api",connection="new",network="pod"} 0.75
netchecker_backend_up{backend="kube-api",connection="reused",network="host"} 1
`+disrupted, "netchecker_backend_up", "netchecker_disrupted_seconds_total", "netchecker_dropped_intervals_total")
}

func TestWhileNothingCanBeKnownNoBackendIsUpAndTheTotalsStay(t *testing.T) {
	v := sampling()
	v.Unknown = judge.Unknown{Cause: judge.StoreSilent}
	wantText(t, metricsOf(v), disrupted, "netchecker_backend_up", "netchecker_disrupted_seconds_total", "netchecker_dropped_intervals_total")
}
