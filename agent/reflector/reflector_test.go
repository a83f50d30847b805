package reflector

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/netchecker/netchecker/agent/probe"
	"github.com/netchecker/netchecker/pkg/datagram"
	"github.com/netchecker/netchecker/test/eventually"
)

func TestQuestionsAreAnsweredOverUDPInBothFamilies(t *testing.T) {
	t.Parallel()
	for _, listen := range []string{"0.0.0.0:0", "[::]:0", ":0"} {
		r, _ := running(t, listen)
		for _, address := range append(families, "127.0.0.9") { // which answers must come from
			f := open(t, at(r, address))
			for i, size := range []int{datagram.Size, 1400, datagram.Size} {
				q := question(uint32(i + 1))
				q.Reply = uint16(size)
				a := ask(t, f, q, size)
				took := a.Took
				a.Took = 0
				want := datagram.Datagram{Kind: datagram.Answer, Session: 7, Sequence: uint32(i + 1), Boot: boot, Received: uint32(i + 1)}
				if a.Datagram != want || a.Size != size || took <= 0 || took > 20*time.Second {
					t.Errorf("%s at %s: got %+v after %v; want %+v in %d bytes", listen, address, a, took, want, size)
				}
			}
		}
	}
}

func TestAtOneAddressNobodyElseIsAnswered(t *testing.T) {
	t.Parallel()
	for i, address := range families {
		r, _ := running(t, net.JoinHostPort(address, "0"))
		ask(t, open(t, at(r, address)), question(1), 0)
		other := open(t, at(r, families[1-i]))
		send(t, other, question(1), 0)
		if a, err := other.Receive(); !errors.Is(err, probe.ErrRefused) {
			t.Errorf("at %s: %+v, %v", families[1-i], a, err)
		}
	}
}

func TestAnAnswerIsAsLargeAsWasAskedForAndNeverLargerThanItsQuestion(t *testing.T) {
	t.Parallel()
	r, _ := running(t, "127.0.0.1:0")
	f := open(t, at(r, "127.0.0.1"))
	for _, row := range []struct{ size, reply int }{{1400, 48}, {1400, 700}, {1400, 1400}} {
		q := question(1)
		q.Reply = uint16(row.reply)
		if a := ask(t, f, q, row.size); a.Size != row.reply {
			t.Errorf("%+v: %d bytes", row, a.Size)
		}
	}
	q := question(2)
	q.Reply = 1400
	send(t, f, q, 1399)
	q.Reply = 47
	send(t, f, q, 1399)
	if a := ask(t, f, question(3), 0); a.Sequence != 3 {
		t.Errorf("a question for more than itself, or less than an answer, was answered: %+v", a)
	}
}

func TestOnlyQuestionsAreAnswered(t *testing.T) {
	t.Parallel()
	r, _ := running(t, "127.0.0.1:0")
	conn, err := net.Dial("udp", at(r, "127.0.0.1").String())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	say := func(data []byte) {
		if _, err := conn.Write(data); err != nil {
			t.Fatal(err)
		}
	}
	for kind := datagram.Answer; kind <= datagram.TooLarge; kind++ {
		d := question(1)
		d.Kind = kind
		say(datagram.Append(nil, d, 0))
	}
	good := datagram.Append(nil, question(2), 100)
	say(good[:datagram.Size-1])
	for _, i := range []int{0, 3} { // of another protocol, of another version
		bad := append([]byte(nil), good...)
		bad[i]++
		say(bad)
	}
	say(nil)
	say(datagram.Append(nil, question(3), 0))
	buf := make([]byte, 1000)
	n, err := conn.Read(buf)
	if d, ok := datagram.Parse(buf[:n]); err != nil || !ok || d.Sequence != 3 || d.Received != 1 {
		t.Errorf("got %+v, %v, %v; want the answer to the last alone", d, ok, err)
	}
}

func TestWhoDoesNotKnowTheBootIDIsToldSoInFewBytes(t *testing.T) {
	t.Parallel()
	r, _ := running(t, "0.0.0.0:0")
	for _, address := range families {
		f := open(t, at(r, address))
		for _, wrong := range []uint64{0, boot + 1, boot ^ 1<<63} {
			q := question(4)
			q.Boot, q.Reply = wrong, 1400
			a := ask(t, f, q, 1400)
			want := datagram.Datagram{Kind: datagram.NotMe, Session: 7, Sequence: 4, Took: a.Took}
			if a.Datagram != want || a.Size != datagram.Size {
				t.Errorf("%s: got %+v; want %+v", address, a, want)
			}
		}
	}
}

