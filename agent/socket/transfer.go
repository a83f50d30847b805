package socket

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Packet is what is known of a datagram that came.
type Packet struct {
	// Size is that of what it carries, whole, also where there was no room for that.
	Size int
	// At is when the kernel got it, with a monotonic reading: not later than it was read,
	// nor earlier than nothing was waiting, whatever is done to the wall clock meanwhile.
	At time.Time
	// Overflowed is how many datagrams have found no room at the socket so far.
	Overflowed uint32
	// From is where it came from, and To the address that it came to, which is invalid
	// where that is one of many; both for sockets that listen.
	From netip.AddrPort
	To   netip.Addr

	from unix.Sockaddr
	link int // the interface, where To means something on that alone
}

// RejectedError is what somebody on the way said of a datagram that had been sent.
type RejectedError struct {
	// By is who said so, and Errno what the kernel makes of it.
	By    netip.Addr
	Errno unix.Errno
	// MTU is how large it might have been, where it was too large (EMSGSIZE), in bytes.
	MTU int
}

func (e *RejectedError) Error() string { return fmt.Sprintf("%v says: %v", e.By, e.Errno) }

func (e *RejectedError) Unwrap() error { return e.Errno }

// Receive waits for a datagram, and reads as much of it as there is room for. A
// *RejectedError comes with as much as was quoted of the datagram that it is about; the
// socket goes on. n is how many bytes of either there are in buf.
func (s *Socket) Receive(buf []byte) (n int, p Packet, err error) {
	waited := s.raw.Read(func(fd uintptr) bool {
		looked := time.Now()
		n, p, err = s.read(int(fd), buf)
		if err == unix.EAGAIN {
			s.empty = looked
			return false
		}
		return true
	})
	if waited != nil {
		return 0, Packet{}, waited
	}
	return n, p, err
}

// read reads what there is: a datagram, what was said of one, or EAGAIN.
func (s *Socket) read(fd int, buf []byte) (int, Packet, error) {
	for {
		size, oobn, _, from, err := unix.Recvmsg(fd, buf, s.oob[:], unix.MSG_TRUNC|unix.MSG_DONTWAIT)
		if err == nil {
			p := Packet{Size: size, from: from}
			s.fill(&p, s.oob[:oobn])
			return min(size, len(buf)), p, nil
		}
		if err == unix.EINTR {
			continue
		}
		if !s.connected {
			return 0, Packet{}, err
		}
		n, rejected, none := s.readRejected(fd, buf)
		switch {
		case none == nil && rejected != nil:
			return n, Packet{}, rejected
		case none == unix.EAGAIN && err == unix.EAGAIN:
			return 0, Packet{}, err
		case none != nil && none != unix.EAGAIN:
			return 0, Packet{}, none
		}
		// What stood before was told once, or was our own: see whether there is more.
	}
}

// readRejected reads what was said of a datagram: nil where that was by this host and known
// to who sent it.
func (s *Socket) readRejected(fd int, buf []byte) (int, *RejectedError, error) {
	n, oobn, _, _, err := unix.Recvmsg(fd, buf, s.oob[:], unix.MSG_ERRQUEUE|unix.MSG_DONTWAIT)
	if err != nil {
		return 0, nil, err
	}
	for h, data := range messages(s.oob[:oobn]) {
		if h.Type != unix.IP_RECVERR && h.Type != unix.IPV6_RECVERR || h.Level == unix.SOL_SOCKET {
			continue
		}
		const extended = int(unsafe.Sizeof(unix.SockExtendedErr{}))
		if len(data) < extended {
			continue
		}
		e := (*unix.SockExtendedErr)(unsafe.Pointer(&data[0]))
		if e.Origin != unix.SO_EE_ORIGIN_ICMP && e.Origin != unix.SO_EE_ORIGIN_ICMP6 {
			continue
		}
		rejected := &RejectedError{By: offender(data[extended:]), Errno: unix.Errno(e.Errno)}
		if rejected.Errno == unix.EMSGSIZE {
			rejected.MTU = int(e.Info)
		}
		return n, rejected, nil
	}
	return 0, nil, nil
}

// offender reads a sockaddr's address.
func offender(data []byte) netip.Addr {
	if len(data) < 8 {
		return netip.Addr{}
	}
	switch binary.NativeEndian.Uint16(data) {
	case unix.AF_INET:
		return netip.AddrFrom4([4]byte(data[4:]))
	case unix.AF_INET6:
		if len(data) >= 24 {
			return netip.AddrFrom16([16]byte(data[8:])).Unmap()
		}
	}
	return netip.Addr{}
}

