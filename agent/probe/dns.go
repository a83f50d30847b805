package probe

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"time"

	"github.com/netchecker/netchecker/pkg/report"
)

// Names looks hosts up with Go's own resolver, because the C library's keeps no
// deadlines. The zero value asks the name servers of /etc/resolv.conf.
type Names struct {
	// Dial connects to a name server; nil stands for net.Dialer's.
	Dial func(ctx context.Context, network, address string) (net.Conn, error)
}

// Resolver returns one that shares no queries with others: a resolver answers
// those who ask for the same name at the same time with one query, whose time is
// then nobody's own. Its queries end when their context does; those of a plain
// net.Resolver go on until the timeout of resolv.conf, 5 s or more.
func (n Names) Resolver() *net.Resolver {
	dial := n.Dial
	if dial == nil {
		dial = (&net.Dialer{}).DialContext
	}
	return &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, network, address string) (net.Conn, error) {
		conn, err := dial(ctx, network, address)
		if err != nil {
			return nil, err
		}
		context.AfterFunc(ctx, func() { _ = conn.SetDeadline(time.Unix(0, 0)) })
		return conn, nil
	}}
}

// Addresses returns the addresses of host in the order in which they should be
// tried (RFC 6724).
func (n Names) Addresses(ctx context.Context, host string) ([]netip.Addr, error) {
	found, err := n.Resolver().LookupNetIP(ctx, "ip", host)
	if err != nil {
		return nil, fmt.Errorf("looking up %s: %w", host, err)
	}
	for i := range found {
		found[i] = found[i].Unmap()
	}
	return found, nil
}

// Lookup returns the addresses of host, sorted, IPv4 before IPv6, at most
// [report.MaxValues]. An IP address stands for itself, without a query.
func (n Names) Lookup(ctx context.Context, host string) ([]string, error) {
	if _, err := netip.ParseAddr(host); err == nil {
		return []string{host}, nil
	}
	found, err := n.Addresses(ctx, host)
	if err != nil {
		return nil, err
	}
	slices.SortFunc(found, netip.Addr.Compare)
	found = slices.Compact(found)
	found = found[:min(len(found), report.MaxValues)]
	addresses := make([]string, len(found))
	for i, a := range found {
		addresses[i] = a.String()
	}
	return addresses, nil
}
