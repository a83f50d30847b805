package main

import (
	"errors"
	"flag"
	"fmt"
	"net"
	"net/netip"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/netchecker/netchecker/pkg/cli"
	"github.com/netchecker/netchecker/pkg/report"
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
	FindingsFail   bool
	DrainTimeout   int

	Kubeconfig    string
	AgentsFile    string
	KubeProxyInit bool

	Namespace   string
	ServiceName string

	PodIP  string
	NodeIP string

	BackendsFile     string
	BackendRateLimit int
	AllowLoopback    bool

	EtcdEndpoints          string
	EtcdTree               string
	EtcdKey                string
	EtcdCert               string
	EtcdCA                 string
	EtcdInsecureSkipVerify bool
	EtcdCompact            bool
	DataDir                string
	EmbeddedEtcdQuota      int64

	Check          string
	CheckWithin    int
	SyntheticTests string
	From, To       string
	JUnit          string
}

// groups are the flags as -help tells them.
var groups = []cli.Group{
	{Title: "Serving", Flags: []string{"endpoint", "max-body-bytes", "max-connections", "drain-timeout"}},
	{Title: "Judging", Flags: []string{"report-ttl", "starting-grace", "ping-timeout", "check-interval", "findings-fail"}},
	{Title: "Whom to expect", Flags: []string{"kubeconfig", "agents-file"}},
	{Title: "Backends whose availability agents sample", Flags: []string{"backends-file", "backend-rate-limit", "allow-loopback"}},
	{Title: "Kubernetes Events of disruption and findings", Flags: []string{"namespace", "service-name"}},
	{Title: "What agents are told of this server", Flags: []string{"pod-ip", "node-ip"}},
	{Title: "etcd", Flags: []string{"etcd-endpoints", "etcd-tree", "etcd-ca", "etcd-cert", "etcd-key", "etcd-insecure-skip-verify", "etcd-compact"}},
	{Title: "The server's own etcd (without -etcd-endpoints)", Flags: []string{"data-dir", "embedded-etcd-quota"}},
	{Title: "Asking a server that runs, instead of being one", Flags: []string{"check", "check-within", "synthetic-tests", "from", "to", "junit"}},
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
	fs.BoolVar(&o.FindingsFail, "findings-fail", true, "have the check answer 400 while a finding is critical, as while a node can't be reached; =false for the original's rule, by which absent and outdated agents alone do; ?findings=ok asks by that")

	fs.StringVar(&o.Kubeconfig, "kubeconfig", "", "the kubeconfig `file` of the cluster; empty for the cluster that the server runs in")
	fs.StringVar(&o.AgentsFile, "agents-file", "", "a YAML `file` that lists the expected agents, instead of a cluster; it is watched for changes")
	fs.BoolVar(&o.KubeProxyInit, "kubeproxyinit", false, "used to keep reports in Kubernetes custom resources; now it means the server's own etcd")

	fs.StringVar(&o.BackendsFile, "backends-file", "", "a YAML `file` that declares the backends whose availability agents sample; it is watched for changes; empty for none")
	fs.IntVar(&o.BackendRateLimit, "backend-rate-limit", 200, "the `requests` a second that all agents together may make to one backend")
	fs.BoolVar(&o.AllowLoopback, "allow-loopback", false, "let agents be aimed at loopback addresses, for tests: whatever listens there listens for its own node alone")

	fs.StringVar(&o.Namespace, "namespace", os.Getenv("POD_NAMESPACE"), "the `namespace` of the Events, which is the Service's; empty for no Events; by default what the environment says as POD_NAMESPACE")
	fs.StringVar(&o.ServiceName, "service-name", "netchecker-service", "the `name` of the server's Service, which the Events are of, and which agents probe")

	fs.StringVar(&o.PodIP, "pod-ip", os.Getenv("MY_POD_IP"), "the `address` at which agents reach this server itself, as a further way for small messages; empty for none; by default what the environment says as MY_POD_IP")
	fs.StringVar(&o.NodeIP, "node-ip", os.Getenv("MY_NODE_IP"), "that of its `node`, where agents reach the Service at its NodePort; by default what the environment says as MY_NODE_IP")

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
	fs.IntVar(&o.CheckWithin, "check-within", 60, "the `seconds` that -check goes on asking until all is well, and -synthetic-tests until all is known")
	fs.StringVar(&o.SyntheticTests, "synthetic-tests", "", "the `URL` of a server to ask whether backends were available from -from to -to, print the tests' results and exit: 0 if all passed, 1 if some failed, 3 if that can't be known")
	fs.StringVar(&o.From, "from", "", "`when` that stretch begins, as 2026-11-27T12:00:00Z or -1h30m")
	fs.StringVar(&o.To, "to", "", "`when` it ends; empty for now")
	fs.StringVar(&o.JUnit, "junit", "", "the `file` that -synthetic-tests writes a JUnit report to")
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
		{"backend-rate-limit", o.BackendRateLimit, 1, 1000 * 1000},
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
	if err := errors.Join(o.validateEvents(), o.validateAddresses(), o.validateCheck(), o.validateSynthetic()); err != nil {
		return err
	}
	return o.validateEtcd()
}

func (o *Options) validateEvents() error {
	if o.Namespace != "" && !report.IsLabel(o.Namespace) {
		return fmt.Errorf("-namespace is %.70q; it should be the name of a namespace", o.Namespace)
	}
	if !report.IsLabel(o.ServiceName) {
		return fmt.Errorf("-service-name is %.70q; it should be the name of a Service", o.ServiceName)
	}
	return nil
}

func (o *Options) validateAddresses() error {
	for _, f := range []struct{ flag, value string }{{"pod-ip", o.PodIP}, {"node-ip", o.NodeIP}} {
		if a, err := netip.ParseAddr(f.value); f.value != "" && (err != nil || a.Zone() != "") {
			return fmt.Errorf("-%s is %.70q; it should be an IP address, or empty", f.flag, f.value)
		}
	}
	return nil
}

// address is one that was validated; not valid where it is empty.
func address(text string) netip.Addr {
	a, err := netip.ParseAddr(text)
	if err != nil {
		return netip.Addr{}
	}
	return a.Unmap()
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
