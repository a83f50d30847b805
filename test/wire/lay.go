package wire

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// device is the wire's.
const device = "wire0"

// lay makes the device, and gives it its addresses and routes.
func lay(mtu int) (*os.File, error) {
	fd, err := unix.Open("/dev/net/tun", unix.O_RDWR|unix.O_CLOEXEC|unix.O_NONBLOCK, 0)
	if err != nil {
		return nil, fmt.Errorf("opening /dev/net/tun, which takes root, or that users may: %w", err)
	}
	request, err := unix.NewIfreq(device)
	if err == nil {
		request.SetUint16(unix.IFF_TUN | unix.IFF_NO_PI)
		err = unix.IoctlIfreq(fd, unix.TUNSETIFF, request)
	}
	if err == nil {
		err = connect(mtu)
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("laying the wire: %w", err), unix.Close(fd))
	}
	return os.NewFile(uintptr(fd), device), nil
}

func connect(mtu int) error {
	lo, err := net.InterfaceByName("lo")
	if err != nil {
		return err
	}
	wire, err := net.InterfaceByName(device)
	if err != nil {
		return err
	}
	if err := errors.Join(up(lo.Index, 0), up(wire.Index, mtu)); err != nil {
		return err
	}
	for _, six := range []bool{false, true} {
		for n := 1; n <= Hosts; n++ {
			if err := address(wire.Index, Own(n, six)); err != nil {
				return err
			}
		}
		to := netip.PrefixFrom(Seen(0, six), 24)
		if six {
			to = netip.PrefixFrom(Seen(0, six), 112)
		}
		if err := route(to, Own(1, six), wire.Index, Route{}); err != nil {
			return err
		}
	}
	return settle()
}

// settle waits until the host takes what comes to its IPv6 addresses, which it does a
// moment after it has them: when there is a local route (RTF_LOCAL, the highest bit of the
// flags) for each in /proc/net/ipv6_route.
func settle() error {
	const patience = 20 * time.Second
	for begun := time.Now(); ; time.Sleep(time.Millisecond) {
		table, err := os.ReadFile("/proc/net/ipv6_route")
		if err != nil {
			return err
		}
		local := 0
		for line := range strings.Lines(string(table)) {
			fields := strings.Fields(line)
			for n := 1; n <= Hosts; n++ {
				if len(fields) == 10 && fields[0] == fmt.Sprintf("%x", Own(n, true).As16()) && fields[8][0] == '8' {
					local++
				}
			}
		}
		if local >= Hosts {
			return nil
		}
		if time.Since(begun) > patience {
			return fmt.Errorf("of %d IPv6 addresses %d were ready after %v:\n%s", Hosts, local, patience, table)
		}
	}
}

// Route is the route to a host.
type Route struct {
	// MTU is 0 for that of the device.
	MTU int
	// Prohibited has the kernel send nothing there.
	Prohibited bool
}

// Reroute gives a host a route of its own, of either family, from now on.
func Reroute(t testing.TB, to int, six bool, r Route) {
	t.Helper()
	wire, err := net.InterfaceByName(device)
	if err == nil {
		a := Seen(to, six)
		err = route(netip.PrefixFrom(a, a.BitLen()), Own(1, six), wire.Index, r)
	}
	if err != nil {
		t.Fatal(err)
	}
}

func up(index, mtu int) error {
	m := header(unix.AF_UNSPEC, 0, 0, 0)
	m = binary.NativeEndian.AppendUint32(m, uint32(index))
	m = binary.NativeEndian.AppendUint32(m, unix.IFF_UP)
	m = binary.NativeEndian.AppendUint32(m, unix.IFF_UP)
	if mtu != 0 {
		m = number(m, unix.IFLA_MTU, mtu)
	}
	return tell("bringing up an interface", unix.RTM_NEWLINK, 0, m)
}

func address(index int, a netip.Addr) error {
	m := header(family(a), byte(a.BitLen()), unix.IFA_F_NODAD, 0)
	m = binary.NativeEndian.AppendUint32(m, uint32(index))
	m = attribute(m, unix.IFA_LOCAL, a.AsSlice())
	m = attribute(m, unix.IFA_ADDRESS, a.AsSlice())
	return tell(fmt.Sprintf("adding the address %v", a), unix.RTM_NEWADDR, unix.NLM_F_CREATE, m)
}

// route adds a route, or takes the place of the one that there is.
func route(to netip.Prefix, from netip.Addr, index int, r Route) error {
	kind := byte(unix.RTN_UNICAST)
	if r.Prohibited {
		kind = unix.RTN_PROHIBIT
	}
	m := header(family(to.Addr()), byte(to.Bits()), 0, 0)
	m = append(m, unix.RT_TABLE_MAIN, unix.RTPROT_STATIC, unix.RT_SCOPE_UNIVERSE, kind, 0, 0, 0, 0)
	m = attribute(m, unix.RTA_DST, to.Addr().AsSlice())
	if !r.Prohibited {
		m = number(m, unix.RTA_OIF, index)
		m = attribute(m, unix.RTA_PREFSRC, from.AsSlice())
	}
	if r.MTU != 0 {
		m = attribute(m, unix.RTA_METRICS, number(nil, unix.RTAX_MTU, r.MTU))
	}
	return tell(fmt.Sprintf("routing %v", to), unix.RTM_NEWROUTE, unix.NLM_F_CREATE|unix.NLM_F_REPLACE, m)
}

func family(a netip.Addr) byte {
	if a.Is6() {
		return unix.AF_INET6
	}
	return unix.AF_INET
}

func header(b ...byte) []byte { return b }

func number(m []byte, kind, value int) []byte {
	return attribute(m, kind, binary.NativeEndian.AppendUint32(nil, uint32(value)))
}

func attribute(m []byte, kind int, value []byte) []byte {
	m = binary.NativeEndian.AppendUint16(m, uint16(4+len(value)))
	m = binary.NativeEndian.AppendUint16(m, uint16(kind))
	return append(m, value...) // all values here are multiples of 4 bytes
}

// tell sends the kernel a message of rtnetlink, and waits for what it says to that.
func tell(what string, kind uint16, flags uint16, body []byte) error {
	err := exchange(kind, flags|unix.NLM_F_REQUEST|unix.NLM_F_ACK, body)
	if err != nil {
		return fmt.Errorf("%s: %w", what, err)
	}
	return nil
}

func exchange(kind, flags uint16, body []byte) error {
	fd, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW|unix.SOCK_CLOEXEC, unix.NETLINK_ROUTE)
	if err != nil {
		return err
	}
	defer func() { _ = unix.Close(fd) }()
	m := binary.NativeEndian.AppendUint32(nil, uint32(unix.SizeofNlMsghdr+len(body)))
	m = binary.NativeEndian.AppendUint16(m, kind)
	m = binary.NativeEndian.AppendUint16(m, flags)
	m = append(m, 1, 0, 0, 0, 0, 0, 0, 0) // its number, and who sends it
	if err := unix.Sendto(fd, append(m, body...), 0, &unix.SockaddrNetlink{Family: unix.AF_NETLINK}); err != nil {
		return err
	}
	answer := make([]byte, 8192)
	n, _, err := unix.Recvfrom(fd, answer, 0)
	switch {
	case err != nil:
		return err
	case n < unix.SizeofNlMsghdr+4:
		return fmt.Errorf("the kernel answers in %d bytes", n)
	}
	if code := int32(binary.NativeEndian.Uint32(answer[unix.SizeofNlMsghdr:])); code != 0 {
		return unix.Errno(-code)
	}
	return nil
}
