package metrics

import (
	"cmp"
	"slices"

	dto "github.com/prometheus/client_model/go"
	"google.golang.org/protobuf/proto"

	"github.com/netchecker/netchecker/pkg/report"
	"github.com/netchecker/netchecker/server/fleet"
	"github.com/netchecker/netchecker/server/judge"
	"github.com/netchecker/netchecker/server/tally"
)

// probeGauges are the contract's gauges of one probe, by agent and URL.
var probeGauges = []struct {
	name, help string
	value      func(*report.ProbeResult) int64
}{
	{"ncagent_http_probe_connection_result", "Whether the agent's probe of the URL got an HTTP answer: 1 or 0.", func(p *report.ProbeResult) int64 { return p.ConnectionResult }},
	{"ncagent_http_probe_code", "HTTP status code that the agent's probe of the URL got.", func(p *report.ProbeResult) int64 { return p.HTTPCode }},
	{"ncagent_http_probe_total_time_ms", "Whole time of the probe, in milliseconds.", func(p *report.ProbeResult) int64 { return p.Total }},
	{"ncagent_http_probe_content_transfer_time_ms", "Time that the content took to arrive, in milliseconds.", func(p *report.ProbeResult) int64 { return p.ContentTransfer }},
	{"ncagent_http_probe_tcp_connection_time_ms", "Time that the TCP connection took, in milliseconds.", func(p *report.ProbeResult) int64 { return p.TCPConnection }},
	{"ncagent_http_probe_dns_lookup_time_ms", "Time that the DNS lookup took, in milliseconds.", func(p *report.ProbeResult) int64 { return p.DNSLookup }},
	{"ncagent_http_probe_connect_time_ms", "Time from the start until the connection stood, in milliseconds.", func(p *report.ProbeResult) int64 { return p.Connect }},
	{"ncagent_http_probe_server_processing_time_ms", "Time that the server took to answer, in milliseconds.", func(p *report.ProbeResult) int64 { return p.ServerProcessing }},
}

// labelled is one agent as metrics know it: a label and its newest record.
type labelled struct {
	label  string
	record *fleet.Record
}

// byLabel lists the Snapshot's agents in the order of their labels, each label
// once. Where several pods share one, as two DaemonSets on one node do, the
// newest report speaks for them. Pods on no node have no label.
func byLabel(s *judge.Snapshot) []labelled {
	if s.List == nil {
		return nil
	}
	list := make([]labelled, 0, len(s.Labels))
	for i, label := range s.Labels {
		if s.List.Agents[i].Node != "" {
			list = append(list, labelled{label, s.Records[i]})
		}
	}
	revision := func(l labelled) int64 {
		if l.record == nil {
			return 0
		}
		return l.record.Revision
	}
	slices.SortFunc(list, func(a, b labelled) int {
		return cmp.Or(cmp.Compare(a.label, b.label), cmp.Compare(revision(b), revision(a)))
	})
	return slices.CompactFunc(list, func(a, b labelled) bool { return a.label == b.label })
}

// agentFamilies are the families with a series for each agent.
func agentFamilies(s *judge.Snapshot, counts map[string]tally.Counts) []*dto.MetricFamily {
	agents := byLabel(s)
	families := counterFamilies(agents, counts)
	return append(families, probeFamilies(agents)...)
}

// counterFamilies has the two counters of each agent that ever counted anything.
func counterFamilies(agents []labelled, counts map[string]tally.Counts) []*dto.MetricFamily {
	reports := newFamily("ncagent_report_count_total", "Reports taken in from the agent.", dto.MetricType_COUNTER, len(agents))
	errors := newFamily("ncagent_error_count_total", "Report intervals in which the agent was outdated or absent.", dto.MetricType_COUNTER, len(agents))
	for _, a := range agents {
		c := counts[a.label]
		if c == (tally.Counts{}) {
			continue
		}
		labels := []*dto.LabelPair{{Name: proto.String("agent"), Value: proto.String(a.label)}}
		reports.counter(labels, float64(c.Reports))
		errors.counter(labels, float64(c.Errors))
	}
	return []*dto.MetricFamily{errors.done(), reports.done()}
}

// probeFamilies has the gauges of each agent's probes.
func probeFamilies(agents []labelled) []*dto.MetricFamily {
	n := 0
	for _, a := range agents {
		if a.record != nil {
			n += len(a.record.NetworkProbes)
		}
	}
	families := make([]*family, len(probeGauges))
	for i, g := range probeGauges {
		families[i] = newFamily(g.name, g.help, dto.MetricType_GAUGE, n)
	}
	agentName, urlName := proto.String("agent"), proto.String("url")
	for _, a := range agents {
		if a.record == nil {
			continue
		}
		probes := a.record.NetworkProbes
		agent := &dto.LabelPair{Name: agentName, Value: proto.String(a.label)}
		for i := range probes {
			p := &probes[i]
			if probedAgain(probes[i+1:], p.URL) {
				continue
			}
			labels := []*dto.LabelPair{agent, {Name: urlName, Value: &p.URL}}
			for k, g := range probeGauges {
				families[k].gauge(labels, float64(g.value(p)))
			}
		}
	}
	done := make([]*dto.MetricFamily, len(families))
	for i, f := range families {
		done[i] = f.done()
	}
	return done
}

// probedAgain says whether a later result of the same report is of the same URL;
// a series may be there only once.
func probedAgain(later []report.ProbeResult, url string) bool {
	return slices.ContainsFunc(later, func(p report.ProbeResult) bool { return p.URL == url })
}

// family collects metrics in slabs, because a cluster of 10,000 agents has
// 100,000 series and each would take four small allocations otherwise.
type family struct {
	dto.MetricFamily
	metrics  []dto.Metric
	gauges   []dto.Gauge
	counters []dto.Counter
	values   []float64
}

func newFamily(name, help string, kind dto.MetricType, most int) *family {
	f := &family{
		MetricFamily: dto.MetricFamily{Name: &name, Help: &help, Type: &kind, Metric: make([]*dto.Metric, 0, most)},
		metrics:      make([]dto.Metric, most),
		values:       make([]float64, most),
	}
	switch kind {
	case dto.MetricType_GAUGE:
		f.gauges = make([]dto.Gauge, most)
	case dto.MetricType_COUNTER:
		f.counters = make([]dto.Counter, most)
	}
	return f
}

// add returns the next metric and its place in the slabs.
func (f *family) add(labels []*dto.LabelPair, value float64) (*dto.Metric, int) {
	i := len(f.Metric)
	f.values[i] = value
	m := &f.metrics[i]
	m.Label = labels
	f.Metric = append(f.Metric, m)
	return m, i
}

func (f *family) gauge(labels []*dto.LabelPair, value float64) {
	m, i := f.add(labels, value)
	f.gauges[i].Value = &f.values[i]
	m.Gauge = &f.gauges[i]
}

func (f *family) counter(labels []*dto.LabelPair, value float64) {
	m, i := f.add(labels, value)
	f.counters[i].Value = &f.values[i]
	m.Counter = &f.counters[i]
}

// done returns the family, or nil where it has no series.
func (f *family) done() *dto.MetricFamily {
	if len(f.Metric) == 0 {
		return nil
	}
	return &f.MetricFamily
}
