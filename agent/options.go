package main

import (
	"flag"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/netchecker/netchecker/pkg/cli"
	"github.com/netchecker/netchecker/pkg/report"
)

const (
	// defaultPadding makes reports of 3 kB, twice the usual MTU, as the original
	// agents do.
	defaultPadding = 1500
	// maxPadding keeps a report below the 1 MiB that servers take.
	maxPadding = 500_000
	// auto lets the agent choose.
	auto = "auto"
)

// Options are the flags as they were given.
type Options struct {
	ServerEndpoint     string
	ProbeURLs          string
	ReportInterval     int
	ZeroExtenderLength string
	Listen             string
	Network            string
	BackendFiles       string
	AllowLoopback      bool
	Mesh               bool
	MeshListen         string
}

// groups are the flags as -help tells them.
var groups = []cli.Group{
	{Title: "Reporting", Flags: []string{"serverendpoint", "reportinterval", "zeroextenderlength", "network"}},
	{Title: "Probing", Flags: []string{"probeurls"}},
	{Title: "Probing each other", Flags: []string{"mesh", "mesh-listen"}},
	{Title: "Sampling backends", Flags: []string{"backend-files", "allow-loopback"}},
	{Title: "Being watched", Flags: []string{"listen"}},
}

// AddFlags makes fs set o, which gets the defaults.
func (o *Options) AddFlags(fs *flag.FlagSet) {
	fs.StringVar(&o.ServerEndpoint, "serverendpoint", "netchecker-service:8081", "where the server is, as `host:port`")
	fs.IntVar(&o.ReportInterval, "reportinterval", 60, "the `seconds` between two reports")
	fs.StringVar(&o.ZeroExtenderLength, "zeroextenderlength", strconv.Itoa(defaultPadding),
		"how many `zeros` a report is padded with, two bytes each, so that it is larger than the MTU; auto: as many as the interfaces' largest MTU takes")
	fs.StringVar(&o.ProbeURLs, "probeurls", "", "the `URLs` to probe in each round, with ',' or ';' between them; the server's ping is always one more")
	fs.StringVar(&o.Network, "network", auto, "the pod's `network`: pod, host, or auto (by the hostname)")
	fs.StringVar(&o.BackendFiles, "backend-files", "/etc/netchecker/backends", "the `directory` of the files that backends name, with certificates of authorities and tokens")
	fs.BoolVar(&o.AllowLoopback, "allow-loopback", false, "sample backends and probe agents at loopback addresses, too; for a server and agents that share a machine")
	fs.BoolVar(&o.Mesh, "mesh", true, "probe the agents that the server names, and answer their probes")
	fs.StringVar(&o.MeshListen, "mesh-listen", "0.0.0.0:8083",
		"the `address` where other agents' probes are answered, over UDP and TCP, of both families where it is 0.0.0.0, [::] or left out; empty to answer none, and not to be probed")
	fs.StringVar(&o.Listen, "listen", "0.0.0.0:8082", "the `address` of the agent's own /healthz, /readyz and /metrics; empty for none")
}

// Settings are Options that were understood.
type Settings struct {
	// ServerHost is the host of ServerEndpoint, without the brackets of IPv6.
	ServerHost     string
	ServerEndpoint string
	Interval       time.Duration
	// Padding is a number of zeros; AutoPadding says to find it out.
	Padding     int
	AutoPadding bool
	// URLs are those to probe, each once, the server's ping last.
	URLs []string
	// Listen is empty where nothing is to be served.
	Listen string
	// Network is report.Unknown where it is to be found out.
	Network report.Network
	// BackendFiles is the directory of the files that backends name.
	BackendFiles string
	// AllowLoopback allows backends and peers at loopback addresses.
	AllowLoopback bool
	// Mesh says to probe other agents and to answer them, which is done at MeshListen,
	// unless that is empty.
	Mesh       bool
	MeshListen string
}

