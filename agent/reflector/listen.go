package reflector

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"syscall"
	"time"

	"golang.org/x/net/bpf"

	"github.com/netchecker/netchecker/agent/socket"
	"github.com/netchecker/netchecker/pkg/datagram"
)

// Config says what a Reflector is to be.
type Config struct {
	// Address is IP:port, or :port. An address that stands for all of the host's stands
	// for those of both families. With port 0 it is one that is free.
	Address string
	// Boot is the agent's boot id; with 0 all who ask are strangers.
	Boot uint64
}

const (
	// knownRoom and strangerRoom are for datagrams that wait, in bytes with what the kernel
	// needs for each, about 800: those of a second, or few.
	knownRoom, strangerRoom = 256 << 10, 16 << 10
	// attempts is how often a free port is looked for that is free for UDP, too.
	attempts = 20
)

// Listen returns a Reflector that has its port. The error says, in a sentence for people,
// why it can't.
func Listen(ctx context.Context, c Config) (*Reflector, error) {
	at, err := netip.ParseAddrPort(c.Address)
	if host, port, split := net.SplitHostPort(c.Address); split == nil && host == "" {
		at, err = netip.ParseAddrPort("0.0.0.0:" + port)
	}
	if err != nil {
		return nil, fmt.Errorf("%q is no address to listen at; it should be IP:port, such as 0.0.0.0:8083", c.Address)
	}
	for n := 1; ; n++ {
		r := &Reflector{book: NewBook(c.Boot, time.Now()), guests: newGuests(), port: at.Port(), farewell: farewell}
		err := r.listen(ctx, at.Addr().Unmap())
		if err == nil {
			return r, nil
		}
		_ = r.Close() // which tells nothing more
		if at.Port() != 0 || n == attempts || !errors.Is(err, syscall.EADDRINUSE) {
			return nil, explain(r.port, at.Addr(), err)
		}
	}
}

func explain(port uint16, at netip.Addr, err error) error {
	var errno syscall.Errno
	switch {
	case !errors.As(err, &errno):
		return fmt.Errorf("can't listen at %v: %w", netip.AddrPortFrom(at, port), err)
	case errno == syscall.EADDRINUSE:
		return fmt.Errorf("port %d is taken: %w", port, errno)
	}
	return fmt.Errorf("can't listen at %v: %w", netip.AddrPortFrom(at, port), errno)
}

// listen opens all sockets.
func (r *Reflector) listen(ctx context.Context, at netip.Addr) error {
	if !at.IsUnspecified() {
		return r.listenAt(ctx, at)
	}
	four := r.listenAt(ctx, netip.IPv4Unspecified())
	if four != nil && !absent(four) {
		return four
	}
	six := r.listenAt(ctx, netip.IPv6Unspecified())
	if six != nil && (four != nil || !absent(six)) {
		return six
	}
	return nil
}

// absent says whether the host lacks the address family.
func absent(err error) bool {
	return errors.Is(err, syscall.EAFNOSUPPORT) || errors.Is(err, syscall.EADDRNOTAVAIL) || errors.Is(err, syscall.EPROTONOSUPPORT)
}

// listenAt opens the sockets of one family. That for TCP comes first: those for UDP share
// their port with each other, and would with another agent's of the same user.
func (r *Reflector) listenAt(ctx context.Context, a netip.Addr) error {
	network := "tcp4"
	if a.Is6() {
		network = "tcp6"
	}
	var config net.ListenConfig
	l, err := config.Listen(ctx, network, netip.AddrPortFrom(a, r.port).String())
	if err != nil {
		return err
	}
	r.listeners = append(r.listeners, l)
	r.port = l.Addr().(*net.TCPAddr).AddrPort().Port()
	at := netip.AddrPortFrom(a, r.port)
	strangers, err := r.open(ctx, at, strangerRoom)
	if err != nil {
		return err
	}
	r.strangers = append(r.strangers, strangers)
	known, err := r.open(ctx, at, knownRoom)
	if err != nil {
		return err
	}
	r.known = append(r.known, known)
	return known.Choose(knows(r.book.boot))
}

// open opens a socket of a group. Its answers are whole or none: others would say of large
// packets that they pass where only their fragments do.
func (r *Reflector) open(ctx context.Context, at netip.AddrPort, room int) (*socket.Socket, error) {
	s, err := socket.Listen(ctx, at, socket.Options{Unfragmented: true, Room: room, Group: true})
	if err != nil {
		return nil, err
	}
	if err := s.Filter(questions()); err != nil {
		return nil, errors.Join(err, s.Close())
	}
	return s, nil
}

// Where the fields of a datagram are, as package datagram writes it, in bytes.
const (
	offsetMagic = 0 // with the version
	offsetKind  = 4
	offsetBoot  = 16
	headerUDP   = 8
)

// questions has the kernel drop all that is no question.
func questions() []bpf.Instruction {
	sample := datagram.Append(nil, &datagram.Datagram{Kind: datagram.Question}, 0)
	return []bpf.Instruction{
		bpf.LoadExtension{Num: bpf.ExtLen},
		bpf.JumpIf{Cond: bpf.JumpLessThan, Val: headerUDP + datagram.Size, SkipTrue: 5},
		bpf.LoadAbsolute{Off: headerUDP + offsetMagic, Size: 4},
		bpf.JumpIf{Cond: bpf.JumpNotEqual, Val: binary.BigEndian.Uint32(sample[offsetMagic:]), SkipTrue: 3},
		bpf.LoadAbsolute{Off: headerUDP + offsetKind, Size: 1},
		bpf.JumpIf{Cond: bpf.JumpNotEqual, Val: uint32(datagram.Question), SkipTrue: 1},
		bpf.RetConstant{Val: 1 << 18}, // all of it
		bpf.RetConstant{Val: 0},
	}
}

// knows returns 1, the socket that was opened second, for who knows the boot id.
func knows(boot uint64) []bpf.Instruction {
	return []bpf.Instruction{
		bpf.LoadAbsolute{Off: offsetBoot, Size: 4},
		bpf.JumpIf{Cond: bpf.JumpNotEqual, Val: uint32(boot >> 32), SkipTrue: 3},
		bpf.LoadAbsolute{Off: offsetBoot + 4, Size: 4},
		bpf.JumpIf{Cond: bpf.JumpNotEqual, Val: uint32(boot), SkipTrue: 1},
		bpf.RetConstant{Val: 1},
		bpf.RetConstant{Val: 0},
	}
}
