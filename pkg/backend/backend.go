// Package backend says what a backend is whose availability is sampled: where it is,
// how it is asked, and which answer is the right one. People declare backends to the
// server; the server tells each agent those that it should sample, in replies to its
// reports; and agents, who believe nobody, validate them again.
package backend

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/netip"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"time"

	"golang.org/x/net/http/httpguts"

	"github.com/netchecker/netchecker/pkg/report"
)

// Topic is that of the replies that tell an agent its backends: the data of its news
// is what Encode writes.
const Topic = "backends"

const (
	// Most is how many backends there may be altogether, and so for one agent.
	Most = report.MaxBackends
	// MaxURL, MaxBody and MaxHeaders bound what a backend may say: bytes of its URL, and
	// of its body or regular expression; headers.
	MaxURL, MaxBody, MaxHeaders = 1024, 512, 8

	// DefaultInterval and DefaultTimeout are those of a backend that does not say.
	DefaultInterval, DefaultTimeout = time.Second, 5 * time.Second

	// NodeIP stands in a URL for the address of the node that the sampling agent runs
	// on, and Server for the address of the server, as host:port, that it reports to.
	NodeIP, Server = "{nodeIP}", "{server}"

	// SampleHeader is what a request to Server has that samples it: a report.Connection.
	// The server keeps the connection of one that is to be reused.
	SampleHeader = "Netchecker-Sample"
)

// Backend is something whose availability is sampled over HTTP.
type Backend struct {
	// Name is a DNS-1123 label.
	Name string `json:"name"`
	// URL is asked with GET. It has the scheme http or https, and may have NodeIP or
	// Server in the place of its host.
	URL string `json:"url"`
	// IntervalMillis is the time between two samples over each kind of connection, from
	// a second to a minute; 0 stands for DefaultInterval.
	IntervalMillis int64 `json:"intervalMillis,omitempty"`
	// TimeoutMillis is what a sample may take, from 100 ms to 10 s; 0 stands for
	// DefaultTimeout.
	TimeoutMillis int64 `json:"timeoutMillis,omitempty"`
	// Status has the status codes that are right; empty: 200 to 399.
	Status []int `json:"status,omitempty"`
	// Body must be found in the answer's body, and BodyRegexp match it, in RE2 syntax,
	// where they are given. The first 64 KiB of the body are looked at.
	Body       string `json:"body,omitempty"`
	BodyRegexp string `json:"bodyRegexp,omitempty"`
	// CA and Token name files with the certificates of authorities that an https URL is
	// verified by (empty: the system's), and with a bearer token. They are names within
	// the directory that the agent was given for such files, and read again whenever they
	// are used.
	CA    string `json:"ca,omitempty"`
	Token string `json:"token,omitempty"`
	// Headers are sent with each request.
	Headers map[string]string `json:"headers,omitempty"`
}

// Interval is the time between two samples.
func (b *Backend) Interval() time.Duration { return millisOr(b.IntervalMillis, DefaultInterval) }

// Timeout is what a sample may take.
func (b *Backend) Timeout() time.Duration { return millisOr(b.TimeoutMillis, DefaultTimeout) }

func millisOr(ms int64, otherwise time.Duration) time.Duration {
	if ms == 0 {
		return otherwise
	}
	return time.Duration(ms) * time.Millisecond
}

// OwnNode says whether each agent asks its own node, so that there is nobody who all
// ask.
func (b *Backend) OwnNode() bool { return strings.Contains(b.URL, NodeIP) }

// At returns the URL with what stands in the place of NodeIP and Server.
func (b *Backend) At(nodeIP, server string) string {
	if a, err := netip.ParseAddr(nodeIP); err == nil && a.Is6() {
		nodeIP = "[" + nodeIP + "]"
	}
	return strings.NewReplacer(NodeIP, nodeIP, Server, server).Replace(b.URL)
}

// Validate says whether b makes sense. The error names the field and what it should
// be. Whether an address may be asked is a matter of Forbidden, also once names were
// looked up and redirects followed.
func (b *Backend) Validate(allowLoopback bool) error {
	checks := []func() error{
		b.checkName,
		func() error { return b.checkURL(allowLoopback) },
		func() error { return checkMillis("intervalMillis", b.IntervalMillis, time.Second, time.Minute) },
		func() error {
			return checkMillis("timeoutMillis", b.TimeoutMillis, 100*time.Millisecond, 10*time.Second)
		},
		b.checkStatus,
		b.checkBody,
		func() error { return checkFile("ca", b.CA) },
		func() error { return checkFile("token", b.Token) },
		b.checkToken,
		b.checkHeaders,
	}
	for _, check := range checks {
		if err := check(); err != nil {
			return err
		}
	}
	return nil
}

func (b *Backend) checkName() error {
	if !report.IsLabel(b.Name) {
		return fmt.Errorf("name: is %.70q; it should be a DNS-1123 label: at most 63 lower-case letters, digits and '-', beginning and ending with a letter or digit", b.Name)
	}
	return nil
}

func (b *Backend) checkURL(allowLoopback bool) error {
	if len(b.URL) > MaxURL {
		return fmt.Errorf("url: has %d bytes; it should have at most %d", len(b.URL), MaxURL)
	}
	// Both stand for a host that can't be told here from what a name could be.
	u, err := url.Parse(strings.NewReplacer(NodeIP, "node", Server, "server:1").Replace(b.URL))
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Hostname() == "" || u.User != nil || u.Fragment != "" {
		return fmt.Errorf("url: is %.100q; it should be a URL such as https://example.com:8443/healthz, with http or https and without a password", b.redacted())
	}
	if a, err := netip.ParseAddr(u.Hostname()); err == nil {
		if why := Forbidden(a, allowLoopback); why != "" {
			return fmt.Errorf("url: leads to %v, %s, which no agent may be aimed at", a, why)
		}
	}
	return nil
}

