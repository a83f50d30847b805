// Netchecker-agent is the witness: it looks at the network from one pod, round
// by round, and tells the server what it saw.
//
// The package only translates and wires: flags to Options (options.go), Options
// to parts (run.go), and the rhythm of the rounds (rounds.go, schedule.go).
package main

import (
	"context"
	"os"

	"github.com/netchecker/netchecker/pkg/cli"
)

const program = "netchecker-agent"

// environment is what -help says besides the flags.
const environment = `Commands:
  watch URL            sample a backend from here and tell its intervals; see netchecker-agent watch -help
  probe HOST:PORT      ask another agent from here and tell what comes of it; see netchecker-agent probe -help

Environment:
  MY_POD_NAME          the pod's name (needed)
  MY_NODE_NAME         the node's name
  MY_POD_NAMESPACE     the pod's namespace, if not as the service account's files say
  MY_NODE_IP           the node's address, for backends whose URL has {nodeIP}
  MY_POD_UID           the pod's UID, which tells it from an earlier pod of its name
  MY_POD_IPS           the pod's addresses, if not those of its interfaces (or MY_POD_IP)
  GOGC, GOMEMLIMIT, GOMAXPROCS   the Go runtime's, which are set low otherwise
`

func main() {
	var o Options
	command(&o).Main()
}

// command is the agent as a program that sets o and runs by it.
func command(o *Options) cli.Program {
	return cli.Program{
		Name:     program,
		About:    program + " looks at the network from its pod and reports to netchecker-server.",
		Groups:   groups,
		More:     environment,
		AddFlags: o.AddFlags,
		Commands: map[string]cli.Program{"watch": watching(os.Stdout), "probe": probing(os.Stdout)},
		Start: func(ctx context.Context) error {
			settings, err := o.Validate()
			if err != nil {
				return err
			}
			return run(ctx, settings, machine())
		},
	}
}
