package sender

import (
	"net"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/netchecker/netchecker/pkg/report"
	"github.com/netchecker/netchecker/test/eventually"
)

// delivered offers a report, waits until it is accepted and returns how it says
// that it found its way.
func delivered(t *testing.T, s *Sender, srv *server) report.Delivery {
	t.Helper()
	before := len(srv.bodies())
	s.Offer(numbered(uint64(before)), 0)
	eventually.True(t, "a report is accepted", func() bool { return s.empty() && len(srv.bodies()) > before })
	all := srv.reports(t)
	return all[len(all)-1].Delivery
}

func TestLookupIsToldInTheReport(t *testing.T) {
	srv := serve(t, nil)
	ns := names(t, said{addresses: [][4]byte{local}, after: 150 * time.Millisecond})
	s := running(t, byName(t, srv, ns))
	if got := delivered(t, s, srv); got.LookupError != "" || got.Lookup < 150*time.Millisecond || got.Lookup > time.Second {
		t.Errorf("got %+v", got)
	}
}

func TestAnAddressIsNotLookedUp(t *testing.T) {
	srv := serve(t, nil)
	s := running(t, to(t, srv)) // its Lookup would panic
	if got := delivered(t, s, srv); got != (report.Delivery{}) {
		t.Errorf("got %+v", got)
	}
}

func TestLookupThatFailsIsToldAndTheLastAddressUsed(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name        string
		says        said
		least, most time.Duration
		error       string
	}{
		{"the name server is silent", silent, time.Second, 1500 * time.Millisecond, "looking up server.test.: no answer within 1s"},
		{"the name server takes too long", said{addresses: [][4]byte{nobody}, after: 1500 * time.Millisecond},
			time.Second, 1500 * time.Millisecond, "looking up server.test.: no answer within 1s"},
		{"there is no such name", said{}, 0, time.Second, "no such host"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			srv := serve(t, nil)
			ns := names(t, is(local))
			cfg := byName(t, srv, ns)
			cfg.Interval = 10 * time.Second
			s := running(t, cfg)
			delivered(t, s, srv)
			ns.sayFromNowOn(c.says)
			got := delivered(t, s, srv)
			if !strings.HasSuffix(got.LookupError, c.error) || got.Lookup < c.least || got.Lookup > c.most {
				t.Errorf("got %+v; want %q after %v to %v", got, c.error, c.least, c.most)
			}
			ns.sayFromNowOn(is(local))
			if got := delivered(t, s, srv); got.LookupError != "" {
				t.Errorf("when all is well again: %+v", got)
			}
		})
	}
}

func TestShortDeadlineIsSharedByTheLookupAndTheRest(t *testing.T) {
	t.Parallel()
	srv := serve(t, nil)
	ns := names(t, is(local))
	cfg := byName(t, srv, ns)
	cfg.Interval = time.Second
	s := running(t, cfg)
	delivered(t, s, srv)
	ns.sayFromNowOn(silent)
	if got := delivered(t, s, srv); got.LookupError != "looking up server.test.: no answer within 250ms" {
		t.Errorf("got %+v", got)
	}
}

func TestFirstReportWaitsForItsLookup(t *testing.T) {
	t.Parallel()
	srv := serve(t, nil)
	ns := names(t, said{addresses: [][4]byte{local}, after: 1300 * time.Millisecond})
	cfg := byName(t, srv, ns)
	cfg.Interval = 5 * time.Second
	if got := delivered(t, running(t, cfg), srv); got.LookupError != "" || got.Lookup < 1300*time.Millisecond {
		t.Errorf("got %+v", got)
	}
}

func TestFirstReportWhoseLookupFailsDoesNotGetThere(t *testing.T) {
	t.Parallel()
	srv := serve(t, nil)
	for want, says := range map[string]said{
		"looking up server.test.: no answer within 500ms": silent,
		"no such host": {},
	} {
		ns := names(t, says)
		cfg := byName(t, srv, ns)
		cfg.Interval = time.Second
		s := running(t, cfg)
		s.Offer(numbered(1), 0)
		eventually.True(t, want, func() bool { return strings.HasSuffix(readiness(s), want) })
	}
}

