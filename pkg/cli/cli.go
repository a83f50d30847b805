// Package cli is what the command lines of both binaries have in common: how
// flags are read and explained, where logs go, what signals and exit codes mean.
package cli

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"
	"text/tabwriter"

	"github.com/golang/glog"

	"github.com/netchecker/netchecker/pkg/version"
)

// Exit codes.
const (
	ExitOK    = 0
	ExitError = 1 // the program can't work, or can't go on
	ExitUsage = 2 // the command line is not understood
)

// Exit is the error of a program that chooses its exit code.
type Exit struct {
	Code int
	// Err says why, and is nil where everything was said.
	Err error
}

func (e *Exit) Error() string {
	if e.Err == nil {
		return fmt.Sprintf("exit code %d", e.Code)
	}
	return e.Err.Error()
}

func (e *Exit) Unwrap() error { return e.Err }

// Group is some flags under a title, as -help tells them.
type Group struct {
	Title string
	Flags []string
}

// LogFlags are glog's, which it registers with flag.CommandLine.
var LogFlags = []string{"logtostderr", "alsologtostderr", "stderrthreshold", "v", "vmodule", "log_backtrace_at", "log_dir", "log_link", "logbuflevel"}

// Program is a command.
type Program struct {
	Name string
	// About is the sentence that -help begins with.
	About string
	// Groups order the flags; glog's and -version follow by themselves.
	Groups []Group
	// More is what -help ends with.
	More string
	// Argument is what the one argument is called that the program needs, and Take gets
	// it; empty where it takes none.
	Argument string
	Take     func(string)
	// Commands are programs of their own, by the word that the command line begins with.
	Commands map[string]Program
	// AddFlags adds the program's own flags.
	AddFlags func(*flag.FlagSet)
	// Start runs the program until ctx ends, which SIGINT and SIGTERM make it do. An
	// *Exit says which code an error ends it with; others end it with ExitError.
	Start func(ctx context.Context) error
}

// Main runs p with the process's arguments and ends the process.
func (p Program) Main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	code := p.Run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	glog.Flush()
	os.Exit(code)
}

// Run runs p and returns the exit code.
func (p Program) Run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	if len(args) > 0 {
		if command, is := p.Commands[args[0]]; is {
			return command.Run(ctx, args[1:], stdout, stderr)
		}
	}
	fs := flag.NewFlagSet(p.Name, flag.ContinueOnError)
	fs.SetOutput(io.Discard)
	p.AddFlags(fs)
	tell := fs.Bool("version", false, "print the version and exit")
	addLogFlags(fs)
	switch err := p.parse(fs, args, tell); {
	case errors.Is(err, flag.ErrHelp):
		p.usage(stdout, fs)
		return ExitOK
	case err != nil:
		_, _ = fmt.Fprintf(stderr, "%s: %v; see %s -help\n", p.Name, err, p.Name)
		return ExitUsage
	case *tell:
		_, _ = fmt.Fprintln(stdout, p.Name, version.Get())
		return ExitOK
	}
	err := p.Start(ctx)
	code, quiet := codeOf(err)
	if !quiet {
		_, _ = fmt.Fprintf(stderr, "%s: %v\n", p.Name, err)
	}
	return code
}

// codeOf is the exit code of a program that ended with err; quiet says that there is
// nothing to add.
func codeOf(err error) (code int, quiet bool) {
	var exit *Exit
	switch {
	case err == nil:
		return ExitOK, true
	case errors.As(err, &exit):
		return exit.Code, exit.Err == nil
	}
	return ExitError, false
}

// parse reads flags before and after the argument, if there is to be one. It is not
// needed by who is only told the version.
func (p Program) parse(fs *flag.FlagSet, args []string, version *bool) error {
	if err := fs.Parse(args); err != nil {
		return err
	}
	if p.Argument != "" {
		if fs.NArg() == 0 && !*version {
			return fmt.Errorf("%s is missing", p.Argument)
		}
		if fs.NArg() > 0 {
			p.Take(fs.Arg(0))
			if err := fs.Parse(fs.Args()[1:]); err != nil {
				return err
			}
		}
	}
	if fs.NArg() > 0 {
		return fmt.Errorf("unexpected argument %q", fs.Arg(0))
	}
	return nil
}

// addLogFlags adds glog's flags to fs. Logs go to standard error unless asked
// otherwise: glog ends the process where it can't write a file, and a pod's root
// is often read-only.
func addLogFlags(fs *flag.FlagSet) {
	for _, name := range LogFlags {
		f := flag.Lookup(name)
		fs.Var(f.Value, f.Name, f.Usage)
	}
	toStderr := fs.Lookup("logtostderr")
	if toStderr.Value.String() != "true" { // glog reads it without a lock, so it is written once
		_ = toStderr.Value.Set("true") // a bool flag takes it
	}
	toStderr.DefValue = "true"
}

func (p Program) usage(w io.Writer, fs *flag.FlagSet) {
	usage := p.Name + " [flags]"
	if p.Argument != "" {
		usage += " " + p.Argument
	}
	_, _ = fmt.Fprintf(w, "%s\n\nUsage: %s\n", p.About, usage)
	groups := append(append([]Group(nil), p.Groups...), Group{"Logging (glog)", LogFlags}, Group{"Other", []string{"version"}})
	for _, g := range groups {
		_, _ = fmt.Fprintf(w, "\n%s:\n", g.Title)
		table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
		for _, name := range g.Flags {
			f := fs.Lookup(name)
			argument, text := flag.UnquoteUsage(f)
			if f.DefValue != "" {
				text += fmt.Sprintf(" (default %s)", f.DefValue)
			}
			_, _ = fmt.Fprintf(table, "  -%s %s\t%s\n", name, argument, text)
		}
		_ = table.Flush()
	}
	if p.More != "" {
		_, _ = fmt.Fprintf(w, "\n%s", p.More)
	}
}
