package reflector

import (
	"context"
	"errors"
	"net/netip"
	"os"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/netchecker/netchecker/agent/probe"
	"github.com/netchecker/netchecker/pkg/datagram"
	"github.com/netchecker/netchecker/pkg/report"
	"github.com/netchecker/netchecker/test/wire"
)

// place is a prober, host 1, and a reflector that is seen as host 2, with a wire between.
type place struct {
	*testing.T
	*wire.Wire
	r   *Reflector
	six bool
	// asked counts sessions, so that none asks too often.
	asked uint32
}

const mtu = 1500

// inTrouble runs a test on a wire, with either address family.
func inTrouble(t *testing.T, test func(p *place)) {
	t.Helper()
	t.Parallel()
	if !wire.Apart(t) {
		return
	}
	w := wire.New(t, mtu)
	r, _ := running(t, "0.0.0.0:8083")
	for _, six := range []bool{false, true} {
		name := map[bool]string{false: "IPv4", true: "IPv6"}[six]
		ok := t.Run(name, func(t *testing.T) {
			p := &place{T: t, Wire: w, r: r, six: six}
			test(p)
			p.mend()
		})
		if !ok {
			return
		}
	}
}

// mend has all be well again.
func (p *place) mend() {
	for _, way := range [][2]int{{1, 2}, {2, 1}} {
		p.Set(way[0], way[1], wire.Way{})
		wire.Reroute(p, way[1], p.six, wire.Route{})
	}
}

func (p *place) to(host int) netip.AddrPort {
	return netip.AddrPortFrom(wire.Seen(host, p.six), p.r.Port())
}

// payload is what a packet of that size carries.
func (p *place) payload(packet int) int {
	if p.six {
		return packet - 48
	}
	return packet - 28
}

func (p *place) exchange(host int, d time.Duration) (probe.Exchanged, error) {
	return exchangeWithin(p.to(host), question(1), d)
}

func TestLossIsToldInEachDirection(t *testing.T) {
	// every loses every nth of so many packets, and none after those.
	every := func(n, of int) func(wire.Packet) bool {
		i := 0
		return func(wire.Packet) bool { i++; return n > 0 && i <= of && i%n == 0 }
	}
	inTrouble(t, func(p *place) {
		for _, row := range []struct{ there, back, received, answered int }{
			{0, 0, 9, 9}, {3, 0, 6, 6}, {0, 3, 9, 6}, {3, 3, 6, 4}, {1, 0, 0, 0}, {0, 1, 9, 0},
		} {
			f := open(p.T, p.to(2))
			p.Set(1, 2, wire.Way{Lose: every(row.there, 9)})
			p.Set(2, 1, wire.Way{Lose: every(row.back, row.received)})
			for i := range uint32(10) {
				send(p.T, f, question(i+1), 0)
			}
			answered := 0
			a := receive(p.T, f)
			for ; a.Sequence != 10; a = receive(p.T, f) {
				answered++
			}
			if int(a.Received) != row.received+1 || answered != row.answered {
				p.Errorf("lost every %d. there and every %d. back: %d of 9 were received, %d answered; want %d, %d",
					row.there, row.back, a.Received-1, answered, row.received, row.answered)
			}
		}
	})
}

func TestWhatIsClosedIsRefusedAndWhatIsFilteredIsSilent(t *testing.T) {
	inTrouble(t, func(p *place) {
		closed := netip.AddrPortFrom(p.to(2).Addr(), 9)
		f := open(p.T, closed)
		for i := range uint32(5) {
			send(p.T, f, question(i+1), 0)
			_ = f.SetReadDeadline(time.Now().Add(20 * time.Second))
			if a, err := f.Receive(); !errors.Is(err, probe.ErrRefused) || a.Sequence != i+1 {
				p.Fatalf("%+v, %v; want refused", a, err)
			}
		}
		if e, err := exchangeWithin(closed, question(1), 20*time.Second); !errors.Is(err, probe.ErrRefused) {
			p.Errorf("over TCP: %+v, %v; want refused", e, err)
		}
		p.Set(1, 2, wire.Way{Lose: func(wire.Packet) bool { return true }})
		f = open(p.T, p.to(2))
		send(p.T, f, question(1), 0)
		_ = f.SetReadDeadline(time.Now().Add(300 * time.Millisecond))
		if a, err := f.Receive(); !errors.Is(err, os.ErrDeadlineExceeded) {
			p.Errorf("%+v, %v; want silence", a, err)
		}
		if e, err := p.exchange(2, 300*time.Millisecond); !errors.Is(err, probe.ErrUnanswered) {
			p.Errorf("over TCP: %+v, %v; want unanswered", e, err)
		}
	})
}

