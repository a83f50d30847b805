package sender

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"time"

	"github.com/netchecker/netchecker/pkg/report"
)

// Outcome is what became of a message, or of an attempt to send it.
type Outcome string

const (
	// Accepted is an answer of 200.
	Accepted Outcome = "accepted"
	// Refused is an answer that says that this message will never be accepted.
	Refused Outcome = "refused"
	// Failed is anything else: trying again may help.
	Failed Outcome = "failed"
	// Unsupported is an answer by a server that knows nothing of messages of this
	// kind: one of another release, which an update may replace.
	Unsupported Outcome = "unsupported"
	// Dropped is a message that was given up before it was accepted, to make room
	// for newer ones.
	Dropped Outcome = "dropped"
)

// maxQuoted is how much of a refusal's text is quoted, in bytes.
const maxQuoted = 300

// Attempt is how sending a message once went.
type Attempt struct {
	Outcome Outcome
	// At is when the attempt was over.
	At time.Time
	// Delivery is how the server was found; it is told in a report itself.
	Delivery report.Delivery
	// Err is why the message was not accepted; nil where it was.
	Err error

	code       int           // 0 where no answer came
	retryAfter time.Duration // 0 where the server asked for no pause
	reply      []byte        // what came with the acceptance, at most one byte over report.MaxReply
}

func (a Attempt) String() string {
	if a.Err == nil {
		return string(a.Outcome)
	}
	return fmt.Sprintf("%s: %v", a.Outcome, a.Err)
}

// reason is the same for attempts that fail for the same reason, and empty where
// there is none.
func (a Attempt) reason() string {
	if a.Outcome == Accepted {
		return ""
	}
	return fmt.Sprint(a.Outcome, " ", a.code)
}

// encoder returns a message as it is sent now, by that way.
type encoder func(report.Delivery, report.Via) []byte

// post sends once what encode returns, which is called when there is a connection.
// Each call is a way of its own, as it is for a pod that asks for the first time:
// lookup, connection, request, answer. A connection that is kept would outlive the
// rules that it was opened by, those of a kube-proxy that is gone among them. So
// it has to be within the deadline, in all.
func (s *Server) post(ctx context.Context, to string, encode encoder, deadline time.Duration) Attempt {
	ctx, cancel := context.WithTimeout(ctx, deadline)
	defer cancel()
	conn, delivery, err := s.connect(ctx)
	if err != nil {
		return Attempt{Delivery: delivery, Err: err}
	}
	a := over(ctx, conn, to, encode(delivery, report.ViaService), deadline)
	a.Delivery = delivery
	if a.code != 0 {
		s.reached(way{})
	}
	return a
}

// over posts body over a connection, which it closes.
func over(ctx context.Context, conn net.Conn, to string, body []byte, deadline time.Duration) Attempt {
	defer func() { _ = conn.Close() }()
	a := exchange(ctx, conn, to, body)
	if errors.Is(a.Err, context.DeadlineExceeded) {
		a.Err = fmt.Errorf("no answer within %v", deadline)
	}
	return a
}

// exchange posts body over conn, which the caller closes. It uses no proxy and follows no
// redirect: a POST that is redirected becomes a GET, whose 200 would mean nothing.
func exchange(ctx context.Context, conn net.Conn, to string, body []byte) Attempt {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, to, bytes.NewReader(body))
	if err != nil {
		return Attempt{Err: err}
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("User-Agent", "netchecker-agent")
	transport := &http.Transport{
		DialContext:            func(context.Context, string, string) (net.Conn, error) { return conn, nil },
		DisableCompression:     true,
		MaxResponseHeaderBytes: 64 << 10,
	}
	res, err := transport.RoundTrip(req)
	if err != nil {
		return Attempt{Err: err}
	}
	defer func() { _ = res.Body.Close() }()
	return read(res)
}

// read reads what an answer says. Its code alone decides: a reply that is cut off
// does not make a message that was accepted one that was not.
func read(res *http.Response) Attempt {
	a := Attempt{code: res.StatusCode}
	if a.code == http.StatusOK {
		a.reply, _ = io.ReadAll(io.LimitReader(res.Body, report.MaxReply+1))
		return a
	}
	text, _ := io.ReadAll(io.LimitReader(res.Body, maxQuoted))
	a.Err = fmt.Errorf("the server answered %s: %q", res.Status, bytes.TrimSpace(text))
	a.retryAfter = retryAfter(res.Header.Get("Retry-After"), time.Now())
	return a
}
