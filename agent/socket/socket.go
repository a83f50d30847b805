// Package socket is UDP sockets that tell what the kernel knows of what came: when, to
// which address, and how much found no room; and what routers said of what was sent.
// Those of package net tell neither the one nor the other, and give a router's word to
// whoever happens to send next, as if that had failed.
package socket

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"syscall"
	"time"

	"golang.org/x/net/bpf"
	"golang.org/x/sys/unix"
)

// Options say how a socket is to be.
type Options struct {
	// Unfragmented lets no packet be fragmented: one that is larger than its route takes
	// is not sent (EMSGSIZE). Others may be, here and on the way.
	Unfragmented bool
	// Room is for how many bytes of waiting datagrams the kernel has room, with what it
	// needs for each; 0 stands for what is usual on the system.
	Room int
	// Group lets several sockets of a user listen at one address. Choose says which of them
	// gets what.
	Group bool
}

// Socket is a UDP socket of one address family. One goroutine at a time may receive, and
// any number send.
type Socket struct {
	// oob, empty and overflowed are Receive's: room for what the kernel says, which has to
	// begin where any of its types may; when there was last nothing; and how many datagrams
	// had found no room.
	oob        [512]byte
	empty      time.Time
	overflowed uint32

	conn      *net.UDPConn
	raw       syscall.RawConn
	six       bool
	connected bool
}

// Connect returns a socket that is connected with peer: it takes nothing from others.
func Connect(peer netip.AddrPort, o Options) (*Socket, error) {
	peer = netip.AddrPortFrom(peer.Addr().Unmap(), peer.Port())
	conn, err := net.DialUDP(network(peer.Addr()), nil, net.UDPAddrFromAddrPort(peer))
	if err != nil {
		return nil, fmt.Errorf("opening a UDP socket to %v: %w", peer, err)
	}
	return prepare(&Socket{conn: conn, six: peer.Addr().Is6(), connected: true}, o)
}

// Listen returns a socket at an address, which is that of no other family.
func Listen(ctx context.Context, at netip.AddrPort, o Options) (*Socket, error) {
	at = netip.AddrPortFrom(at.Addr().Unmap(), at.Port())
	var config net.ListenConfig
	if o.Group {
		config.Control = func(_, _ string, raw syscall.RawConn) error {
			return control(raw, func(fd int) error { return unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_REUSEPORT, 1) })
		}
	}
	conn, err := config.ListenPacket(ctx, network(at.Addr()), at.String())
	if err != nil {
		return nil, fmt.Errorf("opening a UDP socket at %v: %w", at, err)
	}
	return prepare(&Socket{conn: conn.(*net.UDPConn), six: at.Addr().Is6()}, o)
}

func network(a netip.Addr) string {
	if a.Is4() {
		return "udp4"
	}
	return "udp6"
}

func prepare(s *Socket, o Options) (*Socket, error) {
	var err error
	if s.raw, err = s.conn.SyscallConn(); err == nil {
		s.empty = time.Now()
		err = control(s.raw, func(fd int) error { return s.set(fd, o) })
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("preparing a UDP socket: %w", err), s.conn.Close())
	}
	return s, nil
}

// set sets what s is to tell, and o.
func (s *Socket) set(fd int, o Options) error {
	type option struct{ level, name, value int }
	discover := unix.IP_PMTUDISC_DONT
	if o.Unfragmented {
		discover = unix.IP_PMTUDISC_DO // which have the same values for IPv6
	}
	all := []option{{unix.SOL_SOCKET, unix.SO_TIMESTAMPNS, 1}, {unix.SOL_SOCKET, unix.SO_RXQ_OVFL, 1}}
	if o.Room != 0 {
		all = append(all, option{unix.SOL_SOCKET, unix.SO_RCVBUF, o.Room})
	}
	level, mtuDiscover, errs, info := unix.IPPROTO_IP, unix.IP_MTU_DISCOVER, unix.IP_RECVERR, unix.IP_PKTINFO
	if s.six {
		level, mtuDiscover, errs, info = unix.IPPROTO_IPV6, unix.IPV6_MTU_DISCOVER, unix.IPV6_RECVERR, unix.IPV6_RECVPKTINFO
	}
	all = append(all, option{level, mtuDiscover, discover})
	if s.connected {
		all = append(all, option{level, errs, 1})
	} else {
		all = append(all, option{level, info, 1})
	}
	for _, one := range all {
		if err := unix.SetsockoptInt(fd, one.level, one.name, one.value); err != nil {
			return fmt.Errorf("option %d of level %d: %w", one.name, one.level, err)
		}
	}
	return nil
}

