package metrics

import (
	dto "github.com/prometheus/client_model/go"
	"google.golang.org/protobuf/proto"

	"github.com/netchecker/netchecker/server/judge"
	"github.com/netchecker/netchecker/server/paths"
)

// pathFamilies are those of what agents measured between each other, by class and zones.
func pathFamilies(totals []paths.Total) []*dto.MetricFamily {
	sent := newFamily("netchecker_mesh_sent_total", "Small datagrams that agents sent each other.", dto.MetricType_COUNTER, len(totals))
	lost := newFamily("netchecker_mesh_lost_total", "Those that were lost: forward, on their way to the peer; back, on the way back; or unknown, where nothing was heard after them.", dto.MetricType_COUNTER, 3*len(totals))
	times := newFamily("netchecker_mesh_round_trip_seconds", "Round trips, without the time that peers took, each as the average of those that one report adds.", dto.MetricType_HISTOGRAM, len(totals))
	for i := range totals {
		t := &totals[i]
		labels := pathLabels(t.Key)
		sent.counter(labels, float64(t.Sent))
		for _, way := range []struct {
			name string
			lost uint64
		}{{"back", t.Back}, {"forward", t.Forward}, {"unknown", t.Unknown}} {
			direction := &dto.LabelPair{Name: proto.String("direction"), Value: proto.String(way.name)}
			lost.counter([]*dto.LabelPair{labels[0], direction, labels[1], labels[2]}, float64(way.lost))
		}
		times.histogram(labels, t.Answered, t.Took, t.Times[:])
	}
	return []*dto.MetricFamily{sent.done(), lost.done(), times.done()}
}

// sharedFamilies are those of what agents met with as they asked what all of them share.
func sharedFamilies(totals []paths.SharedTotal) []*dto.MetricFamily {
	asked := newFamily("netchecker_shared_asked_total", "Questions that agents asked what all of them share.", dto.MetricType_COUNTER, len(totals))
	failed := newFamily("netchecker_shared_failed_total", "Questions to what all agents share that failed: lost, not being answered; refused; or answered wrong.", dto.MetricType_COUNTER, 3*len(totals))
	for _, t := range totals {
		labels := []*dto.LabelPair{
			{Name: proto.String("kind"), Value: proto.String(string(t.Kind))},
			{Name: proto.String("network"), Value: proto.String(string(t.Network))},
		}
		asked.counter(labels, float64(t.Asked))
		for _, of := range []struct {
			outcome string
			failed  uint64
		}{{"lost", t.Lost}, {"refused", t.Refused}, {"wrong", t.Wrong}} {
			outcome := &dto.LabelPair{Name: proto.String("outcome"), Value: proto.String(of.outcome)}
			failed.counter([]*dto.LabelPair{labels[0], labels[1], outcome}, float64(of.failed))
		}
	}
	return []*dto.MetricFamily{asked.done(), failed.done()}
}

// meshingFamilies count the agents that mesh; they are left out while the server can't
// know.
func meshingFamilies(s *judge.Snapshot, p Paths) []*dto.MetricFamily {
	if !s.Known() {
		return nil
	}
	m := p.Meshing(s.List, s.Records)
	agents := newFamily("netchecker_mesh_agents", "Agents that tell of their paths to others; not there while nothing can be known.", dto.MetricType_GAUGE, 1)
	agents.gauge(nil, float64(m.Agents))
	mute := newFamily("netchecker_mesh_mute_agents", "Agents that tell of their paths to others and answer no probes, so that nobody probes them; not there while nothing can be known.", dto.MetricType_GAUGE, 1)
	mute.gauge(nil, float64(m.Mute))
	return []*dto.MetricFamily{agents.done(), mute.done()}
}

func pathLabels(k paths.Key) []*dto.LabelPair {
	return []*dto.LabelPair{
		{Name: proto.String("class"), Value: proto.String(k.Class.String())},
		{Name: proto.String("from_zone"), Value: proto.String(k.From)},
		{Name: proto.String("to_zone"), Value: proto.String(k.To)},
	}
}

// histogram adds one with the bounds of paths.Buckets.
func (f *family) histogram(labels []*dto.LabelPair, count uint64, sum float64, times []uint64) {
	m, _ := f.add(labels, 0)
	h := &dto.Histogram{SampleCount: proto.Uint64(count), SampleSum: proto.Float64(sum)}
	for i, most := range paths.Buckets {
		h.Bucket = append(h.Bucket, &dto.Bucket{UpperBound: proto.Float64(most), CumulativeCount: proto.Uint64(times[i])})
	}
	m.Histogram = h
}
