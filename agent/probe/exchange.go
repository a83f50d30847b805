package probe

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"time"

	"golang.org/x/sys/unix"

	"github.com/netchecker/netchecker/pkg/datagram"
)

var (
	// ErrUnanswered: there was no connection in time, or the way there is none.
	ErrUnanswered = errors.New("no connection")
	// ErrMute: there was a connection, and no answer came over it.
	ErrMute = errors.New("no answer over the connection")
)

// Exchanged is what an exchange came to.
type Exchanged struct {
	// Answer is that to the question, where there is no error.
	Answer datagram.Datagram
	// Connect is what the connection took, and Took is what all did up to the answer, or
	// until it failed.
	Connect, Took time.Duration
}

// Exchange makes a connection to peer, sends a question and reads its answer, until ctx
// ends. Both are of datagram.Size bytes. The connection is ended by a reset, so that nothing
// of it stays in any table. The error is ErrRefused, ErrUnanswered, ErrMute, ErrForbidden,
// ctx's where that was cancelled, or this host's failure.
func Exchange(ctx context.Context, peer netip.AddrPort, q *datagram.Datagram) (Exchanged, error) {
	began := time.Now()
	var e Exchanged
	err := e.with(ctx, peer, q, began)
	e.Took = time.Since(began)
	if errors.Is(ctx.Err(), context.Canceled) {
		err = ctx.Err()
	}
	return e, err
}

func (e *Exchanged) with(ctx context.Context, peer netip.AddrPort, q *datagram.Datagram, began time.Time) error {
	dialer := net.Dialer{KeepAlive: -1}
	conn, err := dialer.DialContext(ctx, "tcp", peer.String())
	e.Connect = time.Since(began)
	if err != nil {
		return unconnected(peer, err)
	}
	defer func() { _ = conn.Close() }()
	stop := context.AfterFunc(ctx, func() { _ = conn.SetDeadline(time.Unix(1, 0)) })
	defer stop()
	if err := conn.(*net.TCPConn).SetLinger(0); err != nil {
		return fmt.Errorf("having the connection end by a reset: %w", err)
	}
	if e.Answer, err = ask(conn, q); err != nil {
		return fmt.Errorf("%w: %w", ErrMute, err)
	}
	return nil
}

func ask(conn net.Conn, q *datagram.Datagram) (datagram.Datagram, error) {
	asked := *q
	asked.Reply = datagram.Size
	buf := datagram.Append(make([]byte, 0, datagram.Size), &asked, datagram.Size)
	if _, err := conn.Write(buf); err != nil {
		return datagram.Datagram{}, err
	}
	if _, err := io.ReadFull(conn, buf); err != nil {
		return datagram.Datagram{}, err
	}
	a, ok := datagram.Parse(buf)
	if !ok || a.Kind == datagram.Question || a.Session != q.Session || a.Sequence != q.Sequence {
		return datagram.Datagram{}, errors.New("what came is no answer to the question")
	}
	return a, nil
}

// unconnected says why there is no connection:
//
//	a reset, or nobody listens                      refused
//	this host forbids it                            forbidden
//	time is out; somebody can't get there           unanswered
//	this host has no route; all else                as it is
func unconnected(peer netip.AddrPort, err error) error {
	var timeout net.Error
	switch {
	case errors.Is(err, unix.ECONNREFUSED), errors.Is(err, unix.ECONNRESET):
		return fmt.Errorf("%w: %w", ErrRefused, err)
	case errors.Is(err, unix.EPERM), errors.Is(err, unix.EACCES):
		return fmt.Errorf("%w: %w", ErrForbidden, err)
	case errors.Is(err, unix.EHOSTUNREACH), errors.Is(err, unix.ENETUNREACH):
		if !routed(peer) {
			return err
		}
		return fmt.Errorf("%w: %w", ErrUnanswered, err)
	case errors.As(err, &timeout) && timeout.Timeout(), errors.Is(err, context.DeadlineExceeded), errors.Is(err, unix.ETIMEDOUT):
		return fmt.Errorf("%w: %w", ErrUnanswered, err)
	}
	return err
}

// routed says whether this host has a route: to connect a UDP socket takes no more than
// that.
func routed(peer netip.AddrPort) bool {
	f, err := OpenFlow(peer, FlowOptions{})
	if err != nil {
		return false
	}
	_ = f.Close()
	return true
}
