package serve

import (
	"errors"
	"fmt"
	"net"
	"syscall"
	"testing"
)

func TestAPortInUseIsToldWithWhatToDo(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	addr := taken.Addr().String()

	for flag, want := range map[string]string{
		"-endpoint": "API: cannot listen on %s: address already in use; stop what listens there (ss -ltnp shows it), or choose another address with -endpoint",
		"":          "API: cannot listen on %s: address already in use; stop what listens there (ss -ltnp shows it), or choose another address",
	} {
		err := New(Config{Name: "API", Addr: addr, Flag: flag, Handler: ok}).Run(t.Context())
		if err == nil || err.Error() != fmt.Sprintf(want, addr) {
			t.Errorf("got %v, want "+want, err, addr)
		}
		if !errors.Is(err, syscall.EADDRINUSE) {
			t.Errorf("%v does not wrap EADDRINUSE", err)
		}
	}
}

func TestListenErrorsSayWhatToDo(t *testing.T) {
	bind := func(errno syscall.Errno) error { return &net.OpError{Op: "listen", Err: errno} }
	for _, row := range []struct {
		err  error
		want string
	}{
		{bind(syscall.EACCES), "API: cannot listen on 10.0.0.9:81: permission denied; ports below 1024 need a privilege; choose another address with -listen"},
		{bind(syscall.EADDRNOTAVAIL), "API: cannot listen on 10.0.0.9:81: cannot assign requested address; no interface of this machine has it; choose another address with -listen"},
		{bind(syscall.EMFILE), "API: cannot listen on 10.0.0.9:81: too many open files; choose another address with -listen"},
	} {
		got := listenError(Config{Name: "API", Addr: "10.0.0.9:81", Flag: "-listen"}, row.err)
		if got.Error() != row.want {
			t.Errorf("got  %v\nwant %s", got, row.want)
		}
	}
}

func TestAnAddressThatIsNoneIsRefused(t *testing.T) {
	err := New(Config{Name: "API", Addr: "8081", Flag: "-endpoint", Handler: ok}).Listen()
	want := `API: cannot listen on "8081": listen tcp: address 8081: missing port in address; give host:port, or another address with -endpoint`
	if err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
}

func TestEverywhereIsBothFamilies(t *testing.T) {
	for _, addr := range []string{"0.0.0.0:0", ":0", "[::]:0"} {
		s := start(t, Config{Name: "API", Addr: addr, Handler: ok})
		_, port, err := net.SplitHostPort(s.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		for host, has := range map[string]bool{"127.0.0.1": true, "::1": machineHasIPv6()} {
			if !has {
				continue
			}
			if got := ask(t, dial(t, net.JoinHostPort(host, port))); got != "200 OK" {
				t.Errorf("%s, asked at %s: got %s", addr, host, got)
			}
		}
	}
}

func machineHasIPv6() bool {
	l, err := net.Listen("tcp6", "[::1]:0")
	if err != nil {
		return false
	}
	l.Close()
	return true
}

func TestOneAddressIsNotEverywhere(t *testing.T) {
	for addr, want := range map[string]string{
		"127.0.0.1:8081": "127.0.0.1:8081",
		"[::1]:8081":     "[::1]:8081",
		"localhost:8081": "localhost:8081",
		"0.0.0.0:8081":   ":8081",
		"[::]:8081":      ":8081",
		":8081":          ":8081",
		"8081":           "8081",
	} {
		if got := bindAddress(addr); got != want {
			t.Errorf("bindAddress(%q) = %q, want %q", addr, got, want)
		}
	}
}