func TestWhatSomebodyOnTheWayRejectsIsUnreachableAndNotRefused(t *testing.T) {
	inTrouble(t, func(p *place) {
		f := open(p.T, p.to(2))
		p.Set(1, 2, wire.Way{Unreachable: true})
		for i := range uint32(4) {
			if i == 2 {
				p.Set(1, 2, wire.Way{Filtered: true})
			}
			send(p.T, f, question(i+1), 0)
			_ = f.SetReadDeadline(time.Now().Add(20 * time.Second))
			if a, err := f.Receive(); !errors.Is(err, probe.ErrUnreachable) || errors.Is(err, probe.ErrRefused) || a.Sequence != i+1 {
				p.Errorf("%+v, %v; want unreachable", a, err)
			}
		}
		p.Set(1, 2, wire.Way{Unreachable: true})
		if e, err := p.exchange(2, 20*time.Second); !errors.Is(err, probe.ErrUnanswered) {
			p.Errorf("over TCP: %+v, %v; want unanswered", e, err)
		}
		p.mend()
		if a := ask(p.T, f, question(5), 0); a.Kind != datagram.Answer || a.Received != 1 {
			p.Errorf("mended: %+v", a)
		}
	})
}

func TestWhatThisHostForbidsIsForbidden(t *testing.T) {
	inTrouble(t, func(p *place) {
		f := open(p.T, p.to(2))
		ask(p.T, f, question(1), 0)
		wire.Reroute(p, 2, p.six, wire.Route{Prohibited: true})
		if err := f.Send(question(2), 0); !errors.Is(err, probe.ErrForbidden) {
			p.Errorf("an open flow: %v", err)
		}
		if f, err := probe.OpenFlow(p.to(2), probe.FlowOptions{}); !errors.Is(err, probe.ErrForbidden) {
			p.Errorf("a new flow: %v, %v", f, err)
		}
		if e, err := p.exchange(2, 20*time.Second); !errors.Is(err, probe.ErrForbidden) {
			p.Errorf("over TCP: %+v, %v", e, err)
		}
		p.mend()
		if a := ask(p.T, f, question(3), 0); a.Received != 2 {
			p.Errorf("mended: %+v", a)
		}
	})
}

func TestWhereThisHostHasNoRouteItIsItsOwnFailure(t *testing.T) {
	t.Parallel()
	if !wire.Apart(t) {
		return
	}
	wire.New(t, mtu)
	for _, nowhere := range []string{"192.0.2.1:8083", "[2001:db8::1]:8083"} {
		to := netip.MustParseAddrPort(nowhere)
		_, udp := probe.OpenFlow(to, probe.FlowOptions{})
		_, tcp := exchangeWithin(to, question(1), 20*time.Second)
		for _, err := range []error{udp, tcp} {
			if !errors.Is(err, unix.ENETUNREACH) {
				t.Errorf("%s: %v", nowhere, err)
			}
			for _, class := range []error{probe.ErrUnanswered, probe.ErrUnreachable, probe.ErrForbidden, probe.ErrRefused} {
				if errors.Is(err, class) {
					t.Errorf("%s: %v is %v", nowhere, err, class)
				}
			}
		}
	}
}

func TestASlowWayIsSlowAndTheTurnIsNot(t *testing.T) {
	inTrouble(t, func(p *place) {
		const slow = 100 * time.Millisecond
		p.Set(1, 2, wire.Way{Delay: slow})
		p.Set(2, 1, wire.Way{Delay: slow})
		f := open(p.T, p.to(2))
		began := time.Now()
		if a := ask(p.T, f, question(1), 0); a.At.Sub(began)-a.Took < 2*slow {
			p.Errorf("a round trip of %v, of which the turn took %v", a.At.Sub(began), a.Took)
		}
		if e, err := p.exchange(2, 20*time.Second); err != nil || e.Connect < 2*slow || e.Took < 4*slow {
			p.Errorf("over TCP: %+v, %v", e, err)
		}
	})
}

