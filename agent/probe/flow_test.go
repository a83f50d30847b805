package probe

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/netchecker/netchecker/pkg/datagram"
	"github.com/netchecker/netchecker/test/eventually"
)

// families are loopback's addresses.
var families = []string{"127.0.0.1", "::1"}

// peer is a UDP socket that answers by hand.
type peer struct {
	t *testing.T
	*net.UDPConn
}

func newPeer(t *testing.T, address string) *peer {
	t.Helper()
	conn, err := net.ListenUDP("udp", &net.UDPAddr{IP: net.ParseIP(address)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	return &peer{t, conn}
}

func (p *peer) address() netip.AddrPort { return p.LocalAddr().(*net.UDPAddr).AddrPort() }

// hear returns the next datagram, its size, and where it is from.
func (p *peer) hear() (datagram.Datagram, int, netip.AddrPort) {
	p.t.Helper()
	buf := make([]byte, 1<<16)
	n, from, err := p.ReadFromUDPAddrPort(buf)
	if err != nil {
		p.t.Fatal(err)
	}
	d, ok := datagram.Parse(buf[:n])
	if !ok {
		p.t.Fatalf("%d bytes that are no datagram", n)
	}
	return d, n, from
}

func (p *peer) say(d datagram.Datagram, size int, to netip.AddrPort) {
	p.t.Helper()
	if _, err := p.WriteToUDPAddrPort(datagram.Append(nil, &d, size), to); err != nil {
		p.t.Fatal(err)
	}
}

func openFlow(t *testing.T, to netip.AddrPort, o FlowOptions) *Flow {
	t.Helper()
	f, err := OpenFlow(to, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = f.Close() })
	if err := f.SetReadDeadline(time.Now().Add(20 * time.Second)); err != nil {
		t.Fatal(err)
	}
	return f
}

func question(sequence uint32, reply uint16) *datagram.Datagram {
	return &datagram.Datagram{Kind: datagram.Question, Session: 7, Sequence: sequence, Reply: reply, Boot: 0xb007}
}

func send(t *testing.T, f *Flow, q *datagram.Datagram, size int) {
	t.Helper()
	if err := f.Send(q, size); err != nil {
		t.Fatal(err)
	}
}

func TestAFlowKeepsItsPortAndTellsAnswersAndTheirSizes(t *testing.T) {
	for _, address := range families {
		p := newPeer(t, address)
		f := openFlow(t, p.address(), FlowOptions{})
		for i, size := range []int{datagram.Size, 1400, 20_000} {
			q := question(uint32(i+1), uint16(size))
			before := time.Now()
			send(t, f, q, size)
			got, n, from := p.hear()
			if got != *q || n != size || from != f.Local() {
				t.Errorf("%s: %+v in %d bytes came from %v; want %+v in %d from %v", address, got, n, from, *q, size, f.Local())
			}
			answer := datagram.Datagram{Kind: datagram.Answer, Session: 7, Sequence: q.Sequence, Received: 9}
			p.say(answer, size, from)
			a, err := f.Receive()
			if now := time.Now(); err != nil || a.Datagram != answer || a.Size != size || a.At.Before(before) || a.At.After(now) {
				t.Errorf("%s: got %+v, %v; want %+v in %d bytes, between %v and %v", address, a, err, answer, size, before, now)
			}
		}
	}
}

// The kernel begins to note times a moment after the machine's first socket asks for them;
// what comes before that it takes for as late as it is read.
func TestAnAnswerIsAsLateAsItCameAndNotAsItWasRead(t *testing.T) {
	p := newPeer(t, "127.0.0.1")
	f := openFlow(t, p.address(), FlowOptions{})
	eventually.Nil(t, func() error {
		send(t, f, question(1, datagram.Size), 0)
		_, _, from := p.hear()
		p.say(datagram.Datagram{Kind: datagram.Answer}, 0, from)
		came := time.Now()
		const late = 200 * time.Millisecond
		time.Sleep(late) // what is measured is how late it is read
		a, err := f.Receive()
		if err != nil || a.At.After(came) || time.Since(a.At) < late {
			return fmt.Errorf("came at %v, is told to have come %v later, %w", came, a.At.Sub(came), err)
		}
		return nil
	})
}

func TestAFlowTakesAnswersOfItsPeerAlone(t *testing.T) {
	p, other := newPeer(t, "127.0.0.1"), newPeer(t, "127.0.0.1")
	f := openFlow(t, p.address(), FlowOptions{})
	other.say(datagram.Datagram{Kind: datagram.Answer, Sequence: 1}, 0, f.Local())
	p.say(*question(2, datagram.Size), 0, f.Local())
	if _, err := p.WriteToUDPAddrPort([]byte("garbage"), f.Local()); err != nil {
		t.Fatal(err)
	}
	p.say(datagram.Datagram{Kind: datagram.NotMe, Sequence: 3}, 0, f.Local())
	if a, err := f.Receive(); err != nil || a.Sequence != 3 || a.Kind != datagram.NotMe {
		t.Errorf("got %+v, %v; want the third", a, err)
	}
}

func TestAClosedPortRefusesEachQuestionAndTheFlowGoesOn(t *testing.T) {
	for _, address := range families {
		p := newPeer(t, address)
		_ = p.Close()
		for _, o := range []FlowOptions{{}, {Unfragmented: true}} {
			f := openFlow(t, p.address(), o)
			for i := range uint32(20) {
				send(t, f, question(i+1, datagram.Size+500), datagram.Size+500)
				a, err := f.Receive()
				if !errors.Is(err, ErrRefused) || a.Session != 7 || a.Sequence != i+1 || a.At.IsZero() {
					t.Fatalf("%s: got %+v, %v; want that question %d is refused", address, a, err, i+1)
				}
			}
		}
	}
}

// The kernel tells who sends next that an earlier one was refused, and does not send.
func TestARefusalIsNotTakenForThatOfTheNextQuestion(t *testing.T) {
	for _, address := range families {
		p := newPeer(t, address)
		_ = p.Close()
		f := openFlow(t, p.address(), FlowOptions{})
		const all = 10
		for i := range uint32(all) {
			send(t, f, question(i+1, datagram.Size), 0)
		}
		for i := range uint32(all) {
			if a, err := f.Receive(); !errors.Is(err, ErrRefused) || a.Sequence != i+1 {
				t.Fatalf("%s: got %+v, %v; want that question %d is refused", address, a, err, i+1)
			}
		}
	}
}

func TestAFlowThatIsClosedOrLateEndsWhatItWaitsFor(t *testing.T) {
	p := newPeer(t, "127.0.0.1")
	f := openFlow(t, p.address(), FlowOptions{})
	if err := f.SetReadDeadline(time.Now().Add(10 * time.Millisecond)); err != nil {
		t.Fatal(err)
	}
	if _, err := f.Receive(); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("late: %v", err)
	}
	if err := f.SetReadDeadline(time.Time{}); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error)
	go func() { _, err := f.Receive(); ended <- err }()
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	if err := <-ended; !errors.Is(err, net.ErrClosed) {
		t.Errorf("closed: %v", err)
	}
}

