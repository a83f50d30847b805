package responder

import (
	"strings"
	"testing"
	"time"

	"github.com/netchecker/netchecker/pkg/version"
)

func TestMetricsTellThePeersThatAreProbedNow(t *testing.T) {
	m := NewMetrics(version.Info{}, "server")
	peers := []MeshPeer{{
		Node: "node-2", Network: "pod", Family: "ipv4", Sent: 100, Forward: 3, Back: 2, Refused: 1,
		Answered: 94, RoundTrips: 47 * time.Millisecond, HoleBack: true,
	}}
	m.Mesh(func() []MeshPeer { return peers }, func() time.Duration { return 1500 * time.Millisecond })
	const labels = `family="ipv4",network="pod",peer="node-2"`
	const want = `netchecker_agent_mesh_hole{direction="back",` + labels + `} 1
netchecker_agent_mesh_hole{direction="forward",` + labels + `} 0
netchecker_agent_mesh_lost_total{direction="back",` + labels + `} 2
netchecker_agent_mesh_lost_total{direction="forward",` + labels + `} 3
netchecker_agent_mesh_refused_total{` + labels + `} 1
netchecker_agent_mesh_round_trip_seconds_sum{` + labels + `} 0.047
netchecker_agent_mesh_round_trip_seconds_count{` + labels + `} 94
netchecker_agent_mesh_sent_total{` + labels + `} 100
netchecker_agent_mesh_starved_seconds_total 1.5
`
	if got := meshLines(t, m); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	peers = nil
	if got := meshLines(t, m); got != "netchecker_agent_mesh_starved_seconds_total 1.5\n" {
		t.Errorf("without peers\n%s", got)
	}
}

// meshLines are the lines of the metrics that are about the mesh.
func meshLines(t *testing.T, m *Metrics) string {
	t.Helper()
	live, ready := sets(t, nil, nil)
	_, body := get(t, Handler(live, ready, m), "/metrics")
	var lines strings.Builder
	for line := range strings.Lines(body) {
		if strings.HasPrefix(line, "netchecker_agent_mesh_") {
			lines.WriteString(line)
		}
	}
	return lines.String()
}
