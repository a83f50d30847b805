package metrics

import (
	"testing"

	"github.com/netchecker/netchecker/pkg/report"
	"github.com/netchecker/netchecker/server/judge"
	"github.com/netchecker/netchecker/server/paths"
)

func TestPathsAreToldByClassAndZones(t *testing.T) {
	v := three()
	total := paths.Total{Key: paths.Key{Class: paths.HostToPod, From: "a", To: "b"}, Sent: 100, Forward: 3, Back: 2, Unknown: 1, Answered: 94, Took: 0.5}
	for i := range total.Times {
		total.Times[i] = uint64(7 * i)
	}
	v.paths.totals = []paths.Total{total, {Key: paths.Key{Class: paths.OwnNode}, Sent: 1}}
	wantText(t, metricsOf(v), `
# HELP netchecker_mesh_lost_total Those that were lost: forward, on their way to the peer; back, on the way back; or unknown, where nothing was heard after them.
# TYPE netchecker_mesh_lost_total counter
netchecker_mesh_lost_total{class="host-to-pod",direction="back",from_zone="a",to_zone="b"} 2
netchecker_mesh_lost_total{class="host-to-pod",direction="forward",from_zone="a",to_zone="b"} 3
netchecker_mesh_lost_total{class="host-to-pod",direction="unknown",from_zone="a",to_zone="b"} 1
netchecker_mesh_lost_total{class="own-node",direction="back",from_zone="",to_zone=""} 0
netchecker_mesh_lost_total{class="own-node",direction="forward",from_zone="",to_zone=""} 0
netchecker_mesh_lost_total{class="own-node",direction="unknown",from_zone="",to_zone=""} 0
# HELP netchecker_mesh_round_trip_seconds Round trips, without the time that peers took, each as the average of those that one report adds.
# TYPE netchecker_mesh_round_trip_seconds histogram
netchecker_mesh_round_trip_seconds_bucket{class="host-to-pod",from_zone="a",to_zone="b",le="0.0001"} 0
netchecker_mesh_round_trip_seconds_bucket{class="host-to-pod",from_zone="a",to_zone="b",le="0.00025"} 7
netchecker_mesh_round_trip_seconds_bucket{class="host-to-pod",from_zone="a",to_zone="b",le="0.0005"} 14
netchecker_mesh_round_trip_seconds_bucket{class="host-to-pod",from_zone="a",to_zone="b",le="0.001"} 21
netchecker_mesh_round_trip_seconds_bucket{class="host-to-pod",from_zone="a",to_zone="b",le="0.0025"} 28
netchecker_mesh_round_trip_seconds_bucket{class="host-to-pod",from_zone="a",to_zone="b",le="0.005"} 35
netchecker_mesh_round_trip_seconds_bucket{class="host-to-pod",from_zone="a",to_zone="b",le="0.01"} 42
netchecker_mesh_round_trip_seconds_bucket{class="host-to-pod",from_zone="a",to_zone="b",le="0.025"} 49
netchecker_mesh_round_trip_seconds_bucket{class="host-to-pod",from_zone="a",to_zone="b",le="0.05"} 56
netchecker_mesh_round_trip_seconds_bucket{class="host-to-pod",from_zone="a",to_zone="b",le="0.1"} 63
netchecker_mesh_round_trip_seconds_bucket{class="host-to-pod",from_zone="a",to_zone="b",le="0.25"} 70
netchecker_mesh_round_trip_seconds_bucket{class="host-to-pod",from_zone="a",to_zone="b",le="0.5"} 77
netchecker_mesh_round_trip_seconds_bucket{class="host-to-pod",from_zone="a",to_zone="b",le="1"} 84
netchecker_mesh_round_trip_seconds_bucket{class="host-to-pod",from_zone="a",to_zone="b",le="+Inf"} 94
netchecker_mesh_round_trip_seconds_sum{class="host-to-pod",from_zone="a",to_zone="b"} 0.5
netchecker_mesh_round_trip_seconds_count{class="host-to-pod",from_zone="a",to_zone="b"} 94
netchecker_mesh_round_trip_seconds_bucket{class="own-node",from_zone="",to_zone="",le="0.0001"} 0
netchecker_mesh_round_trip_seconds_bucket{class="own-node",from_zone="",to_zone="",le="0.00025"} 0
netchecker_mesh_round_trip_seconds_bucket{class="own-node",from_zone="",to_zone="",le="0.0005"} 0
netchecker_mesh_round_trip_seconds_bucket{class="own-node",from_zone="",to_zone="",le="0.001"} 0
netchecker_mesh_round_trip_seconds_bucket{class="own-node",from_zone="",to_zone="",le="0.0025"} 0
netchecker_mesh_round_trip_seconds_bucket{class="own-node",from_zone="",to_zone="",le="0.005"} 0
netchecker_mesh_round_trip_seconds_bucket{class="own-node",from_zone="",to_zone="",le="0.01"} 0
netchecker_mesh_round_trip_seconds_bucket{class="own-node",from_zone="",to_zone="",le="0.025"} 0
netchecker_mesh_round_trip_seconds_bucket{class="own-node",from_zone="",to_zone="",le="0.05"} 0
netchecker_mesh_round_trip_seconds_bucket{class="own-node",from_zone="",to_zone="",le="0.1"} 0
netchecker_mesh_round_trip_seconds_bucket{class="own-node",from_zone="",to_zone="",le="0.25"} 0
netchecker_mesh_round_trip_seconds_bucket{class="own-node",from_zone="",to_zone="",le="0.5"} 0
netchecker_mesh_round_trip_seconds_bucket{class="own-node",from_zone="",to_zone="",le="1"} 0
netchecker_mesh_round_trip_seconds_bucket{class="own-node",from_zone="",to_zone="",le="+Inf"} 0
netchecker_mesh_round_trip_seconds_sum{class="own-node",from_zone="",to_zone=""} 0
netchecker_mesh_round_trip_seconds_count{class="own-node",from_zone="",to_zone=""} 0
# HELP netchecker_mesh_sent_total Small datagrams that agents sent each other.
# TYPE netchecker_mesh_sent_total counter
netchecker_mesh_sent_total{class="host-to-pod",from_zone="a",to_zone="b"} 100
netchecker_mesh_sent_total{class="own-node",from_zone="",to_zone=""} 1
`, "netchecker_mesh_lost_total", "netchecker_mesh_round_trip_seconds", "netchecker_mesh_sent_total")
}

