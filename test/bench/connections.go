package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os/exec"
	"runtime"
	"strconv"
	"syscall"
	"time"
)

// Whose connections are made, and how they end.
const (
	// byFIN ends them as any HTTP client does that says "Connection: close".
	byFIN = "fin"
	// byRST ends them as our agents do: with no linger (SO_LINGER 0) once the answer
	// was read.
	byRST = "rst"
	// byAgents lets real agents report, and probe the server's ping as they do.
	byAgents = "agents"
	// bySamples lets a real agent sample backends, and report as usual.
	bySamples = "samples"
	// byProbes lets two real agents probe each other, each as if the other one were all
	// that it probes.
	byProbes = "probes"
)

func endings() []string { return []string{byFIN, byRST, byAgents} }

// allApart are all that the child apart can do.
func allApart() []string { return append(endings(), bySamples, byProbes) }

// stays is how long a socket stays in TIME_WAIT (TCP_TIMEWAIT_LEN of Linux).
const stays = time.Minute

// traces are what connections have left in the end.
type traces struct {
	// AtServer and AtAgents are sockets in TIME_WAIT on either side of the server's
	// port.
	AtServer, AtAgents int
	// Tracked is the number of entries in the connection tracking that have not
	// expired. The kernel removes those that have in passing, within a minute or so:
	// Counted is what it counted at most, these included.
	Tracked, Counted int
	// Open is how many sockets the server held at the same time, at most.
	Open int
	// Sent is how many bytes a second left by lo.
	Sent float64
	// Reports and Pings are how many the server has answered.
	Reports, Pings float64
}

func (t traces) String() string {
	return fmt.Sprintf("%.0f reports and %.0f pings left %d sockets in TIME_WAIT at the server and %d at the agents; %d connections are tracked, and %d were at most, expired ones too; the server held %d sockets at most",
		t.Reports, t.Pings, t.AtServer, t.AtAgents, t.Tracked, t.Counted, t.Open)
}

// measureConnections is the part "connections". Nothing of it is judged by
// quartiles: each way is looked at once.
func measureConnections(ctx context.Context, s *stage) ([]result, error) {
	var all []result
	for _, ending := range endings() {
		trials, err := s.trials(func(b build) (trial, error) {
			return func(ctx context.Context, _ int) ([]float64, error) {
				seen, err := s.connect(ctx, b, ending)
				if err != nil {
					return nil, err
				}
				s.say("%s", b.of(fmt.Sprintf("%s: %s", ending, seen)))
				return seen.values(ending), nil
			}, nil
		})
		if err != nil {
			return nil, err
		}
		results, err := inTurn(ctx, s.connectionFigures(ending), 1, trials)
		if err != nil {
			return nil, err
		}
		all = append(all, results...)
	}
	return all, nil
}

func (s *stage) connectionFigures(ending string) []figure {
	after := fmt.Sprintf(" after %v", s.connectFor)
	if ending == byAgents {
		return []figure{
			{name: "Sockets in TIME_WAIT for each round of a real agent," + after, decimals: 2, target: &target{limit: 0.1}},
			{name: "Tracked connections for each round of a real agent," + after, decimals: 2},
		}
	}
	rate := s.connectionRate()
	what := fmt.Sprintf(", %.0f reports/s ended by %s", rate, map[string]string{byFIN: "FIN", byRST: "RST"}[ending])
	figures := []figure{
		{name: "Sockets in TIME_WAIT at the server" + what + after},
		{name: "Sockets in TIME_WAIT at the agents" + what + after},
		{name: "Tracked connections" + what + after},
		{name: "Tracked connections" + what + ", expired ones too, at most"},
		{name: "Sockets that the server holds" + what + ", at most"},
	}
	if ending == byRST {
		// What was reset is tracked for 10 s (nf_conntrack_tcp_timeout_close).
		for i, limit := range []float64{100, 100, 12 * rate} {
			figures[i].target = &target{limit: limit}
		}
	}
	return figures
}

// connectionRate is how many connections are made per second.
func (o options) connectionRate() float64 { return float64(o.podAgents) / float64(o.interval) }

// values are those of connectionFigures.
func (t traces) values(ending string) []float64 {
	if ending == byAgents {
		return []float64{float64(t.AtServer+t.AtAgents) / t.Reports, float64(t.Tracked) / t.Reports}
	}
	return []float64{float64(t.AtServer), float64(t.AtAgents), float64(t.Tracked), float64(t.Counted), float64(t.Open)}
}

// connect runs the child that makes connections, in a network of its own.
func (s *stage) connect(ctx context.Context, b build, ending string) (traces, error) {
	s.say("%s", b.of(fmt.Sprintf("Making connections for %v in a network namespace: %s", s.connectFor, ending)))
	return s.runApart(ctx, b, "-ending", ending, "-pods", strconv.Itoa(s.podAgents), "-interval", strconv.Itoa(s.interval),
		"-connections-seconds", strconv.FormatFloat(s.connectFor.Seconds(), 'f', -1, 64))
}

// runApart runs the child that has a network of its own, and returns what it has seen
// there. The network ends with its last process.
func (s *stage) runApart(ctx context.Context, b build, args ...string) (traces, error) {
	child := exec.CommandContext(ctx, s.builds[len(s.builds)-1].bench, append([]string{"-child", apart, "-bin", b.dir, "-dir", s.dir}, args...)...)
	child.SysProcAttr = ownNetwork()
	child.Cancel = func() error { return child.Process.Signal(syscall.SIGTERM) }
	child.WaitDelay = 2 * endWithin
	var out bytes.Buffer
	child.Stdout, child.Stderr = &out, s.out
	// The kernel ends the child when the thread that made it is gone.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	if err := child.Run(); err != nil {
		return traces{}, errors.Join(ctx.Err(), fmt.Errorf("measuring in a network namespace, which takes root or user namespaces: %w", err))
	}
	var seen traces
	if err := json.Unmarshal(out.Bytes(), &seen); err != nil {
		return traces{}, fmt.Errorf("reading what the child has seen: %w", err)
	}
	return seen, nil
}