// Validate returns what the options mean. An error names the flag and what it
// should be.
func (o *Options) Validate() (Settings, error) {
	s := Settings{
		ServerEndpoint: o.ServerEndpoint, Interval: time.Duration(o.ReportInterval) * time.Second, Listen: o.Listen,
		BackendFiles: o.BackendFiles, AllowLoopback: o.AllowLoopback, Mesh: o.Mesh, MeshListen: o.MeshListen,
	}
	var err error
	if s.ServerHost, err = splitEndpoint(o.ServerEndpoint); err != nil {
		return Settings{}, err
	}
	if o.ReportInterval < 1 || o.ReportInterval > report.MaxInterval {
		return Settings{}, fmt.Errorf("-reportinterval is %d; it should be seconds, from 1 to %d", o.ReportInterval, report.MaxInterval)
	}
	if s.AutoPadding = o.ZeroExtenderLength == auto; !s.AutoPadding {
		s.Padding, err = strconv.Atoi(o.ZeroExtenderLength)
		if err != nil || s.Padding < 0 || s.Padding > maxPadding {
			return Settings{}, fmt.Errorf("-zeroextenderlength is %q; it should be a number of zeros, from 0 to %d, or %s", o.ZeroExtenderLength, maxPadding, auto)
		}
	}
	if s.URLs, err = splitURLs(o.ProbeURLs, pathAt(o.ServerEndpoint, "/api/v1/ping")); err != nil {
		return Settings{}, err
	}
	if o.Listen != "" {
		if _, port, err := net.SplitHostPort(o.Listen); err != nil || !isPort(port, 0) {
			return Settings{}, fmt.Errorf("-listen is %q; it should be address:port, such as 0.0.0.0:8082, or empty", o.Listen)
		}
	}
	if o.Mesh && o.MeshListen != "" && !isMeshAddress(o.MeshListen) {
		return Settings{}, fmt.Errorf("-mesh-listen is %q; it should be an IP address and a port, such as 0.0.0.0:8083 or :8083, or empty", o.MeshListen)
	}
	switch o.Network {
	case auto:
	case string(report.Pod), string(report.Host):
		s.Network = report.Network(o.Network)
	default:
		return Settings{}, fmt.Errorf("-network is %q; it should be %s, %s or %s", o.Network, auto, report.Pod, report.Host)
	}
	return s, nil
}

// isMeshAddress says whether it is an address with a port, of which the former may be
// left out.
func isMeshAddress(s string) bool {
	host, port, err := net.SplitHostPort(s)
	if err != nil || !isPort(port, 0) {
		return false
	}
	_, err = netip.ParseAddr(host)
	return host == "" || err == nil
}

// splitEndpoint returns the host of an endpoint that can be put into a URL.
func splitEndpoint(endpoint string) (host string, err error) {
	host, port, err := net.SplitHostPort(endpoint)
	if err == nil && isPort(port, 1) && host != "" && len(host) <= 253 {
		if _, err := netip.ParseAddr(host); err == nil {
			return host, nil
		}
		if u, err := url.Parse("http://" + endpoint); err == nil && u.Host == endpoint && !strings.ContainsAny(host, ":[]@%") {
			return host, nil
		}
	}
	return "", fmt.Errorf("-serverendpoint is %q; it should be host:port without a scheme or path, such as netchecker-service:8081 or [::1]:8081", endpoint)
}

// pathAt is the URL of a path of the server's. It escapes the zone of an IPv6
// address.
func pathAt(endpoint, path string) string {
	u := url.URL{Scheme: "http", Host: endpoint, Path: path}
	return u.String()
}

func isPort(s string, lowest int) bool {
	n, err := strconv.Atoi(s)
	return err == nil && n >= lowest && n <= 65535
}

// splitURLs returns the URLs of list, each once, and ping after them.
func splitURLs(list, ping string) ([]string, error) {
	var urls []string
	for _, u := range strings.FieldsFunc(list, func(r rune) bool { return r == ',' || r == ';' }) {
		u = strings.TrimSpace(u)
		if u == "" || u == ping || slices.Contains(urls, u) {
			continue
		}
		if err := checkURL(u); err != nil {
			return nil, err
		}
		urls = append(urls, u)
	}
	urls = append(urls, ping)
	if len(urls) > report.MaxProbes {
		return nil, fmt.Errorf("-probeurls has %d URLs with the server's ping; there should be at most %d", len(urls), report.MaxProbes)
	}
	return urls, nil
}

func checkURL(s string) error {
	u, err := url.Parse(s)
	if err == nil && (u.Scheme == "http" || u.Scheme == "https") && u.Hostname() != "" &&
		(u.Port() == "" || isPort(u.Port(), 1)) && len(s) <= report.MaxString {
		return nil
	}
	return fmt.Errorf("-probeurls has %q; it should be a URL such as http://example.com:8080/path, with http or https", s)
}