// A flood of strangers is read slowly, which is not to be taken for a long way.
func TestTheTurnBeginsWhenTheKernelGotTheQuestion(t *testing.T) {
	t.Parallel()
	r, _ := running(t, "127.0.0.1:0")
	f := open(t, at(r, "127.0.0.1"))
	wrong := question(1)
	wrong.Boot++
	eventually.True(t, "a question that waited for its turn", func() bool {
		for range strangerPace + 1 {
			send(t, f, wrong, 0)
		}
		longest := time.Duration(0)
		for range strangerPace + 1 {
			longest = max(longest, receive(t, f).Took)
		}
		time.Sleep(time.Second) // so that none is too often told that it is not me
		return longest > slot/2
	})
}

func TestOneExchangeIsMadeOverEachTCPConnection(t *testing.T) {
	t.Parallel()
	r, _ := running(t, "0.0.0.0:0")
	for _, address := range families {
		e, err := probe.Exchange(t.Context(), at(r, address), question(5))
		want := datagram.Datagram{Kind: datagram.Answer, Session: 7, Sequence: 5, Boot: boot, Received: 1, Took: e.Answer.Took}
		if err != nil || e.Answer != want {
			t.Errorf("%s: got %+v, %v; want %+v", address, e, err, want)
		}
		wrong := question(6)
		wrong.Boot++
		e, err = probe.Exchange(t.Context(), at(r, address), wrong)
		if err != nil || e.Answer.Kind != datagram.NotMe || e.Answer.Boot != 0 {
			t.Errorf("%s: got %+v, %v; want not me", address, e, err)
		}
	}
}

func TestAConnectionThatIsOfNoUseIsReset(t *testing.T) {
	t.Parallel()
	r, _ := running(t, "127.0.0.1:0")
	answer := question(1)
	answer.Kind = datagram.Answer
	large := question(1)
	large.Reply = 1400
	var all sync.WaitGroup
	defer all.Wait()
	for name, data := range map[string][]byte{
		"garbage":              make([]byte, datagram.Size),
		"an answer":            datagram.Append(nil, answer, 0),
		"asking for more":      datagram.Append(nil, large, 1400)[:datagram.Size],
		"less than a question": make([]byte, datagram.Size-1),
		"nothing":              nil,
		"two questions":        datagram.Append(datagram.Append(nil, question(1), 0), question(2), 0),
	} {
		conn, err := net.Dial("tcp", at(r, "127.0.0.1").String())
		if err != nil {
			t.Fatal(err)
		}
		all.Go(func() {
			defer func() { _ = conn.Close() }()
			_ = conn.SetDeadline(time.Now().Add(20 * time.Second))
			if _, err := conn.Write(data); err != nil {
				t.Error(err)
			}
			got, err := io.ReadAll(conn)
			want := 0
			if len(data) > datagram.Size {
				want = datagram.Size // one answer, to the first
			}
			if len(got) != want || !errors.Is(err, syscall.ECONNRESET) {
				t.Errorf("%s: got %d bytes, %v; want %d and a reset", name, len(got), err, want)
			}
		})
	}
}

func TestTheOldestConnectionMakesRoomForANewOne(t *testing.T) {
	t.Parallel()
	r, _ := running(t, "127.0.0.1:0")
	var idle []net.Conn
	for range 3 * maxGuests {
		conn, err := net.Dial("tcp", at(r, "127.0.0.1").String())
		if err != nil {
			t.Fatal(err)
		}
		idle = append(idle, conn)
	}
	if _, err := probe.Exchange(t.Context(), at(r, "127.0.0.1"), question(1)); err != nil {
		t.Errorf("an exchange beside %d idle connections: %v", len(idle), err)
	}
	for _, conn := range idle {
		_ = conn.SetReadDeadline(time.Now().Add(20 * time.Second))
		if _, err := conn.Read(make([]byte, 1)); !errors.Is(err, syscall.ECONNRESET) {
			t.Fatalf("an idle connection ended with %v", err)
		}
		_ = conn.Close()
	}
}

