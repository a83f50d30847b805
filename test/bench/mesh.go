package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"path/filepath"
	"sync"
	"time"

	"github.com/netchecker/netchecker/pkg/assignment"
	"github.com/netchecker/netchecker/pkg/report"
	"github.com/netchecker/netchecker/test/process"
)

const (
	// meshSent has a series for each node that is probed, and family of its addresses.
	meshSent = "netchecker_agent_mesh_sent_total"
	// meshTargets are both agents of 8 peers, and the other one of the own node.
	meshTargets = 17
)

// meshSettling, or as long as a round if that is less, is for what an agent does once, as it begins to probe: among that, the
// first questions of full size.
const meshSettling = 12 * time.Second

func meshFigures() []figure {
	figures := []figure{
		{name: "Agent's CPU without peers, of a core", unit: "%", decimals: 2},
		{name: "Agent's memory without peers", unit: "MiB", decimals: 1},
	}
	for _, how := range []string{"one family", "two families"} {
		what := " for 8 peers that probe it as well, in " + how
		figures = append(figures,
			figure{name: "Agent's CPU" + what + ", of a core", unit: "%", decimals: 2, target: &target{limit: 1}},
			figure{name: "Agent's memory" + what, unit: "MiB", decimals: 1, target: &target{limit: 20}})
	}
	return figures
}

// measureMesh is the part "mesh".
func measureMesh(ctx context.Context, s *stage) ([]result, error) {
	costs, err := s.trials(func(b build) (trial, error) {
		return func(ctx context.Context, round int) ([]float64, error) { return s.meshCosts(ctx, b, round) }, nil
	})
	if err != nil {
		return nil, err
	}
	return inTurn(ctx, meshFigures(), min(s.rounds, backendRounds), costs)
}

// meshCosts are the values of meshFigures.
func (s *stage) meshCosts(ctx context.Context, b build, round int) (values []float64, err error) {
	var without cost
	for families := range 3 {
		c, err := s.mesh(ctx, b, families)
		if err != nil {
			return nil, err
		}
		s.say("%s", b.of(fmt.Sprintf("round %d: probing in %d families, an agent takes %.2f%% of a core and %.1f MiB", round+1, families, c.cpu, c.memory)))
		values = append(values, c.cpu-without.cpu, c.memory-without.memory)
		if families == 0 {
			without = c
		}
	}
	return values, nil
}

// mesh lets two agents probe each other as if each were all the others, and says what
// that costs one of them.
func (s *stage) mesh(ctx context.Context, b build, families int) (c cost, err error) {
	err = s.scoped(func() error {
		agent, err := s.startMesh(ctx, b, scene{targets: meshTargets, families: families, otherEvery: "1"})
		if err != nil {
			return err
		}
		if !sleepUntil(ctx, time.Now().Add(min(meshSettling, s.sampleFor))) {
			return ctx.Err()
		}
		perSecond, err := cpuDuring(agent.PID(), func() error {
			sleepUntil(ctx, time.Now().Add(s.sampleFor))
			return ctx.Err()
		})
		if err != nil {
			return err
		}
		c.cpu = perSecond / 10 // of ms a second
		_, c.memory, err = resident(agent.PID())
		return err
	})
	return c, err
}

// scene is how two agents probe each other.
type scene struct {
	// targets are whom each probes, in so many families; none, where that is 0.
	targets, families int
	// otherEvery is how often the other one reports, in seconds: it hears of the first
	// one then.
	otherEvery string
	// shares says that they ask also what all share.
	shares bool
}

// startMesh starts the two, and returns the one to look at once both probe.
func (s *stage) startMesh(ctx context.Context, b build, of scene) (*process.Process, error) {
	teller, err := s.startMeshTeller(of)
	if err != nil {
		return nil, err
	}
	within, cancel := context.WithTimeout(ctx, readyWithin)
	defer cancel()
	taken := map[string]bool{}
	other, otherListens, err := s.startMeshAgent(b, teller, "bench-1", of.otherEvery, taken)
	if err != nil {
		return nil, err
	}
	if err := other.WaitUntil(within, func(context.Context) error { return teller.knows("bench-1") }); err != nil {
		return nil, err
	}
	agent, listen, err := s.startMeshAgent(b, teller, "bench-2", "15", taken)
	if err != nil {
		return nil, err
	}
	return agent, agent.WaitUntil(within, func(ctx context.Context) error {
		return errors.Join(of.probes(ctx, listen), of.probes(ctx, otherListens))
	})
}

