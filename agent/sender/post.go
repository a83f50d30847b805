package sender

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"time"
)

// Outcome is how an attempt to send a report ended.
type Outcome string

const (
	// Accepted is an answer of 200.
	Accepted Outcome = "accepted"
	// Refused is an answer that says that this report will never be accepted.
	Refused Outcome = "refused"
	// Failed is anything else: trying again may help.
	Failed Outcome = "failed"
)

// maxQuoted is how much of a refusal's text is quoted, in bytes.
const maxQuoted = 300

type attempt struct {
	outcome    Outcome
	code       int           // 0 where no answer came
	err        error         // nil where accepted
	retryAfter time.Duration // 0 where the server asked for no pause
}

func (a attempt) String() string {
	if a.err == nil {
		return string(a.outcome)
	}
	return fmt.Sprintf("%s: %v", a.outcome, a.err)
}

// post sends body once. Unless it was accepted, the next attempt has a
// connection of its own: the name is looked up again, and a Service may choose
// another server.
func post(ctx context.Context, client *http.Client, to string, body []byte, deadline time.Duration) attempt {
	ctx, cancel := context.WithTimeout(ctx, deadline)
	defer cancel()
	a := exchange(ctx, client, to, body)
	if errors.Is(a.err, context.DeadlineExceeded) {
		a.err = fmt.Errorf("no answer within %v", deadline)
	}
	if a.outcome != Accepted {
		client.CloseIdleConnections()
	}
	return a
}

func exchange(ctx context.Context, client *http.Client, to string, body []byte) attempt {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, to, bytes.NewReader(body))
	if err != nil {
		return attempt{outcome: Refused, err: err}
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("User-Agent", "netchecker-agent")
	res, err := client.Do(req)
	if err != nil {
		var ue *url.Error
		if errors.As(err, &ue) {
			err = ue.Err // the caller knows the URL
		}
		return attempt{outcome: Failed, err: err}
	}
	defer func() { _ = res.Body.Close() }()
	text, _ := io.ReadAll(io.LimitReader(res.Body, maxQuoted))
	a := attempt{outcome: outcomeOf(res.StatusCode), code: res.StatusCode}
	if a.outcome == Accepted {
		return a
	}
	a.err = fmt.Errorf("the server answered %s: %q", res.Status, bytes.TrimSpace(text))
	if a.outcome == Failed {
		a.retryAfter = retryAfter(res.Header.Get("Retry-After"), time.Now())
	}
	return a
}

// outcomeOf says what a status code means for a report:
//
//	200                  accepted: original servers answer nothing else
//	408, 425, 429, 5xx   failed: a matter of time
//	any other            refused
func outcomeOf(code int) Outcome {
	switch {
	case code == http.StatusOK:
		return Accepted
	case code == http.StatusRequestTimeout, code == http.StatusTooEarly,
		code == http.StatusTooManyRequests, code >= 500:
		return Failed
	}
	return Refused
}

// retryAfter reads the header of that name, seconds or a date (RFC 9110, section
// 10.2.3); 0 stands for none.
func retryAfter(value string, now time.Time) time.Duration {
	if seconds, err := strconv.ParseUint(value, 10, 31); err == nil {
		return time.Duration(seconds) * time.Second
	}
	if date, err := http.ParseTime(value); err == nil {
		return max(0, date.Sub(now))
	}
	return 0
}
