package sender

import (
	"context"
	"net/netip"
	"slices"
	"time"

	"github.com/netchecker/netchecker/pkg/report"
)

// wayTime is what each way has where there are several: a node that is cut off should
// say so within seconds, and whoever else sends a message is not held up by that.
const wayTime = time.Second

// Detours are ways to the server that do not lead over its Service's address.
type Detours struct {
	// Servers are the servers' own addresses, Nodes those of a port of the nodes that
	// they are on.
	Servers, Nodes []netip.AddrPort
}

// way is one of them; the zero value is the usual one.
type way struct {
	via report.Via
	at  netip.AddrPort
}

// Detour says which detours there are from now on.
func (s *Server) Detour(d Detours) {
	var ways []way
	for _, a := range d.Servers {
		ways = append(ways, way{report.ViaServer, a})
	}
	for _, a := range d.Nodes {
		ways = append(ways, way{report.ViaNode, a})
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.detours = ways
}

// ways are all there are, in the order in which they should be tried: the one that worked
// last comes first.
func (s *Server) ways() []way {
	s.mu.Lock()
	defer s.mu.Unlock()
	ways := append([]way{{}}, s.detours...)
	if i := slices.Index(ways, s.worked); i > 0 {
		ways = slices.Insert(slices.Delete(ways, i, i+1), 0, s.worked)
	}
	return ways
}

// reached notes that a way works. A detour is taken until the usual one is known to work
// again, by whatever else is sent.
func (s *Server) reached(w way) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.worked = w
}

// postAnyWay is post, and where nobody answers the usual way, it tries the detours within
// the same deadline. What the usual way met with is what is told where none works.
func (s *Server) postAnyWay(ctx context.Context, to string, encode encoder, deadline time.Duration) Attempt {
	ctx, cancel := context.WithTimeout(ctx, deadline)
	defer cancel()
	ways := s.ways()
	if len(ways) == 1 {
		return s.post(ctx, to, encode, deadline)
	}
	var first Attempt
	for i, w := range ways {
		var a Attempt
		if w == (way{}) {
			a = s.post(ctx, to, encode, wayTime)
		} else {
			a = s.postVia(ctx, w, to, encode)
		}
		if a.code != 0 {
			return a
		}
		if i == 0 || w == (way{}) {
			first = a
		}
		if ctx.Err() != nil {
			break
		}
	}
	return first
}

// postVia posts by a detour.
func (s *Server) postVia(ctx context.Context, w way, to string, encode encoder) Attempt {
	ctx, cancel := context.WithTimeout(ctx, wayTime)
	defer cancel()
	conn, err := dial(ctx, []netip.Addr{w.at.Addr()}, port(w.at))
	if err != nil {
		return Attempt{Err: err}
	}
	a := over(ctx, conn, to, encode(report.Delivery{}, w.via), wayTime)
	if a.code != 0 {
		s.reached(w)
	}
	return a
}
