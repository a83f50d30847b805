package probe

import (
	"context"
	"fmt"
	"net"
	"net/netip"
)

// Connect makes a TCP connection to an address, until ctx ends, and ends it by a reset, so
// that nothing of it stays in any table. The error is ErrRefused, ErrUnanswered,
// ErrForbidden, or this host's failure.
func Connect(ctx context.Context, address netip.AddrPort) error {
	dialer := net.Dialer{KeepAlive: -1}
	conn, err := dialer.DialContext(ctx, "tcp", address.String())
	if err != nil {
		return unconnected(address, err)
	}
	defer func() { _ = conn.Close() }()
	if err := conn.(*net.TCPConn).SetLinger(0); err != nil {
		return fmt.Errorf("having the connection end by a reset: %w", err)
	}
	return nil
}

// At returns one that asks a single name server, whatever the configured ones are.
func (n Names) At(server netip.AddrPort) Names {
	dial := n.Dial
	if dial == nil {
		dial = (&net.Dialer{}).DialContext
	}
	return Names{Dial: func(ctx context.Context, network, _ string) (net.Conn, error) {
		return dial(ctx, network, server.String())
	}}
}
