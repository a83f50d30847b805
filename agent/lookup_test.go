package main

import (
	"context"
	"fmt"
	"net"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/netchecker/netchecker/agent/collect"
	"github.com/netchecker/netchecker/agent/probe"
	"github.com/netchecker/netchecker/pkg/report"
	"github.com/netchecker/netchecker/test/eventually"
)

func TestLookupThatHangsIsToldAsNullWithinTheDeadline(t *testing.T) {
	t.Parallel()
	m := pod()
	m.Names = silentNames(t, &queries{})
	s, err := understood("-serverendpoint=netchecker-service:8081", "-reportinterval=2")
	if err != nil {
		t.Fatal(err)
	}
	begun := time.Now()
	round := newCollector(s, m, collect.Self{PodName: "p"}, collect.NewBoot(), nil, nil).Collect(t.Context())
	if took := time.Since(begun); took > 1990*time.Millisecond {
		t.Errorf("took %v", took)
	}
	body := string(report.Append(nil, &round.Report, 0))
	if !strings.Contains(body, `"nslookup":{"netchecker-service":null}`) {
		t.Errorf("the report is %s", body)
	}
	if p := round.Report.NetworkProbes[0]; p.ConnectionResult != 0 || p.Total < 900 {
		t.Errorf("the ping by that name: %+v", p)
	}
}

// queries counts those to a name server, and those that it has not answered yet.
type queries struct{ asked, waiting atomic.Int32 }

// silentNames asks a name server that never answers.
func silentNames(t *testing.T, seen *queries) probe.Names {
	t.Helper()
	silent, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = silent.Close() })
	return probe.Names{Dial: func(ctx context.Context, _, _ string) (net.Conn, error) {
		conn, err := (&net.Dialer{}).DialContext(ctx, "udp", silent.LocalAddr().String())
		if err != nil {
			return nil, err
		}
		seen.asked.Add(1)
		seen.waiting.Add(1)
		return query{conn.(*net.UDPConn), seen}, nil
	}}
}

type query struct {
	*net.UDPConn
	seen *queries
}

func (q query) Close() error {
	q.seen.waiting.Add(-1)
	return q.UDPConn.Close()
}

func TestNoLookupOutlivesTheAgent(t *testing.T) {
	t.Parallel()
	s, err := understood("-serverendpoint=server.test.:8081", "-reportinterval=2", "-listen=")
	if err != nil {
		t.Fatal(err)
	}
	var seen queries
	m := pod()
	m.Names = silentNames(t, &seen)
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- run(ctx, s, m) }()
	// The round's lookup and its probe have two each, of IPv4 and of IPv6.
	eventually.True(t, "the sender looks the server up", func() bool { return seen.asked.Load() > 4 })
	cancel()
	if err := <-ended; err != nil {
		t.Error(err)
	}
	eventually.Within(t, 2*time.Second, func() error { // the resolver's own patience is 5 s
		if n := seen.waiting.Load(); n != 0 {
			return fmt.Errorf("%d queries wait for an answer that nobody wants", n)
		}
		return nil
	})
}

func TestLookupsOfTheSenderThatFailAreCounted(t *testing.T) {
	t.Parallel()
	own := freeAddress(t)
	m := pod()
	m.Names = silentNames(t, &queries{})
	running(t, m, "-serverendpoint=server.test.:8081", "-reportinterval=2", "-listen", own)
	const counted = "netchecker_agent_delivery_lookup_failures_total 1"
	eventually.True(t, counted, func() bool { return strings.Contains(get(own, "/metrics"), counted) })
}
