package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"testing"
	"time"

	"github.com/netchecker/netchecker/agent/collect"
	"github.com/netchecker/netchecker/agent/diary"
	"github.com/netchecker/netchecker/agent/probe"
	"github.com/netchecker/netchecker/agent/responder"
	"github.com/netchecker/netchecker/agent/sender"
	"github.com/netchecker/netchecker/pkg/datagram"
	"github.com/netchecker/netchecker/pkg/version"
	"github.com/netchecker/netchecker/test/eventually"
)

// holding takes a port of this machine, and free lets it go.
func holding(t *testing.T, tcp, udp bool) (at netip.AddrPort, free func()) {
	t.Helper()
	at = netip.MustParseAddrPort(freeAddress(t))
	var held []func() error
	if tcp {
		l, err := net.Listen("tcp", at.String())
		if err != nil {
			t.Fatal(err)
		}
		held = append(held, l.Close)
	}
	if udp {
		c, err := net.ListenPacket("udp", at.String())
		if err != nil {
			t.Fatal(err)
		}
		held = append(held, c.Close)
	}
	free = func() {
		for _, end := range held {
			_ = end() // the second time it is an error
		}
	}
	t.Cleanup(free)
	return at, free
}

// answers says whether probes are answered there, both over TCP and over UDP.
func answers(ctx context.Context, at netip.AddrPort) error {
	q := &datagram.Datagram{Kind: datagram.Question, Session: 7, Sequence: 1, Reply: datagram.Size, Boot: 0x123456789abcdef, From: 5}
	if e, err := probe.Exchange(ctx, at, q); err != nil || e.Answer.Kind != datagram.Answer {
		return fmt.Errorf("over TCP: %+v, %w", e, err)
	}
	f, err := probe.OpenFlow(at, probe.FlowOptions{})
	if err != nil {
		return err
	}
	defer func() { _ = f.Close() }()
	if err := errors.Join(f.SetReadDeadline(time.Now().Add(10*time.Second)), f.Send(q, datagram.Size)); err != nil {
		return err
	}
	if a, err := f.Receive(); err != nil || a.Kind != datagram.Answer {
		return fmt.Errorf("over UDP: %+v, %w", a, err)
	}
	return nil
}

func TestAPortThatWasTakenIsTakenOnceItIsFree(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		name     string
		tcp, udp bool
	}{{"TCP alone", true, false}, {"UDP alone", false, true}, {"both", true, true}} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			at, free := holding(t, row.tcp, row.udp)
			a := newAnswerer(t.Context(), at.String(), "0123456789abcdef")
			taken := fmt.Sprintf("port %d is taken: address already in use", at.Port())
			if a.why() != taken || a.heard() != nil {
				t.Fatalf("it says %q, and hears %v; want %q", a.why(), a.heard(), taken)
			}
			if a.listen(t.Context()); a.why() != taken {
				t.Errorf("it says %q as it tries again while the port is held", a.why())
			}
			a.pace = 10 * time.Millisecond
			ctx, cancel := context.WithCancel(t.Context())
			ended := make(chan error, 1)
			go func() { ended <- a.run(ctx) }()
			free()
			eventually.True(t, "it answers", func() bool { return a.why() == "" })
			if err := answers(ctx, at); err != nil {
				t.Error(err)
			}
			cancel()
			if err := <-ended; err != nil {
				t.Errorf("it ended with %v", err)
			}
		})
	}
}

func TestThatAPortIsTakenIsLoggedAsItBeginsAndAsItIsOver(t *testing.T) {
	t.Parallel()
	a := &answerer{log: diary.Diary{}}
	began := time.Now()
	taken := errors.New("port 8083 is taken: address already in use")
	for i, row := range []struct {
		after time.Duration
		err   error
		want  string
	}{
		{0, taken, "Going on without answers to other agents' probes (-mesh-listen), and trying again: port 8083 is taken: address already in use"},
		{time.Minute, taken, ""},
		{2 * time.Minute, taken, ""},
		{3 * time.Minute, nil, "Other agents' probes are answered, after 3m0s without a port"},
	} {
		if got := a.news(row.err, began.Add(row.after)); got != row.want {
			t.Errorf("%d: got  %s\nwant %s", i, got, row.want)
		}
	}
	if got := (&answerer{log: diary.Diary{}}).news(nil, began); got != "" {
		t.Errorf("of a port that was free: %s", got)
	}
}

func TestTheNextReportTellsThatAnAgentIsMuteNoMore(t *testing.T) {
	t.Parallel()
	at, free := holding(t, true, false)
	s, err := understood("-serverendpoint=127.0.0.1:1", "-mesh-listen", at.String())
	if err != nil {
		t.Fatal(err)
	}
	server, err := sender.NewServer(s.ServerEndpoint, pod().Names.Addresses)
	if err != nil {
		t.Fatal(err)
	}
	defer server.Close()
	ctx, cancel := context.WithCancel(t.Context())
	m := newMeshing(ctx, s, pod(), collect.Self{PodName: "p", NodeName: "n"}, collect.NewBoot(), server, responder.NewMetrics(version.Get(), s.ServerHost))
	if m.report().Mute == "" || m.answerer.pace != portPace {
		t.Errorf("it says %q, and tries again after %v", m.report().Mute, m.answerer.pace)
	}
	m.answerer.pace = 10 * time.Millisecond
	ended := make(chan error, 1)
	go func() { ended <- m.run(ctx) }()
	free()
	eventually.True(t, "it is not mute", func() bool { return m.report().Mute == "" })
	cancel()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}
