package probe

import (
	"errors"
	"fmt"
	"net/netip"
	"time"

	"golang.org/x/sys/unix"

	"github.com/netchecker/netchecker/agent/socket"
	"github.com/netchecker/netchecker/pkg/datagram"
)

// What can become of a question besides an answer and silence. All else is a failure of
// this host.
var (
	// ErrRefused: nobody listens there, as the peer's own host says, so the path is well.
	ErrRefused = errors.New("refused")
	// ErrUnreachable: somebody on the way says that it can't get there, or may not.
	ErrUnreachable = errors.New("unreachable")
	// ErrTooLarge: it is larger than the route takes, as this host or a router says.
	ErrTooLarge = errors.New("too large for the route")
	// ErrForbidden: this host forbids it.
	ErrForbidden = errors.New("forbidden on this host")
)

// FlowOptions say how a Flow is to be.
type FlowOptions struct {
	// Unfragmented has questions sent whole or not at all, which is for those that show
	// what sizes pass.
	Unfragmented bool
}

// Flow is a UDP socket of its own that is connected with one peer: its port stays the same
// as long as it is open, and nobody else can answer. One goroutine at a time may receive,
// and any number send.
type Flow struct {
	socket *socket.Socket
	peer   netip.AddrPort
}

// Arrival is what came.
type Arrival struct {
	// Datagram is an answer, whose session and number nobody has looked at yet; or with
	// an error the question that it is about, as far as that was quoted, else zero.
	datagram.Datagram
	// At is when the kernel got it, with a monotonic reading: however late it was read.
	At time.Time
	// Size is that of the UDP payload, in bytes.
	Size int
	// Overflowed is how many datagrams the flow has lost so far since nobody read them.
	Overflowed uint32
}

// OpenFlow opens a flow to a peer. The errors are those of Send.
func OpenFlow(peer netip.AddrPort, o FlowOptions) (*Flow, error) {
	peer = netip.AddrPortFrom(peer.Addr().Unmap(), peer.Port())
	s, err := socket.Connect(peer, socket.Options{Unfragmented: o.Unfragmented})
	if err != nil {
		return nil, local(err)
	}
	return &Flow{s, peer}, nil
}

// Local is the flow's own address.
func (f *Flow) Local() netip.AddrPort { return f.socket.Local() }

// Send sends a question, padded to size bytes of UDP payload. It does not wait: what can't
// be sent now fails. The error is ErrTooLarge, ErrForbidden, or this host's failure.
func (f *Flow) Send(q *datagram.Datagram, size int) error {
	data := datagram.Append(make([]byte, 0, max(size, datagram.Size)), q, size)
	if err := f.socket.Send(data); err != nil {
		return local(err)
	}
	return nil
}

// Receive waits for an answer. ErrRefused, ErrUnreachable and ErrTooLarge are what was said
// of a question, and the flow goes on; the latter two need not mean that it is lost. Else
// an error is os.ErrDeadlineExceeded, net.ErrClosed, or this host's failure.
func (f *Flow) Receive() (Arrival, error) {
	var buf [datagram.Size]byte
	for {
		n, p, err := f.socket.Receive(buf[:])
		d, ok := datagram.Parse(buf[:n])
		var rejected *socket.RejectedError
		switch {
		case errors.As(err, &rejected):
			q, _ := datagram.Quoted(buf[:n])
			return Arrival{Datagram: q, At: time.Now()}, f.rejection(rejected)
		case err != nil:
			return Arrival{}, err
		case ok && d.Kind != datagram.Question:
			return Arrival{d, p.At, p.Size, p.Overflowed}, nil
		}
	}
}

// rejection is what r says of a question:
//
//	nobody listens, says the peer                refused
//	nobody listens, says another (a firewall)    unreachable
//	it is too large                              too large
//	all else                                     unreachable
func (f *Flow) rejection(r *socket.RejectedError) error {
	class := ErrUnreachable
	switch {
	case r.Errno == unix.ECONNREFUSED && r.By == f.peer.Addr().WithZone(""):
		class = ErrRefused
	case r.Errno == unix.EMSGSIZE:
		class = ErrTooLarge
	}
	return fmt.Errorf("%w: %w", class, r)
}

// local says what it is that this host did not do.
func local(err error) error {
	switch {
	case errors.Is(err, unix.EMSGSIZE):
		return fmt.Errorf("%w: %w", ErrTooLarge, err)
	case errors.Is(err, unix.EPERM), errors.Is(err, unix.EACCES):
		return fmt.Errorf("%w: %w", ErrForbidden, err)
	}
	return err
}

// MTU is how large packets may be on the way to the peer as this host knows it now, in
// bytes. The error is ErrForbidden, or this host's failure.
func (f *Flow) MTU() (int, error) {
	mtu, err := f.socket.MTU()
	if err != nil {
		return 0, local(err)
	}
	return mtu, nil
}

// SetReadDeadline ends what Receive waits for at a time; at none where that is zero.
func (f *Flow) SetReadDeadline(t time.Time) error { return f.socket.SetReadDeadline(t) }

// Close ends the flow, and Receive returns net.ErrClosed.
func (f *Flow) Close() error { return f.socket.Close() }
