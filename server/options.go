package main

import (
	"errors"
	"flag"
	"fmt"
	"net"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/netchecker/netchecker/pkg/cli"
)

// Options are the flags as they were given; times are in seconds, as the original
// server's were.
type Options struct {
	Endpoint       string
	MaxBodyBytes   int64
	MaxConnections int
	ReportTTL      int
	StartingGrace  int
	PingTimeout    int
	CheckInterval  int
	DrainTimeout   int

	Kubeconfig    string
	AgentsFile    string
	KubeProxyInit bool

	EtcdEndpoints          string
	EtcdTree               string
	EtcdKey                string
	EtcdCert               string
	EtcdCA                 string
	EtcdInsecureSkipVerify bool
	EtcdCompact            bool
	DataDir                string
	EmbeddedEtcdQuota      int64

	Check       string
	CheckWithin int
}

// groups are the flags as -help tells them.
var groups = []cli.Group{
	{Title: "Serving", Flags: []string{"endpoint", "max-body-bytes", "max-connections", "drain-timeout"}},
	{Title: "Judging", Flags: []string{"report-ttl", "starting-grace", "ping-timeout", "check-interval"}},
	{Title: "Whom to expect", Flags: []string{"kubeconfig", "agents-file"}},
	{Title: "etcd", Flags: []string{"etcd-endpoints", "etcd-tree", "etcd-ca", "etcd-cert", "etcd-key", "etcd-insecure-skip-verify", "etcd-compact"}},
	{Title: "The server's own etcd (without -etcd-endpoints)", Flags: []string{"data-dir", "embedded-etcd-quota"}},
	{Title: "Asking a server that runs, instead of being one", Flags: []string{"check", "check-within"}},
	{Title: "Of the original server", Flags: []string{"kubeproxyinit"}},
}

// AddFlags makes fs set o, which gets the defaults.
func (o *Options) AddFlags(fs *flag.FlagSet) {
	fs.StringVar(&o.Endpoint, "endpoint", "0.0.0.0:8081", "the `address` to serve at; 0.0.0.0 means IPv6 too, where there is any")
	fs.Int64Var(&o.MaxBodyBytes, "max-body-bytes", 1<<20, "the largest report that is taken, in `bytes`")
	fs.IntVar(&o.MaxConnections, "max-connections", 32768, "how `many` connections are served at the same time")
	fs.IntVar(&o.DrainTimeout, "drain-timeout", 5, "the `seconds` that requests under way have at shutdown")

	fs.IntVar(&o.ReportTTL, "report-ttl", 300, "the `seconds` that a report is kept, and three of its agent's intervals at least")
	fs.IntVar(&o.StartingGrace, "starting-grace", 120, "the `seconds` an agent may take to report for the first time")
	fs.IntVar(&o.PingTimeout, "ping-timeout", 5, "the `seconds` etcd may be silent before nothing can be known")
	fs.IntVar(&o.CheckInterval, "check-interval", 10, "the `seconds` between two looks at the agent pods, where they can't be watched")

	fs.StringVar(&o.Kubeconfig, "kubeconfig", "", "the kubeconfig `file` of the cluster; empty for the cluster that the server runs in")
	fs.StringVar(&o.AgentsFile, "agents-file", "", "a YAML `file` that lists the expected agents, instead of a cluster; it is watched for changes")
	fs.BoolVar(&o.KubeProxyInit, "kubeproxyinit", false, "used to keep reports in Kubernetes custom resources; now it means the server's own etcd")

	fs.StringVar(&o.EtcdEndpoints, "etcd-endpoints", "", "the `URLs` of etcd, with ',' between them; empty for an etcd of the server's own")
	fs.StringVar(&o.EtcdTree, "etcd-tree", "netchecker", "the `prefix` of all keys")
	fs.StringVar(&o.EtcdCA, "etcd-ca", "", "the `file` with the certificates of the authorities that etcd is verified by; empty for the system's")
	fs.StringVar(&o.EtcdCert, "etcd-cert", "", "the `file` with the client certificate for etcd")
	fs.StringVar(&o.EtcdKey, "etcd-key", "", "the `file` with the key of the client certificate")
	fs.BoolVar(&o.EtcdInsecureSkipVerify, "etcd-insecure-skip-verify", false, "do not verify etcd's certificate: whoever is on the way can read and change everything")
	fs.BoolVar(&o.EtcdCompact, "etcd-compact", true, "drop etcd's old revisions, of all its keys; turn it off where others need them")

	fs.StringVar(&o.DataDir, "data-dir", "", "the `directory` of the server's own etcd; empty for the first that can be written of /var/lib/netchecker, the user's state directory, the temporary directory and /dev/shm")
	fs.Int64Var(&o.EmbeddedEtcdQuota, "embedded-etcd-quota", 2<<30, "the `bytes` that the server's own etcd may take on disk")

	fs.StringVar(&o.Check, "check", "", "the `URL` of a server to ask whether all is well, print its answer and exit: 0 if it is")
	fs.IntVar(&o.CheckWithin, "check-within", 60, "the `seconds` that -check goes on asking until all is well")
}

