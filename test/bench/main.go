// Bench measures how fast and how large netchecker is, on one machine, with
// programs as they are shipped: netchecker-server and netchecker-agent, a real
// etcd that syncs to the disk, and for the memory a real kube-apiserver.
//
// It is what make bench runs. These are its parts, which -only chooses from; the
// last ones are measured only when they are asked for:
//
//	reports      Reports acknowledged per second: payloads of the original agents
//	             with their padding, encoded ahead, over 64 connections. Held against
//	             single puts per second into the same etcd, by one client from 64
//	             goroutines, of the values that the server stores. Both take turns in
//	             each round, and the ratio is taken round by round, so that a disk or
//	             a neighbour which is slow for a while slows both. Also the same
//	             reports to the same handlers with storing left out.
//	check        How long the connectivity check takes to be answered, next to
//	             /api/v1/ping on the same connections in turn, at three sizes of
//	             cluster, with all agents well and with 1% of them outdated, while
//	             1,000 reports come in every second; the processor time that the
//	             server takes meanwhile, and at rest. And what a Snapshot costs.
//	memory       The server's resident memory with 10,000 agents in the pod list of a
//	             kube-apiserver, which all report over a connection of their own,
//	             while Prometheus scrapes; and that of an agent.
//	connections  What 10,000 agents leave of sockets in TIME_WAIT and of entries in
//	             the connection tracking, in a network namespace of its own: with
//	             reports over new connections that end by FIN, or by RST, and what
//	             real agents leave for each of their rounds.
//	backends     What it costs an agent to sample 16 backends every second over new and
//	             over kept connections, by HTTP and by TLS; and the connections that
//	             are tracked for it, in a network namespace of its own.
//	mesh         What it costs an agent to probe 8 peers and to answer them, in one
//	             address family and in two, with packets as large as loopback's.
//	traffic      How many bytes a node sends for 8 peers, at MTU 1500 and at 9000, in a
//	             network namespace of its own.
//	meshed       What the agents of 100, 1,000 and 10,000 nodes that mesh cost a server
//	             more than as many that do not: memory, heap, processor time; how long
//	             the check takes to be answered, next to a ping; and making a plan.
//	outage       What 200 real agents do while etcd is away for a minute, stopped or
//	             paused, and how soon all are back.
//	intervals    How long it takes until all is stored that 5,000 agents tell when a
//	             backend fails for all of them at once, and is back; and what reports
//	             take meanwhile, next to what they take otherwise.
//	updates      The same of the updates that 20,000 agents send at once, whose paths
//	             to each other have become worse, while their reports have the rows of
//	             17 sessions each. They send them within the time that the server would
//	             tell so many, unless -updates-spread says another.
//
// With -against, the binaries of another build are measured too, in turn with these
// within each round, the other ones first each time. The figures of both are printed
// with their quartiles, and which of them got worse by more than 5% and lie outside
// the old ones' quartiles.
//
// A figure is the median of its rounds unless it says otherwise. The figures are
// printed with their targets, met or MISSED; a target that is missed fails
// nothing without -strict, because other programs may use the machine.
//
// All processes end with this one, their data is in a temporary folder that is
// removed, and everything stays on the loopback interface.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"slices"
	"syscall"
	"time"
)

func main() {
	// A closed pipe or terminal ends the run like Ctrl-C does, with its clean-up.
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP, syscall.SIGPIPE)
	code := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	os.Exit(code)
}

// run is main with its exit status: 1 for a measurement that could not be made,
// or with -strict for a target that was missed, 2 for flags that are wrong.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	o, err := parse(args, stderr)
	switch {
	case errors.Is(err, flag.ErrHelp):
		return 0
	case err != nil:
		fmt.Fprintln(stderr, "bench:", err)
		return 2
	}
	switch o.child {
	case noStore:
		err = serveWithoutStore(ctx, o.endpoint, o.agents)
	case apart:
		err = connectApart(ctx, o, stdout, stderr)
	default:
		err = measure(ctx, o, stdout)
	}
	if err != nil {
		fmt.Fprintln(stderr, "bench:", err)
		return 1
	}
	return 0
}

var errMissed = errors.New("a target was missed, or a figure got worse")

// part is one of the measurements.
type part struct {
	name    string
	measure func(context.Context, *stage) ([]result, error)
	// asked says that it is measured only when it is asked for.
	asked bool
}

func parts() []part {
	return []part{
		{name: "reports", measure: measureReports},
		{name: "check", measure: measureCheck},
		{name: "memory", measure: measureMemory},
		{name: "connections", measure: measureConnections, asked: true},
		{name: "backends", measure: measureBackends, asked: true},
		{name: "mesh", measure: measureMesh, asked: true},
		{name: "traffic", measure: measureTraffic, asked: true},
		{name: "meshed", measure: measureMeshed, asked: true},
		{name: "outage", measure: measureOutage, asked: true},
		{name: "intervals", measure: measureIntervals, asked: true},
		{name: "updates", measure: measureUpdates, asked: true},
	}
}

// measure makes the measurements that o asks for and prints them.
func measure(ctx context.Context, o options, out io.Writer) (err error) {
	s, err := newStage(o, out)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.clear()) }()
	machine, err := describeMachine(s.dir)
	if err != nil {
		return err
	}
	s.say("%s", machine)
	var all []result
	for _, p := range parts() {
		if !slices.Contains(o.only, p.name) {
			continue
		}
		err := s.scoped(func() error {
			results, err := p.measure(ctx, s)
			all = append(all, results...)
			return err
		})
		if err != nil {
			return fmt.Errorf("%s: %w", p.name, err)
		}
	}
	shown := table
	if o.comparing() {
		shown = comparison
	}
	fmt.Fprintf(out, "\n%s\n%s\nThat took %s.\n", machine, shown(all), time.Since(s.began).Round(time.Second))
	if o.strict && (slices.ContainsFunc(all, result.missed) || slices.ContainsFunc(all, result.worse)) {
		return errMissed
	}
	return nil
}
