package disruption

import (
	"context"
	"net"
	"sync"
	"sync/atomic"
	"testing"

	"golang.org/x/net/dns/dnsmessage"

	"github.com/netchecker/netchecker/agent/probe"
)

// zone is a DNS server on loopback that knows every name to be 127.0.0.1, but those that
// begin with "no".
type zone struct{ silent atomic.Bool }

// names asks z.
func (z *zone) names(t *testing.T) probe.Names {
	t.Helper()
	conn, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var serving sync.WaitGroup
	serving.Go(func() { z.serve(conn) })
	t.Cleanup(func() { _ = conn.Close(); serving.Wait() })
	return namesAt(conn.LocalAddr().String())
}

func namesAt(addr string) probe.Names {
	return probe.Names{Dial: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, "udp", addr)
	}}
}

func (z *zone) serve(conn net.PacketConn) {
	buf := make([]byte, 1500)
	for {
		n, from, err := conn.ReadFrom(buf)
		if err != nil {
			return
		}
		var m dnsmessage.Message
		if z.silent.Load() || m.Unpack(buf[:n]) != nil {
			continue
		}
		m.Response, m.Authoritative, m.Additionals = true, true, nil
		q := m.Questions[0]
		switch name := q.Name.String(); {
		case name[:2] == "no":
			m.RCode = dnsmessage.RCodeNameError
		case q.Type == dnsmessage.TypeA:
			m.Answers = []dnsmessage.Resource{{
				Header: dnsmessage.ResourceHeader{Name: q.Name, Class: q.Class, TTL: 1},
				Body:   &dnsmessage.AResource{A: [4]byte{127, 0, 0, 1}},
			}}
		}
		if answer, err := m.Pack(); err == nil {
			_, _ = conn.WriteTo(answer, from)
		}
	}
}
