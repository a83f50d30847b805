package sender

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/net/dns/dnsmessage"

	"github.com/netchecker/netchecker/agent/probe"
)

// said is what a name server says to a query: an address, no such name, or, where
// it is silent, nothing.
type said struct {
	addresses [][4]byte
	after     time.Duration
	silent    bool
}

func is(addresses ...[4]byte) said { return said{addresses: addresses} }

var (
	local  = [4]byte{127, 0, 0, 1}
	nobody = [4]byte{127, 77, 1, 1} // nobody listens there
	silent = said{silent: true}
)

// nameServer answers each query over UDP as it is told.
type nameServer struct {
	conn  net.PacketConn
	asked atomic.Int32
	says  atomic.Pointer[func(n int) said]
}

// namesAs is a name server that answers the nth query, from 1, by say.
func namesAs(t *testing.T, say func(n int) said) *nameServer {
	t.Helper()
	conn, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ns := &nameServer{conn: conn}
	ns.says.Store(&say)
	done := make(chan struct{})
	go func() { defer close(done); ns.serve() }()
	t.Cleanup(func() { _ = conn.Close(); <-done })
	return ns
}

// names is a name server that says the same to every query.
func names(t *testing.T, s said) *nameServer {
	return namesAs(t, func(int) said { return s })
}

func (ns *nameServer) sayFromNowOn(s said) {
	say := func(int) said { return s }
	ns.says.Store(&say)
}

func (ns *nameServer) serve() {
	var answers sync.WaitGroup
	defer answers.Wait()
	buf := make([]byte, 1500)
	for {
		n, from, err := ns.conn.ReadFrom(buf)
		if errors.Is(err, net.ErrClosed) {
			return
		}
		var m dnsmessage.Message
		if s := (*ns.says.Load())(int(ns.asked.Add(1))); m.Unpack(buf[:n]) == nil && !s.silent {
			answers.Go(func() {
				time.Sleep(s.after)
				_, _ = ns.conn.WriteTo(s.answer(m), from)
			})
		}
	}
}

func (s said) answer(m dnsmessage.Message) []byte {
	m.Response, m.Authoritative, m.Additionals = true, true, nil
	if len(s.addresses) == 0 {
		m.RCode = dnsmessage.RCodeNameError
	}
	for _, a := range s.addresses {
		if q := m.Questions[0]; q.Type == dnsmessage.TypeA {
			m.Answers = append(m.Answers, dnsmessage.Resource{
				Header: dnsmessage.ResourceHeader{Name: q.Name, Class: q.Class},
				Body:   &dnsmessage.AResource{A: a},
			})
		}
	}
	packed, _ := m.Pack()
	return packed
}

func (ns *nameServer) lookup(ctx context.Context, host string) ([]netip.Addr, error) {
	return probe.Names{Dial: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, "udp", ns.conn.LocalAddr().String())
	}}.Addresses(ctx, host)
}
