package disruption

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"io"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"regexp"
	"slices"
	"strings"

	"golang.org/x/net/http/httpguts"

	"github.com/netchecker/netchecker/agent/probe"
	"github.com/netchecker/netchecker/pkg/backend"
	"github.com/netchecker/netchecker/pkg/report"
)

const (
	// maxBody is how much of an answer's body is read, in bytes. Where there is more,
	// its connection can't be kept.
	maxBody = 64 << 10
	// maxHeader bounds what an answer's header may cost, in bytes.
	maxHeader = 64 << 10
	// maxRedirects are followed.
	maxRedirects = 5
	// quoted is how much of what people declared is repeated in a message.
	quoted = 40
)

// Place is where backends are sampled from, and by what means.
type Place struct {
	// NodeIP and Server fill in a backend's URL. NodeIP is empty where it is not known.
	NodeIP, Server string
	// AllowLoopback is for backends on the agent's own machine.
	AllowLoopback bool
	// Names looks hosts up.
	Names probe.Names
	// Read reads a file that a backend names: authorities' certificates, or a token.
	Read func(name string) ([]byte, error)
}

// outcome is what one request led to.
type outcome struct {
	level     report.Level
	message   string
	connected bool
	// refused says why the backend must not be asked any more; empty where it may.
	refused string
}

// asker asks one backend over one kind of connection. It is ready for use by many
// goroutines at once.
type asker struct {
	backend    backend.Backend
	connection report.Connection
	place      Place
	url        *url.URL
	header     http.Header
	body       *regexp.Regexp // nil where any will do
	client     http.Client
	transport  *http.Transport
	run        string // begins each request's id
}

// newAsker returns an error where the backend can't be asked from here.
func newAsker(b backend.Backend, c report.Connection, p Place) (*asker, error) {
	if err := b.Validate(p.AllowLoopback); err != nil {
		return nil, err
	}
	if b.OwnNode() && p.NodeIP == "" {
		return nil, fmt.Errorf("url: has %s, and this agent was not told its node's address; set MY_NODE_IP (in a manifest: fieldRef status.hostIP)", backend.NodeIP)
	}
	u, err := url.Parse(b.At(p.NodeIP, p.Server))
	if err != nil || u.Hostname() == "" {
		return nil, fmt.Errorf("url: is no URL with %q as the node's address and %q as the server's", p.NodeIP, p.Server)
	}
	a := &asker{backend: b, connection: c, place: p, url: u, run: randomHex()}
	a.header = a.headers()
	if b.BodyRegexp != "" {
		if a.body, err = regexp.Compile(b.BodyRegexp); err != nil {
			return nil, fmt.Errorf("bodyRegexp: %w", err)
		}
	}
	a.transport = a.newTransport()
	a.client = http.Client{Transport: a.transport, CheckRedirect: a.redirect}
	return a, nil
}

func randomHex() string {
	var b [8]byte
	_, _ = rand.Read(b[:]) // never fails
	return hex.EncodeToString(b[:])
}

// headers are those of each request that go to the backend itself only, and nowhere
// that it redirects to.
func (a *asker) headers() http.Header {
	h := http.Header{}
	for name, value := range a.backend.Headers {
		h.Set(name, value)
	}
	if strings.Contains(a.backend.URL, backend.Server) {
		h.Set(backend.SampleHeader, string(a.connection))
	}
	return h
}

// newTransport keeps one connection that is idle, or none, so that each request has one
// of its own. It uses no proxy: the path to be seen is the one from here.
func (a *asker) newTransport() *http.Transport {
	t := &http.Transport{
		DialContext:            a.dial,
		DialTLSContext:         a.dialTLS,
		MaxIdleConnsPerHost:    1,
		MaxIdleConns:           maxRedirects + 1,
		DisableCompression:     true,
		MaxResponseHeaderBytes: maxHeader,
	}
	if a.connection == report.New {
		t.MaxIdleConnsPerHost = -1
	}
	return t
}

// close ends the connections that are kept.
func (a *asker) close() { a.transport.CloseIdleConnections() }

// ask asks once, until ctx ends or time is out. The request has that number.
func (a *asker) ask(ctx context.Context, number uint64) outcome {
	at := begin(ctx, a.backend.Timeout())
	defer at.end()
	err := a.request(at, number)
	o := at.explain(err)
	o.connected = at.connected.Load()
	return o
}

// request returns nil where the answer was the right one.
func (a *asker) request(at *attempt, number uint64) error {
	trace := httptrace.ClientTrace{GotConn: func(i httptrace.GotConnInfo) {
		at.enter(answering)
		at.connected.Store(!i.Reused)
	}}
	ctx := httptrace.WithClientTrace(context.WithValue(at.ctx, attemptKey{}, at), &trace)
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, a.url.String(), nil)
	if err != nil {
		return err
	}
	req.Header = a.header.Clone()
	req.Header.Set("User-Agent", "netchecker-agent")
	req.Header.Set("X-Request-Id", fmt.Sprintf("%s-%d", a.run, number))
	if err := a.authorize(req); err != nil {
		return err
	}
	res, err := a.client.Do(req)
	if err != nil {
		return err
	}
	defer func() { _ = res.Body.Close() }()
	return a.judge(at, res)
}

// authorize sets the token as the file has it now: it is renewed while we run.
func (a *asker) authorize(req *http.Request) error {
	if a.backend.Token == "" {
		return nil
	}
	data, err := a.place.Read(a.backend.Token)
	if err != nil {
		return &ownError{"reading the token", err}
	}
	token := string(bytes.TrimSpace(data))
	if token == "" || !httpguts.ValidHeaderFieldValue(token) {
		return &ownError{"reading the token", fmt.Errorf("%s has none", a.backend.Token)}
	}
	req.Header.Set("Authorization", "Bearer "+token)
	return nil
}

// redirect follows unless the redirect itself may be the answer that is wanted. What
// is meant for the backend is not told to others, nor to it where anybody can read it.
func (a *asker) redirect(req *http.Request, via []*http.Request) error {
	if slices.ContainsFunc(a.backend.Status, func(code int) bool { return code/100 == 3 }) {
		return http.ErrUseLastResponse
	}
	if len(via) > maxRedirects {
		return wrong(fmt.Sprintf("more than %d redirects", maxRedirects))
	}
	if req.URL.Scheme != a.url.Scheme || req.URL.Host != a.url.Host {
		req.Header.Del("Authorization")
		for name := range a.header {
			req.Header.Del(name)
		}
	}
	return nil
}

// judge says whether an answer is the right one.
func (a *asker) judge(at *attempt, res *http.Response) error {
	at.enter(reading)
	looked := a.body != nil || a.backend.Body != ""
	var body []byte
	var err error
	if text := io.LimitReader(res.Body, maxBody); looked {
		body, err = io.ReadAll(text)
	} else {
		_, err = io.Copy(io.Discard, text)
	}
	switch {
	case !a.right(res.StatusCode):
		return wrong(fmt.Sprintf("answered %d", res.StatusCode))
	case err != nil:
		return err
	case !bytes.Contains(body, []byte(a.backend.Body)):
		return wrong(fmt.Sprintf("the body does not have %.*q", quoted, a.backend.Body))
	case a.body != nil && !a.body.Match(body):
		return wrong(fmt.Sprintf("the body does not match %.*q", quoted, a.backend.BodyRegexp))
	}
	return nil
}

func (a *asker) right(code int) bool {
	if len(a.backend.Status) == 0 {
		return code >= 200 && code < 400
	}
	return slices.Contains(a.backend.Status, code)
}
