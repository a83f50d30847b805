package disruption

import (
	"cmp"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"net"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/netchecker/netchecker/pkg/report"
)

// phase is a part of a request, as messages call what fails in it: by itself, and for
// want of time. The words are the same each time that it fails likewise.
type phase struct{ name, late string }

var (
	lookingUp  = &phase{"lookup", "no answer of the name servers in time"}
	connecting = &phase{"connecting", "no connection in time"}
	securing   = &phase{"TLS", "no TLS handshake in time"}
	answering  = &phase{"no answer", "no answer in time"}
	reading    = &phase{"no whole answer", "no whole answer in time"}
)

// longestMessage leaves room in a message to the server for the intervals of all
// backends, in bytes.
const longestMessage = 120

type attemptKey struct{}

// attempt is a request that is under way. Its phases have four fifths of its time each,
// so that what it hangs in is told rather than that time is out.
type attempt struct {
	// ctx ends with the attempt.
	ctx       context.Context
	cancel    context.CancelFunc
	most      time.Duration // for a phase
	connected atomic.Bool

	mu    sync.Mutex
	phase *phase
	watch *time.Timer
}

func begin(life context.Context, timeout time.Duration) *attempt {
	at := &attempt{most: timeout * 4 / 5, phase: connecting}
	at.ctx, at.cancel = context.WithTimeout(life, timeout)
	at.watch = time.AfterFunc(at.most, at.cancel)
	return at
}

func (at *attempt) end() {
	at.watch.Stop()
	at.cancel()
}

// enter begins a phase. Nothing can be begun once time is out.
func (at *attempt) enter(p *phase) {
	at.mu.Lock()
	defer at.mu.Unlock()
	if at.ctx.Err() == nil {
		at.phase = p
		at.watch.Reset(at.most)
	}
}

func (at *attempt) in() *phase {
	at.mu.Lock()
	defer at.mu.Unlock()
	return at.phase
}

// explain says what err means, nil for an answer that was the right one:
//
//	an address that is forbidden                           refused
//	a file of the agent's that can't be read               Warning
//	a lookup that nobody answered in time                  Warning
//	a name that is not there, or was answered otherwise    Error
//	a connection, a handshake, an answer that failed       Error
//	a wrong answer                                         Error
func (at *attempt) explain(err error) outcome {
	var forbidden *forbiddenError
	var own *ownError
	var lookup *net.DNSError
	var bad wrong
	p := at.in()
	switch {
	case err == nil:
		return outcome{level: report.Info}
	case errors.As(err, &forbidden):
		return outcome{refused: forbidden.Error()}
	case errors.As(err, &bad):
		return failed(string(bad))
	case errors.As(err, &own):
		return outcome{level: report.Warning, message: short(own.Error(), longestMessage)}
	case errors.As(err, &lookup) && !timedOut(at, err):
		return explainLookup(lookup)
	case timedOut(at, err):
		o := failed(p.late)
		if p == lookingUp {
			o.level = report.Warning
		}
		return o
	}
	return failed(p.name + ": " + reason(err))
}

func failed(message string) outcome {
	return outcome{level: report.Error, message: short(message, longestMessage)}
}

func timedOut(at *attempt, err error) bool {
	var timeout net.Error
	return at.ctx.Err() != nil || errors.As(err, &timeout) && timeout.Timeout()
}

// explainLookup tells a name server that could not be asked, which says nothing of the
// backend, from one that answered. The resolver tells neither by its type.
func explainLookup(err *net.DNSError) outcome {
	switch {
	case err.IsNotFound:
		return failed("lookup: no such host")
	case err.IsTemporary && err.Err != "server misbehaving":
		return outcome{level: report.Warning, message: "lookup: the name servers can't be reached"}
	}
	return failed("lookup: " + err.Err)
}

// reason is why something failed, without what is another with each request: ports,
// and the time.
func reason(err error) string {
	var errno syscall.Errno
	var certificate x509.CertificateInvalidError
	var stranger x509.UnknownAuthorityError
	var alert *tls.AlertError
	switch {
	case errors.As(err, &errno):
		return errno.Error()
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return "the connection was closed"
	case errors.As(err, &certificate) && certificate.Reason == x509.Expired:
		return "the certificate has expired or is not yet valid"
	case errors.As(err, &stranger):
		return "the certificate is signed by an unknown authority"
	case errors.As(err, &alert):
		return alert.Error()
	}
	var request *url.Error
	if errors.As(err, &request) {
		err = request.Err
	}
	var op *net.OpError
	if errors.As(err, &op) {
		err = op.Err
	}
	if strings.HasPrefix(err.Error(), "net/http: HTTP/1.x transport connection broken") {
		return "what came is not HTTP"
	}
	text, _, _ := strings.Cut(err.Error(), `"`) // what is quoted is the other side's
	return cmp.Or(strings.TrimRight(text, " :"), "failed")
}

// short keeps a text within its bound.
func short(text string, most int) string {
	if len(text) > most {
		text = text[:most]
	}
	return strings.ToValidUTF8(text, "")
}
