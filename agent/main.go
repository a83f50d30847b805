// Netchecker-agent is the witness: it looks at the network from one pod, round
// by round, and tells the server what it saw.
//
// The package only translates and wires: flags to Options (options.go), Options
// to parts (run.go), and the rhythm of the rounds (rounds.go, schedule.go).
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"

	"github.com/golang/glog"

	"github.com/netchecker/netchecker/pkg/version"
)

const program = "netchecker-agent"

const (
	exitOK    = 0
	exitError = 1 // it can't work, or can't go on
	exitUsage = 2 // the command line is not understood
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	code := command(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	glog.Flush()
	os.Exit(code)
}

// command returns the exit code.
func command(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	fs := flag.NewFlagSet(program, flag.ContinueOnError)
	fs.SetOutput(io.Discard)
	var o Options
	o.AddFlags(fs)
	addLogFlags(fs)
	switch err := parse(fs, args); {
	case errors.Is(err, flag.ErrHelp):
		usage(stdout, fs)
		return exitOK
	case err != nil:
		_, _ = fmt.Fprintf(stderr, "%s: %v; see %s -help\n", program, err, program)
		return exitUsage
	case o.Version:
		_, _ = fmt.Fprintln(stdout, program, version.Get())
		return exitOK
	}
	settings, err := o.Validate()
	if err == nil {
		err = run(ctx, settings, machine())
	}
	if err != nil {
		_, _ = fmt.Fprintf(stderr, "%s: %v\n", program, err)
		return exitError
	}
	return exitOK
}

func parse(fs *flag.FlagSet, args []string) error {
	if err := fs.Parse(args); err != nil {
		return err
	}
	if fs.NArg() > 0 {
		return fmt.Errorf("unexpected argument %q", fs.Arg(0))
	}
	return nil
}
