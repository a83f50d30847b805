package main

import (
	"flag"
	"fmt"
	"io"
	"text/tabwriter"
)

// groups are the flags as -help tells them.
var groups = [...]struct {
	title string
	flags []string
}{
	{"Reporting", []string{"serverendpoint", "reportinterval", "zeroextenderlength", "network"}},
	{"Probing", []string{"probeurls"}},
	{"Being watched", []string{"listen"}},
	{"Logging (glog)", logFlags},
	{"Other", []string{"version"}},
}

// logFlags are glog's; it registers them with flag.CommandLine.
var logFlags = []string{"logtostderr", "alsologtostderr", "stderrthreshold", "v", "vmodule", "log_backtrace_at", "log_dir", "log_link", "logbuflevel"}

// addLogFlags adds glog's flags to fs. Logs go to standard error unless asked
// otherwise: glog ends the process where it can't write a file, and a pod's root
// is often read-only.
func addLogFlags(fs *flag.FlagSet) {
	for _, name := range logFlags {
		f := flag.Lookup(name)
		fs.Var(f.Value, f.Name, f.Usage)
	}
	toStderr := fs.Lookup("logtostderr")
	_ = toStderr.Value.Set("true") // a bool flag takes it
	toStderr.DefValue = "true"
}

const environment = `
Environment:
  MY_POD_NAME          the pod's name (needed)
  MY_NODE_NAME         the node's name
  MY_POD_NAMESPACE     the pod's namespace, if not as the service account's files say
  MY_POD_IPS           the pod's addresses, if not those of its interfaces (or MY_POD_IP)
  GOGC, GOMEMLIMIT, GOMAXPROCS   the Go runtime's, which are set low otherwise
`

func usage(w io.Writer, fs *flag.FlagSet) {
	_, _ = fmt.Fprintf(w, "%s looks at the network from its pod and reports to netchecker-server.\n\nUsage: %s [flags]\n", program, program)
	for _, g := range groups {
		_, _ = fmt.Fprintf(w, "\n%s:\n", g.title)
		table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
		for _, name := range g.flags {
			f := fs.Lookup(name)
			argument, text := flag.UnquoteUsage(f)
			if f.DefValue != "" {
				text += fmt.Sprintf(" (default %s)", f.DefValue)
			}
			_, _ = fmt.Fprintf(table, "  -%s %s\t%s\n", name, argument, text)
		}
		_ = table.Flush()
	}
	_, _ = io.WriteString(w, environment)
}