// Filter has the kernel drop what the program returns 0 for: it gets a datagram from its
// UDP header on (8 bytes), and costs the process nothing.
func (s *Socket) Filter(program []bpf.Instruction) error {
	return s.attach(unix.SO_ATTACH_FILTER, program)
}

// Choose has the kernel give each datagram to the socket of s's group whose number the
// program returns, in the order in which they were opened, from 0; to any of them where
// there is no such number. The program gets what is after the UDP header, and 0 is what is
// returned where it reads beyond the end.
func (s *Socket) Choose(program []bpf.Instruction) error {
	return s.attach(unix.SO_ATTACH_REUSEPORT_CBPF, program)
}

func (s *Socket) attach(option int, program []bpf.Instruction) error {
	raw, err := bpf.Assemble(program)
	if err != nil {
		return fmt.Errorf("assembling a filter: %w", err)
	}
	filter := make([]unix.SockFilter, len(raw))
	for i, r := range raw {
		filter[i] = unix.SockFilter{Code: r.Op, Jt: r.Jt, Jf: r.Jf, K: r.K}
	}
	fprog := unix.SockFprog{Len: uint16(len(filter)), Filter: &filter[0]}
	if err := control(s.raw, func(fd int) error {
		return unix.SetsockoptSockFprog(fd, unix.SOL_SOCKET, option, &fprog)
	}); err != nil {
		return fmt.Errorf("giving a UDP socket its filter: %w", err)
	}
	return nil
}

// Local is the socket's own address.
func (s *Socket) Local() netip.AddrPort { return s.conn.LocalAddr().(*net.UDPAddr).AddrPort() }

// SetReadDeadline ends what Receive waits for at a time, with os.ErrDeadlineExceeded; at
// none where that is zero.
func (s *Socket) SetReadDeadline(t time.Time) error { return s.conn.SetReadDeadline(t) }

// Close ends the socket; Receive returns net.ErrClosed then.
func (s *Socket) Close() error { return s.conn.Close() }

// MTU is how large packets may be on the way to the peer of a connected socket, as the
// route and what routers said have it now, in bytes. Its errors are also those of a route
// that there is not, or that is not allowed.
func (s *Socket) MTU() (mtu int, err error) {
	err = control(s.raw, func(fd int) error {
		// A socket remembers the route that it used last. Connected once more, with the same
		// addresses and ports, it takes the one that there is.
		peer, err := unix.Getpeername(fd)
		if err == nil {
			err = unix.Connect(fd, peer)
		}
		if err == nil {
			mtu, err = mtuOf(fd, s.six)
		}
		return err
	})
	if err != nil {
		return 0, fmt.Errorf("asking for the MTU of a route: %w", err)
	}
	return mtu, nil
}

func mtuOf(fd int, six bool) (int, error) {
	if six {
		return unix.GetsockoptInt(fd, unix.IPPROTO_IPV6, unix.IPV6_MTU)
	}
	return unix.GetsockoptInt(fd, unix.IPPROTO_IP, unix.IP_MTU)
}

// control calls f with the descriptor.
func control(raw syscall.RawConn, f func(fd int) error) error {
	var err error
	if c := raw.Control(func(fd uintptr) { err = f(int(fd)) }); c != nil {
		return c
	}
	return err
}
