package sender

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/netchecker/netchecker/test/eventually"
)

// listenWithBacklog is the address of a listener on loopback that nobody accepts
// from.
func listenWithBacklog(t *testing.T, backlog int) string {
	t.Helper()
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err == nil {
		t.Cleanup(func() { _ = unix.Close(fd) })
		err = unix.Bind(fd, &unix.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}})
	}
	if err == nil {
		err = unix.Listen(fd, backlog)
	}
	if err != nil {
		t.Fatal(err)
	}
	name, err := unix.Getsockname(fd)
	if err != nil {
		t.Fatal(err)
	}
	return fmt.Sprint("127.0.0.1:", name.(*unix.SockaddrInet4).Port)
}

func TestReportsLeaveNothingInTheTablesOfEitherEnd(t *testing.T) {
	for name, answer := range map[string]http.HandlerFunc{
		"an empty answer":                  func(http.ResponseWriter, *http.Request) {},
		"an answer with a reply":           func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, `{"news":{}}`) },
		"an answer in chunks":              func(w http.ResponseWriter, _ *http.Request) { w.(http.Flusher).Flush(); fmt.Fprint(w, `{"news":{}}`) },
		"a server that closes by itself":   func(w http.ResponseWriter, _ *http.Request) { w.Header().Set("Connection", "close") },
		"a server that wants to hear less": func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "no", http.StatusBadRequest) },
	} {
		t.Run(name, func(t *testing.T) {
			srv := serve(t, func(_ int, w http.ResponseWriter, r *http.Request) { answer(w, r) })
			left := func() []string {
				return socketsOf(t, srv.port(), "TIME_WAIT", "FIN_WAIT1", "FIN_WAIT2", "CLOSE_WAIT", "LAST_ACK")
			}
			before := left() // of whoever had that port
			s := running(t, to(t, srv))
			const n = 50
			for i := range n {
				s.Offer(numbered(uint64(i)), 1500)
				eventually.True(t, "it is there", func() bool { return len(srv.bodies()) == i+1 && s.empty() })
			}
			eventually.True(t, "the last has ended", func() bool { return len(socketsOf(t, srv.port(), "ESTABLISHED")) == 0 })
			if sockets := slices.DeleteFunc(left(), func(s string) bool { return slices.Contains(before, s) }); len(sockets) != 0 {
				t.Errorf("after %d reports: %q", n, sockets)
			}
		})
	}
}

// tcpStates are those of /proc/net/tcp (include/net/tcp_states.h).
var tcpStates = map[string]string{
	"ESTABLISHED": "01", "FIN_WAIT1": "04", "FIN_WAIT2": "05", "TIME_WAIT": "06", "CLOSE_WAIT": "08", "LAST_ACK": "09",
}

// socketsOf are the sockets with that port at either end in one of the states, as
// the kernel lists them.
func socketsOf(t *testing.T, port string, states ...string) []string {
	t.Helper()
	var n int
	if _, err := fmt.Sscan(port, &n); err != nil {
		t.Fatal(err)
	}
	table, err := os.Open("/proc/net/tcp")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = table.Close() }()
	var found []string
	for lines := bufio.NewScanner(table); lines.Scan(); {
		fields := strings.Fields(lines.Text())
		if suffix := fmt.Sprintf(":%04X", n); !strings.HasSuffix(fields[1], suffix) && !strings.HasSuffix(fields[2], suffix) {
			continue
		}
		for _, state := range states {
			if fields[3] == tcpStates[state] {
				found = append(found, state+" "+fields[1]+" "+fields[2])
			}
		}
	}
	return found
}

// A reset throws away what the other end has not read yet, so it must come after
// the whole answer, however slowly that arrives.
func TestTheResetComesAfterTheWholeAnswer(t *testing.T) {
	l := listen(t, "127.0.0.1:0")
	defer func() { _ = l.Close() }()
	ended := make(chan string, 1)
	go func() {
		conn, err := l.Accept()
		if err == nil {
			defer func() { _ = conn.Close() }()
			err = answerByBytes(conn)
		}
		ended <- err.Error()
	}()
	topic := &topic{}
	s := running(t, Config{Server: newServer(t, l.Addr().String(), nil), URL: "http://" + l.Addr().String(), Subscribers: Subscribers{"peers": topic}})
	s.Offer(numbered(1), 0)
	eventually.True(t, "ready", func() bool { return readiness(s) == "" })
	if got := <-ended; !strings.HasPrefix(got, "after the answer: ") || !strings.Contains(got, syscall.ECONNRESET.Error()) {
		t.Errorf("the server saw %q, want a reset after the answer", got)
	}
	if got := topic.Version(); got != "v1" {
		t.Errorf("the reply that arrived is %q", got)
	}
}

// answerByBytes answers a request one byte after the other, and returns why the
// connection ended then.
func answerByBytes(conn net.Conn) error {
	req, err := http.ReadRequest(bufio.NewReader(conn))
	if err == nil {
		_, err = io.Copy(io.Discard, req.Body)
	}
	if err != nil {
		return fmt.Errorf("before the answer: %w", err)
	}
	const reply = `{"news":{"peers":{"version":"v1","data":1}}}`
	for _, b := range fmt.Appendf(nil, "HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s", len(reply), reply) {
		time.Sleep(time.Millisecond)
		if _, err := conn.Write([]byte{b}); err != nil {
			return fmt.Errorf("in the middle of the answer: %w", err)
		}
	}
	_, err = conn.Read(make([]byte, 1))
	return fmt.Errorf("after the answer: %w", err)
}
