// Netchecker-server is the judge: it takes the agents' reports in, keeps them in
// etcd, and says what they mean.
//
// The package only translates and wires: flags to Options (options.go), Options
// to parts that are started and stopped in order (run.go), or to a question to a
// server that runs already (check.go).
package main

import (
	"context"
	"os"

	"github.com/netchecker/netchecker/pkg/cli"
)

func main() {
	var o Options
	command(&o).Main()
}

// command is the server as a program that sets o and runs by it.
func command(o *Options) cli.Program {
	return cli.Program{
		Name:     "netchecker-server",
		About:    "netchecker-server takes the reports of netchecker agents and says whether the network between the nodes is all right.",
		Groups:   groups,
		AddFlags: o.AddFlags,
		Start: func(ctx context.Context) error {
			err := o.Validate()
			switch {
			case err != nil && o.SyntheticTests != "":
				return &cli.Exit{Code: cli.ExitUsage, Err: err}
			case err != nil:
				return err
			case o.SyntheticTests != "":
				return newStretch(*o).ask(ctx, os.Stdout)
			case o.Check != "":
				return newQuestion(*o).ask(ctx, os.Stdout)
			}
			return run(ctx, *o)
		},
	}
}
