package shared

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"
	"syscall"

	"github.com/netchecker/netchecker/agent/probe"
	"github.com/netchecker/netchecker/pkg/report"
)

// Ways are how is asked: as agent/probe does, except in tests.
type Ways struct {
	// Lookup looks a name up, at a server where that is valid, else as it is configured.
	Lookup func(ctx context.Context, server netip.AddrPort, name string) ([]netip.Addr, error)
	// Connect makes a TCP connection and ends it.
	Connect func(context.Context, netip.AddrPort) error
}

// Real are the real ones.
func Real(names probe.Names) Ways {
	return Ways{
		Lookup: func(ctx context.Context, server netip.AddrPort, name string) ([]netip.Addr, error) {
			if server.IsValid() {
				return names.At(server).Addresses(ctx, name)
			}
			return names.Addresses(ctx, name)
		},
		Connect: probe.Connect,
	}
}

// Ask asks once, until ctx ends.
func (w Ways) Ask(ctx context.Context, d *Due) Outcome { return w.ask(ctx, &d.question) }

func (w Ways) ask(ctx context.Context, q *question) Outcome {
	to := q.address
	if q.name != "" {
		found, err := w.Lookup(ctx, q.server, q.name)
		if err != nil {
			return ofLookup(err)
		}
		if o := compare(found, q.want); o.fate != well || q.port == 0 {
			return o
		}
		to = netip.AddrPortFrom(found[0], q.port)
	}
	if err := w.Connect(ctx, to); err != nil {
		return ofConnection(err)
	}
	return Outcome{}
}

// compare says whether all that was found is among what is wanted; of nothing that is
// wanted, whether anything was.
func compare(found, want []netip.Addr) Outcome {
	i := slices.IndexFunc(found, func(a netip.Addr) bool { return !slices.Contains(want, a) })
	switch {
	case len(found) == 0:
		return Outcome{wrong, "no address was answered"}
	case len(want) > 0 && i >= 0:
		return Outcome{wrong, fmt.Sprintf("%v was answered", found[i])}
	}
	return Outcome{}
}

// ofLookup says what a lookup came to that failed:
//
//	nobody answered in time                               lost
//	the name server's host refused                        refused
//	there is no such name; the server can't say           wrong
//	a failure of sockets, which the resolver tells by     lost
//	  what could not be done
func ofLookup(err error) Outcome {
	var e *net.DNSError
	switch {
	case errors.Is(err, context.DeadlineExceeded), errors.As(err, &e) && e.IsTimeout:
		return Outcome{lost, "no answer"}
	case e == nil:
		return Outcome{lost, short(err.Error())}
	case e.IsNotFound:
		return Outcome{wrong, "no such host"}
	case strings.Contains(e.Err, syscall.ECONNREFUSED.Error()):
		return Outcome{refused, "connection refused"}
	case strings.HasPrefix(e.Err, "dial "), strings.HasPrefix(e.Err, "read "), strings.HasPrefix(e.Err, "write "):
		return Outcome{lost, short(e.Err)}
	}
	return Outcome{wrong, short(e.Err)}
}

// ofConnection says what a connection came to that failed.
func ofConnection(err error) Outcome {
	switch {
	case errors.Is(err, probe.ErrRefused):
		return Outcome{refused, "connection refused"}
	case errors.Is(err, probe.ErrForbidden):
		return Outcome{lost, "forbidden on this host"}
	case errors.Is(err, probe.ErrUnanswered):
		return Outcome{lost, "no answer"}
	}
	return Outcome{lost, short(err.Error())}
}

// short keeps a text within its bound.
func short(text string) string {
	return strings.ToValidUTF8(text[:min(len(text), report.MaxText)], "")
}