func TestQueryThatIsLostIsAskedAgainInTime(t *testing.T) {
	t.Parallel()
	srv := serve(t, nil)
	ns := namesAs(t, func(n int) said {
		if n <= 2 { // of IPv4 and of IPv6
			return silent
		}
		return is(local)
	})
	cfg := byName(t, srv, ns)
	cfg.Interval = 10 * time.Second
	if got := delivered(t, running(t, cfg), srv); got.LookupError != "" || got.Lookup < askAgain || got.Lookup > time.Second {
		t.Errorf("got %+v", got)
	}
}

func TestLateAnswerIsGoodForTheNextDelivery(t *testing.T) {
	t.Parallel()
	srv := serve(t, nil)
	ns := names(t, is(nobody))
	cfg := byName(t, srv, ns)
	cfg.Interval = 10 * time.Second
	s := running(t, cfg)
	s.Offer(numbered(0), 0)
	eventually.True(t, "the wrong address is known", func() bool { return strings.Contains(readiness(s), "connection refused") })
	ns.sayFromNowOn(said{addresses: [][4]byte{local}, after: 1200 * time.Millisecond})
	got := delivered(t, s, srv)
	if want := "looking up server.test.: no answer within 1s"; got.LookupError != want {
		t.Errorf("got %+v, want %q: it should have come by a late answer", got, want)
	}
}

func TestServerThatMovedIsFound(t *testing.T) {
	old := serve(t, nil)
	moved := serveAt(t, net.JoinHostPort("127.77.8.10", old.port()), nil)
	ns := names(t, is(local))
	s := running(t, byName(t, old, ns))
	delivered(t, s, old)
	ns.sayFromNowOn(is([4]byte{127, 77, 8, 10}))
	delivered(t, s, moved)
	if n := len(old.bodies()); n != 1 {
		t.Errorf("the old server got %d reports", n)
	}
}

func TestAfterAFailureTheNameIsLookedUpAgain(t *testing.T) {
	srv := serve(t, nil)
	ns := namesAs(t, func(n int) said {
		if n <= 2 { // of IPv4 and of IPv6
			return is(nobody)
		}
		return is(local)
	})
	delivered(t, running(t, byName(t, srv, ns)), srv)
}

func TestAddressesAreTriedOneAfterTheOther(t *testing.T) {
	srv := serve(t, nil)
	// The resolver sorts them (RFC 6724), so the one that answers is tried last in at
	// least one of the orders.
	for _, addresses := range [][][4]byte{{nobody, local}, {local, nobody}} {
		ns := names(t, is(addresses...))
		got := delivered(t, running(t, byName(t, srv, ns)), srv)
		if got.LookupError != "" {
			t.Errorf("got %+v", got)
		}
	}
}

func TestAddressThatIsSilentLeavesTimeForTheNext(t *testing.T) {
	t.Parallel()
	_, port, _ := net.SplitHostPort(fullListener(t)) // at 127.0.0.1
	srv := serveAt(t, net.JoinHostPort("127.77.8.11", port), nil)
	ns := names(t, is(local, [4]byte{127, 77, 8, 11}))
	begun := time.Now()
	delivered(t, running(t, byName(t, srv, ns)), srv)
	if took := time.Since(begun); took > 2*time.Second {
		t.Errorf("took %v: more than one attempt", took)
	}
}

func TestAnOlderAnswerDoesNotReplaceANewerOne(t *testing.T) {
	b := newBook("h", nil)
	defer b.close()
	older, newer := time.Now(), time.Now().Add(time.Second)
	b.learn(addrs("10.0.0.2"), newer)
	b.learn(addrs("10.0.0.1"), older)
	if got := b.latest(); !slices.Equal(got, addrs("10.0.0.2")) {
		t.Errorf("got %v", got)
	}
}

func addrs(list ...string) []netip.Addr {
	var as []netip.Addr
	for _, a := range list {
		as = append(as, netip.MustParseAddr(a))
	}
	return as
}
