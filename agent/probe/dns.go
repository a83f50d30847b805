package probe

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"slices"

	"github.com/netchecker/netchecker/pkg/report"
)

// Lookup returns the addresses of host, sorted, IPv4 before IPv6, at most
// [report.MaxValues]. An IP address stands for itself, without a query. A nil
// resolver is the system's.
func Lookup(ctx context.Context, r *net.Resolver, host string) ([]string, error) {
	if _, err := netip.ParseAddr(host); err == nil {
		return []string{host}, nil
	}
	if r == nil {
		r = net.DefaultResolver
	}
	found, err := r.LookupNetIP(ctx, "ip", host)
	if err != nil {
		return nil, fmt.Errorf("looking up %s: %w", host, err)
	}
	for i := range found {
		found[i] = found[i].Unmap()
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
