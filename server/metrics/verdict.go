package metrics

import (
	"github.com/prometheus/client_golang/prometheus"

	"github.com/netchecker/netchecker/pkg/report"
	"github.com/netchecker/netchecker/server/evaluate"
	"github.com/netchecker/netchecker/server/judge"
)

var (
	verdictDesc = prometheus.NewDesc("netchecker_verdict",
		"The connectivity check's verdict: 1 for the outcome that holds, 0 for the others. Agents that are still starting fail nothing here; critical findings do, unless -findings-fail=false.", []string{"outcome"}, nil)
	agentsDesc = prometheus.NewDesc("netchecker_agents",
		"Expected agents by state and network; not there while the verdict cannot be known.", []string{"state", "network"}, nil)
	listedDesc = prometheus.NewDesc("netchecker_pod_list_agents",
		"Agent pods that are expected to report.", nil, nil)
	snapshotAge = prometheus.NewDesc("netchecker_snapshot_age_seconds",
		"Age of the verdict that is answered from.", nil, nil)
	snapshotCost = prometheus.NewDesc("netchecker_snapshot_build_duration_seconds",
		"Time that making the newest verdict took.", nil, nil)
	listAge = prometheus.NewDesc("netchecker_pod_list_age_seconds",
		"Time since the list of agent pods was known to be current; not there before it was first read.", nil, nil)
	viewAge = prometheus.NewDesc("netchecker_store_view_age_seconds",
		"Time since everything in etcd was known to the server; not there before it was first read.", nil, nil)
	outOfSpace = prometheus.NewDesc("netchecker_store_out_of_space",
		"Whether etcd refuses writes for want of space: 1 or 0.", nil, nil)
	leading = prometheus.NewDesc("netchecker_leader",
		"Whether this server is the one that writes the counters and compacts: 1 or 0.", nil, nil)
)

// verdictCollector tells the verdict and the server's own state.
type verdictCollector struct{ cfg Config }

func (c *verdictCollector) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{verdictDesc, agentsDesc, listedDesc, snapshotAge, snapshotCost, listAge, viewAge, outOfSpace, leading} {
		ch <- d
	}
}

func (c *verdictCollector) Collect(ch chan<- prometheus.Metric) {
	gauge := func(d *prometheus.Desc, v float64, labels ...string) {
		ch <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v, labels...)
	}
	s := c.cfg.Snapshots.Snapshot()
	holds := s.Check(true, false)
	for v := evaluate.OK; v <= evaluate.CannotKnow; v++ {
		gauge(verdictDesc, number(v == holds), v.String())
	}
	gauge(snapshotAge, c.cfg.Now().Sub(s.At).Seconds())
	gauge(snapshotCost, s.Cost.Seconds())
	if s.List != nil {
		gauge(listedDesc, float64(len(s.List.Agents)))
		gauge(listAge, s.ListAge.Seconds())
	}
	if s.States != nil {
		for network, states := range byNetwork(s) {
			for st, n := range states {
				gauge(agentsDesc, float64(n), evaluate.State(st).String(), string(network))
			}
		}
	}
	status := c.cfg.Store()
	if status.ViewAge >= 0 {
		gauge(viewAge, status.ViewAge.Seconds())
	}
	gauge(outOfSpace, number(status.OutOfSpace))
	gauge(leading, number(c.cfg.Leading()))
}

// byNetwork counts the agents of each network by state.
func byNetwork(s *judge.Snapshot) map[report.Network]*[evaluate.States]int {
	counts := map[report.Network]*[evaluate.States]int{report.Pod: {}, report.Host: {}}
	for i, st := range s.States {
		n := s.List.Agents[i].Network
		if counts[n] == nil {
			counts[n] = &[evaluate.States]int{}
		}
		counts[n][st]++
	}
	return counts
}

func number(b bool) float64 {
	if b {
		return 1
	}
	return 0
}
