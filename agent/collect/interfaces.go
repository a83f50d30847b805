package collect

import (
	"fmt"
	"net"
	"net/netip"
	"slices"

	"github.com/netchecker/netchecker/pkg/report"
)

// Interface is a network interface that is up.
type Interface struct {
	Name     string
	MTU      int // bytes
	Loopback bool
	Prefixes []netip.Prefix
}

// Interfaces returns this machine's interfaces that are up, at most
// [report.MaxEntries]. One that goes while they are read is left out.
func Interfaces() ([]Interface, error) {
	all, err := net.Interfaces()
	if err != nil {
		return nil, fmt.Errorf("listing network interfaces: %w", err)
	}
	var up []Interface
	for _, i := range all {
		if i.Flags&net.FlagUp == 0 || len(up) == report.MaxEntries {
			continue
		}
		addrs, err := i.Addrs()
		if err != nil {
			continue
		}
		up = append(up, Interface{
			Name:     i.Name,
			MTU:      i.MTU,
			Loopback: i.Flags&net.FlagLoopback != 0,
			Prefixes: prefixes(addrs),
		})
	}
	return up, nil
}

// prefixes leaves out what is no IP network.
func prefixes(addrs []net.Addr) []netip.Prefix {
	var list []netip.Prefix
	for _, a := range addrs {
		if p, err := netip.ParsePrefix(a.String()); err == nil {
			list = append(list, p)
		}
	}
	return list[:min(len(list), report.MaxValues)]
}

// byName is the report's ips: each interface's addresses in CIDR notation.
func byName(list []Interface) map[string][]string {
	ips := make(map[string][]string, len(list))
	for _, i := range list {
		cidrs := make([]string, len(i.Prefixes))
		for n, p := range i.Prefixes {
			cidrs[n] = p.String()
		}
		ips[i.Name] = cidrs
	}
	return ips
}

// globalUnicast returns the addresses at which others can reach this pod.
func globalUnicast(list []Interface) []string {
	var addresses []string
	for _, i := range list {
		for _, p := range i.Prefixes {
			if p.Addr().IsGlobalUnicast() && !slices.Contains(addresses, p.Addr().String()) {
				addresses = append(addresses, p.Addr().String())
			}
		}
	}
	return addresses[:min(len(addresses), report.MaxValues)]
}

// LargestMTU is in bytes, and 0 where there is no interface but loopback, whose
// MTU says nothing of a network.
func LargestMTU(list []Interface) int {
	largest := 0
	for _, i := range list {
		if !i.Loopback {
			largest = max(largest, i.MTU)
		}
	}
	return largest
}

// PaddingOver returns how many zeros of padding it takes for a report not to fit
// into one packet of mtu bytes: n zeros with their commas and brackets are 2n+1
// bytes.
func PaddingOver(mtu int) int { return (mtu + 1) / 2 }