// probes says whether the agent that serves there probes.
func (of scene) probes(ctx context.Context, listen string) error {
	metrics, err := scrapeOnce(ctx, listen)
	if err != nil || of.families == 0 {
		return err
	}
	if sent, err := sum(metrics, meshSent, `network="pod"`); err != nil || sent == 0 {
		return fmt.Errorf("nobody is probed: %w", err)
	}
	return nil
}

// startMeshAgent starts one that reports every so many seconds, and returns where its
// metrics are.
func (s *stage) startMeshAgent(b build, teller *meshTeller, name, interval string, taken map[string]bool) (agent *process.Process, listen string, err error) {
	if listen, err = freeAddress(taken); err != nil {
		return nil, "", err
	}
	answers, err := freeAddress(taken)
	if err != nil {
		return nil, "", err
	}
	if answers, err = teller.expect(name, answers); err != nil {
		return nil, "", err
	}
	agent, err = s.start(b.agent(), []string{"MY_POD_NAME=" + name, "MY_NODE_NAME=" + name}, "-logtostderr",
		"-serverendpoint", teller.address, "-reportinterval", interval, "-listen", listen, "-mesh-listen", answers, "-allow-loopback")
	return agent, listen, err
}

// meshTeller serves as a server that tells each of two agents to probe the other, as
// often as if that were all of its peers.
type meshTeller struct {
	address string
	scene

	mu    sync.Mutex
	ports map[string]uint16 // by pod
	boots map[string]string
}

func (s *stage) startMeshTeller(of scene) (*meshTeller, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	t := &meshTeller{address: l.Addr().String(), scene: of, ports: map[string]uint16{}, boots: map[string]string{}}
	s.serveUntilEnd(l, func(w http.ResponseWriter, r *http.Request) {
		if body, err := io.ReadAll(r.Body); err == nil && r.Method == http.MethodPost && filepath.Base(filepath.Dir(r.URL.Path)) == "agents" {
			_, _ = w.Write(t.reply(body))
		}
	})
	return t, nil
}

// expect notes where an agent will answer, and returns that as its flag.
func (t *meshTeller) expect(pod, address string) (string, error) {
	a, err := netip.ParseAddrPort(address)
	if err != nil {
		return "", err
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.ports[pod] = a.Port()
	return fmt.Sprintf(":%d", a.Port()), nil
}

// knows says whether an agent has reported.
func (t *meshTeller) knows(pod string) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.boots[pod] == "" {
		return fmt.Errorf("%s has not reported", pod)
	}
	return nil
}

// reply tells an agent of the other, once both have reported.
func (t *meshTeller) reply(body []byte) []byte {
	r, err := report.Decode(body)
	if err != nil {
		return nil
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.boots[r.PodName] = r.BootID
	for pod, boot := range t.boots {
		if pod == r.PodName || t.families == 0 || r.Understands[assignment.Topic] == boot {
			continue
		}
		data, err := assignment.Encode(t.assignment(pod, boot))
		if err != nil {
			return nil
		}
		return report.AppendReply(nil, &report.Reply{News: []report.News{{Topic: assignment.Topic, Version: boot, Data: data}}})
	}
	return nil
}

func (t *meshTeller) assignment(pod, boot string) *assignment.Assignment {
	a := &assignment.Assignment{Self: 1, Base: boot}
	addresses := []netip.Addr{netip.AddrFrom4([4]byte{127, 0, 0, 1}), netip.IPv6Loopback()}[:t.families]
	if t.shares {
		a.Shared = t.shared()
	}
	for id := range uint64(t.targets) {
		a.Peers = append(a.Peers, assignment.Peer{
			ID: id + 2, Node: fmt.Sprintf("node-%d", id/2), Host: id%2 == 1, Addresses: addresses, Port: t.ports[pod], Boot: boot,
		})
	}
	return a
}

// shared is what all share, which is all at one place, as often as it is asked at most.
func (t *meshTeller) shared() *assignment.Shared {
	at := netip.MustParseAddrPort(t.address)
	return &assignment.Shared{
		Name: "netchecker-service.netchecker.svc", Want: []netip.Addr{at.Addr()}, ServicePort: at.Port(), NodePort: at.Port(),
		KubeAPI: []netip.AddrPort{at}, DNSServers: []netip.AddrPort{at, at, at, at},
		DNSEvery: 5000, ServiceEvery: 5000, KubeAPIEvery: 5000,
	}
}
