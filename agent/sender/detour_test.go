package sender

import (
	"net"
	"net/http"
	"net/netip"
	"sync/atomic"
	"testing"
	"time"

	"github.com/netchecker/netchecker/pkg/report"
	"github.com/netchecker/netchecker/test/eventually"
)

// silentEndpoint takes connections and says nothing.
func silentEndpoint(t *testing.T) string {
	t.Helper()
	l := listen(t, "127.0.0.1:0")
	t.Cleanup(func() { _ = l.Close() })
	return l.Addr().String()
}

func closedEndpoint(t *testing.T) string {
	t.Helper()
	l := listen(t, "127.0.0.1:0")
	_ = l.Close()
	return l.Addr().String()
}

// vias are the ways that the messages took so far.
func (s *server) vias(t *testing.T) func() []report.Via {
	return func() (list []report.Via) {
		t.Helper()
		for _, m := range s.messages(t) {
			list = append(list, m.Via)
		}
		return list
	}
}

func at(endpoint string) []netip.AddrPort {
	return []netip.AddrPort{netip.MustParseAddrPort(endpoint)}
}

func TestAMessageTakesADetourWhereTheUsualWayIsBrokenAndSaysSo(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		name    string
		usual   func(*testing.T) string
		detours func(t *testing.T, good *server) Detours
		want    report.Via
	}{
		{"a closed port, and a server of its own address", closedEndpoint, func(_ *testing.T, good *server) Detours {
			return Detours{Servers: at(good.address())}
		}, report.ViaServer},
		{"silence, and a server that is not there, and a node", silentEndpoint, func(t *testing.T, good *server) Detours {
			return Detours{Servers: at(closedEndpoint(t)), Nodes: at(good.address())}
		}, report.ViaNode},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			good := serve(t, nil)
			s := newServer(t, row.usual(t), nil)
			s.Detour(row.detours(t, good))
			cfg, seen := outbox(s, good.URL)
			cfg.Deadline, cfg.Detours = 5*time.Second, true
			o := NewOutbox(cfg)
			run(t, o.Run)
			o.Keep([]byte(`{}`))
			wantEventually(t, good.vias(t), row.want)
			// The next one takes it at once.
			begun := time.Now()
			o.Keep([]byte(`{}`))
			wantEventually(t, good.vias(t), row.want, row.want)
			if took := time.Since(begun); took > wayTime {
				t.Errorf("the second took %v, though the way was known", took)
			}
			wantEventually(t, seen.entries, "1 accepted", "2 accepted")
		})
	}
}

func TestADetourIsTakenUntilTheUsualWayWorksAgain(t *testing.T) {
	t.Parallel()
	var away atomic.Bool
	away.Store(true)
	usual := serve(t, func(_ int, w http.ResponseWriter, _ *http.Request) {
		if away.Load() {
			conn, _, _ := w.(http.Hijacker).Hijack()
			_ = conn.(*net.TCPConn).SetLinger(0)
			_ = conn.Close()
		}
	})
	other := serve(t, nil)
	s := newServer(t, usual.address(), nil)
	s.Detour(Detours{Servers: at(other.address())})
	cfg, _ := outbox(s, usual.URL)
	cfg.Deadline, cfg.Detours = 5*time.Second, true
	o := NewOutbox(cfg)
	run(t, o.Run)
	o.Keep([]byte(`{}`))
	wantEventually(t, other.vias(t), report.ViaServer)
	tried := len(usual.bodies())
	away.Store(false)
	o.Keep([]byte(`{}`))
	wantEventually(t, other.vias(t), report.ViaServer, report.ViaServer)
	if n := len(usual.bodies()); n != tried {
		t.Errorf("the usual way was tried %d times more, though another is known to work", n-tried)
	}
	reports := running(t, Config{Server: s, URL: usual.URL})
	reports.Offer(numbered(1), 0)
	eventually.True(t, "a report gets there", func() bool { return reports.Ready(t.Context()) == nil })
	before := len(usual.bodies())
	o.Keep([]byte(`{}`))
	eventually.True(t, "the third message takes the usual way", func() bool { return len(usual.bodies()) > before })
	if n := len(other.messages(t)); n != 2 {
		t.Errorf("%d messages took the detour, want 2", n)
	}
}

func TestReportsTakeNoDetour(t *testing.T) {
	t.Parallel()
	other := serve(t, nil)
	s := newServer(t, closedEndpoint(t), nil)
	s.Detour(Detours{Servers: at(other.address()), Nodes: at(other.address())})
	failed := make(chan struct{}, 100)
	reports := running(t, Config{Server: s, URL: other.URL, FirstPause: 10 * time.Millisecond, Observe: func(_ *report.Report, a Attempt) {
		if a.Outcome == Failed {
			failed <- struct{}{}
		}
	}})
	reports.Offer(numbered(1), 0)
	<-failed
	<-failed
	if n := len(other.bodies()); n != 0 {
		t.Errorf("%d reports took a detour, by which reporting would not mean any more that the Service is reached", n)
	}
}

func TestWhereNoWayWorksTheUsualOneIsToldOf(t *testing.T) {
	t.Parallel()
	usual := closedEndpoint(t)
	s := newServer(t, usual, nil)
	s.Detour(Detours{Servers: at(closedEndpoint(t))})
	a := s.postAnyWay(t.Context(), "http://"+usual+"/", func(report.Delivery, report.Via) []byte { return nil }, time.Second)
	if a.Err == nil || a.Err.Error() != "dial tcp "+usual+": connect: connection refused" {
		t.Errorf("got %v", a.Err)
	}
}
