package wire_test

import (
	"errors"
	"io"
	"net"
	"net/netip"
	"os"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/netchecker/netchecker/test/testmain"
	"github.com/netchecker/netchecker/test/wire"
)

func TestMain(m *testing.M) { testmain.Run(m) }

// ends are two UDP sockets: one that listens at a host's address, and one of host 1 that is
// connected with it.
type ends struct {
	t            *testing.T
	server, from *net.UDPConn
}

func open(t *testing.T, host int, six bool) *ends {
	t.Helper()
	server, err := net.ListenUDP("udp", net.UDPAddrFromAddrPort(netip.AddrPortFrom(wire.Own(host, six), 0)))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = server.Close() })
	port := server.LocalAddr().(*net.UDPAddr).AddrPort().Port()
	from, err := net.DialUDP("udp", nil, net.UDPAddrFromAddrPort(netip.AddrPortFrom(wire.Seen(host, six), port)))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = from.Close() })
	return &ends{t, server, from}
}

// there sends so many bytes to the listener and says whether, and from where, they came.
func (e *ends) there(size int) (netip.AddrPort, bool) {
	e.t.Helper()
	_, err := e.from.Write(make([]byte, size))
	if errors.Is(err, unix.EMSGSIZE) { // what the router said of the last
		_, err = e.from.Write(make([]byte, size))
	}
	if err != nil {
		e.t.Fatal(err)
	}
	return e.came(e.server, size)
}

func (e *ends) came(conn *net.UDPConn, size int) (netip.AddrPort, bool) {
	e.t.Helper()
	_ = conn.SetReadDeadline(time.Now().Add(200 * time.Millisecond))
	buf := make([]byte, 1<<16)
	n, from, err := conn.ReadFromUDPAddrPort(buf)
	if errors.Is(err, os.ErrDeadlineExceeded) {
		return from, false
	}
	if err != nil || n != size {
		e.t.Errorf("%d bytes came, %v; want %d", n, err, size)
	}
	return from, true
}

func TestPacketsGoThereAndBackWithAddressesThatBothKnow(t *testing.T) {
	t.Parallel()
	if !wire.Apart(t) {
		return
	}
	wire.New(t, 1500)
	for _, six := range []bool{false, true} {
		e := open(t, 2, six)
		for _, size := range []int{1, 100, 1400, 5000} { // the last in fragments
			from, ok := e.there(size)
			if !ok || from.Addr().Unmap() != wire.Seen(1, six) {
				t.Errorf("IPv6 %v: %d bytes came from %v, %v; want %v", six, size, from, ok, wire.Seen(1, six))
			}
			if _, err := e.server.WriteToUDPAddrPort(make([]byte, size), from); err != nil {
				t.Fatal(err)
			}
			if _, ok := e.came(e.from, size); !ok {
				t.Errorf("IPv6 %v: %d bytes did not come back", six, size)
			}
		}
	}
}

func TestConnectionsAreMadeOverTheWire(t *testing.T) {
	t.Parallel()
	if !wire.Apart(t) {
		return
	}
	wire.New(t, 1500)
	for _, six := range []bool{false, true} {
		l, err := net.Listen("tcp", netip.AddrPortFrom(wire.Own(3, six), 80).String())
		if err != nil {
			t.Fatal(err)
		}
		go func() {
			if conn, err := l.Accept(); err == nil {
				_, _ = conn.Write(make([]byte, 100_000))
				_ = conn.Close()
			}
		}()
		conn, err := net.Dial("tcp", netip.AddrPortFrom(wire.Seen(3, six), 80).String())
		if err != nil {
			t.Fatal(err)
		}
		if data, err := io.ReadAll(conn); len(data) != 100_000 || err != nil {
			t.Errorf("IPv6 %v: %d bytes came, %v", six, len(data), err)
		}
		_ = conn.Close()
		_ = l.Close()
	}
}

