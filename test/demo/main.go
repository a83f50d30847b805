// Demo shows netchecker at work on one machine: a server with its embedded etcd
// and six agents (three made-up nodes, each on both networks) as processes of
// their own. It waits for the reports, prints the verdict and what to try next,
// stays until Ctrl-C, and then leaves nothing behind: no process and no file.
//
// It is what make run runs, as bin/demo; by hand, after make build:
//
//	go run ./test/demo -bin ./bin
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"
)

func main() { os.Exit(run(os.Args[1:], os.Stdout, os.Stderr)) }

// run is main, with its exit status: 0 for an end that was asked for, 1 for any
// other, 2 for flags that are wrong.
func run(args []string, stdout, stderr io.Writer) int {
	o, err := parse(args, stderr)
	if errors.Is(err, flag.ErrHelp) {
		return 0
	}
	if err != nil {
		fmt.Fprintln(stderr, "demo:", err)
		return 2
	}
	ctx, stop := untilAsked(context.Background())
	defer stop()
	if err := play(ctx, o, stdout); err != nil {
		fmt.Fprintln(stderr, "demo:", err)
		return 1
	}
	return 0
}

// options are what the demo can be told.
type options struct {
	// bin is the directory of the two binaries.
	bin string
	// endpoint is where the server listens, host:port; port 0 picks a free one.
	endpoint string
	// interval is between two reports of an agent, in whole seconds.
	interval int
	// patience is for the server to answer, and again for all to have reported.
	patience time.Duration
}

func parse(args []string, stderr io.Writer) (options, error) {
	o := options{patience: time.Minute}
	flags := flag.NewFlagSet("demo", flag.ContinueOnError)
	flags.SetOutput(stderr)
	flags.StringVar(&o.bin, "bin", "./bin", "`directory` of netchecker-server and netchecker-agent, as make build makes them")
	flags.StringVar(&o.endpoint, "endpoint", "127.0.0.1:8081", "`host:port` of the server; port 0 picks a free one")
	flags.IntVar(&o.interval, "interval", 5, "`seconds` between two reports of an agent")
	if err := flags.Parse(args); err != nil {
		return o, err
	}
	switch {
	case flags.NArg() > 0:
		return o, fmt.Errorf("no arguments are expected, got %q", flags.Args())
	case o.interval < 1:
		return o, fmt.Errorf("-interval: want at least 1 second, got %d", o.interval)
	}
	for _, path := range []string{o.server(), o.agent()} {
		if _, err := os.Stat(path); err != nil {
			return o, fmt.Errorf("-bin: %w; make build makes it", err)
		}
	}
	return o, nil
}

func (o options) server() string { return filepath.Join(o.bin, "netchecker-server") }
func (o options) agent() string  { return filepath.Join(o.bin, "netchecker-agent") }

// silence is how old a report may be before its agent is outdated.
func (o options) silence() time.Duration { return 2 * time.Duration(o.interval) * time.Second }
