package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/netchecker/netchecker/server/mesh"
)

// These are the children: one serves reports without storing them, the other has a
// network of its own, in which it measures connections.
const (
	noStore = "no-store"
	apart   = "apart"
)

// options are what the benchmark can be told.
type options struct {
	// bin is the directory of the two binaries; against that of those that they are
	// held against, and of their benchmark, or empty.
	bin, against string
	// dir is where the temporary folder is made; empty: the system's place for it.
	dir    string
	only   []string
	strict bool

	rounds int
	// loadFor is how long one side of a round of the reports lasts, probeFor a
	// round of the check, scrapeFor one look at the memory, connectFor one at the
	// connections, sampleFor one at the sampling, outageFor an outage, and stormFor one at
	// reports around a backend's failure, or around updates, which are all sent within
	// updateSpread.
	loadFor, probeFor, scrapeFor, connectFor, sampleFor, outageFor, stormFor, updateSpread time.Duration
	// meshedFor is how long one look at a server of agents that mesh lasts.
	meshedFor time.Duration
	// sizes are the numbers of agents at which the check is measured, nodes those of nodes
	// at which the mesh is.
	sizes, nodes []int
	// podAgents is the number of agents of the memory and the connections, outageAgents
	// that of the outage, and stormAgents that of a backend's failure, and updateAgents that of updates, which report every
	// interval seconds.
	podAgents, outageAgents, stormAgents, updateAgents, interval int

	// child says to be a part of the benchmark instead: one that serves at endpoint
	// and expects that many agents, or one whose connections end in that way.
	child, endpoint, ending string
	agents                  int
	// mtu is that of the network apart; 0: as it is.
	mtu int
}

func parse(args []string, stderr io.Writer) (options, error) {
	var o options
	flags := flag.NewFlagSet("bench", flag.ContinueOnError)
	flags.SetOutput(stderr)
	only := flags.String("only", strings.Join(names(func(p part) bool { return !p.asked }), ","),
		"the `parts` to measure, with ',' between them: "+strings.Join(names(anyPart), ", "))
	sizes := flags.String("sizes", "1000,10000,100000", "the `numbers` of agents at which the check is measured")
	nodes := flags.String("nodes", "100,1000,10000", "the `numbers` of nodes at which what the mesh costs a server is measured")
	flags.StringVar(&o.bin, "bin", "./bin", "`directory` of netchecker-server and netchecker-agent, as make build makes them")
	flags.StringVar(&o.against, "against", "", "`directory` of those of another build, and of its bench, to compare with, as make bench-against makes them")
	flags.StringVar(&o.dir, "dir", "", "`directory` for all data, on the disk that is to be measured; empty: that of temporary files")
	flags.BoolVar(&o.strict, "strict", false, "exit with 1 when a target was missed, or a figure is worse than that of -against")
	flags.IntVar(&o.rounds, "rounds", 5, "`number` of rounds")
	lasting(flags, &o.loadFor, "seconds", 4, "the `seconds` that one side of a round of the reports lasts")
	lasting(flags, &o.probeFor, "check-seconds", 2, "the `seconds` that a round of the check lasts")
	lasting(flags, &o.scrapeFor, "memory-seconds", 90, "the `seconds` for which the memory is watched")
	lasting(flags, &o.connectFor, "connections-seconds", 60, "the `seconds` for which connections are made")
	lasting(flags, &o.sampleFor, "backends-seconds", 20, "the `seconds` for which backends are sampled, or peers probed, in a round")
	lasting(flags, &o.outageFor, "outage-seconds", 60, "the `seconds` that an outage of etcd lasts")
	lasting(flags, &o.stormFor, "intervals-seconds", 30, "the `seconds` for which reports are watched around a backend's failure, or around updates")
	lasting(flags, &o.meshedFor, "meshed-seconds", 20, "the `seconds` for which a server of agents that mesh is watched")
	flags.IntVar(&o.podAgents, "pods", 10_000, "the `number` of agents when memory and connections are measured")
	flags.IntVar(&o.outageAgents, "outage-agents", 200, "the `number` of real agents that an outage of etcd meets")
	flags.IntVar(&o.stormAgents, "intervals-agents", 5000, "the `number` of agents for which a backend fails")
	flags.IntVar(&o.updateAgents, "updates-agents", 20_000, "the `number` of agents that send an update at once")
	flags.IntVar(&o.interval, "interval", 15, "the `seconds` between two reports of such an agent; the server closes connections that were idle for 20")
	flags.StringVar(&o.child, "child", "", "be a `part` of the benchmark: "+noStore+" or "+apart)
	flags.StringVar(&o.endpoint, "endpoint", "", "where the child "+noStore+" serves, as `host:port`")
	flags.StringVar(&o.ending, "ending", "", "whose connections the child "+apart+" makes, and `how` they end: "+strings.Join(allApart(), ", "))
	flags.IntVar(&o.mtu, "mtu", 0, "the `bytes` that a packet may have in the network of the child "+apart+"; 0: as many as lo takes")
	flags.IntVar(&o.agents, "agents", 0, "how `many` agents the child "+noStore+" expects")
	lasting(flags, &o.updateSpread, "updates-spread", 0, "the `seconds` within which all agents send their updates; 0: as many as the server would tell them")
	if err := flags.Parse(args); err != nil {
		return o, err
	}
	if o.updateSpread == 0 {
		o.updateSpread = mesh.SpreadOfUpdates(o.updateAgents)
	}
	if flags.NArg() > 0 {
		return o, fmt.Errorf("no arguments are expected, got %q", flags.Args())
	}
	o.only = strings.Split(*only, ",")
	var err error
	if o.sizes, err = numbers(*sizes); err != nil {
		return o, fmt.Errorf("-sizes: %w", err)
	}
	if o.nodes, err = numbers(*nodes); err != nil {
		return o, fmt.Errorf("-nodes: %w", err)
	}
	return o, o.validate()
}

