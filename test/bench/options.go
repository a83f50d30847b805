package main

import (
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"
)

// noStore is the child that serves reports without storing them.
const noStore = "no-store"

// parts are the measurements, in their order.
var parts = []string{"reports", "check", "memory"}

// options are what the benchmark can be told.
type options struct {
	// bin is the directory of the two binaries.
	bin string
	// dir is where the temporary folder is made; empty: the system's place for it.
	dir    string
	only   []string
	strict bool

	rounds int
	// loadFor is how long one side of a round of the reports lasts, probeFor a
	// round of the check, and scrapeFor the whole measurement of the memory.
	loadFor, probeFor, scrapeFor time.Duration
	sizes                        []int
	// podAgents is the number of agents in the memory's pod list, which report every
	// interval seconds.
	podAgents, interval int

	// child says to be a part of the benchmark instead, which serves at endpoint
	// and expects that many agents.
	child, endpoint string
	agents          int
}

func parse(args []string, stderr io.Writer) (options, error) {
	var o options
	flags := flag.NewFlagSet("bench", flag.ContinueOnError)
	flags.SetOutput(stderr)
	only := flags.String("only", strings.Join(parts, ","), "the `parts` to measure, with ',' between them")
	sizes := flags.String("sizes", "1000,10000,100000", "the `numbers` of agents at which the check is measured")
	flags.StringVar(&o.bin, "bin", "./bin", "`directory` of netchecker-server and netchecker-agent, as make build makes them")
	flags.StringVar(&o.dir, "dir", "", "`directory` for all data, on the disk that is to be measured; empty: that of temporary files")
	flags.BoolVar(&o.strict, "strict", false, "exit with 1 when a target was missed")
	flags.IntVar(&o.rounds, "rounds", 5, "`number` of rounds")
	load := flags.Float64("seconds", 4, "the `seconds` that one side of a round of the reports lasts")
	probe := flags.Float64("check-seconds", 2, "the `seconds` that a round of the check lasts")
	scrape := flags.Float64("memory-seconds", 90, "the `seconds` for which the memory is watched")
	flags.IntVar(&o.podAgents, "pods", 10_000, "the `number` of agent pods when the memory is measured")
	flags.IntVar(&o.interval, "interval", 15, "the `seconds` between two reports of such a pod; the server closes connections that were idle for 20")
	flags.StringVar(&o.child, "child", "", "be a `part` of the benchmark: "+noStore)
	flags.StringVar(&o.endpoint, "endpoint", "", "where the child serves, as `host:port`")
	flags.IntVar(&o.agents, "agents", 0, "how `many` agents the child expects")
	if err := flags.Parse(args); err != nil {
		return o, err
	}
	if flags.NArg() > 0 {
		return o, fmt.Errorf("no arguments are expected, got %q", flags.Args())
	}
	o.only = strings.Split(*only, ",")
	o.loadFor, o.probeFor, o.scrapeFor = seconds(*load), seconds(*probe), seconds(*scrape)
	var err error
	if o.sizes, err = numbers(*sizes); err != nil {
		return o, fmt.Errorf("-sizes: %w", err)
	}
	return o, o.validate()
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

func (o options) validate() error {
	if o.child != "" {
		if o.child != noStore || o.endpoint == "" || o.agents < 1 {
			return fmt.Errorf("-child should be %s, with -endpoint and -agents", noStore)
		}
		return nil
	}
	for _, p := range o.only {
		if !slices.Contains(parts, p) {
			return fmt.Errorf("-only: there is no part %q; there are %s", p, strings.Join(parts, ", "))
		}
	}
	switch {
	case o.rounds < 1:
		return fmt.Errorf("-rounds is %d; it should be at least 1", o.rounds)
	case min(o.loadFor, o.probeFor, o.scrapeFor) < 100*time.Millisecond:
		return fmt.Errorf("-seconds, -check-seconds and -memory-seconds should be at least 0.1")
	case o.podAgents < memoryWorkers:
		return fmt.Errorf("-pods is %d; it should be at least %d", o.podAgents, memoryWorkers)
	case o.interval < 1:
		return fmt.Errorf("-interval is %d; it should be at least 1", o.interval)
	case o.scrapeFor < time.Duration(o.interval)*time.Second+2*time.Second:
		return fmt.Errorf("-memory-seconds is %v; it should be 2 more than -interval at least, so that all report", o.scrapeFor.Seconds())
	}
	for _, path := range []string{o.server(), o.agent()} {
		if _, err := os.Stat(path); err != nil {
			return fmt.Errorf("-bin: %w; make build makes it", err)
		}
	}
	return nil
}

func (o options) server() string { return filepath.Join(o.bin, "netchecker-server") }
func (o options) agent() string  { return filepath.Join(o.bin, "netchecker-agent") }