func TestAConnectionOverWhichNothingPassesIsMute(t *testing.T) {
	inTrouble(t, func(p *place) {
		p.Set(1, 2, wire.Way{Takes: 99}) // which are those without what is to be sent
		if e, err := p.exchange(2, 300*time.Millisecond); !errors.Is(err, probe.ErrMute) || e.Connect <= 0 || e.Took < 300*time.Millisecond {
			p.Errorf("%+v, %v; want mute", e, err)
		}
	})
}

func TestAnAgentThatWasRestartedOrTookAnAddressOverIsNotTheOneAskedFor(t *testing.T) {
	t.Parallel()
	if !wire.Apart(t) {
		return
	}
	wire.New(t, mtu)
	for _, six := range []bool{false, true} {
		to := netip.AddrPortFrom(wire.Seen(2, six), 8083)
		first, end := running(t, "0.0.0.0:8083")
		f := open(t, to)
		if a := ask(t, f, question(1), 0); a.Kind != datagram.Answer || a.Boot != boot || first.Port() != 8083 {
			t.Errorf("before: %+v", a)
		}
		end()
		send(t, f, question(2), 0)
		if a, err := f.Receive(); !errors.Is(err, probe.ErrRefused) {
			t.Errorf("while there is none: %+v, %v", a, err)
		}
		next, err := Listen(t.Context(), Config{Address: "0.0.0.0:8083", Boot: boot + 1})
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error)
		go func() { done <- next.Run(ctx) }()
		if a := ask(t, f, question(3), 0); a.Kind != datagram.NotMe || a.Boot != 0 {
			t.Errorf("the next one: %+v", a)
		}
		if e, err := exchangeWithin(to, question(4), 20*time.Second); err != nil || e.Answer.Kind != datagram.NotMe {
			t.Errorf("the next one over TCP: %+v, %v", e, err)
		}
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
}

func TestTheRouteThereIsKnownAsItChanges(t *testing.T) {
	inTrouble(t, func(p *place) {
		f := open(p.T, p.to(2))
		full := question(1)
		want := func(when string, mtu int) {
			p.Helper()
			if got, err := f.MTU(); err != nil || got != mtu {
				p.Errorf("%s: the MTU is %d, %v; want %d", when, got, err, mtu)
			}
		}
		want("at first", mtu)
		ask(p.T, f, full, p.payload(mtu))
		wire.Reroute(p, 2, p.six, wire.Route{MTU: 1400})
		if err := f.Send(full, p.payload(mtu)); !errors.Is(err, probe.ErrTooLarge) {
			p.Errorf("with a smaller route: %v", err)
		}
		want("with a smaller route", 1400)
		ask(p.T, f, full, p.payload(1400))
		wire.Reroute(p, 2, p.six, wire.Route{})
		want("as it was", mtu)

		p.Set(1, 2, wire.Way{MTU: 1350}) // says a router
		send(p.T, f, full, p.payload(mtu))
		_ = f.SetReadDeadline(time.Now().Add(20 * time.Second))
		if a, err := f.Receive(); !errors.Is(err, probe.ErrTooLarge) || a.Sequence != 1 {
			p.Errorf("a router's word: %+v, %v; want too large", a, err)
		}
		want("after a router's word", 1350)
		if err := f.Send(full, p.payload(1351)); !errors.Is(err, probe.ErrTooLarge) {
			p.Errorf("after a router's word: %v", err)
		}
		ask(p.T, f, full, p.payload(1350))
	})
}

func TestARouteBackThatTakesLessIsTold(t *testing.T) {
	inTrouble(t, func(p *place) {
		wire.Reroute(p, 1, p.six, wire.Route{MTU: 1400}) // as the reflector's host has it
		f := open(p.T, p.to(2))
		q := question(1)
		for _, row := range []struct {
			reply int
			kind  datagram.Kind
			mtu   uint16
		}{{mtu, datagram.TooLarge, 1400}, {1401, datagram.TooLarge, 1400}, {1400, datagram.Answer, 0}} {
			q.Reply = uint16(p.payload(row.reply))
			a := ask(p.T, f, q, p.payload(mtu))
			size := p.payload(row.reply)
			if row.kind == datagram.TooLarge {
				size = datagram.Size
			}
			if a.Kind != row.kind || a.MTU != row.mtu || a.Size != size || a.Boot != boot || a.Session != 7 {
				p.Errorf("an answer of %d bytes: got %+v; want kind %d, MTU %d", row.reply, a, row.kind, row.mtu)
			}
		}
	})
}

