// Package probe looks at the network once: one file a protocol, one call a
// probe. A probe takes a context with a deadline and is over when that is; it
// keeps nothing from one call to the next, so that each one walks the whole path
// anew: lookup, connection, request, answer. A [Flow] alone lasts, since what is to be
// seen by it is a path that is the same for long.
package probe

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"time"

	"github.com/netchecker/netchecker/pkg/report"
)

const (
	// maxBody is how much of an answer's body is read, in bytes; the rest is left
	// on the wire.
	maxBody = 1 << 20
	// maxHeader bounds what an answer's header may cost, in bytes.
	maxHeader = 64 << 10
)

// HTTP probes URLs with GET. The zero value is ready to use, by many goroutines
// at once.
type HTTP struct {
	// Names looks hosts up.
	Names Names
	// RootCAs verify the certificates of https URLs; nil stands for the system's.
	RootCAs *x509.CertPool
}

// Probe asks for rawURL over a connection of its own and reads the answer, until
// ctx ends. At most ten redirects are followed. HTTP_PROXY does not count: the
// path to be seen is the one from here to the URL's host.
//
// The result is complete whether or not there is an error, and says with
// ConnectionResult whether an HTTP answer came, whatever its code. Its times are
// those of the last request, except Total, which is the whole time until the
// answer was read or the probe failed; a phase that was not finished is 0. A
// password in the URL is blotted out.
func (h HTTP) Probe(ctx context.Context, rawURL string) (report.ProbeResult, error) {
	u, err := url.Parse(rawURL)
	if err != nil {
		return report.ProbeResult{URL: rawURL}, fmt.Errorf("reading the URL: %w", err)
	}
	result := report.ProbeResult{URL: Name(rawURL)}
	var p phases
	begun := time.Now()
	code, err := h.get(httptrace.WithClientTrace(ctx, p.trace()), u)
	ended := time.Now()
	p.fill(&result, ended)
	result.Total = ended.Sub(begun).Milliseconds()
	if code != 0 {
		result.ConnectionResult, result.HTTPCode = 1, int64(code)
	}
	return result, err
}

// Name is how a probe of rawURL is called in reports, logs and metrics: the URL
// as it was given, a password in it blotted out.
func Name(rawURL string) string {
	u, err := url.Parse(rawURL)
	if err != nil || u.User == nil {
		return rawURL
	}
	return u.Redacted()
}

// get returns the code of the last answer, 0 where none came.
func (h HTTP) get(ctx context.Context, u *url.URL) (code int, err error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, u.String(), nil)
	if err != nil {
		return 0, err
	}
	req.Header.Set("User-Agent", "netchecker-agent")
	transport := h.transport(ctx)
	defer transport.CloseIdleConnections()
	res, err := (&http.Client{Transport: transport}).Do(req)
	if err != nil {
		if res != nil { // an answer came: one redirect too many
			code = res.StatusCode
		}
		return code, plain(err)
	}
	defer func() { _ = res.Body.Close() }()
	if _, err := io.Copy(io.Discard, io.LimitReader(res.Body, maxBody)); err != nil {
		return res.StatusCode, fmt.Errorf("reading the answer's body: %w", plain(err))
	}
	return res.StatusCode, nil
}

// transport serves one probe. Its dialling ends with ctx: http.Transport alone
// would let a dial go on after its request was given up. Each request has a connection
// of its own, which is ended by a reset once the answer was read: asked to close it
// (Connection: close, as DisableKeepAlives has it), the server would keep it in
// TIME_WAIT for a minute, for each probe of each agent.
func (h HTTP) transport(ctx context.Context) *http.Transport {
	dialer := net.Dialer{Resolver: h.Names.Resolver(), KeepAlive: -1}
	return &http.Transport{
		DialContext: func(_ context.Context, network, address string) (net.Conn, error) {
			conn, err := dialer.DialContext(ctx, network, address)
			if err != nil {
				return nil, err
			}
			if err := conn.(*net.TCPConn).SetLinger(0); err != nil {
				return nil, errors.Join(fmt.Errorf("having the connection end by a reset: %w", err), conn.Close())
			}
			return conn, nil
		},
		TLSClientConfig:        &tls.Config{RootCAs: h.RootCAs},
		MaxIdleConnsPerHost:    -1,
		DisableCompression:     true,
		MaxResponseHeaderBytes: maxHeader,
	}
}

// plain takes the method and the URL off an error of http.Client; the caller
// knows the URL and may have to hide a part of it.
func plain(err error) error {
	var ue *url.Error
	if errors.As(err, &ue) {
		return ue.Err
	}
	return err
}
