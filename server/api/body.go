package api

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"sync"
	"time"

	"golang.org/x/sync/semaphore"
)

const (
	// bodiesInFlight bounds the memory of large bodies that are being read at the same
	// time, in bytes.
	bodiesInFlight = 64 << 20
	// smallBody is what a body may take without counting against bodiesInFlight: more
	// than agents send. With it, each connection costs about as much again.
	smallBody = 16 << 10
	// firstBuffer is what a body is read into at first, and most fit into.
	firstBuffer = 8 << 10
	// roomWithin is how long a large body waits for room.
	roomWithin = 2 * time.Second
	// drainAtMost is how much of a body that is too large is read and thrown away, so
	// that its sender, which is still sending, gets to read why.
	drainAtMost = 4 << 20
)

// roomFor is what a body of that size takes while it is read: a byte more, in which
// its end is seen.
func roomFor(size int64) int64 { return size + 1 }

// buffers are those of small bodies, used again and again.
var buffers = sync.Pool{New: func() any {
	buf := make([]byte, 0, firstBuffer)
	return &buf
}}

// body is a request's, being read. Its memory grows with what has arrived, and not
// with what was announced: it costs its sender about as much as the server.
type body struct {
	buf   []byte
	limit int64
	// small is the buffer that goes back to buffers.
	small *[]byte
	// room is what large bodies share, and reserved this one's part of it.
	room     *semaphore.Weighted
	reserved int64
}

func newBody(limit int64, room *semaphore.Weighted) *body {
	small := buffers.Get().(*[]byte)
	return &body{buf: (*small)[:0], limit: limit, small: small, room: room}
}

// grow makes room for as much again. It waits for that where large bodies have taken
// all there is.
func (b *body) grow(ctx context.Context) error {
	size := min(2*int64(cap(b.buf)), roomFor(b.limit))
	if size > smallBody {
		ctx, cancel := context.WithTimeout(ctx, roomWithin)
		defer cancel()
		if err := b.room.Acquire(ctx, size-b.reserved); err != nil {
			return &refusal{http.StatusServiceUnavailable, "body: too many large ones are being read at the same time"}
		}
		b.reserved = size
	}
	b.buf = append(make([]byte, 0, size), b.buf...)
	if size <= smallBody {
		*b.small = b.buf
	}
	return nil
}

// free gives back what the body took.
func (b *body) free() {
	buffers.Put(b.small)
	if b.reserved > 0 {
		b.room.Release(b.reserved)
	}
}

// read reads a request's body into b.
func (s *server) read(w http.ResponseWriter, r *http.Request, b *body) error {
	// Where the connection has no deadlines, the listener's own limits hold.
	_ = http.NewResponseController(w).SetReadDeadline(time.Now().Add(s.BodyWithin))
	limited := http.MaxBytesReader(w, r.Body, b.limit)
	for {
		if len(b.buf) == cap(b.buf) {
			if err := b.grow(r.Context()); err != nil {
				return err
			}
		}
		n, err := limited.Read(b.buf[len(b.buf):cap(b.buf)])
		b.buf = b.buf[:len(b.buf)+n]
		var large *http.MaxBytesError
		switch {
		case err == nil:
		case errors.Is(err, io.EOF):
			return nil
		case errors.As(err, &large):
			return s.tooLarge(b.limit)
		case errors.Is(err, os.ErrDeadlineExceeded):
			return &refusal{http.StatusRequestTimeout, fmt.Sprintf("body: did not arrive within %s", s.BodyWithin)}
		default:
			return &refusal{http.StatusBadRequest, "body: " + err.Error()}
		}
	}
}

func (s *server) tooLarge(limit int64) error {
	why := "the most that a message may have"
	if limit == s.MaxBody {
		why = "the limit that -max-body-bytes sets"
	}
	return &refusal{http.StatusRequestEntityTooLarge, fmt.Sprintf("body: is larger than %d bytes, %s", limit, why)}
}

// drain reads the beginning of a body that nobody wants.
func (s *server) drain(w http.ResponseWriter, r *http.Request) {
	if r.Header.Get("Expect") != "" {
		return // the sender waits for leave, which it does not get
	}
	_ = http.NewResponseController(w).SetReadDeadline(time.Now().Add(s.BodyWithin))
	_, _ = io.CopyN(io.Discard, r.Body, drainAtMost)
}
