package api

import (
	"context"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"os"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/golang/glog"
	"github.com/gorilla/mux"

	"github.com/netchecker/netchecker/pkg/report"
	"github.com/netchecker/netchecker/server/intake"
)

// The original server's text before what is wrong with a report.
const badReport = "Error while unmarshaling data. Details: "

const podnameRule = "should be the name of a pod, a DNS-1123 subdomain"

// retryAfter is how many seconds an agent should wait before it sends a report
// again that could not be taken.
const retryAfter = 2

// smallBody is what a report may have without counting against bodiesInFlight:
// twice what agents send. With it, each connection costs about as much again.
const smallBody = 8 << 10

// keptBuffer is the largest buffer that is kept for another report.
const keptBuffer = 64 << 10

// buffers are reused between reports.
var buffers = sync.Pool{New: func() any {
	buf := make([]byte, 0, smallBody)
	return &buf
}}

// refusal is a request that is not even looked into.
type refusal struct {
	code int
	text string
}

func (e *refusal) Error() string { return e.text }

// report takes a report in.
func (s *server) report(w http.ResponseWriter, r *http.Request) {
	if err := s.take(w, r); err != nil {
		s.refuse(w, r, err)
		return
	}
	w.WriteHeader(http.StatusOK)
}

func (s *server) take(w http.ResponseWriter, r *http.Request) error {
	pod := mux.Vars(r)["name"]
	if !report.IsSubdomain(pod) {
		return &report.FieldError{Field: "podname", Reason: "in the URL " + podnameRule}
	}
	if err := acceptable(r.Header); err != nil {
		return err
	}
	if r.ContentLength > s.MaxBody {
		s.drain(w, r)
		return s.tooLarge()
	}
	release, err := s.reserve(r)
	if err != nil {
		return err
	}
	defer release()
	buf := buffers.Get().(*[]byte)
	body, err := s.read(w, r, (*buf)[:0])
	if err == nil {
		err = s.Taker.Accept(r.Context(), pod, body)
	}
	if cap(body) <= keptBuffer {
		*buf = body
		buffers.Put(buf)
	}
	return err
}

// acceptable holds the headers against what a report has.
func acceptable(h http.Header) error {
	if e := h.Get("Content-Encoding"); e != "" && e != "identity" {
		return &refusal{http.StatusUnsupportedMediaType, fmt.Sprintf("Content-Encoding: is %q; a report should not be encoded", e)}
	}
	t := h.Get("Content-Type")
	if t == "" || t == "application/json" {
		return nil
	}
	if media, _, err := mime.ParseMediaType(t); err != nil || media != "application/json" {
		return &refusal{http.StatusUnsupportedMediaType, fmt.Sprintf("Content-Type: is %q; it should be application/json", t)}
	}
	return nil
}

func (s *server) tooLarge() error {
	return &refusal{http.StatusRequestEntityTooLarge, fmt.Sprintf("body: is larger than %d bytes, the limit that -max-body-bytes sets", s.MaxBody)}
}

// drainAtMost is how much of a body that is too large is read and thrown away, so
// that its sender, which is still sending, gets to read why.
const drainAtMost = 4 << 20

func (s *server) drain(w http.ResponseWriter, r *http.Request) {
	if r.Header.Get("Expect") != "" {
		return // the sender waits for leave, which it does not get
	}
	_ = http.NewResponseController(w).SetReadDeadline(time.Now().Add(s.BodyWithin))
	_, _ = io.CopyN(io.Discard, r.Body, drainAtMost)
}

// reserve makes room for a large body, or waits for some for a moment.
func (s *server) reserve(r *http.Request) (release func(), err error) {
	size := r.ContentLength
	if size < 0 {
		size = s.MaxBody
	}
	if size <= smallBody {
		return func() {}, nil
	}
	ctx, cancel := context.WithTimeout(r.Context(), 2*time.Second)
	defer cancel()
	if err := s.bodies.Acquire(ctx, size); err != nil {
		return nil, &refusal{http.StatusServiceUnavailable, "body: too many large reports are being read at the same time"}
	}
	return func() { s.bodies.Release(size) }, nil
}

// read reads the body into buf, which it may replace.
func (s *server) read(w http.ResponseWriter, r *http.Request, buf []byte) ([]byte, error) {
	// Where the connection has no deadlines, the listener's own limits hold.
	_ = http.NewResponseController(w).SetReadDeadline(time.Now().Add(s.BodyWithin))
	limited := http.MaxBytesReader(w, r.Body, s.MaxBody)
	for {
		if len(buf) == cap(buf) {
			buf = append(buf, 0)[:len(buf)]
		}
		n, err := limited.Read(buf[len(buf):cap(buf)])
		buf = buf[:len(buf)+n]
		var large *http.MaxBytesError
		switch {
		case err == nil:
		case errors.Is(err, io.EOF):
			return buf, nil
		case errors.As(err, &large):
			return buf, s.tooLarge()
		case errors.Is(err, os.ErrDeadlineExceeded):
			return buf, &refusal{http.StatusRequestTimeout, fmt.Sprintf("body: did not arrive within %s", s.BodyWithin)}
		default:
			return buf, &refusal{http.StatusBadRequest, "body: " + err.Error()}
		}
	}
}

// refuse answers with what was wrong.
func (s *server) refuse(w http.ResponseWriter, r *http.Request, err error) {
	code, text := s.verdict(err)
	if code == http.StatusServiceUnavailable || code == http.StatusTooManyRequests {
		w.Header().Set("Retry-After", strconv.Itoa(retryAfter))
	}
	if glog.V(2) {
		glog.Infof("Report from %s refused with %d: %s", r.RemoteAddr, code, text)
	}
	plain(w, code, text)
}

func (s *server) verdict(err error) (code int, text string) {
	var (
		field     *report.FieldError
		refused   *refusal
		ambiguous *intake.AmbiguousError
		unlisted  *intake.UnlistedLimitError
	)
	switch {
	case errors.As(err, &field):
		return http.StatusBadRequest, badReport + field.Error()
	case errors.As(err, &refused):
		return refused.code, refused.text
	case errors.As(err, &ambiguous):
		return http.StatusConflict, ambiguous.Error()
	case errors.As(err, &unlisted):
		return http.StatusTooManyRequests, unlisted.Error()
	case errors.Is(err, context.Canceled), s.Unavailable(err):
		return http.StatusServiceUnavailable, "The report could not be stored, and should be sent again: " + oneLine(err)
	}
	glog.Errorf("Taking a report in: %v", err)
	return http.StatusInternalServerError, "The report could not be taken in: " + oneLine(err)
}

func oneLine(err error) string { return strings.ReplaceAll(err.Error(), "\n", " ") }
