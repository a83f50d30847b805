package api

import (
	"context"
	"errors"
	"fmt"
	"mime"
	"net/http"
	"strconv"
	"strings"

	"github.com/golang/glog"

	"github.com/netchecker/netchecker/pkg/report"
	"github.com/netchecker/netchecker/server/fleet"
	"github.com/netchecker/netchecker/server/intake"
	"github.com/netchecker/netchecker/server/intervals"
	"github.com/netchecker/netchecker/server/paths"
)

// The original server's text before what is wrong with a report.
const badReport = "Error while unmarshaling data. Details: "

const podnameRule = "should be the name of a pod, a DNS-1123 subdomain"

// maxMessage bounds what an agent sends beside its report, in bytes.
const maxMessage = 32 << 10

// retryAfter is how many seconds an agent should wait before it sends again what could not
// be taken, and updateAfter that of an update: its next one says more, and agents send no two
// within a shorter time.
const retryAfter, updateAfter = 2, 5

// refusal is a request that is not even looked into.
type refusal struct {
	code int
	text string
}

func (e *refusal) Error() string { return e.text }

// report takes a report in.
func (s *server) report(w http.ResponseWriter, r *http.Request) {
	s.take(w, r, s.MaxBody, func(ctx context.Context, pod string, read func() ([]byte, error)) ([]byte, error) {
		body, err := read()
		if err != nil {
			return nil, err
		}
		return s.Taker.Accept(ctx, pod, body)
	})
}

// message takes in what an agent sends beside its report.
func (s *server) message(w http.ResponseWriter, r *http.Request) {
	kind := r.PathValue("kind")
	s.take(w, r, min(maxMessage, s.MaxBody), func(ctx context.Context, pod string, read func() ([]byte, error)) ([]byte, error) {
		return nil, s.Taker.AcceptMessage(ctx, pod, kind, read)
	})
}

// accept hands a body that it reads to the Taker. What it read is the reader's again when it
// returns.
type accept func(ctx context.Context, pod string, read func() ([]byte, error)) (reply []byte, err error)

// take hands a body of up to limit bytes over, and answers with what came of it.
func (s *server) take(w http.ResponseWriter, r *http.Request, limit int64, accept accept) {
	reply, err := s.handOver(w, r, limit, accept)
	if err != nil {
		s.refuse(w, r, err)
		return
	}
	if len(reply) > 0 {
		w.Header().Set("Content-Type", "application/json")
		w.Header().Set("Content-Length", strconv.Itoa(len(reply))) // else a large one is sent in chunks
	}
	w.WriteHeader(http.StatusOK)
	_, _ = w.Write(reply)
}

func (s *server) handOver(w http.ResponseWriter, r *http.Request, limit int64, accept accept) (reply []byte, err error) {
	pod := r.PathValue("name")
	if !report.IsSubdomain(pod) {
		return nil, &report.FieldError{Field: "podname", Reason: "in the URL " + podnameRule}
	}
	if err := acceptable(r.Header); err != nil {
		return nil, err
	}
	if r.ContentLength > limit {
		s.drain(w, r)
		return nil, s.tooLarge(limit)
	}
	b := newBody(limit, s.bodies)
	defer b.free()
	return accept(r.Context(), pod, func() ([]byte, error) {
		err := s.read(w, r, b)
		return b.buf, err
	})
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

// refuse answers with what was wrong.
func (s *server) refuse(w http.ResponseWriter, r *http.Request, err error) {
	code, text := s.statusOf(err)
	if code == http.StatusServiceUnavailable || code == http.StatusTooManyRequests {
		w.Header().Set("Retry-After", strconv.Itoa(pauseAfter(err)))
	}
	if glog.V(2) {
		glog.Infof("What %s sent is refused with %d: %s", r.RemoteAddr, code, text)
	}
	plain(w, code, text)
}

// pauseAfter is how many seconds who is refused so should wait.
func pauseAfter(err error) int {
	if busy := (*paths.BusyError)(nil); errors.As(err, &busy) {
		return updateAfter
	}
	return retryAfter
}

func (s *server) statusOf(err error) (code int, text string) {
	var (
		field     *report.FieldError
		refused   *refusal
		ambiguous *fleet.AmbiguousError
		unlisted  *intake.UnlistedLimitError
		unknown   *intake.UnknownKindError
		notListed *intake.NotListedError
		tooMany   *intervals.TooManyError
		busy      *paths.BusyError
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
	case errors.As(err, &tooMany):
		return http.StatusTooManyRequests, tooMany.Error()
	case errors.As(err, &busy):
		return http.StatusTooManyRequests, busy.Error()
	case errors.As(err, &unknown):
		return http.StatusNotFound, unknown.Error()
	case errors.As(err, &notListed):
		return http.StatusServiceUnavailable, notListed.Error()
	case errors.Is(err, context.Canceled), s.Unavailable(err):
		return http.StatusServiceUnavailable, "The report could not be stored, and should be sent again: " + oneLine(err)
	}
	glog.Errorf("Taking a report in: %v", err)
	return http.StatusInternalServerError, "The report could not be taken in: " + oneLine(err)
}

func oneLine(err error) string { return strings.ReplaceAll(err.Error(), "\n", " ") }