// Validate says what is wrong with the options; the error names the flag and what
// it should be.
func (o *Options) Validate() error {
	if _, port, err := net.SplitHostPort(o.Endpoint); err != nil {
		return fmt.Errorf("-endpoint is %q; it should be an address and a port, such as 0.0.0.0:8081", o.Endpoint)
	} else if n, err := strconv.Atoi(port); err != nil || n < 0 || n > 65535 {
		return fmt.Errorf("-endpoint has the port %q; it should be a number from 0 to 65535", port)
	}
	const day = 24 * 60 * 60
	for _, f := range []struct {
		flag      string
		value     int
		low, high int
	}{
		{"report-ttl", o.ReportTTL, 1, 30 * day},
		{"starting-grace", o.StartingGrace, 0, day},
		{"ping-timeout", o.PingTimeout, 1, 3600},
		{"check-interval", o.CheckInterval, 1, 3600},
		{"drain-timeout", o.DrainTimeout, 0, 3600},
		{"max-connections", o.MaxConnections, 1, 1 << 20},
		{"max-body-bytes", int(o.MaxBodyBytes), 4096, 1 << 20},
	} {
		if f.value < f.low || f.value > f.high {
			return fmt.Errorf("-%s is %d; it should be from %d to %d", f.flag, f.value, f.low, f.high)
		}
	}
	if o.EmbeddedEtcdQuota < 16<<20 {
		return fmt.Errorf("-embedded-etcd-quota is %d; it should be %d bytes at least", o.EmbeddedEtcdQuota, 16<<20)
	}
	if o.Kubeconfig != "" && o.AgentsFile != "" {
		return errors.New("-kubeconfig and -agents-file are both given; the expected agents come from one of them")
	}
	if err := o.validateCheck(); err != nil {
		return err
	}
	return o.validateEtcd()
}

func (o *Options) validateEtcd() error {
	if tree := strings.Trim(o.EtcdTree, "/"); tree == "" {
		return fmt.Errorf("-etcd-tree is %q; it should be a prefix such as netchecker", o.EtcdTree)
	}
	if (o.EtcdCert == "") != (o.EtcdKey == "") {
		return errors.New("-etcd-cert and -etcd-key belong together; one of them is missing")
	}
	if o.EtcdEndpoints != "" && !o.KubeProxyInit && len(o.endpoints()) == 0 {
		return fmt.Errorf("-etcd-endpoints is %q; it should be URLs with ',' between them, such as http://127.0.0.1:2379", o.EtcdEndpoints)
	}
	return nil
}

// endpoints are those of an etcd that is there; none means the server's own.
func (o *Options) endpoints() []string {
	if o.KubeProxyInit {
		return nil
	}
	list := strings.Split(o.EtcdEndpoints, ",")
	for i := range list {
		list[i] = strings.TrimSpace(list[i])
	}
	return slices.DeleteFunc(list, func(s string) bool { return s == "" })
}

func seconds(n int) time.Duration { return time.Duration(n) * time.Second }

// identity names this server among those that share an etcd.
func identity() string {
	host, err := os.Hostname()
	if err != nil {
		host = "unknown"
	}
	return host + "-" + strconv.Itoa(os.Getpid())
}