func TestAFlowKnowsTheMTUAndSendsNothingLarger(t *testing.T) {
	for address, overhead := range map[string]int{"127.0.0.1": 28, "::1": 48} {
		p := newPeer(t, address)
		f := openFlow(t, p.address(), FlowOptions{Unfragmented: true})
		mtu, err := f.MTU()
		if err != nil || mtu < 1280 {
			t.Fatalf("%s: %d, %v", address, mtu, err)
		}
		size := min(mtu, maxPacket) - overhead
		send(t, f, question(1, datagram.Size), size)
		if _, n, _ := p.hear(); n != size {
			t.Errorf("%s: %d bytes came; want %d", address, n, size)
		}
		if err := f.Send(question(2, datagram.Size), mtu-overhead+1); !errors.Is(err, ErrTooLarge) {
			t.Errorf("%s: one larger: %v", address, err)
		}
	}
}

func TestAnswersThatFindNoRoomAreCounted(t *testing.T) {
	p := newPeer(t, "127.0.0.1")
	f := openFlow(t, p.address(), FlowOptions{})
	const sent = 20_000
	for i := range uint32(sent) {
		p.say(datagram.Datagram{Kind: datagram.Answer, Sequence: i}, 0, f.Local())
	}
	received := uint32(0)
	for {
		if err := f.SetReadDeadline(time.Now().Add(200 * time.Millisecond)); err != nil {
			t.Fatal(err)
		}
		_, err := f.Receive()
		if errors.Is(err, os.ErrDeadlineExceeded) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		received++
	}
	// The count comes with the next that finds room.
	p.say(datagram.Datagram{Kind: datagram.Answer}, 0, f.Local())
	if err := f.SetReadDeadline(time.Now().Add(20 * time.Second)); err != nil {
		t.Fatal(err)
	}
	if a, err := f.Receive(); err != nil || a.Overflowed != sent-received || a.Overflowed == 0 {
		t.Errorf("%d of %d came, %d are told to have found no room, %v", received, sent, a.Overflowed, err)
	}
}

func TestWhatThisHostDoesNotDoIsToldApart(t *testing.T) {
	for errno, want := range map[unix.Errno]error{
		unix.EPERM: ErrForbidden, unix.EACCES: ErrForbidden, unix.EMSGSIZE: ErrTooLarge, unix.ENOBUFS: nil, unix.ENETUNREACH: nil,
	} {
		got := local(errno)
		for _, class := range []error{ErrForbidden, ErrTooLarge, ErrRefused, ErrUnreachable} {
			if errors.Is(got, class) != (class == want) {
				t.Errorf("%v is %v; want %v", errno, got, want)
			}
		}
		if !errors.Is(got, errno) {
			t.Errorf("%v does not tell %v", got, errno)
		}
	}
}
