package responder

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// MeshPeer is what came of probing the agents of one node and network in one address
// family.
type MeshPeer struct {
	Node, Network, Family string
	// Sent are the datagrams that left; Forward and Back were lost on the way there and
	// back, and Refused were refused.
	Sent, Forward, Back, Refused uint64
	// Answered is how many were answered, and RoundTrips the sum of those times.
	Answered   uint64
	RoundTrips time.Duration
	// HoleForward and HoleBack say that large packets vanish.
	HoleForward, HoleBack bool
}

// mesh collects what is probed now: the series of a peer go with it.
type mesh struct {
	peers   func() []MeshPeer
	starved func() time.Duration

	sent, lost, refused, roundTrips, hole, starvation *prometheus.Desc
}

// Mesh has the peers told that are probed, as peers returns them whenever somebody asks,
// and for how long the agent could not run as it should. It is called once at most.
func (m *Metrics) Mesh(peers func() []MeshPeer, starved func() time.Duration) {
	desc := func(name, help string, more ...string) *prometheus.Desc {
		return prometheus.NewDesc("netchecker_agent_mesh_"+name, help, append([]string{"peer", "network", "family"}, more...), nil)
	}
	m.registry.MustRegister(&mesh{
		peers: peers, starved: starved,
		sent:    desc("sent_total", "Datagrams sent to the peer since it is probed."),
		lost:    desc("lost_total", "Datagrams that were lost: forward, on their way to the peer, or back.", "direction"),
		refused: desc("refused_total", "Datagrams that were refused, which shows that the path is well."),
		roundTrips: desc("round_trip_seconds",
			"How long answers took, without the time that the peer itself took."),
		hole: desc("hole", "1 if large packets vanish on their way though small ones pass, else 0.", "direction"),
		starvation: prometheus.NewDesc("netchecker_agent_mesh_starved_seconds_total",
			"How long this agent could not run as it should. What it missed then is nobody's loss.", nil, nil),
	})
}

// Describe implements prometheus.Collector.
func (c *mesh) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{c.sent, c.lost, c.refused, c.roundTrips, c.hole, c.starvation} {
		ch <- d
	}
}

// Collect implements prometheus.Collector.
func (c *mesh) Collect(ch chan<- prometheus.Metric) {
	ch <- prometheus.MustNewConstMetric(c.starvation, prometheus.CounterValue, c.starved().Seconds())
	for _, p := range c.peers() {
		tell := func(d *prometheus.Desc, kind prometheus.ValueType, v float64, more ...string) {
			ch <- prometheus.MustNewConstMetric(d, kind, v, append([]string{p.Node, p.Network, p.Family}, more...)...)
		}
		tell(c.sent, prometheus.CounterValue, float64(p.Sent))
		tell(c.lost, prometheus.CounterValue, float64(p.Forward), "forward")
		tell(c.lost, prometheus.CounterValue, float64(p.Back), "back")
		tell(c.refused, prometheus.CounterValue, float64(p.Refused))
		tell(c.hole, prometheus.GaugeValue, value(p.HoleForward), "forward")
		tell(c.hole, prometheus.GaugeValue, value(p.HoleBack), "back")
		ch <- prometheus.MustNewConstSummary(c.roundTrips, p.Answered, p.RoundTrips.Seconds(), nil, p.Node, p.Network, p.Family)
	}
}

func value(is bool) float64 {
	if is {
		return 1
	}
	return 0
}
