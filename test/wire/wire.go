// Package wire is a network of a test's own, with a wire in it that breaks as the test has
// it: it loses, delays and rejects packets, each way by itself. Sockets, routes and what
// the kernel makes of all that are real.
//
// The test runs in a network namespace. Its host has the addresses of several, of which
// each is seen by the others at another address, which is routed into the wire, a TUN
// device: so a packet to that comes out of the host, into the wire's hands, and goes back
// into the host with both addresses turned into those that the receiver knows. As one bit
// is set in the one and cleared in the other, checksums stay right.
//
// It takes no programs besides the test's own, and no root where users may have namespaces
// and open /dev/net/tun.
package wire

import (
	"errors"
	"net/netip"
	"os"
	"sync"
	"testing"
	"time"
)

// Hosts is how many there are: from 1, whose address packets leave from where nobody
// chooses another, to Hosts.
const Hosts = 9

// Own is the address that host n listens at.
func Own(n int, six bool) netip.Addr {
	if six {
		return netip.AddrFrom16([16]byte{0: 0xfd, 1: 0x09, 15: byte(n)})
	}
	return netip.AddrFrom4([4]byte{10, 9, 0, byte(n)})
}

// Seen is the address at which the others see host n.
func Seen(n int, six bool) netip.Addr {
	if six {
		return netip.AddrFrom16([16]byte{0: 0xfd, 1: 0x09, 13: 1, 15: byte(n)})
	}
	return netip.AddrFrom4([4]byte{10, 9, 1, byte(n)})
}

// router is the address that rejections come from.
func router(six bool) netip.Addr { return Seen(254, six) }

// Packet is one on the wire.
type Packet struct {
	// From and To are hosts.
	From, To int
	Six      bool
	// Data is all of it, from the IP header on.
	Data []byte
}

// Protocol is the number of what it carries: UDP has 17, TCP 6, ICMP 1 and 58.
func (p Packet) Protocol() int {
	if p.Six {
		return int(p.Data[6])
	}
	return int(p.Data[9])
}

// Way is what happens to packets from one host to another.
type Way struct {
	// Lose says of each packet whether it is lost; nil stands for none. It is not called
	// by two goroutines at once.
	Lose func(Packet) bool
	// Takes is how large packets may be that are not lost, in bytes; 0 stands for any.
	Takes int
	// MTU is how large packets may be that are not rejected as too large; 0 for any.
	MTU int
	// Unreachable has all be rejected, as of a host that can't be reached; and Filtered, as
	// of a port that is closed, which is what a firewall says that has no other word.
	Unreachable, Filtered bool
	// Delay is how much longer they take.
	Delay time.Duration
	// Twice has each arrive twice.
	Twice bool
}

type pair struct {
	from, to int
	six      bool
}

// Wire is the wire.
type Wire struct {
	t   testing.TB
	tun *os.File

	mu   sync.Mutex
	ways map[pair]Way
	// delayed are on their way, and closed has none begin.
	delayed sync.WaitGroup
	closed  bool
}

// New returns the wire of a test, with an MTU, until the test is over. The test must be
// apart.
func New(t testing.TB, mtu int) *Wire {
	t.Helper()
	tun, err := lay(mtu)
	if err != nil {
		t.Fatal(err)
	}
	w := &Wire{t: t, tun: tun, ways: map[pair]Way{}}
	done := make(chan struct{})
	go func() { defer close(done); w.run() }()
	t.Cleanup(func() {
		w.mu.Lock()
		w.closed = true
		w.mu.Unlock()
		if err := tun.Close(); err != nil {
			t.Error(err)
		}
		<-done
		w.delayed.Wait()
	})
	return w
}

// Set says what happens from now on to packets from one host to another, of both address
// families.
func (w *Wire) Set(from, to int, way Way) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.ways[pair{from, to, false}] = way
	w.ways[pair{from, to, true}] = way
}

// run passes packets on until the device is closed.
func (w *Wire) run() {
	buf := make([]byte, 1<<16)
	for {
		n, err := w.tun.Read(buf)
		if errors.Is(err, os.ErrClosed) {
			return
		}
		if err != nil {
			w.t.Errorf("reading from the wire: %v", err)
			return
		}
		if p, ok := parse(buf[:n]); ok {
			w.pass(p)
		}
	}
}

// pass does to a packet what is set.
func (w *Wire) pass(p Packet) {
	w.mu.Lock()
	defer w.mu.Unlock()
	way := w.ways[pair{p.From, p.To, p.Six}]
	size := len(p.Data)
	switch {
	case w.closed, way.Lose != nil && way.Lose(p), way.Takes != 0 && size > way.Takes:
		return
	case way.Unreachable, way.Filtered, way.MTU != 0 && size > way.MTU:
		w.deliver(reject(p, way))
		return
	}
	data := append([]byte(nil), p.Data...)
	turn(data)
	if way.Delay == 0 {
		w.deliver(data)
		if way.Twice {
			w.deliver(data)
		}
		return
	}
	w.delayed.Add(1)
	time.AfterFunc(way.Delay, func() { // which ends with the test, that waits for it
		defer w.delayed.Done()
		w.mu.Lock()
		defer w.mu.Unlock()
		if !w.closed {
			w.deliver(data)
		}
	})
}

func (w *Wire) deliver(data []byte) {
	if data == nil {
		return
	}
	if _, err := w.tun.Write(data); err != nil && !errors.Is(err, os.ErrClosed) {
		w.t.Errorf("writing to the wire: %v", err)
	}
}

// parse finds whose a packet is; none that is not from one host to another.
func parse(data []byte) (Packet, bool) {
	p := Packet{Data: data}
	switch {
	case len(data) >= 20 && data[0]>>4 == 4:
		p.From, p.To = int(data[15]), int(data[19])
		src, dst := netip.AddrFrom4([4]byte(data[12:])), netip.AddrFrom4([4]byte(data[16:]))
		return p, src == Own(p.From, false) && dst == Seen(p.To, false)
	case len(data) >= 40 && data[0]>>4 == 6:
		p.Six = true
		p.From, p.To = int(data[23]), int(data[39])
		src, dst := netip.AddrFrom16([16]byte(data[8:])), netip.AddrFrom16([16]byte(data[24:]))
		return p, src == Own(p.From, true) && dst == Seen(p.To, true)
	}
	return p, false
}

// turn turns both addresses into those that the receiver knows, also those of a packet that
// an ICMP message quotes.
func turn(data []byte) {
	if data[0]>>4 == 4 {
		data[14], data[18] = data[14]^1, data[18]^1
		header := int(data[0]&15) * 4
		if data[9] == 1 && len(data) >= header+28 && data[header] == 3 {
			turn(data[header+8:])
		}
		return
	}
	data[21], data[37] = data[21]^1, data[37]^1
	if data[6] == 58 && len(data) >= 40+8+40 && data[40] < 128 {
		turn(data[48:])
	}
}
