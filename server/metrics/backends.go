package metrics

import (
	"maps"
	"slices"

	dto "github.com/prometheus/client_model/go"
	"google.golang.org/protobuf/proto"

	"github.com/netchecker/netchecker/server/intervals"
	"github.com/netchecker/netchecker/server/judge"
)

// backendFamilies are those of what agents sample. What is known of now is left out
// while the server can't know.
func backendFamilies(s *judge.Snapshot, h History) []*dto.MetricFamily {
	current, totals := h.Current().Up, h.Totals()
	if !s.Known() {
		current = nil
	}
	up := newFamily("netchecker_backend_up", "Share of the agents that sample the backend whose newest sample was good; not there while nothing can be known.", dto.MetricType_GAUGE, len(current))
	for _, k := range slices.SortedFunc(maps.Keys(current), intervals.Key.Compare) {
		up.gauge(backendLabels(k), current[k])
	}
	disrupted := newFamily("netchecker_disrupted_seconds_total", "Seconds in which at least one agent of the network saw the backend fail.", dto.MetricType_COUNTER, len(totals.Of))
	for _, t := range totals.Of {
		disrupted.counter(backendLabels(t.Key), t.Shown.Seconds())
	}
	dropped := newFamily("netchecker_dropped_intervals_total", "Intervals of backends that were deleted to make room.", dto.MetricType_COUNTER, 1)
	dropped.counter(nil, float64(totals.Dropped))
	return []*dto.MetricFamily{up.done(), disrupted.done(), dropped.done()}
}

func backendLabels(k intervals.Key) []*dto.LabelPair {
	return []*dto.LabelPair{
		{Name: proto.String("backend"), Value: proto.String(k.Backend)},
		{Name: proto.String("connection"), Value: proto.String(string(k.Connection))},
		{Name: proto.String("network"), Value: proto.String(string(k.Network))},
	}
}