func TestSizesAreFoundOnARealWay(t *testing.T) {
	for _, row := range []struct {
		name        string
		there, back wire.Way
		route       [2]int // there, and back
		hole        report.Hole
		thereIs, is int
	}{
		{name: "well", thereIs: mtu, is: mtu},
		{name: "questions vanish", there: wire.Way{Takes: 1400}, hole: report.HoleForward, thereIs: 1400, is: 1400},
		{name: "answers vanish", back: wire.Way{Takes: 1400}, hole: report.HoleBack, thereIs: mtu, is: 1400},
		{name: "both", there: wire.Way{Takes: 1400}, back: wire.Way{Takes: 1300}, hole: report.HoleBoth, thereIs: 1400, is: 1300},
		{name: "routers tell", there: wire.Way{MTU: 1400}, back: wire.Way{MTU: 1300}, thereIs: 1400, is: 1300},
		{name: "routes tell", route: [2]int{1400, 1300}, thereIs: 1400, is: 1300},
	} {
		t.Run(row.name, func(t *testing.T) {
			inTrouble(t, func(p *place) {
				p.Set(1, 2, row.there)
				p.Set(2, 1, row.back)
				wire.Reroute(p, 2, p.six, wire.Route{MTU: row.route[0]})
				wire.Reroute(p, 1, p.six, wire.Route{MTU: row.route[1]})
				r := p.findSizes()
				near := func(got uint64, want int) bool { return int(got) <= want && int(got) > want-mtu/128 }
				if r.Hole != row.hole || !near(r.There, row.thereIs) || !near(r.Here, row.is) {
					p.Errorf("found %+v; want hole %d, there %d, here %d", r, row.hole, row.thereIs, row.is)
				}
			})
		})
	}
}

// findSizes asks over real sockets by a clock of its own, for two minutes. A small question
// follows each, and what is not answered before that is silent.
func (p *place) findSizes() probe.SizeResult {
	p.Helper()
	f := open(p.T, p.to(2))
	known, err := f.MTU()
	if err != nil {
		p.Fatal(err)
	}
	s := probe.NewSizing(p.six, known, 0)
	for now := time.Duration(0); now < 2*time.Minute; now += 100 * time.Millisecond {
		for {
			q, ok := s.Next(now, true)
			if !ok {
				break
			}
			o, after := p.outcome(f, q)
			if o.Fate == probe.SizeTooLarge {
				if o.MTU, err = f.MTU(); err != nil {
					p.Fatal(err)
				}
			}
			now += after
			s.Done(q, o, now)
		}
	}
	return s.Result()
}

func (p *place) outcome(f *probe.Flow, size probe.SizeQuestion) (probe.SizeOutcome, time.Duration) {
	p.Helper()
	p.asked += 2
	q, small := question(p.asked), question(p.asked+1)
	q.Session, small.Session = p.asked, p.asked // of its own, so that none asks too often
	q.Reply = uint16(size.Reply)
	err := f.Send(q, size.Size)
	if errors.Is(err, probe.ErrTooLarge) {
		return probe.SizeOutcome{Fate: probe.SizeTooLarge}, 0
	}
	if err != nil {
		p.Fatal(err)
	}
	send(p.T, f, small, 0)
	o, after := probe.SizeOutcome{Fate: probe.SizeSilent}, 2*time.Second
	_ = f.SetReadDeadline(time.Now().Add(20 * time.Second))
	for {
		a, err := f.Receive()
		switch {
		case errors.Is(err, probe.ErrTooLarge):
			o, after = probe.SizeOutcome{Fate: probe.SizeTooLarge}, 0
		case err != nil:
			p.Fatal(err)
		case a.Sequence == q.Sequence && a.Kind == datagram.TooLarge:
			o, after = probe.SizeOutcome{Fate: probe.SizeTooLargeBack, MTU: int(a.MTU)}, 0
		case a.Sequence == q.Sequence:
			o, after = probe.SizeOutcome{Fate: probe.SizePassed}, 0
		case a.Sequence == small.Sequence:
			return o, after
		}
	}
}
