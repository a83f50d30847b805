package sender

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strconv"
	"sync"
	"time"

	"github.com/netchecker/netchecker/pkg/report"
)

// maxAddresses is how many of the server's addresses are tried, so that each has
// a part of the deadline that is worth having.
const maxAddresses = 4

// Lookup finds the addresses of a host, in the order in which they should be tried
// (RFC 6724): one at least where there is no error. It ends when ctx does. It may
// be called by many goroutines at once, also for one host.
type Lookup func(ctx context.Context, host string) ([]netip.Addr, error)

// Server is where everything is sent to. It knows the way there: the addresses of
// the newest lookup that went well.
type Server struct {
	port string
	book *book

	mu      sync.Mutex
	detours []way
	worked  way
}

// NewServer returns the server at endpoint, a host:port. It has to be closed after
// all that sends there has ended.
func NewServer(endpoint string, lookup Lookup) (*Server, error) {
	host, port, err := net.SplitHostPort(endpoint)
	if err != nil {
		return nil, fmt.Errorf("reading the server's address: %w", err)
	}
	return &Server{port: port, book: newBook(host, lookup)}, nil
}

// Close ends the lookups that nobody waits for any more.
func (s *Server) Close() { s.book.close() }

// connect opens a connection for one request.
func (s *Server) connect(ctx context.Context) (net.Conn, report.Delivery, error) {
	addresses, delivery, err := s.book.find(ctx)
	if err != nil {
		return nil, delivery, err
	}
	conn, err := dial(ctx, addresses[:min(len(addresses), maxAddresses)], s.port)
	if err != nil {
		return nil, delivery, err
	}
	return conn, delivery, nil
}

func port(a netip.AddrPort) string { return strconv.Itoa(int(a.Port())) }

// resets has a connection end by a reset, once the whole answer is there. Who closes a
// TCP connection first keeps it in TIME_WAIT for a minute, and connection tracking
// keeps such a one for two (nf_conntrack_tcp_timeout_time_wait): on the server's
// node, whoever closes. With 10,000 agents and a report every 15 s that would be
// 80,000 entries. After a reset neither end keeps anything, and connection tracking
// has the entry for 10 s (nf_conntrack_tcp_timeout_close). To the server it is a
// client that does not ask again.
func resets(conn *net.TCPConn) (net.Conn, error) {
	if err := conn.SetLinger(0); err != nil {
		return nil, errors.Join(fmt.Errorf("having the connection end by a reset: %w", err), conn.Close())
	}
	return conn, nil
}

// dial tries the addresses one after the other. Those that are left share what is
// left of nine tenths of the time until the deadline of ctx: so it is a dial that
// fails when nobody answers, and the error says so. That of the first is returned.
func dial(ctx context.Context, addresses []netip.Addr, port string) (net.Conn, error) {
	deadline := time.Now().Add(timeLeft(ctx) * 9 / 10)
	var first error
	for i, a := range addresses {
		share := time.Until(deadline) / time.Duration(len(addresses)-i)
		// No keep-alive probes: the connection has a deadline.
		dialer := net.Dialer{Timeout: share, KeepAlive: -1}
		conn, err := dialer.DialContext(ctx, "tcp", net.JoinHostPort(a.String(), port))
		if err == nil {
			return resets(conn.(*net.TCPConn))
		}
		if first == nil {
			first = err
		}
	}
	return nil, first
}