// fill fills p with what the kernel says.
func (s *Socket) fill(p *Packet, oob []byte) {
	now := time.Now()
	p.At = now
	for h, data := range messages(oob) {
		switch {
		case h.Level == unix.SOL_SOCKET && h.Type == unix.SO_TIMESTAMPNS && len(data) >= int(unsafe.Sizeof(unix.Timespec{})):
			ts := (*unix.Timespec)(unsafe.Pointer(&data[0]))
			p.At = between(s.empty, time.Unix(ts.Unix()), now)
		case h.Level == unix.SOL_SOCKET && h.Type == unix.SO_RXQ_OVFL && len(data) >= 4:
			s.overflowed = binary.NativeEndian.Uint32(data)
		case h.Level == unix.IPPROTO_IP && h.Type == unix.IP_PKTINFO && len(data) >= unix.SizeofInet4Pktinfo:
			// A datagram to all on the link has another address than what it came to.
			if info := (*unix.Inet4Pktinfo)(unsafe.Pointer(&data[0])); info.Addr == info.Spec_dst {
				p.To = netip.AddrFrom4(info.Addr)
			}
		case h.Level == unix.IPPROTO_IPV6 && h.Type == unix.IPV6_PKTINFO && len(data) >= unix.SizeofInet6Pktinfo:
			info := (*unix.Inet6Pktinfo)(unsafe.Pointer(&data[0]))
			if to := netip.AddrFrom16(info.Addr); !to.IsMulticast() {
				p.To = to
				if to.IsLinkLocalUnicast() {
					p.link = int(info.Ifindex)
				}
			}
		}
	}
	p.Overflowed = s.overflowed
	switch from := p.from.(type) {
	case *unix.SockaddrInet4:
		p.From = netip.AddrPortFrom(netip.AddrFrom4(from.Addr), uint16(from.Port))
	case *unix.SockaddrInet6:
		p.From = netip.AddrPortFrom(netip.AddrFrom16(from.Addr), uint16(from.Port))
	}
}

// between turns a time by the wall clock into one with a monotonic reading, by what both
// show now. The result is within the two others whatever the wall clock did.
func between(earliest, at, now time.Time) time.Time {
	age := now.Round(0).Sub(at)
	return now.Add(-max(0, min(age, now.Sub(earliest))))
}

// messages returns the control messages one by one. Their data begin at addresses that
// suit any of their types.
func messages(oob []byte) func(yield func(unix.Cmsghdr, []byte) bool) {
	return func(yield func(unix.Cmsghdr, []byte) bool) {
		for len(oob) >= unix.SizeofCmsghdr {
			h, data, rest, err := unix.ParseOneSocketControlMessage(oob)
			if err != nil || !yield(h, data) {
				return
			}
			oob = rest
		}
	}
}

// Send sends a datagram to the peer of a connected socket, or fails at once: it waits for
// no room. Rejections of earlier datagrams, which the kernel tells who sends next, are
// Receive's.
func (s *Socket) Send(data []byte) error {
	return s.write(data, nil, nil)
}

// Reply sends a datagram to where p came from, and from the address to which p came, or
// fails at once.
func (s *Socket) Reply(p *Packet, data []byte) error {
	if !p.To.IsValid() {
		return errors.New("it came to an address of many, and nothing can be sent from that")
	}
	var info []byte
	if s.six {
		info = unix.PktInfo6(&unix.Inet6Pktinfo{Addr: p.To.As16(), Ifindex: uint32(p.link)})
	} else {
		info = unix.PktInfo4(&unix.Inet4Pktinfo{Spec_dst: p.To.As4()})
	}
	return s.write(data, info, p.from)
}

func (s *Socket) write(data, oob []byte, to unix.Sockaddr) error {
	var err error
	waited := s.raw.Write(func(fd uintptr) bool {
		if err = send(int(fd), data, oob, to); err != nil && s.connected {
			// It may be what was said of an earlier one, which is told once.
			err = send(int(fd), data, oob, to)
		}
		return true
	})
	return errors.Join(waited, err)
}

func send(fd int, data, oob []byte, to unix.Sockaddr) error {
	for {
		_, err := unix.SendmsgN(fd, data, oob, to, unix.MSG_DONTWAIT)
		if err != unix.EINTR {
			return err
		}
	}
}

// MTUBack is how large packets may be on the way to where p came from, from the address to
// which it came, in bytes.
func MTUBack(p *Packet) (int, error) {
	family := unix.AF_INET
	if p.To.Is6() {
		family = unix.AF_INET6
	}
	fd, err := unix.Socket(family, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return 0, fmt.Errorf("opening a socket to ask for the MTU of a route: %w", err)
	}
	defer func() { _ = unix.Close(fd) }()
	var own unix.Sockaddr = &unix.SockaddrInet6{Addr: p.To.As16(), ZoneId: uint32(p.link)}
	if p.To.Is4() {
		own = &unix.SockaddrInet4{Addr: p.To.As4()}
	}
	err = unix.Bind(fd, own)
	if err == nil {
		err = unix.Connect(fd, p.from)
	}
	if err != nil {
		return 0, fmt.Errorf("asking for the MTU of a route to %v: %w", p.From, err)
	}
	return mtuOf(fd, p.To.Is6())
}