// names are those of the parts that are chosen.
func names(chosen func(part) bool) []string {
	var list []string
	for _, p := range parts() {
		if chosen(p) {
			list = append(list, p.name)
		}
	}
	return list
}

func anyPart(part) bool { return true }

// lasting defines a flag for seconds, whole or not.
func lasting(flags *flag.FlagSet, d *time.Duration, name string, value float64, usage string) {
	*d = seconds(value)
	flags.Func(name, fmt.Sprintf("%s (default %v)", usage, value), func(text string) error {
		s, err := strconv.ParseFloat(text, 64)
		if err != nil {
			return errors.New("it should be a number of seconds")
		}
		*d = seconds(s)
		return nil
	})
}

func seconds(s float64) time.Duration { return time.Duration(s * float64(time.Second)) }

func numbers(list string) ([]int, error) {
	var all []int
	for _, text := range strings.Split(list, ",") {
		n, err := strconv.Atoi(text)
		if err != nil || n < 100 {
			return nil, fmt.Errorf("%q should be numbers from 100, with ',' between them", list)
		}
		all = append(all, n)
	}
	return all, nil
}

// comparing says whether two builds are measured.
func (o options) comparing() bool { return o.against != "" }

func (o options) validate() error {
	switch o.child {
	case "":
		return errors.Join(o.validateParts(), o.validateSizes(), o.validateBuilds())
	case noStore:
		if o.endpoint == "" || o.agents < 1 {
			return fmt.Errorf("-child %s takes -endpoint and -agents", noStore)
		}
		return nil
	case apart:
		if ways := allApart(); !slices.Contains(ways, o.ending) {
			return fmt.Errorf("-child %s takes -ending, one of %s", apart, strings.Join(ways, ", "))
		}
		return nil
	}
	return fmt.Errorf("-child should be %s or %s", noStore, apart)
}

func (o options) validateParts() error {
	for _, name := range o.only {
		if !slices.Contains(names(anyPart), name) {
			return fmt.Errorf("-only: there is no part %q; there are %s", name, strings.Join(names(anyPart), ", "))
		}
	}
	return nil
}

func (o options) validateSizes() error {
	switch {
	case o.rounds < 1:
		return fmt.Errorf("-rounds is %d; it should be at least 1", o.rounds)
	case min(o.loadFor, o.probeFor, o.scrapeFor, o.connectFor, o.sampleFor, o.outageFor, o.stormFor, o.updateSpread, o.meshedFor) < 100*time.Millisecond:
		return fmt.Errorf("-seconds and those of check, memory, connections, backends, outage and intervals, -updates-spread and -meshed-seconds should be at least 0.1")
	case o.podAgents < loadWorkers:
		return fmt.Errorf("-pods is %d; it should be at least %d", o.podAgents, loadWorkers)
	case o.outageAgents < 1:
		return fmt.Errorf("-outage-agents is %d; it should be at least 1", o.outageAgents)
	case o.stormAgents < loadWorkers:
		return fmt.Errorf("-intervals-agents is %d; it should be at least %d", o.stormAgents, loadWorkers)
	case o.updateAgents < loadWorkers:
		return fmt.Errorf("-updates-agents is %d; it should be at least %d", o.updateAgents, loadWorkers)
	case o.interval < 1:
		return fmt.Errorf("-interval is %d; it should be at least 1", o.interval)
	case o.scrapeFor < time.Duration(o.interval)*time.Second+2*time.Second:
		return fmt.Errorf("-memory-seconds is %v; it should be 2 more than -interval at least, so that all report", o.scrapeFor.Seconds())
	case o.connectFor > stays:
		return fmt.Errorf("-connections-seconds is %v; it should be at most %v, for which a socket stays in TIME_WAIT", o.connectFor.Seconds(), stays.Seconds())
	}
	return nil
}

// validateBuilds looks for the programs.
func (o options) validateBuilds() error {
	for _, row := range []struct{ flag, dir, maker, programs string }{
		{"-bin", o.bin, "make build", "netchecker-server netchecker-agent"},
		{"-against", o.against, "make bench-against", "netchecker-server netchecker-agent bench"},
	} {
		if row.dir == "" {
			continue
		}
		for _, program := range strings.Fields(row.programs) {
			if _, err := os.Stat(row.dir + "/" + program); err != nil {
				return fmt.Errorf("%s: %w; %s makes it", row.flag, err, row.maker)
			}
		}
	}
	return nil
}
