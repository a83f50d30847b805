package main

import (
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

func TestSocketsInTimeWaitAreToldByTheirEnd(t *testing.T) {
	table := []byte(`  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 0100007F:1F91 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 57130 1 0000000000000000 100 0 0 10 0
   1: 0100007F:1F91 0504037F:8874 06 00000000:00000000 03:0000176E 00000000     0        0 0 3 0000000000000000
   2: 0100007F:1F91 0504037F:8875 01 00000000:00000000 00:00000000 00000000     0        0 57131 1 0000000000000000 20 4 30 10 -1
   3: 0504037F:8876 0100007F:1F91 06 00000000:00000000 03:0000176E 00000000     0        0 0 3 0000000000000000
   4: 00000000000000000000000001000000:8877 00000000000000000000000001000000:1F91 06 00000000:00000000 03:0000176E 00000000     0        0 0 3 0000000000000000
   5: 0504037F:8878 0100007F:1F92 06 00000000:00000000 03:0000176E 00000000     0        0 0 3 0000000000000000
`)
	if local, remote := countWaiting(table, 8081); local != 1 || remote != 2 {
		t.Errorf("%d at the server and %d at its clients, want 1 and 2", local, remote)
	}
}

func TestEachAgentHasALoopbackAddressOfItsOwn(t *testing.T) {
	seen := map[[4]byte]bool{}
	for i := range 100_000 {
		a := [4]byte(addressOf(i).IP.To4())
		if a[0] != 127 || a == [4]byte{127, 0, 0, 1} || seen[a] {
			t.Fatalf("agent %d has %v", i, a)
		}
		seen[a] = true
	}
}

// endOf is how a server sees a connection of c end, after an answer.
func endOf(t *testing.T, c *conn, request []byte, answer string) (from net.Addr, end error) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	ended := make(chan error, 1)
	go func() {
		made, err := l.Accept()
		if err != nil {
			ended <- err
			return
		}
		defer made.Close()
		from = made.RemoteAddr()
		if _, err = io.ReadFull(made, make([]byte, len(request))); err == nil {
			_, err = io.WriteString(made, answer)
		}
		if err == nil {
			err = made.SetReadDeadline(time.Now().Add(10 * time.Second))
		}
		if err == nil {
			_, err = made.Read(make([]byte, 1))
		}
		ended <- err
	}()
	c.addr = l.Addr().String()
	if status, _, err := c.do(request); status != http.StatusOK || err != nil {
		t.Errorf("got %d, %v", status, err)
	}
	return from, <-ended
}

func TestConnectionsEndAsTheyAreTo(t *testing.T) {
	const kept, last = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", "HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
	for _, row := range []struct {
		name, answer string
		reset        bool
		want         error
	}{
		{"by RST", kept, true, syscall.ECONNRESET},
		{"by RST, where the server ends it too", last, true, syscall.ECONNRESET},
		{"by FIN", last, false, io.EOF},
	} {
		t.Run(row.name, func(t *testing.T) {
			c := newConn("")
			defer c.close()
			c.from, c.reset = addressOf(7), row.reset
			from, end := endOf(t, c, get("x", "/"), row.answer)
			if !errors.Is(end, row.want) {
				t.Errorf("the server saw %v, want %v", end, row.want)
			}
			if host, _, _ := net.SplitHostPort(from.String()); host != "127.1.0.7" {
				t.Errorf("the connection came from %v", from)
			}
		})
	}
}

func TestHeaderLinesAreAddedToARequest(t *testing.T) {
	request := string(encode(crew(1), "x:1", 15, "Connection: close").appendTo(nil, 0))
	if head, _, _ := strings.Cut(request, "\r\n\r\n"); !strings.HasSuffix(head, "\r\nAccept-Encoding: gzip\r\nConnection: close") {
		t.Errorf("the request begins with %q", head)
	}
}

// reporter serves the metrics of an agent whose report was accepted then.
func reporter(t *testing.T, accepted func() time.Time) (addr string) {
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprintf(w, "netchecker_agent_report_last_success_timestamp_seconds %.3f\n", float64(accepted().UnixMilli())/1000)
	}))
	t.Cleanup(srv.Close)
	return strings.TrimPrefix(srv.URL, "http://")
}

func TestACrowdIsBackWithItsLastAgent(t *testing.T) {
	ending := time.Now().Truncate(time.Millisecond).Add(-10 * time.Second)
	ended := ending.Add(time.Second)
	var asked atomic.Int32
	first := reporter(t, func() time.Time { return ending.Add(500 * time.Millisecond) })
	last := reporter(t, func() time.Time {
		if asked.Add(1) == 1 {
			return ending.Add(-time.Millisecond)
		}
		return ended.Add(4 * time.Second)
	})
	c := &crowd{addrs: []string{last, first}}
	if back, err := c.back(t.Context(), ending, ended, time.Minute); back != 4*time.Second || err != nil {
		t.Errorf("back after %v, %v; want 4s", back, err)
	}
	never := &crowd{addrs: []string{first, reporter(t, func() time.Time { return time.UnixMilli(0) })}}
	if _, err := never.back(t.Context(), ending, time.Now(), 500*time.Millisecond); err == nil || err.Error() != "1 of 2 agents are not back after 500ms" {
		t.Errorf("got %v", err)
	}
}

func TestSocketsAreCountedByProcess(t *testing.T) {
	before, err := openSockets(os.Getpid())
	if err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	if now, err := openSockets(os.Getpid()); now != before+1 || err != nil {
		t.Errorf("%d sockets after %d and one more, %v", now, before, err)
	}
}

func TestNoNetworkIsChangedThatOthersUse(t *testing.T) {
	err := connectApart(t.Context(), options{dir: t.TempDir(), ending: byRST}, io.Discard, io.Discard)
	const want = "-child apart changes its network, so it should be started in a new network namespace; lo is up in this one"
	if err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
}
