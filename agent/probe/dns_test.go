package probe

import (
	"context"
	"errors"
	"net"
	"slices"
	"strings"
	"testing"
	"time"
)

func TestLookup(t *testing.T) {
	many := &zone{addresses: []string{"10.0.0.10", "10.0.0.9", "fd00::1", "10.0.0.9"}}
	for _, c := range []struct {
		name, host string
		want       []string
		asks       bool
	}{
		{"addresses are sorted by number, each once, IPv4 first", "server.test.", []string{"10.0.0.9", "10.0.0.10", "fd00::1"}, true},
		{"an IPv4 address stands for itself", "10.1.2.3", []string{"10.1.2.3"}, false},
		{"an IPv6 address stands for itself", "fd00::7", []string{"fd00::7"}, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			before := many.asked.Load()
			got, err := many.names(t).Lookup(t.Context(), c.host)
			if err != nil || !slices.Equal(got, c.want) {
				t.Errorf("got %v, %v; want %v", got, err, c.want)
			}
			if asked := many.asked.Load() != before; asked != c.asks {
				t.Errorf("asked the DNS server: %v; want %v", asked, c.asks)
			}
		})
	}
}

func TestLookupEndsAtItsDeadlineWhenTheDNSServerIsSilent(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	begun := time.Now()
	got, err := (&zone{silent: true}).names(t).Lookup(ctx, "server.test.")
	if took := time.Since(begun); took > 2*time.Second {
		t.Errorf("took %v", took)
	}
	var dns *net.DNSError
	if got != nil || !errors.As(err, &dns) || !dns.IsTimeout || !strings.HasPrefix(err.Error(), "looking up server.test.: ") {
		t.Errorf("got %v, %v; want a timeout that names the host", got, err)
	}
}