func TestWhatAllShareIsToldByKindNetworkAndOutcome(t *testing.T) {
	v := three()
	v.paths.shared = []paths.SharedTotal{
		{SharedKey: paths.SharedKey{Kind: report.DNS, Network: report.Host}, Asked: 100, Lost: 3, Refused: 2, Wrong: 1},
		{SharedKey: paths.SharedKey{Kind: report.KubeAPI, Network: report.Host}, Asked: 7},
	}
	wantText(t, metricsOf(v), `
# HELP netchecker_shared_asked_total Questions that agents asked what all of them share.
# TYPE netchecker_shared_asked_total counter
netchecker_shared_asked_total{kind="dns",network="host"} 100
netchecker_shared_asked_total{kind="kube-api",network="host"} 7
# HELP netchecker_shared_failed_total Questions to what all agents share that failed: lost, not being answered; refused; or answered wrong.
# TYPE netchecker_shared_failed_total counter
netchecker_shared_failed_total{kind="dns",network="host",outcome="lost"} 3
netchecker_shared_failed_total{kind="dns",network="host",outcome="refused"} 2
netchecker_shared_failed_total{kind="dns",network="host",outcome="wrong"} 1
netchecker_shared_failed_total{kind="kube-api",network="host",outcome="lost"} 0
netchecker_shared_failed_total{kind="kube-api",network="host",outcome="refused"} 0
netchecker_shared_failed_total{kind="kube-api",network="host",outcome="wrong"} 0
`, "netchecker_shared_asked_total", "netchecker_shared_failed_total")
}

func TestAgentsThatMeshAreCountedWhileSomethingIsKnown(t *testing.T) {
	v := three()
	v.paths.meshing = paths.Meshing{Agents: 5, Mute: 2}
	names := []string{"netchecker_mesh_agents", "netchecker_mesh_mute_agents"}
	wantText(t, metricsOf(v), `
# HELP netchecker_mesh_agents Agents that tell of their paths to others; not there while nothing can be known.
# TYPE netchecker_mesh_agents gauge
netchecker_mesh_agents 5
# HELP netchecker_mesh_mute_agents Agents that tell of their paths to others and answer no probes, so that nobody probes them; not there while nothing can be known.
# TYPE netchecker_mesh_mute_agents gauge
netchecker_mesh_mute_agents 2
`, names...)
	v.Unknown = judge.Unknown{Cause: judge.StoreSilent}
	wantText(t, metricsOf(v), "", names...)
}
