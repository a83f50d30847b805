package probe

import (
	"context"
	"errors"
	"io"
	"net"
	"net/netip"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/netchecker/netchecker/pkg/datagram"
)

// dialled is a listener that does with each connection what it is told.
func dialled(t *testing.T, address string, serve func(net.Conn)) netip.AddrPort {
	t.Helper()
	l, err := net.Listen("tcp", net.JoinHostPort(address, "0"))
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			serve(conn)
			_ = conn.Close()
		}
	}()
	t.Cleanup(func() { _ = l.Close(); <-done })
	return l.Addr().(*net.TCPAddr).AddrPort()
}

// answering answers each question with what change makes of a right answer.
func answering(change func(*datagram.Datagram)) func(net.Conn) {
	return func(conn net.Conn) {
		buf := make([]byte, datagram.Size)
		if _, err := io.ReadFull(conn, buf); err != nil {
			return
		}
		d, ok := datagram.Parse(buf)
		if !ok {
			return
		}
		d.Kind = datagram.Answer
		change(&d)
		_, _ = conn.Write(datagram.Append(nil, &d, 0))
	}
}

func exchange(t *testing.T, to netip.AddrPort, timeout time.Duration) (Exchanged, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), timeout)
	defer cancel()
	return Exchange(ctx, to, question(3, 1400))
}

func TestAnExchangeAsksOnceAndEndsByAReset(t *testing.T) {
	for _, address := range families {
		end := make(chan error, 1)
		right := answering(func(*datagram.Datagram) {})
		to := dialled(t, address, func(conn net.Conn) {
			right(conn)
			_, err := conn.Read(make([]byte, 1))
			end <- err
		})
		e, err := exchange(t, to, 20*time.Second)
		if err != nil || e.Answer.Kind != datagram.Answer || e.Answer.Sequence != 3 || e.Connect <= 0 || e.Took < e.Connect {
			t.Errorf("%s: got %+v, %v", address, e, err)
		}
		if err := <-end; !errors.Is(err, syscall.ECONNRESET) {
			t.Errorf("%s: the connection ended with %v", address, err)
		}
	}
}

func TestWhatAnExchangeFailsOfIsTold(t *testing.T) {
	closed := newPeer(t, "127.0.0.1").address() // of which no TCP port is open
	ports := map[string]netip.AddrPort{
		"closed":     closed,
		"silent":     dialled(t, "127.0.0.1", func(conn net.Conn) { _, _ = io.Copy(io.Discard, conn) }),
		"hangs up":   dialled(t, "127.0.0.1", func(net.Conn) {}),
		"not so":     dialled(t, "127.0.0.1", answering(func(d *datagram.Datagram) { d.Sequence++ })),
		"of another": dialled(t, "127.0.0.1", answering(func(d *datagram.Datagram) { d.Session++ })),
		"a question": dialled(t, "127.0.0.1", answering(func(d *datagram.Datagram) { d.Kind = datagram.Question })),
	}
	for name, want := range map[string]error{
		"closed": ErrRefused, "silent": ErrMute, "hangs up": ErrMute, "not so": ErrMute, "of another": ErrMute, "a question": ErrMute,
	} {
		e, err := exchange(t, ports[name], time.Second)
		if !errors.Is(err, want) || e.Took <= 0 {
			t.Errorf("%s: %+v, %v; want %v", name, e, err, want)
		}
		for _, other := range []error{ErrRefused, ErrMute, ErrUnanswered, ErrForbidden} {
			if other != want && errors.Is(err, other) {
				t.Errorf("%s: %v is also %v", name, err, other)
			}
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := Exchange(ctx, ports["silent"], question(1, datagram.Size)); !errors.Is(err, context.Canceled) || strings.Contains(err.Error(), ErrMute.Error()) {
		t.Errorf("cancelled: %v", err)
	}
}
