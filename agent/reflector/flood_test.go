package reflector

import (
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/netchecker/netchecker/agent/probe"
	"github.com/netchecker/netchecker/pkg/datagram"
)

// floods tells this program by the environment to flood an address, and floodLasts for
// how long it does. It is a process of its own, so that what the flood costs is not taken
// for what the reflector does.
const (
	floods     = "FLOOD"
	floodLasts = time.Second
)

// flooded counts what left the flood's own sockets, and what came there.
type flooded struct{ PacketsIn, BytesIn, PacketsOut, BytesOut, Connections int }

// flood sends all sorts of packets from many addresses and ports as fast as it can, and
// makes connections.
func flood(to string) {
	var sum flooded
	var mu sync.Mutex
	var all sync.WaitGroup
	end := time.Now().Add(floodLasts)
	for i, packet := range []func(n uint32) []byte{
		func(uint32) []byte { return []byte("garbage") },
		func(uint32) []byte { return make([]byte, 1400) },
		func(n uint32) []byte { return wrong(n, 48) },
		func(n uint32) []byte { return wrong(n, 1400) },
		func(n uint32) []byte { d := question(n); d.Kind = datagram.Answer; return datagram.Append(nil, d, 0) },
	} {
		for j := range 4 {
			all.Go(func() {
				source := "::1"
				if !strings.HasPrefix(to, "[") {
					source = fmt.Sprintf("127.0.%d.%d", i+1, j+1)
				}
				one := floodFrom(source, to, end, packet)
				mu.Lock()
				defer mu.Unlock()
				sum.PacketsIn += one.PacketsIn
				sum.BytesIn += one.BytesIn
				sum.PacketsOut += one.PacketsOut
				sum.BytesOut += one.BytesOut
			})
		}
	}
	all.Go(func() {
		for time.Now().Before(end) {
			if conn, err := net.Dial("tcp", to); err == nil {
				_ = conn.(*net.TCPConn).SetLinger(0)
				_ = conn.Close()
				mu.Lock()
				sum.Connections++
				mu.Unlock()
			}
		}
	})
	all.Wait()
	_ = json.NewEncoder(os.Stdout).Encode(sum)
}

func wrong(n uint32, size int) []byte {
	d := question(n)
	d.Boot, d.Session, d.Reply = uint64(n)*0x9e3779b97f4a7c15, n, uint16(size)
	return datagram.Append(nil, d, size)
}

func floodFrom(source, to string, end time.Time, packet func(uint32) []byte) (sum flooded) {
	dialer := net.Dialer{LocalAddr: &net.UDPAddr{IP: net.ParseIP(source)}}
	conn, err := dialer.Dial("udp", to)
	if err != nil {
		panic(err)
	}
	defer func() { _ = conn.Close() }()
	var reading sync.WaitGroup
	reading.Go(func() {
		var buf [1 << 16]byte
		for {
			n, err := conn.Read(buf[:])
			if err != nil {
				return
			}
			sum.PacketsOut++
			sum.BytesOut += n
		}
	})
	packets, bytes := 0, 0
	for n := uint32(0); time.Now().Before(end); n++ {
		data := packet(n)
		if _, err := conn.Write(data); err == nil {
			packets++
			bytes += len(data)
		}
	}
	_ = conn.SetReadDeadline(time.Now().Add(200 * time.Millisecond)) // for what is under way
	reading.Wait()
	sum.PacketsIn, sum.BytesIn = packets, bytes
	return sum
}

func TestAFloodGetsLessThanItGivesAndHarmsNoSession(t *testing.T) {
	for _, address := range families {
		t.Run(address, func(t *testing.T) { harmless(t, address) })
	}
}

func harmless(t *testing.T, address string) {
	t.Helper()
	r, _ := running(t, net.JoinHostPort(address, "0"))
	to := at(r, address)
	path, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), path)
	cmd.Env = append(os.Environ(), floods+"="+to.String())
	cmd.Stderr = os.Stderr
	before, began := cpu(t), time.Now()
	var sum flooded
	done := make(chan error, 1)
	go func() {
		out, err := cmd.Output()
		done <- errors.Join(err, json.Unmarshal(out, &sum))
	}()
	harm := &harm{}
	var sessions sync.WaitGroup
	ended := make(chan struct{})
	for i := range uint32(8) {
		sessions.Go(func() { harm.add(session8(to, i+1, ended)) })
	}
	err = <-done
	close(ended)
	sessions.Wait()
	if err != nil {
		t.Fatal(err)
	}
	spent, lasted := cpu(t)-before, time.Since(began)
	if harm.asked == 0 || harm.lost != 0 || harm.exchanged == 0 || harm.failed != nil {
		t.Errorf("of %d questions %d were lost; after %d exchanges: %v", harm.asked, harm.lost, harm.exchanged, harm.failed)
	}
	if sum.PacketsIn < 1000 || sum.PacketsOut == 0 || float64(sum.PacketsOut) > notMeRate*(lasted.Seconds()+1) || sum.BytesOut != sum.PacketsOut*datagram.Size {
		t.Errorf("%+v; want at most %d answers a second of %d bytes", sum, notMeRate, datagram.Size)
	}
	// It takes 2% of a core, and 4% with the race detector.
	if most := lasted / 4; spent > most {
		t.Errorf("the reflector and 8 sessions took %v of CPU in %v", spent, lasted)
	}
	t.Logf("%+v; the reflector and 8 sessions took %v of CPU in %v; %d questions, %d exchanges", sum, spent, lasted, harm.asked, harm.exchanged)
}

// harm is what a flood does to sessions.
type harm struct {
	mu                     sync.Mutex
	asked, lost, exchanged int
	failed                 error
}

func (h *harm) add(asked, lost, exchanged int, failed error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.asked, h.lost, h.exchanged, h.failed = h.asked+asked, h.lost+lost, h.exchanged+exchanged, errors.Join(h.failed, failed)
}

// session8 asks 8 times a second over UDP, and now and then over TCP, until it is ended.
func session8(to netip.AddrPort, id uint32, end <-chan struct{}) (asked, lost, exchanged int, failed error) {
	f, err := probe.OpenFlow(to, probe.FlowOptions{})
	if err != nil {
		return 0, 0, 0, err
	}
	defer func() { _ = f.Close() }()
	for n := uint32(1); ; n++ {
		select {
		case <-end:
			return asked, lost, exchanged, failed
		case <-time.After(time.Second / 8):
		}
		q := question(n)
		q.Session = id
		asked++
		if err := f.Send(q, 0); err != nil {
			return asked, lost, exchanged, err
		}
		_ = f.SetReadDeadline(time.Now().Add(20 * time.Second))
		if a, err := f.Receive(); err != nil || a.Sequence != n || a.Received != n || a.Kind != datagram.Answer {
			lost++
		}
		if n%4 == 0 {
			e, err := exchangeWithin(to, q, 20*time.Second)
			if exchanged++; err != nil || e.Answer.Kind != datagram.Answer {
				failed = errors.Join(failed, fmt.Errorf("%+v: %w", e, err))
			}
		}
	}
}

// cpu is what this process has taken so far.
func cpu(t *testing.T) time.Duration {
	t.Helper()
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		t.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
