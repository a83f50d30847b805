package system_test

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/netchecker/netchecker/test/eventually"
	"github.com/netchecker/netchecker/test/process"
)

func TestAPortInUseIsAClearErrorAndTheEnd(t *testing.T) {
	sideBySide(t)
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	args := append(append(expecting(t, agent{name: "a"}), ownEtcd(t)...), "-endpoint", taken.Addr().String())
	o := runToEnd(t, serverProgram, args...)
	want := fmt.Sprintf("netchecker-server: API: cannot listen on %s: address already in use; stop what listens there (ss -ltnp shows it), or choose another address with -endpoint", taken.Addr())
	if line := lastLine(o.stderr); o.exit != 1 || line != want {
		t.Errorf("exit status %d and %q\nwant 1 and %q", o.exit, line, want)
	}
}

func TestSIGTERMEndsTheServerAfterTheReportThatIsOnItsWay(t *testing.T) {
	sideBySide(t)
	for name, etcd := range map[string]func() flags{
		"with an etcd of its own": func() flags { return ownEtcd(t) },
		"with an etcd elsewhere":  func() flags { return in(startEtcd(t)) },
	} {
		t.Run(name, func(t *testing.T) {
			a := agent{name: "a"}
			s := serve(t, etcd(), expecting(t, a)).ready()
			conn, finish := begin(t, s, a.report(1))
			if err := s.process.Signal(syscall.SIGTERM); err != nil {
				t.Fatal(err)
			}
			began := time.Now()
			eventually.Nil(t, func() error {
				other, err := net.Dial("tcp", strings.TrimPrefix(s.url, "http://"))
				if err != nil {
					return nil
				}
				defer other.Close()
				return fmt.Errorf("it takes new connections after SIGTERM")
			})
			finish()
			response, err := http.ReadResponse(bufio.NewReader(conn), nil)
			if err != nil {
				t.Fatalf("the report that was on its way was not answered: %v", err)
			}
			defer response.Body.Close()
			if response.StatusCode != http.StatusOK {
				t.Errorf("the report that was on its way was answered %s", response.Status)
			}
			select {
			case <-s.process.Ended():
			case <-time.After(stopWithin):
				t.Fatal("the server has not ended")
			}
			if took := time.Since(began); took > 10*time.Second || s.process.Err() != nil {
				t.Errorf("it ended after %v, with %v; want within seconds, and status 0", took, s.process.Err())
			}
		})
	}
}

// begin sends half of a report, so that the server has begun to read it; finish
// sends the rest.
func begin(t *testing.T, s *server, r request) (conn net.Conn, finish func()) {
	t.Helper()
	conn, err := net.Dial("tcp", strings.TrimPrefix(s.url, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	if err := conn.SetDeadline(time.Now().Add(patience)); err != nil {
		t.Fatal(err)
	}
	write := func(text string) {
		t.Helper()
		if _, err := io.WriteString(conn, text); err != nil {
			t.Fatal(err)
		}
	}
	half := len(r.body) / 2
	// The server says that it reads the body by asking for it.
	write(fmt.Sprintf("POST %s HTTP/1.1\r\nHost: netchecker\r\nContent-Type: application/json\r\nExpect: 100-continue\r\nContent-Length: %d\r\n\r\n", r.path, len(r.body)))
	const ask = "HTTP/1.1 100 Continue\r\n\r\n"
	answer := make([]byte, len(ask))
	if _, err := io.ReadFull(conn, answer); err != nil || string(answer) != ask {
		t.Fatalf("the server does not ask for the body: %q, %v", answer, err)
	}
	write(r.body[:half])
	return conn, func() { write(r.body[half:]) }
}

func TestWithoutAHomeOrAnythingToWriteInItsPlaceAPlaceIsFound(t *testing.T) {
	sideBySide(t)
	// Not the test's own folder, into which nobody else may look.
	dir, err := os.MkdirTemp("", "netchecker-nobody")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := os.RemoveAll(dir); err != nil {
			t.Error(err)
		}
	})
	a := agent{name: "a"}
	agents, writable := filepath.Join(dir, "agents.yaml"), filepath.Join(dir, "tmp")
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	must(os.WriteFile(agents, []byte("agents: [{name: a, node: n1}]"), 0o644))
	must(os.Mkdir(writable, 0o755))
	spec := process.Spec{Dir: "/proc", Env: flags{"HOME=/nonexistent", "XDG_STATE_HOME=", "TMPDIR=" + writable}}
	if os.Geteuid() == 0 {
		const nobody = 1000
		spec.As = &syscall.Credential{Uid: nobody, Gid: nobody}
		must(os.Chown(writable, nobody, nobody))
		must(os.Chmod(dir, 0o755))
	}
	s := serveAs(t, spec, flags{"-agents-file", agents}).ready()
	s.takes(a.report(1))
	s.becomes(checkPath, 200, allWell(1))
	if made, err := filepath.Glob(filepath.Join(writable, "netchecker*")); err != nil || len(made) != 1 {
		t.Errorf("its etcd is not in the temporary directory, which has %v, %v", made, err)
	}
}
