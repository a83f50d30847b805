package reflector

import (
	"context"
	"net/netip"
	"os"
	"testing"
	"time"

	"github.com/netchecker/netchecker/agent/probe"
	"github.com/netchecker/netchecker/pkg/datagram"
	"github.com/netchecker/netchecker/test/testmain"
)

func TestMain(m *testing.M) {
	if to := os.Getenv(floods); to != "" {
		flood(to)
		return
	}
	testmain.Run(m)
}

const boot = 0x0123456789abcdef

// families are loopback's addresses.
var families = []string{"127.0.0.1", "::1"}

// running is a Reflector that runs, and end has it end and waits for that.
func running(t *testing.T, address string) (r *Reflector, end func()) {
	t.Helper()
	r, err := Listen(t.Context(), Config{Address: address, Boot: boot})
	if err != nil {
		t.Fatal(err)
	}
	r.farewell = 0
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- r.Run(ctx) }()
	ended := false
	end = func() {
		cancel()
		if !ended {
			ended = true
			if err := <-done; err != nil {
				t.Error(err)
			}
		}
	}
	t.Cleanup(end)
	return r, end
}

func at(r *Reflector, address string) netip.AddrPort {
	return netip.AddrPortFrom(netip.MustParseAddr(address), r.Port())
}

func open(t *testing.T, to netip.AddrPort) *probe.Flow {
	t.Helper()
	f, err := probe.OpenFlow(to, probe.FlowOptions{Unfragmented: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = f.Close() })
	return f
}

func question(sequence uint32) *datagram.Datagram {
	return &datagram.Datagram{Kind: datagram.Question, Session: 7, Sequence: sequence, Reply: datagram.Size, Boot: boot, From: 5}
}

func send(t *testing.T, f *probe.Flow, q *datagram.Datagram, size int) {
	t.Helper()
	if err := f.Send(q, size); err != nil {
		t.Fatal(err)
	}
}

func receive(t *testing.T, f *probe.Flow) probe.Arrival {
	t.Helper()
	if err := f.SetReadDeadline(time.Now().Add(20 * time.Second)); err != nil {
		t.Fatal(err)
	}
	a, err := f.Receive()
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// ask sends a question and returns what comes.
func ask(t *testing.T, f *probe.Flow, q *datagram.Datagram, size int) probe.Arrival {
	t.Helper()
	send(t, f, q, size)
	return receive(t, f)
}

func exchangeWithin(to netip.AddrPort, q *datagram.Datagram, d time.Duration) (probe.Exchanged, error) {
	ctx, cancel := context.WithTimeout(context.Background(), d)
	defer cancel()
	return probe.Exchange(ctx, to, q)
}