func TestTheWireBreaksAsItIsSetAndThatWayAlone(t *testing.T) {
	t.Parallel()
	if !wire.Apart(t) {
		return
	}
	w := wire.New(t, 1500)
	for _, six := range []bool{false, true} {
		for _, row := range []struct {
			name         string
			way          wire.Way
			small, large bool
		}{
			{"well", wire.Way{}, true, true},
			{"losing all", wire.Way{Lose: func(wire.Packet) bool { return true }}, false, false},
			{"losing what is large", wire.Way{Takes: 1000}, true, false},
			{"slow", wire.Way{Delay: 20 * time.Millisecond}, true, true},
		} {
			e, other := open(t, 2, six), open(t, 3, six)
			for _, to := range []struct{ from, to int }{{1, 2}, {2, 1}} {
				w.Set(1, 2, wire.Way{})
				w.Set(2, 1, wire.Way{})
				w.Set(to.from, to.to, row.way)
				for size, want := range map[int]bool{100: row.small, 1200: row.large} {
					want = want || to.from != 1
					if _, ok := e.there(size); ok != want {
						t.Errorf("IPv6 %v, %s from %d to %d: %d bytes came: %v", six, row.name, to.from, to.to, size, ok)
					}
					if _, ok := other.there(size); !ok {
						t.Errorf("IPv6 %v, %s from %d to %d: %d bytes to another did not come", six, row.name, to.from, to.to, size)
					}
				}
			}
		}
	}
}

func TestASlowWireTakesItsTimeAndADoublingOneDoubles(t *testing.T) {
	t.Parallel()
	if !wire.Apart(t) {
		return
	}
	w := wire.New(t, 1500)
	e := open(t, 2, false)
	w.Set(1, 2, wire.Way{Delay: 50 * time.Millisecond})
	begun := time.Now()
	if _, ok := e.there(10); !ok || time.Since(begun) < 50*time.Millisecond {
		t.Errorf("it took %v", time.Since(begun))
	}
	w.Set(1, 2, wire.Way{Twice: true})
	if _, ok := e.there(10); !ok {
		t.Error("it did not come")
	}
	if _, ok := e.came(e.server, 10); !ok {
		t.Error("it did not come twice")
	}
}

func TestARouterRejects(t *testing.T) {
	t.Parallel()
	if !wire.Apart(t) {
		return
	}
	w := wire.New(t, 1500)
	for _, six := range []bool{false, true} {
		w.Set(1, 2, wire.Way{MTU: 1300})
		conn, err := net.Dial("tcp", netip.AddrPortFrom(wire.Seen(2, six), 80).String())
		if !errors.Is(err, unix.ECONNREFUSED) {
			t.Errorf("IPv6 %v: a closed port: %v, %v", six, conn, err)
		}
		w.Set(1, 2, wire.Way{Unreachable: true})
		if conn, err := net.Dial("tcp", netip.AddrPortFrom(wire.Seen(2, six), 80).String()); !errors.Is(err, unix.EHOSTUNREACH) {
			t.Errorf("IPv6 %v: unreachable: %v, %v", six, conn, err)
		}
		w.Set(1, 2, wire.Way{MTU: 1300})
		e := open(t, 2, six)
		if _, ok := e.there(1400); ok {
			t.Errorf("IPv6 %v: what is too large came whole", six)
		}
		w.Set(1, 2, wire.Way{Takes: 1300}) // the kernel makes fragments by now
		if _, ok := e.there(1400); !ok {
			t.Errorf("IPv6 %v: what is too large did not come in fragments", six)
		}
		wire.Reroute(t, 2, six, wire.Route{Prohibited: true})
		if _, err := e.from.Write([]byte{1}); !errors.Is(err, unix.EACCES) {
			t.Errorf("IPv6 %v: prohibited: %v", six, err)
		}
		wire.Reroute(t, 2, six, wire.Route{MTU: 1280})
		if _, ok := e.there(1200); !ok {
			t.Errorf("IPv6 %v: allowed again, it does not come", six)
		}
	}
}
