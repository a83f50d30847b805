package probe

import (
	"context"
	"net"
	"net/netip"
	"os"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"
	"golang.org/x/net/dns/dnsmessage"
)

// TestMain sets a proxy that answers nothing, so that every probe of a name here
// shows that HTTP_PROXY does not count.
func TestMain(m *testing.M) {
	_ = os.Setenv("HTTP_PROXY", "http://127.0.0.1:1")
	_ = os.Setenv("HTTPS_PROXY", "http://127.0.0.1:1")
	goleak.VerifyTestMain(m)
}

// zone is a DNS server on loopback that gives every name the same addresses.
type zone struct {
	addresses []string
	delay     time.Duration
	silent    bool
	asked     atomic.Int32
}

// names returns Names that asks z.
func (z *zone) names(t *testing.T) Names {
	t.Helper()
	conn, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		z.serve(conn)
	}()
	t.Cleanup(func() { _ = conn.Close(); <-done })
	return Names{Dial: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, "udp", conn.LocalAddr().String())
	}}
}

func (z *zone) serve(conn net.PacketConn) {
	buf := make([]byte, 1500)
	for {
		n, from, err := conn.ReadFrom(buf)
		if err != nil {
			return
		}
		z.asked.Add(1)
		var msg dnsmessage.Message
		if z.silent || msg.Unpack(buf[:n]) != nil {
			continue
		}
		time.Sleep(z.delay)
		msg.Response, msg.Authoritative, msg.Additionals = true, true, nil
		for _, a := range z.addresses {
			if r, ok := resource(msg.Questions[0], netip.MustParseAddr(a)); ok {
				msg.Answers = append(msg.Answers, r)
			}
		}
		if answer, err := msg.Pack(); err == nil {
			_, _ = conn.WriteTo(answer, from)
		}
	}
}

func resource(q dnsmessage.Question, a netip.Addr) (dnsmessage.Resource, bool) {
	r := dnsmessage.Resource{Header: dnsmessage.ResourceHeader{Name: q.Name, Class: q.Class, TTL: 1}}
	switch {
	case q.Type == dnsmessage.TypeA && a.Is4():
		r.Body = &dnsmessage.AResource{A: a.As4()}
	case q.Type == dnsmessage.TypeAAAA && a.Is6():
		r.Body = &dnsmessage.AAAAResource{AAAA: a.As16()}
	default:
		return r, false
	}
	return r, true
}
