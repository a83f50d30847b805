package main

import (
	"context"
	"net"
	"net/netip"
	"os"

	"github.com/netchecker/netchecker/pkg/wait"
	"github.com/netchecker/netchecker/server/evaluate"
	"github.com/netchecker/netchecker/server/judge"
	"github.com/netchecker/netchecker/server/mesh"
	"github.com/netchecker/netchecker/server/shared"
)

// openFacts prepares to ask what all agents share.
func openFacts(o Options) (*shared.Facts, error) {
	cfg := shared.Config{Identity: identity(), Node: address(o.NodeIP), AllowLoopback: o.AllowLoopback}
	if o.AgentsFile == "" && o.Namespace != "" {
		cfg.Cluster = &shared.ClusterConfig{
			Kubeconfig: o.Kubeconfig, Namespace: o.Namespace, Service: o.ServiceName, KubeAPI: kubeAPI(os.Getenv),
		}
	}
	return shared.New(cfg)
}

// kubeAPI is where pods find the API server, as Kubernetes tells each of them in its
// environment.
func kubeAPI(getenv func(string) string) []netip.AddrPort {
	at, err := netip.ParseAddrPort(net.JoinHostPort(getenv("KUBERNETES_SERVICE_HOST"), getenv("KUBERNETES_SERVICE_PORT")))
	if err != nil {
		return nil
	}
	return []netip.AddrPort{at}
}

// remember tells the history what reports say of backends, the paths what they say of
// those, and the planner who answers probes, until ctx ends.
func (s *server) remember(ctx context.Context) error {
	for ctx.Err() == nil {
		snap := s.judge.Snapshot()
		s.history.Look(snap.Sampling())
		if snap.List != nil {
			s.paths.Look(snap.List, snap.Records)
		}
		if snap.Known() {
			s.planner.Look(heard(snap))
		}
		wait.For(ctx, lookEvery)
	}
	return nil
}

// heard is who is heard, as the planner is told: also who has become silent, since what
// its peers see of it is what tells why.
func heard(snap *judge.Snapshot) mesh.Heard {
	return mesh.Heard{
		List: snap.List, Records: snap.Records,
		Reporting: func(i int) bool {
			return snap.States[i] == evaluate.Reporting || snap.States[i] == evaluate.Outdated
		},
		Awaited: func(i int) bool { return snap.States[i] == evaluate.Starting },
	}
}

// reachedAt is where agents reach this server itself; not valid where that is not known.
func (s *server) reachedAt() netip.AddrPort {
	at, err := netip.ParseAddrPort(s.http.Addr().String())
	if err != nil {
		return netip.AddrPort{}
	}
	return netip.AddrPortFrom(address(s.opts.PodIP), at.Port())
}