func TestAnAgentThatEndsSaysSoToItsSessions(t *testing.T) {
	t.Parallel()
	r, err := Listen(t.Context(), Config{Address: "127.0.0.1:0", Boot: boot})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	done := make(chan error, 1)
	go func() { done <- r.Run(ctx) }()
	f := open(t, at(r, "127.0.0.1"))
	if a := ask(t, f, question(1), 0); a.Kind != datagram.Answer {
		t.Errorf("before: %+v", a)
	}
	cancel()
	leaving := 0
	for i := uint32(2); ; i++ {
		if err := f.Send(question(i), 0); err != nil {
			t.Fatal(err)
		}
		if err := f.SetReadDeadline(time.Now().Add(300 * time.Millisecond)); err != nil {
			t.Fatal(err)
		}
		a, err := f.Receive()
		if errors.Is(err, probe.ErrRefused) {
			break
		}
		if err == nil && a.Kind == datagram.Leaving && a.Boot == boot {
			leaving++
		} else if err != nil && !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Fatal(err)
		}
		time.Sleep(50 * time.Millisecond) // no faster than a session may ask, so that each is answered
	}
	if err := <-done; err != nil || leaving == 0 {
		t.Errorf("it said %d times that it leaves, %v", leaving, err)
	}
}

// Not beside others, which would be given the port that it leaves.
func TestWithoutASessionItEndsAtOnceAndLeavesItsPort(t *testing.T) {
	for range 5 {
		r, end := running(t, "0.0.0.0:0")
		_, _ = probe.Exchange(t.Context(), at(r, "127.0.0.1"), question(1))
		conn, err := net.Dial("tcp", at(r, "127.0.0.1").String()) // which hangs
		if err != nil {
			t.Fatal(err)
		}
		r.farewell = farewell
		begun := time.Now()
		end()
		if took := time.Since(begun); took >= farewell {
			t.Errorf("it took %v", took)
		}
		_ = conn.Close()
		again, err := Listen(t.Context(), Config{Address: fmt.Sprint("0.0.0.0:", r.Port()), Boot: boot})
		if err != nil {
			t.Error(err)
			continue
		}
		_ = again.Close()
	}
}

func TestWhyItCannotListenIsSaid(t *testing.T) {
	t.Parallel()
	r, _ := running(t, "0.0.0.0:0") // another agent of the same user
	udp, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = udp.Close() }()
	taken := udp.LocalAddr().(*net.UDPAddr).Port
	for address, want := range map[string]string{
		fmt.Sprint("0.0.0.0:", r.Port()): fmt.Sprintf("port %d is taken: address already in use", r.Port()),
		fmt.Sprint("[::]:", r.Port()):    fmt.Sprintf("port %d is taken: address already in use", r.Port()),
		fmt.Sprint("0.0.0.0:", taken):    fmt.Sprintf("port %d is taken: address already in use", taken),
		"192.0.2.1:8083":                 "can't listen at 192.0.2.1:8083: cannot assign requested address",
		"somewhere:8083":                 `"somewhere:8083" is no address to listen at; it should be IP:port, such as 0.0.0.0:8083`,
		"":                               `"" is no address to listen at; it should be IP:port, such as 0.0.0.0:8083`,
	} {
		if got, err := Listen(t.Context(), Config{Address: address, Boot: boot}); err == nil || err.Error() != want {
			t.Errorf("%q: %v\nwant %s", address, err, want)
			if got != nil {
				_ = got.Close()
			}
		}
	}
	// What was opened before the failure is closed.
	if l, err := net.ListenTCP("tcp4", &net.TCPAddr{Port: taken}); err != nil {
		t.Error(err)
	} else {
		_ = l.Close()
	}
}

func TestHeardTellsOfARealSession(t *testing.T) {
	t.Parallel()
	r, _ := running(t, "0.0.0.0:0")
	f := open(t, netip.AddrPortFrom(netip.IPv6Loopback(), r.Port()))
	q := question(1)
	q.More, q.Unanswered = 30, 4
	ask(t, f, q, 0)
	heard := r.Heard(time.Now())
	if len(heard) != 1 || heard[0].Peer != 5 || heard[0].ID != 7 || !heard[0].Six || heard[0].Received != 1 || heard[0].Unanswered != 4 {
		t.Errorf("heard %+v", heard)
	}
}