// redacted is the URL without what may be a password.
func (b *Backend) redacted() string {
	if u, err := url.Parse(b.URL); err == nil && u.User != nil {
		return u.Redacted()
	}
	return b.URL
}

func (b *Backend) checkStatus() error {
	if len(b.Status) > 16 {
		return fmt.Errorf("status: has %d codes; it should have at most 16", len(b.Status))
	}
	for _, code := range b.Status {
		if code < 200 || code > 599 {
			return fmt.Errorf("status: has %d; it should have HTTP status codes from 200 to 599", code)
		}
	}
	return nil
}

func (b *Backend) checkBody() error {
	for _, f := range []struct{ field, value string }{{"body", b.Body}, {"bodyRegexp", b.BodyRegexp}} {
		if len(f.value) > MaxBody {
			return fmt.Errorf("%s: has %d bytes; it should have at most %d", f.field, len(f.value), MaxBody)
		}
	}
	if _, err := regexp.Compile(b.BodyRegexp); err != nil {
		return fmt.Errorf("bodyRegexp: is %.100q; it should be a regular expression as RE2 has them: %w", b.BodyRegexp, err)
	}
	return nil
}

// checkToken keeps tokens off the wire where anybody can read them.
func (b *Backend) checkToken() error {
	if b.Token != "" && !strings.HasPrefix(b.URL, "https://") {
		return fmt.Errorf("token: is given; it should be left out where the url is not https, since anybody on the way could read it")
	}
	return nil
}

func (b *Backend) checkHeaders() error {
	if len(b.Headers) > MaxHeaders {
		return fmt.Errorf("headers: has %d; it should have at most %d", len(b.Headers), MaxHeaders)
	}
	for name, value := range b.Headers {
		if !httpguts.ValidHeaderFieldName(name) || len(name) > 64 {
			return fmt.Errorf("headers: has %.70q; it should have names of HTTP headers", name)
		}
		if !httpguts.ValidHeaderFieldValue(value) || len(value) > 256 {
			return fmt.Errorf("headers.%s: is not what a header can say, in at most 256 bytes", name)
		}
		if slices.Contains([]string{"authorization", "host", "connection", "content-length", "transfer-encoding"}, strings.ToLower(name)) {
			return fmt.Errorf("headers.%s: can't be set; a bearer token comes from the file that token names", name)
		}
	}
	return nil
}

func checkMillis(field string, ms int64, least, most time.Duration) error {
	if d := time.Duration(ms) * time.Millisecond; ms != 0 && (ms > most.Milliseconds() || d < least) {
		return fmt.Errorf("%s: is %d; it should be from %d to %d", field, ms, least.Milliseconds(), most.Milliseconds())
	}
	return nil
}

// checkFile says whether name is that of a file in a directory.
func checkFile(field, name string) error {
	if len(name) > 253 || strings.ContainsAny(name, "/\\\x00") || strings.HasPrefix(name, ".") {
		return fmt.Errorf("%s: is %.70q; it should be the name of a file in the directory of such files, without a path", field, name)
	}
	return nil
}

var (
	ipv4Broadcast = netip.AddrFrom4([4]byte{255, 255, 255, 255})
	thisNetwork   = netip.PrefixFrom(netip.AddrFrom4([4]byte{}), 8)
)

// Forbidden says in a few words why no agent may be aimed at that address, empty if
// one may: link-local addresses are those of the cloud's metadata service, with its
// credentials, and loopback ones those of whatever listens on a node for itself alone.
func Forbidden(a netip.Addr, allowLoopback bool) string {
	a = a.Unmap()
	switch {
	case a.IsLoopback():
		if allowLoopback {
			return ""
		}
		return "a loopback address"
	case a.IsLinkLocalUnicast():
		return "a link-local address"
	case a.IsMulticast(), a == ipv4Broadcast:
		return "an address of many"
	case a.IsUnspecified(), thisNetwork.Contains(a):
		return "an address of nobody"
	}
	return ""
}

// news is what an agent is told.
type news struct {
	Backends []Backend `json:"backends"`
}

// Encode returns the data of the news that tell an agent its backends.
func Encode(list []Backend) ([]byte, error) {
	data, err := json.Marshal(news{list})
	if err != nil {
		return nil, fmt.Errorf("writing %d backends: %w", len(list), err)
	}
	return data, nil
}

// Decode reads what Encode wrote, at most Most backends of different names. Each
// should be validated.
func Decode(data []byte) ([]Backend, error) {
	var n news
	d := json.NewDecoder(bytes.NewReader(data))
	if err := d.Decode(&n); err != nil {
		return nil, fmt.Errorf("reading the backends: %w", err)
	}
	if len(n.Backends) > Most {
		return nil, fmt.Errorf("backends: has %d; it should have at most %d", len(n.Backends), Most)
	}
	names := map[string]bool{}
	for i, b := range n.Backends {
		if names[b.Name] {
			return nil, fmt.Errorf("backends[%d].name: %.70q is another's too", i, b.Name)
		}
		names[b.Name] = true
	}
	return n.Backends, nil
}
